"""`head.label_next`: the samples without a label that a person should label first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.labelled import labels_of, some_rows
from headstart.heads.selection import unsure_and_diverse
from headstart.heads.tasks import SAID_FROM, Classification
from headstart.jobs.heads.care.evaluate import whole_view
from headstart.storage.manifest import Label, Sample
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import MEAN, pooled
from headstart.trained_head import TrainedHead
from headstart.values.showable import Results, Showable

LIMIT = 20_000
"""Samples that are looked at, at most."""
AT_ONCE = 10_000
"""Windows whose features are in memory."""


@dataclass(frozen=True)
class ToLabel(Showable):
    """A sample that should be labelled, or whose label should be looked at.

    Attributes:
        sample: which.
        guess: what the head says of it.
        probability: of that; NaN of several labels.
    """

    sample: Sample
    guess: Label | float
    probability: float

    def _facts(self) -> dict[str, Any]:
        sample = self.sample
        named = {"id": sample.id, "split": sample.split, "label": sample.label}
        return {**named, "guess": self.guess, "probability": self.probability}

    def _line(self) -> str:
        return f"{self.sample.id!r} may be {self.guess!r}, {self.probability:.2f}"


def label_next(
    head: TrainedHead, dataset: str, count: int = 20, *, limit: int = LIMIT, seed: int = 0
) -> Results[ToLabel]:
    """See `Head.label_next`."""
    if count < 1 or limit < 1:
        raise HeadError(f"count is {count}, limit {limit}", hint="Give 1 or more.")
    if not head.record.classes:
        raise HeadError(
            f"head {head.record.name!r} gives numbers, and not how sure it is",
            hint="What to label next is found by probabilities: take a head of classes.",
        )
    view = whole_view(head, head.context.datasets.get(dataset))
    of = BySample.of(view)
    without = np.array([label is None for label in labels_of(of.samples)], bool)
    rows = some_rows(np.flatnonzero(without), limit, seed)
    if not len(rows):
        raise HeadError(
            f"all samples of {dataset!r} have a label",
            hint="Name a dataset with samples to label; `features audit` looks for wrong labels.",
        )
    features, said = _of_samples(head, view, of, rows)
    flat = features.reshape(len(rows), -1).astype(np.float64)
    spread = flat.std(axis=0)
    scaled = (flat - flat.mean(axis=0)) / np.where(spread > 0, spread, 1)
    chosen = unsure_and_diverse(scaled, said - _guesses(head, said), count, seed)
    classes = tuple(head.record.classes)
    return Results(
        ToLabel(of.samples[int(rows[row])], *head.task.decide(said[row], classes))
        for row in chosen.tolist()
    )


def _of_samples(
    head: TrainedHead, view: FeatureView, of: BySample, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The features of some samples, by their numbers, and what the head says of each, (rows,
    classes); of windows the mean of a sample's, as a sample is what a person labels."""
    if of.numbers is None:
        features = view[rows]
        return features, head.judge.predict_proba(features)
    means = view.grouped(MEAN)[rows]
    windows = np.flatnonzero(np.isin(of.numbers, rows))
    parts = np.array_split(windows, -(-len(windows) // AT_ONCE))
    said = np.concatenate([head.judge.predict_proba(view[part]) for part in parts])
    return means, pooled(said, np.searchsorted(rows, of.numbers[windows]), len(rows), MEAN)


def _guesses(head: TrainedHead, said: np.ndarray) -> np.ndarray:
    """What is said of each row, 0 or 1 for each class, (n, classes)."""
    if isinstance(head.task, Classification):
        return np.eye(said.shape[1])[head.task.guess(said)]
    return (said >= SAID_FROM).astype(np.float64)
