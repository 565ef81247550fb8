"""Which features suit a dataset: quick heads, scores without a head, and what the features cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart.heads.combined.gain import Gain, best_of, difference, shown_to_help
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
from headstart.heads.trials.objective import (
    ACCURACY,
    LOG_LOSS,
    OBJECTIVES,
    columns_of,
    objectives_of,
)
from headstart.heads.trials.out_of_fold import OutOfFold
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
        linear: the best linear head, of numbers a ridge one, on rows that it was not trained on.
        neighbours: the nearest neighbours, likewise; see `needs_cells`. None where there are too
            many rows to compare all, and labels are no classes.
        log_me: see `transferability.log_me`.
        h_score: see `transferability.h_score`; None where labels are no classes.
        is_worse: whether the linear head is significantly worse than the best one of the ranking,
            by the first score of the task; see `worse_than_best`.
        is_on_front: whether no other features are both cheaper and better.
        joins: the names of the features that stand side by side; empty of those of one cut.
        gain: of joined ones, what they are worth beside the best of them alone.
    """

    backbone: str
    cut: str
    width: int
    size: int
    seconds: float | None
    linear: OutOfFold
    neighbours: OutOfFold | None
    log_me: float
    h_score: float | None
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

    @property
    def objective(self) -> str:
        """The name of the score by which features are ranked."""
        return objectives_of(self.linear.task)[0]

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Of the linear head; see `OutOfFold.metrics`."""
        return self.linear.metrics()

    @property
    def score(self) -> float:
        return self.metrics[self.objective]

    @property
    def interval(self) -> tuple[float, float] | None:
        ends = self.metrics["intervals"].get(self.objective)
        return None if ends is None else (ends[0], ends[1])

    def _line(self) -> str:
        ends = "" if self.interval is None else " [{:.2f}, {:.2f}]".format(*self.interval)
        return f"{self.name}, {self.objective} {self.score:.2f}{ends}"

    def _facts(self) -> dict[str, Any]:
        near = {} if self.neighbours is None else self.neighbours.metrics()
        names = columns_of(self.linear.task)
        return {
            "backbone": self.backbone,
            "cut": self.cut,
            "width": self.width,
            "bytes_per_sample": self.size,
            "ms_per_sample": None if self.seconds is None else 1000 * self.seconds,
            "objective": self.objective,
            "linear_accuracy": self.metrics.get(ACCURACY),
            "linear_interval": self.metrics["intervals"].get(ACCURACY),
            "linear_strength": self.linear.settings.get("strength"),
            "linear_scores": {name: self.metrics[name] for name in names},
            "linear_intervals": self.metrics["intervals"],
            "neighbours_accuracy": near.get(ACCURACY),
            "neighbours_interval": near.get("intervals", {}).get(ACCURACY),
            "neighbours_scores": {name: near[name] for name in names if near},
            "neighbours_intervals": near.get("intervals", {}),
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
        linear=min(lines, key=lambda found: found.outcomes(LOG_LOSS).mean),
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
    """From the best down, with what can only be said of all together."""
    name = ranks[0].objective
    outcomes = [rank.linear.outcomes(name) for rank in ranks]
    worse = worse_than_best(outcomes, is_loss=OBJECTIVES[name].is_loss).tolist()
    marked = [
        replace(
            rank,
            is_worse=is_worse,
            is_on_front=not any(_beats(other, rank) for other in ranks),
            gain=gain,
        )
        for rank, is_worse, gain in zip(ranks, worse, _gains(ranks), strict=True)
    ]
    return Results(sorted(marked, key=_order))


def _gains(ranks: Sequence[Rank]) -> list[Gain | None]:
    """What each is worth beside the best of those that it joins."""
    joins, tested = dict[int, Rank](), list[tuple[OutOfFold, Interval | None]]()
    better = dict[int, tuple[float, Interval | None]]()
    for number, rank in enumerate(ranks):
        if alone := [other for other in ranks if other.name in rank.joins]:
            joins[number] = best = alone[best_of([one.linear for one in alone])]
            better[number] = difference(rank.linear, best.linear)
            tested.append((rank.linear, better[number][1]))
    found: list[Gain | None] = [None] * len(ranks)
    for (number, best), helps in zip(joins.items(), shown_to_help(tested), strict=True):
        found[number] = _gain(ranks[number], best, better[number], helps=helps)
    return found


def _gain(rank: Rank, best: Rank, better: tuple[float, Interval | None], *, helps: bool) -> Gain:
    return Gain(
        best.name,
        *better,
        helps,
        None if rank.seconds is None or best.seconds is None else rank.seconds - best.seconds,
        rank.size - best.size,
        rank.objective,
    )


def _beats(one: Rank, other: Rank) -> bool:
    """Whether one is better at no more cost, or as good at less."""
    costs = _cost(one), _cost(other)
    places = _order(one), _order(other)
    return (places[0] < places[1] and costs[0] <= costs[1]) or (
        places[0] == places[1] and costs[0] < costs[1]
    )


def _order(rank: Rank) -> float:
    """The less, the better."""
    return rank.linear.order(rank.objective)[0]


def _cost(rank: Rank) -> float:
    return float("inf") if rank.seconds is None else rank.seconds
