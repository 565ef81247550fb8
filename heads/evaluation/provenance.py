"""What is behind a head's numbers, in words: where it came from, what was not tested, and whether
its probabilities were calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.heads.evaluation.intervals import interval_text, score_text
from headstart.registry.entities import Head

TUNED = "finetuned"
"""Kind of the heads that fine-tuning made."""
NAMED = 5
"""Classes that are named; of more, how many there are."""
MAIN_SCORES = ("accuracy", "exact", "r2", "mean_absolute_error")
"""The first that a head has is the one that is told in a line."""
WORDS = {"macro_f1": "macro F1", "micro_f1": "micro F1", "r2": "R2", "exact": "all labels right"}


def words_of(name: str) -> str:
    """What people call a score."""
    return WORDS.get(name, name.replace("_", " "))


def lineage_text(settings: Mapping[str, Any]) -> str:
    """What a fine-tuned head came from; empty for others."""
    if "parent" not in settings:
        return ""
    line = (
        f"fine-tuned from {settings['from']} up to {settings['head_cut']}, out of "
        f"{settings['parent']} ({settings['parent_kind']})"
    )
    if not settings["best_epoch"]:
        return f"{line}; no epoch was better than the start, which this is"
    return f"{line}, epoch {settings['best_epoch']}; judged on {settings['judged_on']}"


def untested_text(metrics: Mapping[str, Any]) -> str:
    """Which classes have no test sample, and what that means; empty where each has one."""
    classes = metrics.get("untested", [])
    if not classes:
        return ""
    named = ", ".join(repr(label) for label in classes[:NAMED])
    more = f" and {len(classes) - NAMED:,} others" if len(classes) > NAMED else ""
    have = "has" if len(classes) == 1 else "have"
    return (
        f"{named}{more} {have} no test sample: nothing is known of {_it(classes)}, and the macro "
        "averages are over the others"
    )


def _it(classes: list[Any]) -> str:
    return "it" if len(classes) == 1 else "them"


def calibration_text(record: Head) -> str:
    """On what a head's probabilities were calibrated."""
    settings, metrics = record.settings, record.metrics
    if not record.classes:
        return "none: it says numbers"
    if "temperature" not in settings:
        return "not calibrated"
    if metrics["n_validation"]:
        return f"calibrated on {metrics['n_validation']:,} validation samples"
    return f"calibrated on the {metrics['n_train']:,} training samples, having no validation split"


def scored_text(record: Head) -> str:
    """A head's main score with its interval, and on how many samples."""
    metrics = record.metrics
    name = next((one for one in MAIN_SCORES if one in metrics), None)
    told = "no score"
    if name is not None:
        value, interval = score_text(name, metrics[name]), interval_text(metrics, name)
        told = f"{words_of(name)} {value} (95 %: {interval})"
    return f"{told} on {metrics['n_test']:,} held-out samples"


def trust_text(record: Head) -> str:
    """How far what a head says can be believed, in a line."""
    line = f"{record.name}:{record.version}: {scored_text(record)}"
    return f"{line}; probabilities: {calibration_text(record)}" if record.classes else line
