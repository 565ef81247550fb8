"""What is known of a head, in words: where it came from, what its fit made of it, its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headstart.heads.combined.words import compared_text, members_text, out_of_bag_text
from headstart.heads.evaluation.intervals import interval_text, score_text, share_text
from headstart.heads.evaluation.per_class import majority_of
from headstart.heads.evaluation.provenance import (
    IMPORTED,
    balanced_text,
    calibration_text,
    chosen_text,
    few_groups_text,
    few_text,
    fitted_text,
    held_out_text,
    lineage_text,
    scores_in,
    untested_text,
    words_of,
)
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.kinds.words import fitted_words, given_words
from headstart.heads.regression import Regression
from headstart.jobs.heads.looks import looks_of
from headstart.part_of_head import PART, part_text
from headstart.registry.entities import Head as HeadRecord
from headstart.trained_head import IGNORED, SAMPLE_WEIGHTS, TrainedHead
from headstart.values.showable import brief

Row = tuple[str, str | int | None]
VOID = (
    "the dataset was dealt to other splits since; the head may have been trained on what is "
    "tested on now. Train it again."
)
CUTTING = ("window", "hop", "frames", "every")


def lines_of(head: TrainedHead) -> list[Row]:
    """All that is said of a head in lines: what, and the words; None where there is nothing."""
    record, metrics = head.record, head.metrics
    tags = ", ".join(f"{key}={value}" for key, value in record.tags.items())
    looks = looks_of(head.context, record)
    return [
        ("head", f"{record.name}, version {record.version}, {record.kind}"),
        *[("came from", line) for line in [lineage_text(record)] if line],
        *[("imported", line) for line in [record.versions.get(IMPORTED)] if line],
        ("aliases", ", ".join(record.aliases) or None),
        *[("tags", line) for line in [tags] if line],
        ("backbone", f"{record.backbone}@{record.cut}"),
        ("dataset", f"{record.dataset}, {record.dataset_digest[:12]}"),
        ("feature key", record.feature_key[:12]),
        ("task", task_text(head)),
        *scores(record),
        *of_each(metrics.get("of_each", ())),
        *[("trained on", part_text(one)) for one in [record.settings.get(PART)] if one],
        *[("weights", line) for line in [weights_text(record.settings)] if line],
        *[("windows", windows_text(one)) for one in [record.settings.get("windows")] if one],
        ("held out", held_out_text(metrics)),
        ("looks", looks.to_text()),
        *([("void", VOID)] if head.is_void else []),
        *[("not tested", line) for line in [untested_text(metrics)] if line],
        *[("few groups", line) for line in [few_groups_text(metrics)] if line],
        *[("few samples", line) for line in [few_text(metrics)] if line],
        ("probabilities", calibration_text(record)),
        ("fitted on", fitted_text(record)),
        ("chosen on", chosen_text(record)),
        *[("not chosen", line) for line in [_text(record.settings.get("not_chosen"))] if line],
        *[("members", line) for line in [members_text(record)] if line],
        *[("out of bag", line) for line in [out_of_bag_text(record)] if line],
        *[("compared", line) for line in [compared_text(record)] if line],
        ("settings", given_words(record.kind, record.settings) or None),
        ("fitted", fitted_words(record.kind, record.settings) or None),
        ("seed", record.seed),
        ("end of its grid", _at_end(record.kind, record.settings)),
    ]


def task_text(head: TrainedHead) -> str:
    """What a head is for, such as `regression, quantile 0.9`."""
    task = head.task
    return f"{task.name}, {task.aim}" if isinstance(task, Regression) else task.name


def scores(record: HeadRecord) -> Iterator[tuple[str, str]]:
    """The scores of a head with their intervals; one that was balanced has probabilities of classes
    that are equally frequent."""
    metrics = record.metrics
    for name in scores_in(metrics):
        if name == "ece_debiased":  # beside the other: they have one interval
            continue
        told = score_text(name, metrics[name])
        if name == "ece" and "ece_debiased" in metrics:
            told += f" ({score_text(name, metrics['ece_debiased'])} debiased)"
        more = balanced_text(record) if name == "log_loss" else ""
        if name == "accuracy" and (share := majority_of(metrics)) is not None:
            more = f"majority class {share_text(share)}"
        yield words_of(name), f"{told}, 95 %: {interval_text(metrics, name)}{more and f'; {more}'}"


def of_each(several: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, str]]:
    """The scores of each of several numbers, in the order of the labels, each with its interval."""
    for number, one in enumerate(several, start=1):
        for name in scores_in(one):
            told = f"{score_text(name, one[name])}, 95 %: {interval_text(one, name)}"
            yield f"number {number}: {words_of(name)}", told


def windows_text(windows: Mapping[str, Any]) -> str:
    """How a head's samples were cut, and what became of their windows."""
    cut = " ".join(f"--{name} {windows[name]}" for name in CUTTING if name in windows)
    pooled = windows.get("pooled")
    made = "each by itself, scored together" if pooled == "each" else f"their {pooled} is a sample"
    return f"{cut}; {made}" if cut else made


def weights_text(settings: Mapping[str, Any]) -> str:
    """Whether the samples' weights were used, in words; empty where the dataset has none."""
    told = settings.get(SAMPLE_WEIGHTS)
    if told is None:
        return ""
    if told == IGNORED:
        return "of samples: ignored"
    least, largest = told["least"], told["largest"]
    return f"of samples: {least:g} to {largest:g} in training; scores count all samples alike"


def _text(told: Any) -> str | None:
    """What a kind tells in words; of a package it may be anything."""
    return told if told is None or isinstance(told, str) else brief(told)


def _at_end(kind: str, settings: Mapping[str, Any]) -> str | None:
    """That another value may be better, and which option takes it."""
    told = _text(settings.get("at_end"))
    flags = [one.flag for one in getattr(KINDS.get(kind), "options", ())]
    grid = next((flag for flag in ("--strengths", "--penalties") if flag in flags), None)
    return told if told is None or grid is None else f"{told}: give others by {grid}"
