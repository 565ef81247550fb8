"""`head.novelty`: which samples are unlike all that a head was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.novelty import MOST, NoveltyScale
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.intervals import share_text
from headstart.heads.evaluation.provenance import need_scores
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.labelled import some_rows
from headstart.notices import warn
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable

LEVEL = 0.95
"""From which a sample counts as new, unless another is given."""
ROUNDING = 1e-9
"""Of a level, as it is computed."""


@dataclass(frozen=True)
class Novelty(Showable):
    """How new samples are to a head.

    Attributes:
        level: the novelty from which a sample counts as new.
        compared_with: samples of the train split that others are compared with.
        calibrated_on: validation samples that say how far those like them lie.
        false_alarms: the share of test samples that count as new; None where there is no test
            split, or where no sample can: see `highest`.
        interval: of that, 95 %; None of a single group, or where there is no share.
        tested_on: how many there are.
        scale: distances, and what they are worth.
    """

    level: float
    compared_with: int
    calibrated_on: int
    false_alarms: float | None
    interval: tuple[float, float] | None
    tested_on: int
    scale: NoveltyScale

    @property
    def highest(self) -> float:
        """The largest novelty that there is; of few validation samples it is below `level`."""
        return self.calibrated_on / (self.calibrated_on + 1)

    def of(self, features: np.ndarray) -> np.ndarray:
        """The novelty of rows of features as the head takes them, (n, …): (n,), 0 to below 1."""
        return self.scale.novelty(features)

    def to_text(self) -> str:
        """What it is worth, in a line."""
        return (
            f"novelty: share of the {self.calibrated_on:,} validation samples that lie nearer to "
            f"those of the train split; from {self.level:g} up a sample counts as new: "
            f"{self._alarms_text()}"
        )

    def _alarms_text(self) -> str:
        if self.highest < self.level - ROUNDING:
            return f"none can, as {share_text(self.highest)} is the highest novelty that there is"
        if self.false_alarms is None:
            return "there is no test split to count false alarms on"
        ends = " to ".join(map(share_text, self.interval)) if self.interval else "no interval"
        return (
            f"{share_text(self.false_alarms)} (95 %: {ends}) of {self.tested_on:,} test samples "
            "count as new"
        )

    def _facts(self) -> dict[str, Any]:
        facts = dict(vars(self))
        del facts["scale"]
        return {**facts, "highest": self.highest}

    def _line(self) -> str:
        return self.to_text()


def novelty(head: TrainedHead, level: float = LEVEL) -> Novelty:
    """See `Head.novelty`."""
    if not 0 < level < 1:
        raise HeadError(f"level is {level}", hint="Give a share above 0 and below 1, such as 0.95.")
    if head.windows:
        raise HeadError(
            f"head {head.record.name!r} takes windows of samples, whose novelty is not told",
            hint="Train a head on samples that are not cut for that.",
        )
    need_scores(head.record)
    view = head.features()
    train, judging, testing = (view.split(name) for name in ("train", "validation", "test"))
    if not len(judging):
        raise HeadError(
            f"dataset {head.record.dataset!r} has no validation split to calibrate novelty on",
            hint="`headstart dataset resplit` makes one; then train the head again.",
        )
    compared = some_rows(np.arange(len(train)), MOST, head.record.seed)
    scale = NoveltyScale.of(train[compared], judging.to_numpy())
    needed = math.ceil(level / (1 - level) - ROUNDING)
    can_be_new = len(judging) >= needed
    if not can_be_new:
        warn(
            f"{len(judging):,} validation samples are too few for any sample to count as new from "
            f"{level:g} up: {needed:,} are needed, or a lower level"
        )
    has_alarms = can_be_new and len(testing)
    alarms = scale.novelty(testing.to_numpy()) >= level if has_alarms else None
    return Novelty(
        level,
        len(compared),
        len(judging),
        None if alarms is None else float(alarms.mean()),
        None if alarms is None else share_interval_of(alarms, clusters_of(testing.samples)),
        len(testing),
        scale,
    )
