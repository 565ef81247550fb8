"""What is behind a head's numbers, in words: where it came from, what was not tested, and whether
its probabilities were calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.errors import HeadError
from headstart.heads.evaluation.clusters import FEW as FEW_GROUPS
from headstart.heads.evaluation.intervals import groups_text, interval_of, interval_text, score_text
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.mlp import MLP
from headstart.heads.kinds.of_names.tip_adapter import TipAdapter
from headstart.heads.kinds.of_names.zero_shot import ZeroShot
from headstart.registry.entities import Head
from headstart.values.showable import brief

TUNED = "finetuned"
"""Kind of the heads that fine-tuning made."""
NAMED = 5
"""Classes that are named; of more, how many there are."""
MAIN_SCORES = (
    *("accuracy", "exact", "poisson_deviance", "pinball_loss"),
    *("r2", "mean_absolute_error"),
)
"""The first that a head has is the one that is told in a line."""
SURE = 0.99
"""Probability from which a head is sure."""
RARE = 0.05
"""Chance below which being sure of all samples is taken to be none."""
UNSURE = "0.9 may be right less often than nine times in ten"
"""What a probability is that was not calibrated."""
WORDS = {
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "r2": "R2",
    "share_below": "share below the prediction",
    "poisson_deviance": "Poisson deviance",
    "exact": "all labels right",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "ECE",
    "ece_debiased": "ECE, debiased",
}
ORDER = (
    "exact",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "micro_f1",
    "auroc",
    "auprc",
    "mean_average_precision",
    "log_loss",
    "brier",
    "ece",
    "ece_debiased",
)
"""In which scores are told, where a head has them; others stand before, as they come."""
OF_PROBABILITIES = ("log_loss", "brier", "ece", "ece_debiased")
"""Scores that say what probabilities are worth."""
AS_FREQUENT = "probabilities take all classes for equally frequent (--balanced)"
"""What the probabilities of a balanced head are."""


def words_of(name: str) -> str:
    """What people call a score."""
    return WORDS.get(name, name.replace("_", " "))


def scores_in(metrics: Mapping[str, Any]) -> list[str]:
    """The names of the scores that a head has, in the order in which they are told."""
    place = {name: number for number, name in enumerate(ORDER)}
    names = [name for name, value in metrics.items() if isinstance(value, float)]
    return sorted(names, key=lambda name: place.get(name, -1))


def balanced_text(record: Head) -> str:
    """That a head's probabilities are of classes that are equally frequent, as they counted alike
    in its training; empty where they did not."""
    return AS_FREQUENT if record.settings.get("balanced") else ""


UNSCORED = "no sample: there were no labels, and how often it is right is not known"
"""On how many samples the scores of a head of class names alone are."""
IMPORTED = "imported"
"""Among the versions of a head: from which workspace it came, by whom and when."""


def lineage_text(record: Head) -> str:
    """What a fine-tuned head came from; empty for others."""
    settings = record.settings
    if record.kind != TUNED:
        return ""
    line = (
        f"fine-tuned from {settings['from']} up to {settings['head_cut']}, out of "
        f"{settings['parent']} ({settings['parent_kind']})"
    )
    if not settings["best_epoch"]:
        return f"{line}; no epoch was better than the start, which this is"
    return f"{line}, epoch {settings['best_epoch']}; judged on {chosen_text(record)}"


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


def held_out_text(metrics: Mapping[str, Any]) -> str:
    """On how many samples, or groups of them, the scores are."""
    if not metrics["n_test"]:
        return UNSCORED
    return f"{metrics['n_test']:,} samples{groups_text(metrics)}, which the scores are measured on"


OTHER_COUNTS = ("n_train", "n_validation")


def need_scores(record: Head) -> None:
    """See that a head was tested.

    Raises:
        HeadError: there were no labels to test it by.
    """
    if not record.metrics["n_test"]:
        where = " to test it by" if any(record.metrics[one] for one in OTHER_COUNTS) else ""
        raise HeadError(
            f"head {record.name!r} is of class names alone, and dataset {record.dataset!r} had no "
            f"labels{where}: nothing is known of how often it is right",
            hint=f"`headstart head evaluate {record.name} DATASET` tells it on labelled samples.",
        )


def few_groups_text(metrics: Mapping[str, Any]) -> str:
    """What intervals of so few groups are worth; empty where there are enough, or none."""
    count = metrics.get("groups", FEW_GROUPS)
    if count >= FEW_GROUPS:
        return ""
    return (
        f"intervals of{groups_text(metrics)[3:]} say little: how much groups differ is hardly known"
    )


def few_text(metrics: Mapping[str, Any]) -> str:
    """Which classes were trained on few samples, and on how many; empty where none was."""
    few = metrics.get("few", [])
    if not few:
        return ""
    named = ", ".join(f"{label!r} ({count})" for label, count in few[:NAMED])
    more = f" and {len(few) - NAMED:,} others" if len(few) > NAMED else ""
    have = "has" if len(few) == 1 else "have"
    return (
        f"{named}{more} {have} few samples to train on: what is said of {_it(few)} is little sure"
    )


def _it(classes: list[Any]) -> str:
    return "it" if len(classes) == 1 else "them"


def calibration_text(record: Head) -> str:
    """On what a head's probabilities were calibrated, or what it means that they were not; and that
    those of a balanced head are of other classes than the data's."""
    return "; ".join(filter(None, (_calibrated_text(record), balanced_text(record))))


def _calibrated_text(record: Head) -> str:
    settings = record.settings
    if not record.classes:
        return "none: it gives numbers"
    if record.kind in (ZeroShot.kind, TipAdapter.kind):
        return _scaled_text(record)
    temperature, judged = settings.get("temperature"), settings.get("judged_on")
    if _is_calibrated_kind(record) and judged == {"train": 0, "validation": 0}:
        return f"not calibrated: no sample could be left out of its training to ask; {UNSURE}"
    if record.kind == "ensemble":
        return "not calibrated as one: the mean of members that are each as heads of their kind"
    if record.kind == "bagged":
        return "not calibrated as one: the mean of heads that are each as those of their kind"
    if temperature is None:
        return f"not calibrated: as the fit gave them; {UNSURE}"
    if judged is None:
        return f"calibrated; on which samples {_untold(record)}"
    each = ", label by label," if isinstance(temperature, list) else ""
    return f"calibrated{each} on {_judges(judged, record)}"


def _scaled_text(record: Head) -> str:
    """On what the scale of cosines was chosen, which is all that a head of class names has of a
    calibration."""
    judged = record.settings["judged_on"]
    if record.settings.get("logit_scale") is not None:
        return f"not calibrated: the logit scale is as given; {UNSURE}"
    if not any(judged.values()):
        lacking = "labelled sample" if _is_of_names(record) else "sample but those carried along"
        return f"not calibrated: there was no {lacking} to choose a logit scale by; {UNSURE}"
    return f"calibrated by the logit scale on {_judges(judged, record)}"


def _is_calibrated_kind(record: Head) -> bool:
    """Whether such heads have a temperature wherever a sample can be asked."""
    task = record.settings.get("task", "classification")
    is_asked = record.kind == MLP.kind and task == "classification"
    return is_asked or "temperature" in record.settings


def chosen_text(record: Head) -> str:
    """Which rows chose the settings of a head and calibrated it."""
    judged = record.settings.get("judged_on")
    return _untold(record).removeprefix("was ") if judged is None else _judges(judged, record)


def _untold(record: Head) -> str:
    """Why nothing is stored of which rows judged a head: ours say it, but for those of before there
    was something to say; of those of packages, settings had not what was given apart then."""
    is_silent = record.kind not in KINDS.ours and "given" in record.settings
    return "its kind does not say" if is_silent else "was not recorded then"


def _judges(judged: Any, record: Head) -> str:
    """How many rows judged; what else a kind of a package says of them, as it is."""
    if not isinstance(judged, Mapping) or not _are_counts(judged):
        return judged if isinstance(judged, str) else brief(judged)
    parts = [f"{judged['validation']:,} validation samples"] if judged["validation"] else []
    if judged["train"]:
        how = "" if _is_of_names(record) else ", each judged by a fit without it"
        parts.append(f"{judged['train']:,} training rows{how}")
    return " and ".join(parts) or "no sample: its settings are as given"


def _are_counts(judged: Mapping[str, Any]) -> bool:
    return all(isinstance(judged.get(split), int) for split in ("train", "validation"))


def _is_of_names(record: Head) -> bool:
    """Whether a head's weights are of the names of classes, and nothing was fitted."""
    return record.kind == ZeroShot.kind


def fitted_text(record: Head) -> str:
    """The samples whose labels a head's weights were fitted to."""
    if _is_of_names(record):
        return "no sample: its weights are of the class names"
    metrics, views = record.metrics, record.settings.get("views", 0)
    more = f" (with {views} augmented views of each)" if views else ""
    both = f" and {metrics['n_validation']:,} validation" if _is_refitted(record) else ""
    return f"{metrics['n_train']:,} train{more}{both} samples"


def _is_refitted(record: Head) -> bool:
    """Whether it was fitted again with the validation split, once its setting was chosen."""
    is_ordinal = record.settings.get("task") == "ordinal"
    members = record.settings.get("members", ()) if record.kind == "ensemble" else ()
    if Linear.kind in [one["kind"] for one in members]:
        return bool(record.metrics["n_validation"])
    kind = record.settings["of"] if record.kind == "bagged" else record.kind
    return kind == Linear.kind and not is_ordinal and bool(record.metrics["n_validation"])


def scored_text(record: Head) -> str:
    """A head's main score with its interval, and on how many samples, or groups of them."""
    metrics = record.metrics
    name = next((one for one in MAIN_SCORES if one in metrics), None)
    if not metrics["n_test"]:
        return "no score: there was no labelled sample to test it on"
    told = "no score"
    if name is not None:
        value, interval = score_text(name, metrics[name]), interval_text(metrics, name)
        told = f"{words_of(name)} {value} (95 %: {interval})"
    return f"{told} on {metrics['n_test']:,} held-out samples{groups_text(metrics)}"


def overconfident_text(record: Head, probabilities: Sequence[float]) -> str:
    """That a head is sure of all of some samples though it was right on fewer held-out ones; else
    empty. A calibrated head that is right on a share q is sure of q / `SURE` at most (Markov), so
    that of n samples like those it is sure of all by chance of (q / `SURE`)^n: one sample proves
    nothing of a head that is right on more than a twentieth.

    Args:
        record: of the head.
        probabilities: that it gives to what it says of each sample.
    """
    interval = interval_of(record.metrics, "accuracy")
    if interval is None or not probabilities or not min(probabilities) >= SURE:
        return ""
    if (min(interval[1], SURE) / SURE) ** len(probabilities) >= RARE:
        return ""
    right = score_text("accuracy", record.metrics["accuracy"])
    return (
        f"it is sure of all {len(probabilities):,} samples ({SURE} or more), and was right on "
        f"{right} of the held-out ones: these may be unlike any it has seen"
    )


def trust_text(record: Head) -> str:
    """How far what a head says can be believed, in a line."""
    aim = record.metrics.get("predicts")
    line = f"{record.name}:{record.version}{f' ({aim})' if aim else ''}: {scored_text(record)}"
    return f"{line}; probabilities: {calibration_text(record)}" if record.classes else line
