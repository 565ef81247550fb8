"""Regression: a number a sample, or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.generalised import (
    LOSSES_OF_NUMBERS,
    POISSON,
    QUANTILE,
    SQUARED,
    NumberLoss,
)
from headstart.heads.kind import FitsLoss, FitsNumbers, Fitted, HeadKind, Part
from headstart.heads.kinds.every_kind import able_kinds
from headstart.heads.kinds.ridge import Ridge
from headstart.heads.labelled import check_labelled, labels_of, number_of
from headstart.heads.layers.activations import EXPONENTIAL
from headstart.storage.manifest import Label, Sample
from headstart.storage.samples import BETWEEN
from headstart.values.options import Options
from headstart.values.said import NUMBERS

SCORES = {POISSON: "poisson_deviance", QUANTILE: "pinball_loss"}
"""What a loss is called as a score; the less, the better."""
SHARE_BELOW = "share_below"
"""Of a quantile: the share of the samples that are not above what is predicted; as much as the
quantile is best."""


LARGEST = 1e37
"""Numbers up to here are learned: what a head says is float32, which ends at 3.4e38."""


FINE = 100
"""So many steps of float32 are to lie within the standard deviation of numbers to learn: what they
are rounded by is then less than a hundredth of what tells them apart."""


def check_size(targets: np.ndarray) -> None:
    """See that numbers to learn, (n, outputs), are such as a head, which says float32, can say.

    Raises:
        HeadError: one is beyond `LARGEST`, or so far from 0 that float32 does not tell it from its
            neighbours.
    """
    _check_largest(targets)
    _check_steps(targets)


def _check_largest(targets: np.ndarray) -> None:
    largest = np.abs(targets).max(initial=0)
    if largest > LARGEST:
        raise HeadError(
            f"a number to learn is as large as {largest:g}, and a head says {LARGEST:.0e} at most",
            hint="Give them in another unit.",
        )


def _check_steps(targets: np.ndarray) -> None:
    if not len(targets):
        return
    steps = np.spacing(np.abs(targets).max(axis=0).astype(np.float32))
    rough = np.flatnonzero(~_are_equal(targets) & (FINE * steps > targets.std(axis=0)))
    if len(rough):
        of = targets[:, rough[0]]
        raise HeadError(
            f"numbers to learn{_which(targets, rough[0])} are as large as {np.abs(of).max():.7g}, "
            f"where those that a head says (float32) are {steps[rough[0]]:g} apart, and their "
            f"standard deviation is {of.std():.3g}",
            hint="Subtract an offset from the labels, such as the smallest, or give them in "
            "another unit: a date in days since the first one.",
        )


def _are_equal(targets: np.ndarray) -> np.ndarray:
    """Of each output whether all rows have one number; their deviation need not be 0, as the mean
    is rounded."""
    return targets.min(axis=0) == targets.max(axis=0)


def _which(targets: np.ndarray, number: int) -> str:
    return f" (number {number + 1} of each)" if targets.shape[1] > 1 else ""


@dataclass(frozen=True)
class TargetScale:
    """Numbers to learn, brought to mean 0 and variance 1, and a head's last layer back to theirs.

    Attributes:
        mean: of each number, (outputs,), float64.
        std: likewise; 1 where all are the same.
    """

    mean: np.ndarray
    std: np.ndarray

    @staticmethod
    def of(part: Part) -> TargetScale:
        mean = np.average(part.targets, axis=0, weights=part.weights)
        spread = np.average((part.targets - mean) ** 2, axis=0, weights=part.weights)
        return TargetScale(mean, np.where(spread > 0, np.sqrt(spread), 1.0))

    @staticmethod
    def none(part: Part) -> TargetScale:
        """Leaves numbers as they are."""
        return TargetScale(np.zeros(part.targets.shape[1]), np.ones(part.targets.shape[1]))

    def apply(self, targets: np.ndarray) -> np.ndarray:
        return ((targets - self.mean) / self.std).astype(np.float32)

    def into(self, kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        """Kernel and bias that give scaled numbers, of those that give numbers."""
        into = kernel / self.std, (bias - self.mean) / self.std
        return [one.astype(np.float32) for one in into]

    def back(self, kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        """The inverse of `into`."""
        back = kernel * self.std, bias * self.std + self.mean
        return [one.astype(np.float32) for one in back]


@dataclass(frozen=True)
class Regression(Options, error=InvalidHeadSetting):
    """A number a sample, or several: labels such as `0.5|-1.25`, which rows of several numbers
    become when a dataset is added. There are no classes; outputs are (n, targets).

    Attributes:
        loss: `squared`, whose numbers are means; `poisson` for counts, whose numbers are means too,
            and above 0; or `quantile`.
        quantile: of the last: below which so large a share of the numbers lies.
    """

    name: ClassVar[str] = "regression"
    says: ClassVar[str] = NUMBERS
    default_kind: ClassVar[type[Any]] = Ridge
    ends_in: ClassVar[tuple[str, ...]] = ("linear", EXPONENTIAL, "relu", "sigmoid")
    loss: str = SQUARED
    quantile: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss not in LOSSES_OF_NUMBERS:
            raise InvalidHeadSetting(
                f"loss is {self.loss!r}", hint=f"It can be {', '.join(LOSSES_OF_NUMBERS)}."
            )
        if not 0 < self.quantile < 1:
            raise InvalidHeadSetting(
                f"quantile is {self.quantile:g}", hint="Give a number between 0 and 1."
            )
        if self.loss != QUANTILE and self.quantile != 0.5:
            raise InvalidHeadSetting(
                f"quantile is {self.quantile:g}, and the loss {self.loss}",
                hint="It is for the loss quantile.",
            )

    def describe(self) -> dict[str, Any]:
        return {"task": self.name, **asdict(self)}

    def find_classes(self, samples: Sequence[Sample]) -> list[Label]:
        """None: see that every label is as many numbers as the others.

        Raises:
            HeadError: one is not.
        """
        check_labelled(samples)
        first = samples[0] if samples else None
        for place, label in enumerate(labels_of(samples)):
            values = [None] if label is None else _numbers(label)
            if None in values:
                sample = samples[place]
                raise HeadError(
                    f"sample {sample.id!r} has the label {sample.label!r}, which is not a number",
                    hint="Fix it or leave it out.",
                )
            if any(abs(value) > LARGEST for value in values if value is not None):
                sample = samples[place]
                raise HeadError(
                    f"sample {sample.id!r} has the label {sample.label!r}, and a head says "
                    f"{LARGEST:.0e} at most",
                    hint="Fix it, leave it out, or give numbers in another unit.",
                )
            if first and first.label is not None and len(values) != len(_numbers(first.label)):
                raise HeadError(
                    f"sample {samples[place].id!r} has {len(values)} numbers for a label, "
                    f"{first.id!r} has {len(_numbers(first.label))}",
                    hint="Give each sample as many, in the same order.",
                )
        return []

    def read(self, labels: Sequence[Label | None], classes: Sequence[Label]) -> np.ndarray:
        """The numbers, (n, targets), float64: times in seconds differ where float32 ends. What a
        head says of them is float32."""
        found = [_numbers(label) for label in labels if label is not None]
        return np.array(found, np.float64).reshape(len(found), len(found[0]) if found else 1)

    def weigh(
        self,
        targets: np.ndarray,
        classes: int,
        labels: Sequence[Label] = (),
        weights: np.ndarray | None = None,
    ) -> np.ndarray | None:
        return weights

    def check(self, train: Part, classes: Sequence[Label]) -> None:
        targets = train.targets
        _check_largest(targets)
        flat = np.flatnonzero(_are_equal(targets) | (targets.std(axis=0) == 0))
        if len(flat):
            raise HeadError(
                f"all labels of the train split are {targets[0, flat[0]]:g}"
                f"{_which(targets, flat[0])}",
                hint="There is nothing to learn.",
            )
        _check_steps(targets)

    def fit(self, kind: HeadKind, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        """Fit to numbers of mean 0 and variance 1, and back: of several, none counts more than
        the others because of its unit."""
        if not isinstance(kind, FitsNumbers):
            raise HeadError(
                f"a head of kind {kind.kind} gives no numbers",
                hint=f"Take kind {able_kinds(self.name)}.",
            )
        if self.loss != SQUARED:
            if not isinstance(kind, FitsLoss):
                raise HeadError(
                    f"a head of kind {kind.kind} knows no loss but the squared error",
                    hint="Take kind ridge, or leave the loss out.",
                )
            return kind.fit_loss(train, validation, seed, self.loss, self.quantile)
        scale = TargetScale.of(train)

        def scaled(part: Part) -> Part:
            return replace(part, targets=scale.apply(part.targets))

        fitted = kind.fit_numbers(scaled(train), scaled(validation), seed)
        *inner, last = fitted.layers
        kernel, bias = scale.back(last.kernel, last.bias)
        layer = replace(last, kernel=kernel, bias=bias)
        details = dict(fitted.details)
        if len(scale.std) == 1 and "squared_error" in details:  # in the labels' unit, as ever
            details["squared_error"] *= float(scale.std[0] ** 2)
        return Fitted((*inner, layer), details)

    def evaluate(
        self, outputs: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
    ) -> dict[str, Any]:
        """Mean absolute error, root of the mean squared error, and (of two or more samples) R2;
        before them what another loss than the squared error aims at.

        Of several numbers each is the mean over them, and `of_each` has those of each.
        """
        wide = outputs.astype(np.float64)
        each = [_scores(wide[:, one], targets[:, one]) for one in range(targets.shape[1])]
        found: dict[str, Any] = {}
        if self.loss != SQUARED:  # before the others: it is what the head aims at
            found["predicts"] = self.aim
            found[SCORES[self.loss]] = float(self.losses_of(outputs, targets).mean())
        if self.loss == QUANTILE:
            found[SHARE_BELOW] = float(shares_below(outputs, targets).mean())
        found |= {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}
        return found | ({"of_each": each} if len(each) > 1 else {})

    @property
    def aim(self) -> str:
        """What of the numbers is predicted, in words."""
        return {SQUARED: "mean", POISSON: "mean of counts (Poisson)"}.get(
            self.loss, f"quantile {self.quantile:g}"
        )

    def losses_of(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What is made small, of each row, (n,): the Poisson deviance, the pinball loss, the
        squared error; the mean over the numbers."""
        if self.loss == SQUARED:
            return ((outputs.astype(np.float64) - targets) ** 2).mean(axis=1)
        found = NumberLoss(self.loss, self.quantile).losses(outputs, targets).mean(axis=1)
        return 2 * found if self.loss == POISSON else found

    def decide(self, row: np.ndarray, classes: Sequence[Label]) -> tuple[Label | float, float]:
        """The number, or the numbers as a label has them."""
        said = row.tolist()
        return (said[0] if len(said) == 1 else BETWEEN.join(f"{one:.7g}" for one in said)), math.nan


def shares_below(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of each row the share of its numbers that are not above what is predicted, (n,)."""
    return (targets <= outputs).mean(axis=1)


def _scores(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Of one number a sample; both are (n,), float64."""
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    scores = {
        "mean_absolute_error": float(mean_absolute_error(targets, outputs)),
        "root_mean_squared_error": math.sqrt(mean_squared_error(targets, outputs)),
    }
    if len(targets) > 1:  # of one number there is no variance
        scores["r2"] = float(r2_score(targets, outputs))
    return scores


def _numbers(label: Label) -> list[float | None]:
    parts = label.split(BETWEEN) if isinstance(label, str) else [label]
    return [number_of(part) for part in parts]
