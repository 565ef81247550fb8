"""How often the samples of a test split were looked at: each head scored on them counts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from headstart.context import Context
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.entities import Run
from headstart.registry.heads import HeadLine
from headstart.storage.columns.samples import SampleColumns
from headstart.values.showable import Record

TESTED_ON = "tested_on"
"""In a head's metrics and a run's counts: which samples the scores are of."""
MANY = 10
"""Heads on the same samples, from which on it is said what to do."""
ADVICE = (
    "choose by `headstart head sweep`, on train and validation split, and keep the test split for "
    "the end; `headstart dataset resplit` deals a fresh one"
)


@dataclass(frozen=True)
class Looks(Record):
    """Of a head: how many heads its test samples have scored.

    Attributes:
        number: which of them it is, from 1.
        heads: how many there are by now, those among them that are registered no more.
        samples: in the test split.
        optimism: by how much the best of so many equally good heads looks better than it is, by
            chance alone; None where the score is no accuracy. An upper bound: heads of one dataset
            are often right and wrong together.
    """

    number: int
    heads: int
    samples: int
    optimism: float | None

    def to_text(self) -> str:
        """In words, with what follows where there were many."""
        if not self.samples:
            return "none: it was tested on no sample"
        line = f"{ordinal_of(self.number)} head on these {self.samples:,} test samples"
        if self.heads > self.number:
            line += f", of {self.heads:,} by now"
        if self.heads < MANY:
            return line
        by = "" if self.optimism is None else f" (up to {self.optimism:.3f})"
        return f"{line}: the best of so many looks better than it is{by}; {ADVICE}"


def ordinal_of(number: int) -> str:
    """`1st`, `2nd`, `12th`."""
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number:,}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def samples_key(samples: SampleColumns) -> str:
    """What tells samples from others: their contents, in any order, whatever their labels."""
    contents = sorted(one.tobytes() for one in samples.digests)
    return hashlib.sha256(b"".join(contents)).hexdigest()


def looks_of(context: Context, record: HeadRecord) -> Looks:
    """Count the heads that were scored on the test samples of a head: those that are registered,
    and those of runs that registered none, or whose head is no more.

    One that is registered several times, as it was imported, counts once. Heads of before the
    samples were recorded are on the same ones if their dataset is the same.
    """
    if not record.metrics["n_test"]:
        return Looks(0, 0, 0, None)
    heads = context.heads.find_lines()
    known = {one.reference for one in heads}
    same = [one for one in heads if _is_same(one, record)]
    gone = [run for run in context.runs.find_kinds(("train", "finetune")) if _counts(run, record)]
    gone = [run for run in gone if _head_of(run) not in known]
    first: dict[str, int] = {}  # a head that was imported, perhaps twice, is one that was scored
    for one in sorted(same, key=lambda one: one.id):
        first.setdefault(one.artifact_digest, one.id)
    own = first.get(record.artifact_digest, record.id or 0)
    before = sum(number <= own for number in first.values())
    before += sum(str(run.created_at) <= str(record.created_at) for run in gone)
    total = len(first) + len(gone)
    return Looks(before, total, record.metrics["n_test"], _optimism(record.metrics, total))


def _is_same(head: HeadLine, record: HeadRecord) -> bool:
    keys = head.tested_on, record.metrics.get(TESTED_ON)
    if None in keys:
        return head.dataset_digest == record.dataset_digest
    return keys[0] == keys[1]


def _counts(run: Run, record: HeadRecord) -> bool:
    """Whether a run scored a head on the same samples: one of before they were recorded, if it has
    the name of the dataset and as many."""
    key = run.counts.get(TESTED_ON)
    if key is not None and TESTED_ON in record.metrics:
        return key == record.metrics[TESTED_ON]
    is_as_many = run.counts.get("n_test") == record.metrics["n_test"]
    return is_as_many and run.dataset == record.dataset


def _head_of(run: Run) -> str | None:
    """The head that a run registered, if it did: a fine-tuning is called by what it began with."""
    return run.subject if run.kind == "train" else run.counts.get("head")


def _optimism(metrics: Mapping[str, Any], heads: int) -> float | None:
    """The mean of the largest of so many normal deviations (Blom, 1958), in standard errors."""
    accuracy, samples = metrics.get("accuracy"), metrics["n_test"]
    if accuracy is None or not samples:
        return None
    largest = NormalDist().inv_cdf((heads - 0.375) / (heads + 0.25)) if heads > 1 else 0.0
    return largest * math.sqrt(accuracy * (1 - accuracy) / samples)
