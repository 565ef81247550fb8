"""What a head says of samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.label_answers import UNKNOWN
from headstart.storage.manifest import Label
from headstart.values.frames import need_pandas
from headstart.values.said import CLASS, LABELS, NUMBERS
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:
    import pandas
    import pyarrow


class Says(Protocol):
    """What is known of predictions before the first is made."""

    classes: tuple[Label, ...]
    outputs: int
    says: str
    has_splits: bool
    has_sets: bool
    has_novelty: bool


def names_of(classes: Sequence[Label], outputs: int) -> list[str]:
    """What the columns of a head's outputs are called: `p_CLASS`, `value`, `value_1`."""
    if classes:
        return [f"p_{label}" for label in classes]
    return ["value"] if outputs == 1 else [f"value_{number + 1}" for number in range(outputs)]


def names_of_ends(outputs: int) -> list[str]:
    """What the columns of the ends of intervals are called: `low`, `high`, `low_1`, `high_1`."""
    if outputs == 1:
        return ["low", "high"]
    return [f"{end}_{number + 1}" for number in range(outputs) for end in ("low", "high")]


def names_of_answers(classes: Sequence[Label]) -> list[str]:
    """What the columns of answers about labels are called: `says_LABEL`."""
    return [f"says_{label}" for label in classes]


@dataclass(frozen=True)
class Prediction(Showable):
    """What a head says of one sample: a file, or `FILE[ROW]` of an array.

    Attributes:
        name: of the sample.
        label: the most probable class, or the one that an ordinal head's task decides for; several
            with the head's separator between them; a number; or several, such as `0.5|1.25`. None
            of what is rejected (`unsure="reject"`): several classes may be right, or a head of
            several labels knows nothing like it.
        probability: that this class is right; NaN for several labels, which depend on each
            other, so that those of each say nothing of all together, and for numbers.
        outputs: the probabilities of all classes, in the head's order, (classes,), float32; or the
            numbers, (outputs,).
        classes: the label of each probability; none for numbers.
        split: of a sample of the dataset that the head was trained on: what is said of one of
            `train` was learned.
        likely: the classes of which one is right, the likeliest first, where sets were asked for.
        intervals: of each number that is said the ends of its interval, where those were asked for;
            None where too few samples told how wide it is.
        answers: `yes`, `no` or `unknown` for each label, in the head's order, where those were
            asked for.
        novelty: share of samples like those that the head knows that lie nearer to them, where that
            was asked for: near 1 of what is unlike all of them.
    """

    name: str
    label: Label | float | None
    probability: float
    outputs: np.ndarray
    classes: tuple[Label, ...] = ()
    split: str | None = None
    likely: tuple[Label, ...] | None = None
    intervals: tuple[tuple[float | None, float | None], ...] | None = None
    novelty: float | None = None
    answers: tuple[str, ...] | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """Of all classes, (classes,), float32.

        Raises:
            HeadError: the head says numbers.
        """
        if not self.classes:
            raise _no_probabilities()
        return self.outputs

    @property
    def values(self) -> np.ndarray:
        """The numbers that are said, (outputs,), float32; none of a class."""
        return self.outputs[:0] if self.classes else self.outputs

    def _facts(self) -> dict[str, Any]:
        """As `probability` no number that is none: see there."""
        known: dict[str, Any] = {"name": self.name}
        known |= {} if self.split is None else {"split": self.split}
        known |= {} if self.novelty is None else {"novelty": self.novelty}
        if not self.classes:
            said, ends = self.values.tolist(), self.intervals
            if len(said) == 1:
                return known | {"value": said[0], **({"interval": ends[0]} if ends else {})}
            return known | {"values": said, **({"intervals": ends} if ends else {})}
        known["label"] = self.label
        if math.isnan(self.probability):
            known |= {} if self.answers is None else {"answers": self.answers_by_label()}
            return known | {"probabilities": self.by_class()}
        known["probability"] = self.probability
        return known if self.likely is None else known | {"set": list(self.likely)}

    @property
    def unsure_text(self) -> str:
        """The classes of which one is right, the labels of which it is unknown whether the sample
        has them, or the intervals, in words; empty without."""
        if self.answers is not None:
            told = self.answers_by_label().items()
            return ", ".join(label for label, answer in told if answer == UNKNOWN)
        if self.intervals is None:
            return ", ".join(map(str, self.likely or ()))
        return ", ".join(
            "any number" if low is None else f"{low:.6g} to {high:.6g}"
            for low, high in self.intervals
        )

    def top(self, count: int) -> list[tuple[Label, float]]:
        """The likeliest classes with their probabilities, the likeliest first.

        Of equally probable ones those that stand first in the head's order.

        Raises:
            HeadError: the head says numbers, or `count` is below 1.
        """
        if count < 1:
            raise HeadError(f"count is {count}", hint="Give 1 or more.")
        places = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[place], float(self.probabilities[place])) for place in places]

    def by_class(self) -> dict[str, float]:
        """The probability of each class, by its label."""
        return dict(zip(map(str, self.classes), self.probabilities.tolist(), strict=True))

    def answers_by_label(self) -> dict[str, str]:
        """`yes`, `no` or `unknown` by label, where those were asked for."""
        return dict(zip(map(str, self.classes), self.answers or (), strict=bool(self.answers)))

    def _line(self) -> str:
        sure = "" if math.isnan(self.probability) else f", {self.probability:.2f}"
        return f"{self.name!r} is {self.label!r}{sure}"


def _no_probabilities() -> HeadError:
    return HeadError("the head gives numbers, and no probabilities", hint="See `values`.")


class Predicted(Results[Prediction]):
    """The predictions of some samples, in order.

    Attributes:
        trust: how far the head that made them can be trusted, in words.
        skipped: names of samples that could not be read, and were left out.
        classes: the label of each probability; none for numbers.
        outputs: how many probabilities, or numbers, a sample has.
        says: what is said of a sample: a `class`, `labels` or `numbers`.
        has_splits: whether a sample is of the dataset that the head was trained on, so that it
            stands in a split of it.
        has_sets: whether sets of classes, answers about labels or intervals were asked for.
        has_novelty: whether it was asked how new samples are.
        tops: how many of the likeliest classes `to_json` has of each, `top`; 0 for none.
    """

    tops = 0

    def __init__(
        self,
        found: Iterable[Prediction],
        trust: str,
        skipped: Sequence[str],
        head: Says,
    ) -> None:
        super().__init__(found)
        self.trust, self.skipped = trust, tuple(skipped)
        self.classes, self.outputs = tuple(head.classes), head.outputs
        self.says, self.has_splits, self.has_sets = head.says, head.has_splits, head.has_sets
        self.has_novelty = head.has_novelty

    @property
    def ids(self) -> list[str]:
        """What the samples are called."""
        return [one.name for one in self]

    @property
    def labels(self) -> list[Label | float | None]:
        """What is said of each."""
        return [one.label for one in self]

    @property
    def probabilities(self) -> np.ndarray:
        """Of all classes, (samples, classes), float32.

        Raises:
            HeadError: the head says numbers.
        """
        if not self.classes:
            raise _no_probabilities()
        return self._outputs()

    @property
    def values(self) -> np.ndarray:
        """The numbers that are said, (samples, outputs), float32; of classes none, (samples, 0)."""
        return self._outputs()[:, : 0 if self.classes else None]

    def _outputs(self) -> np.ndarray:
        if not self:
            return np.empty((0, self.outputs), np.float32)
        return np.stack([one.outputs for one in self])

    def to_arrow(self) -> pyarrow.Table:
        """A row a sample: its `name`; its `split`, where one is of a dataset; its `novelty`, where
        that was asked for; of a class `label`, `probability` and `p_CLASS`, the probability of each
        class, float32; of several labels the same without `probability`, with `says_LABEL` where
        answers were asked for; of a number `value`, of several `value_1` and so on, with `low` and
        `high`, or `low_1`, where intervals were asked for."""
        import pyarrow

        columns: dict[str, Any] = {"name": pyarrow.array(self.ids, pyarrow.string())}
        if self.has_splits:
            columns["split"] = pyarrow.array([one.split for one in self], pyarrow.string())
        if self.has_novelty:
            columns["novelty"] = pyarrow.array([one.novelty for one in self], pyarrow.float32())
        if self.says != NUMBERS:
            columns["label"] = _labels(self.labels)
        if self.says == CLASS:
            sure = [one.probability for one in self]
            columns["probability"] = pyarrow.array(sure, pyarrow.float32())
        if self.has_sets and self.says == CLASS:
            columns["set"] = pyarrow.array(
                [[str(label) for label in one.likely or ()] for one in self]
            )
        if self.has_sets and self.says == LABELS:
            for place, name in enumerate(names_of_answers(self.classes)):
                told = [one.answers[place] for one in self if one.answers is not None]
                columns[name] = pyarrow.array(told, pyarrow.string())
        outputs = self._outputs()
        if self.has_sets and self.says == NUMBERS:
            ends = np.array([one.intervals for one in self], np.float64)
            ends = ends.reshape(len(self), 2 * self.outputs)
            for place, name in enumerate(names_of_ends(self.outputs)):
                columns[name] = pyarrow.array(ends[:, place], from_pandas=True)
        for place, name in enumerate(names_of(self.classes, self.outputs)):
            columns[name] = pyarrow.array(outputs[:, place])
        return pyarrow.table(columns)

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a data frame.

        Raises:
            HeadstartError: pandas is not installed.
        """
        need_pandas()
        return self.to_arrow().to_pandas()

    def _facts(self) -> Any:
        return [
            {
                **one.to_json(),
                **({"top": [_likely(*pair) for pair in one.top(self.tops)]} if self.tops else {}),
                "trust": self.trust,
            }
            for one in self
        ]


def _labels(labels: Sequence[Label | float | None]) -> pyarrow.Array:
    """What is said of each, as a column: text where all are rejected."""
    import pyarrow

    is_known = any(label is not None for label in labels)
    return pyarrow.array(labels) if is_known else pyarrow.array(labels, pyarrow.string())


def _likely(label: Label, probability: float) -> dict[str, Any]:
    return {"label": label, "probability": probability}
