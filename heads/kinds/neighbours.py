"""The nearest training samples by the cosine of their angle, as two dense layers.

A sample's length does not change which training features of length one have the largest product
with it, so one matrix product finds them, and one more counts their classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.out_of_fold import inner_folds
from headstart.heads.calibration.temperature import Calibration, calibrate, penalty_of
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.grid import choose
from headstart.heads.largest import BLOCK, votes_of
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows
from headstart.heads.setting import Setting, combinations
from headstart.heads.standardisation import one_thread_a_core
from headstart.values.options import Options

COUNTS = (1, 2, 5, 10, 20, 50)
"""How many neighbours, where that is not given; no more than half of the training samples."""


@dataclass(frozen=True)
class Neighbours(Options, error=InvalidHeadSetting):
    """The classes of the nearest training samples; it carries all their features along, so it is as
    large as those.

    Attributes:
        neighbours: how many; where several are equally near, all of those. Without it the one of
            `COUNTS` that suits samples best that are left out. Of m training samples in the largest
            class never more than 2 m - 1: beyond, no class could have most of the votes, and with
            as many as there are samples all classes would have theirs, whatever is near. So of one
            sample a class it is the nearest.
        calibrated: probabilities from the votes by a temperature, as other kinds have them from
            their scores; else they are the plain shares of the votes, 0 and 1 among them.
    """

    kind: ClassVar[str] = "neighbours"
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    options: ClassVar[tuple[Setting, ...]] = (
        Setting("neighbours", "how many, such as 10. Default: chosen from the data.", int),
    )
    neighbours: int | None = None
    calibrated: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours is not None and self.neighbours < 1:
            raise InvalidHeadSetting(
                f"neighbours is {self.neighbours}",
                hint="Give 1 or more.",
            )

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[Neighbours]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> Neighbours:
        return cls(trial.suggest_int("neighbours", 1, 50, log=True))

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float(rows * (width + classes)), 1 / (self.neighbours or 1)

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        kernel = np.ascontiguousarray(of_length_one(train.features[:]).T)
        votes = np.zeros((len(train), classes), np.float32)
        votes[np.arange(len(train)), train.targets] = 1 if train.weights is None else train.weights
        counts = self._counts(len(train), int(np.bincount(train.targets).max()))
        fewer = self._told(counts[0])
        if self.neighbours is not None and not self.calibrated:
            nobody = {"chosen": counts[0], "judged_on": {"train": 0, "validation": 0}, **fewer}
            return Fitted(_layers(kernel, votes, counts[0], "shares"), nobody)
        judge = Judge(train, validation, inner_folds(train, seed))
        near = _Near(kernel, votes, judge, counts)
        chosen = choose(near.counts, near.tried, is_open=False)
        count, calibration = int(chosen.value), chosen.found
        details = {"chosen": count, "judged_on": judge.describe(), **fewer}
        if not self.calibrated:
            return Fitted(_layers(kernel, votes, count, "shares"), details)
        details |= {"temperature": calibration.temperature, "log_loss": calibration.log_loss}
        scores = votes / np.float32(min(count, len(train)) * calibration.temperature)
        return Fitted(_layers(kernel, scores, count, "softmax"), details)

    def _told(self, count: int) -> dict[str, str]:
        """That fewer neighbours are taken than were asked for, and why."""
        if self.neighbours is None or count == self.neighbours:
            return {}
        return {
            "not_chosen": f"{count:,} neighbours were taken, not the {self.neighbours:,} asked "
            "for: with more, the classes would have the votes by how many samples they have"
        }

    def _counts(self, rows: int, largest: int) -> list[int]:
        """How many are tried, of so many training rows with so many in the largest class."""
        most = 2 * largest - 1
        if self.neighbours is not None:
            return [min(self.neighbours, most, rows)]
        return [count for count in COUNTS if count == 1 or (2 * count <= rows and count <= most)]


class _Near:
    """Votes of the nearest samples, for several counts of them at once."""

    def __init__(
        self, kernel: np.ndarray, votes: np.ndarray, judge: Judge, counts: Sequence[int]
    ) -> None:
        self.counts = counts
        self._kernel, self._votes, self._judge = kernel, votes, judge
        self._known: dict[str, dict[int, np.ndarray]] = {}

    def tried(self, count: float) -> tuple[float, Calibration]:
        """The objective of a count, and its calibration."""
        number, folds = int(count), self._judge.folds
        train = self._judge.train.features
        verdict = self._judge.hear(
            lambda features: self._of("head", features, None)[number],
            lambda: self._of("left out", train, folds)[number],
        )
        found = calibrate(verdict, self._penalty(number))
        return found.objective, found

    def _penalty(self, count: int) -> float:
        """The votes are the weights of features that say whether a sample is among the nearest."""
        share = min(count / len(self._votes), 1.0)
        scores = self._votes * np.sqrt(share * (1 - share)) / count
        return penalty_of(scores, self._judge.mass)

    def _of(self, name: str, features: Rows, folds: np.ndarray | None) -> dict[int, np.ndarray]:
        """Share of the votes by count, (n, classes), without those of a row's own fold."""
        if name not in self._known:
            step = max(1, BLOCK // len(self._votes))
            with one_thread_a_core() as pool:
                blocks = list(
                    pool.map(
                        lambda start: self._block(features[start : start + step], start, folds),
                        range(0, len(features), step),
                    )
                )
            self._known[name] = {
                count: np.concatenate([block[count] for block in blocks]) / count
                for count in self.counts
            }
        return self._known[name]

    def _block(
        self, features: np.ndarray, start: int, folds: np.ndarray | None
    ) -> dict[int, np.ndarray]:
        near = features @ self._kernel
        if folds is not None:
            own = folds[start : start + len(near), None]
            near[(own == folds) & (own >= 0)] = -np.inf
        return votes_of(near, self.counts, self._votes)


def _layers(
    kernel: np.ndarray, votes: np.ndarray, count: int, activation: str
) -> tuple[Layer, Layer]:
    return (
        Layer(kernel, np.zeros(len(votes), np.float32), f"top_{min(count, len(votes))}"),
        Layer(votes, np.zeros(votes.shape[1], np.float32), activation),
    )
