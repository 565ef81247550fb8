"""Which features suit a dataset: quick heads, scores without a head, and what the features cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.heads.combined.gain import Gain, accuracy_difference, best_of, shown_to_help
from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.transferability import Moments, h_score, log_me
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.nearest import nearest_by_cells
from headstart.heads.origins import near_zero
from headstart.heads.trials.crossed import Crossed, Gathered, draws_of
from headstart.registry.references import exact
from headstart.values.showable import Results, Showable

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of the linear heads; the one with the least log loss on the rows left out counts, so that the
choice does not favour the accuracy that is told."""
NEAREST = 10
"""Neighbours that vote."""
MOST = 2e9
"""Pairs of rows that are compared one by one: 50,000 in five folds; a minute on two cores."""


@dataclass(frozen=True)
class Rank(Showable):
    """How one kind of features does.

    Attributes:
        backbone: label of the backbone.
        cut: where it is cut.
        width: numbers a sample.
        size: bytes a sample, as it is stored.
        seconds: extraction time per sample; None where it was never measured.
        linear: the best linear head, on rows that it was not trained on.
        neighbours: the nearest neighbours, likewise; see `needs_cells`.
        log_me: see `transferability.log_me`.
        h_score: see `transferability.h_score`.
        is_worse: whether the linear head is significantly less accurate than the best one of the
            ranking; see `worse_than_best`.
        is_on_front: whether no other features are both cheaper and more accurate.
        joins: the names of the features that stand side by side; empty of those of one cut.
        gain: of joined ones, what they are worth beside the best of them alone.
    """

    backbone: str
    cut: str
    width: int
    size: int
    seconds: float | None
    linear: Crossed
    neighbours: Crossed
    log_me: float
    h_score: float
    is_worse: bool = False
    is_on_front: bool = False
    joins: tuple[str, ...] = ()
    gain: Gain | None = None

    @property
    def name(self) -> str:
        return f"{self.backbone}@{self.cut}"

    @property
    def reference(self) -> str:
        """The name, with the version of each backbone: what always means these features."""
        return exact(self.name)

    def _line(self) -> str:
        low, high = self.linear.interval
        return f"{self.name}, accuracy {self.linear.accuracy:.2f} [{low:.2f}, {high:.2f}]"

    def _facts(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone,
            "cut": self.cut,
            "width": self.width,
            "bytes_per_sample": self.size,
            "ms_per_sample": None if self.seconds is None else 1000 * self.seconds,
            "linear_accuracy": self.linear.accuracy,
            "linear_interval": list(self.linear.interval),
            "linear_strength": self.linear.settings["strength"],
            "neighbours_accuracy": self.neighbours.accuracy,
            "neighbours_interval": list(self.neighbours.interval),
            "samples": len(self.linear.targets),
            "repeats": self.linear.repeats,
            "spread_between_draws": self.linear.spread,
            "log_me": self.log_me,
            "h_score": self.h_score,
            "is_worse_than_best": self.is_worse,
            "is_on_front": self.is_on_front,
            "joins": list(self.joins),
            "gain": self.gain,
        }


def rank_features(
    rows: Part,
    folds: Sequence[Fold],
    *,
    backbone: str,
    cut: str,
    size: int,
    seconds: float | None,
    joins: tuple[str, ...] = (),
) -> Rank:
    """All scores of one kind of features.

    Args:
        rows: features, (rows, width), float32, with class numbers and groups.
        folds: which rows to train on, and which to try.
        backbone: its label.
        cut: its cut.
        size: bytes a sample.
        seconds: extraction time per sample.
        joins: names of the features that stand side by side.
    """
    are_many = needs_cells(len(rows), folds)
    alone = [] if are_many else [Neighbours(NEAREST, calibrated=False)]
    found = cross([Linear(STRENGTHS), *alone], rows, folds, jobs=1)
    lines = found[: len(STRENGTHS)]
    name = f"{backbone}@{cut}"
    neighbours = cross_by_cells(rows, folds, NEAREST, name) if are_many else found[-1]
    x, y = rows.features, rows.targets
    moments = Moments.of(x, y) if len(x) > x.shape[1] else None
    return Rank(
        backbone=backbone,
        cut=cut,
        width=rows.features.shape[1],
        size=size,
        seconds=seconds,
        linear=min(lines, key=lambda found: found.log_loss),
        neighbours=neighbours,
        log_me=log_me(x, y, moments),
        h_score=h_score(x, y, moments=moments),
        joins=joins,
    )


def needs_cells(rows: int, folds: Sequence[Fold]) -> bool:
    """Whether neighbours are looked for in cells: of so many rows, none of them left out."""
    pairs = sum(float(len(fold.train)) * len(fold.test) for fold in folds)
    trained = min(len(fold.train) + len(fold.test) for fold in folds)
    return pairs > MOST and trained == rows


def cross_by_cells(
    rows: Part, folds: Sequence[Fold], count: int, name: str = "these features"
) -> Crossed:
    """As `cross` of `Neighbours(count, calibrated=False)`, of neighbours that `nearest_by_cells`
    finds, once a repeat: those that are tried together, and are not trained on, are kept apart.

    A row around which no other is has the classes' shares. No feature is held, as `cross` does of
    those that hardly vary: bounds are those of a fold's rows, and all folds search the same.

    Args:
        rows: features (rows, width), float32, with class numbers and groups.
        folds: which rows to train on, and which to try.
        count: how many vote.
        name: of the features, for a warning where many neighbours are missed.
    """
    rows = near_zero(rows)  # by the angle from there, as in `cross`
    classes, draws = int(rows.targets.max()) + 1, draws_of(folds, len(rows))
    kind = Neighbours(count, calibrated=False)
    gathered = Gathered(rows, folds, draws, classes)
    for tried in draws:
        distances, near = nearest_by_cells(rows.features, count, apart=tried, of=name)
        for number in np.unique(tried).tolist():
            own = folds[number].test
            targets = np.where(np.isfinite(distances[own]), rows.targets[near[own]], -1)
            shares = np.bincount(rows.targets[folds[number].train], minlength=classes)
            gathered.add(number, _votes(targets, shares))
    return gathered.result({"kind": kind.kind, **kind.describe()}, kind)


def _votes(targets: np.ndarray, without: np.ndarray) -> np.ndarray:
    """The share of each class, (rows, classes) float32, of class numbers (rows, count), of which
    -1 is none; of rows of which all are none the shares that are given, (classes,)."""
    rows, classes = len(targets), len(without)
    which, place = np.nonzero(targets >= 0)
    cells = which * classes + targets[which, place]
    votes = np.bincount(cells, minlength=rows * classes).reshape(rows, classes).astype(np.float32)
    votes[~votes.any(axis=1)] = without
    return votes / votes.sum(axis=1, keepdims=True)


def in_order(ranks: Sequence[Rank]) -> Results[Rank]:
    """From the most accurate down, with what can only be said of all together."""
    worse = worse_than_best([rank.linear.accuracies for rank in ranks]).tolist()
    marked = [
        replace(
            rank,
            is_worse=is_worse,
            is_on_front=not any(_beats(other, rank) for other in ranks),
            gain=gain,
        )
        for rank, is_worse, gain in zip(ranks, worse, _gains(ranks), strict=True)
    ]
    return Results(sorted(marked, key=lambda rank: -rank.linear.accuracy))


def _gains(ranks: Sequence[Rank]) -> list[Gain | None]:
    """What each is worth beside the best of those that it joins."""
    joins, tested = dict[int, Rank](), list[tuple[Crossed, Interval | None]]()
    for number, rank in enumerate(ranks):
        if alone := [other for other in ranks if other.name in rank.joins]:
            joins[number] = best = alone[best_of([one.linear for one in alone])]
            tested.append((rank.linear, accuracy_difference(rank.linear, best.linear)))
    found: list[Gain | None] = [None] * len(ranks)
    each = zip(joins.items(), tested, shown_to_help(tested), strict=True)
    for (number, best), (_, interval), helps in each:
        found[number] = _gain(ranks[number], best, interval, helps=helps)
    return found


def _gain(rank: Rank, best: Rank, interval: Interval | None, *, helps: bool) -> Gain:
    return Gain(
        best.name,
        rank.linear.accuracy - best.linear.accuracy,
        interval,
        helps,
        None if rank.seconds is None or best.seconds is None else rank.seconds - best.seconds,
        rank.size - best.size,
    )


def _beats(one: Rank, other: Rank) -> bool:
    """Whether one is more accurate at no more cost, or as accurate at less."""
    costs = _cost(one), _cost(other)
    scores = one.linear.accuracy, other.linear.accuracy
    return (scores[0] > scores[1] and costs[0] <= costs[1]) or (
        scores[0] == scores[1] and costs[0] < costs[1]
    )


def _cost(rank: Rank) -> float:
    return float("inf") if rank.seconds is None else rank.seconds
