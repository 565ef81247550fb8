"""Which features suit a dataset: quick heads, scores without a head, and what the features cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.cross_validation import Crossed, cross
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.transferability import h_score, log_me
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.neighbours import Neighbours
from headstart.values.showable import Results, Showable

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of the linear heads; the one with the least log loss on the rows left out counts, so that the
choice does not favour the accuracy that is told."""


@dataclass(frozen=True)
class Rank(Showable):
    """How one kind of features does.

    Attributes:
        backbone: label of the backbone.
        cut: where it is cut.
        width: numbers a sample.
        size: bytes a sample, as it is stored.
        seconds: of extraction a sample; None where it was never measured.
        linear: the best linear head, on rows that it was not trained on.
        neighbours: the nearest neighbours, likewise.
        log_me: see `transferability.log_me`.
        h_score: see `transferability.h_score`.
        is_worse: whether the linear head is significantly less accurate than the best one of the
            ranking; see `worse_than_best`.
        is_on_front: whether no other features are both cheaper and more accurate.
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

    @property
    def name(self) -> str:
        return f"{self.backbone}@{self.cut}"

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
        }


def rank_features(
    rows: Part,
    folds: Sequence[Fold],
    *,
    backbone: str,
    cut: str,
    size: int,
    seconds: float | None,
) -> Rank:
    """All scores of one kind of features.

    Args:
        rows: features, (rows, width), float32, with class numbers and groups.
        folds: which rows to train on, and which to try.
        backbone: its label.
        cut: its cut.
        size: bytes a sample.
        seconds: of extraction a sample.
    """
    *lines, neighbours = cross(
        [Linear(STRENGTHS), Neighbours(10, calibrated=False)],
        rows,
        folds,
        jobs=1,
    )
    return Rank(
        backbone=backbone,
        cut=cut,
        width=rows.features.shape[1],
        size=size,
        seconds=seconds,
        linear=min(lines, key=lambda found: found.log_loss),
        neighbours=neighbours,
        log_me=log_me(rows.features[:], rows.targets),
        h_score=h_score(rows.features[:], rows.targets),
    )


def in_order(ranks: Sequence[Rank]) -> Results[Rank]:
    """From the most accurate down, with what can only be said of all together."""
    worse = worse_than_best([rank.linear.accuracies for rank in ranks]).tolist()
    marked = [
        replace(
            rank,
            is_worse=is_worse,
            is_on_front=not any(_beats(other, rank) for other in ranks),
        )
        for rank, is_worse in zip(ranks, worse, strict=True)
    ]
    return Results(sorted(marked, key=lambda rank: -rank.linear.accuracy))


def _beats(one: Rank, other: Rank) -> bool:
    """Whether one is more accurate at no more cost, or as accurate at less."""
    costs = _cost(one), _cost(other)
    scores = one.linear.accuracy, other.linear.accuracy
    return (scores[0] > scores[1] and costs[0] <= costs[1]) or (
        scores[0] == scores[1] and costs[0] < costs[1]
    )


def _cost(rank: Rank) -> float:
    return float("inf") if rank.seconds is None else rank.seconds
