"""The labelled samples that heads are tried on, while the test split is left alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.columns.units import units_of
from headstart.storage.manifest import SPLITS, Label, Sample, sorted_labels
from headstart.storage.samples import LEAST_SAMPLE_WEIGHT, MOST_SAMPLE_WEIGHT, is_fraction
from headstart.values.quantities import are_many_numbers, look_like_numbers
from headstart.values.showable import brief

SEVERAL = (
    "Samples have several labels, and each combination counts as a class here: --task multi-label, "
    "or hs.MultiLabel(), takes the labels one by one."
)
QUANTITIES = look_like_numbers, are_many_numbers
REGRESSION = "If these are numbers: --task regression, or hs.Regression()."


class ReadsLabels(Protocol):
    """What a task knows of labels."""

    def find_classes(self, samples: Sequence[Sample]) -> list[Label]:
        """The label of each output; none of numbers."""
        ...

    def read(self, labels: Sequence[Label | None], classes: Sequence[Label]) -> np.ndarray:
        """The targets: class numbers (n,), or (n, outputs)."""
        ...


@dataclass(frozen=True)
class Labelled:
    """Samples of the train and validation splits.

    Attributes:
        rows: which rows of the view they are, (n,).
        targets: as the task reads them: class numbers, (n,), or (n, outputs).
        classes: the label of each output; none of numbers.
        groups: of each, what must not stand on both sides; None where each is on its own.
        weights: for how many samples each counts, (n,), float32; None where all count alike.
    """

    rows: np.ndarray
    targets: np.ndarray
    classes: list[Label]
    groups: list[str] | None
    weights: np.ndarray | None = None

    @property
    def group_numbers(self) -> np.ndarray | None:
        """A number for each group, (n,) int64."""
        return None if self.groups is None else np.unique(self.groups, return_inverse=True)[1]


def labelled_rows(
    samples: Sequence[Sample],
    limit: int,
    seed: int,
    splits: Sequence[str] = ("train", "validation"),
    task: ReadsLabels | None = None,
) -> Labelled:
    """The samples of some splits, without the test split; of more than `limit`, some by seed.

    Args:
        samples: all.
        limit: how many at most.
        seed: of the choice among more.
        splits: whose samples.
        task: what the labels mean; classes without it.

    Raises:
        HeadError: there are none, or the labels do not suit the task: one has none, or there are
            fewer than two classes.
    """
    columns = SampleColumns.of(samples)
    wanted = [place for place, split in enumerate(SPLITS) if split in splits]
    rows = np.flatnonzero(np.isin(columns.split_codes, wanted))
    if not len(rows):
        raise HeadError(
            "there is no sample beyond the test split, which is left alone",
            hint="Say which is which in a `split` column or array.",
        )
    rows = some_rows(rows, limit, seed)
    chosen = columns.take(rows)
    classes = check_labels(chosen) if task is None else task.find_classes(chosen)
    read = numbers_of if task is None else task.read
    targets = read(chosen.labels, classes)
    return Labelled(rows, targets, classes, groups_of(chosen), sample_weights(chosen))


def groups_of(samples: Sequence[Sample]) -> list[str] | None:
    """Of each sample, what must not stand on both sides of a split; None where each is on its
    own."""
    return units_of(SampleColumns.of(samples))


def sample_weights(*samples: SampleColumns) -> np.ndarray | None:
    """For how many samples each counts where heads are trained, of some samples one behind the
    other, (n,), float32; None where nothing is said of it.

    Raises:
        HeadError: one counts so little, or so much, that float32 holds no sums with it.
    """
    if not any(one.has_weights for one in samples):
        return None
    found = np.concatenate([one.weights for one in samples])
    bad = (found < LEAST_SAMPLE_WEIGHT) | (found > MOST_SAMPLE_WEIGHT)
    if bad.any():
        row = int(bad.argmax())
        id_ = [id_ for one in samples for id_ in one.ids][row]
        raise HeadError(
            f"sample {id_!r} has the weight {found[row]:g}",
            hint=f"Give numbers from {LEAST_SAMPLE_WEIGHT:g} to {MOST_SAMPLE_WEIGHT:g}, or do "
            "without, by --ignore-weights (ignore_weights=True).",
        )
    return found.astype(np.float32)


def labels_of(samples: Sequence[Sample]) -> list[Label | None]:
    """The label of each sample."""
    if isinstance(samples, SampleColumns):
        return samples.labels
    return [sample.label for sample in samples]


def some_rows(rows: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """All rows, or `limit` of them chosen by seed, in order."""
    if len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))


def hint_of(labels: Collection[Label | None], samples: int, hint: str) -> str:
    """What to do where classes have too few samples: take labels that look like quantities for
    numbers, else what is given.

    Args:
        labels: the different ones.
        samples: that have them.
        hint: of labels that are classes.
    """
    from headstart.extractors.datasets.labels import several_in  # what reads datasets, for a hint

    if several_in(labels):
        return SEVERAL
    return REGRESSION if are_quantities(labels, samples) else hint


def are_quantities(labels: Collection[Label | None], samples: int) -> bool:
    """Whether labels that are too rare to be classes look like numbers to be learnt.

    Args:
        labels: the different ones.
        samples: that have them.
    """
    known = [label for label in labels if label is not None]
    return any(map(is_fraction, known)) or any(rule(known, samples) for rule in QUANTITIES)


def numbers_of(labels: Sequence[Label | None], classes: Sequence[Label]) -> np.ndarray:
    """The class number of each label, (n,) int64; labels were checked before."""
    number = {label: place for place, label in enumerate(classes)}
    return np.array([number[label] for label in labels if label is not None], np.int64)


def number_of(label: Label) -> float | None:
    """The finite number that a label is; None if it is none."""
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def check_labels(samples: Sequence[Sample]) -> list[Label]:
    """The classes in order.

    Raises:
        HeadError: a sample has no label, or there are fewer than two classes.
    """
    check_labelled(samples)
    labels = labels_of(samples)
    if None in labels:
        sample = samples[labels.index(None)]
        raise HeadError(f"sample {sample.id!r} has no label", hint="Label it or leave it out.")
    classes = sorted_labels(labels)
    if len(classes) < 2:
        raise HeadError(
            f"the dataset has {len(classes)} class: {', '.join(map(repr, classes)) or 'none'}",
            hint="A head needs two or more.",
        )
    fractions = [label for label in classes if is_fraction(label)]
    if fractions and 2 * len(classes) > len(samples):
        raise HeadError(
            f"the labels look like numbers, such as {fractions[0]!r}: there are {len(classes):,} "
            f"different ones on {len(samples):,} samples",
            hint=REGRESSION,
        )
    return classes


def check_labelled(samples: Sequence[Sample]) -> None:
    """See that there are labels at all.

    Raises:
        HeadError: no sample has one.
    """
    if samples and all(label is None for label in labels_of(samples)):
        raise HeadError(
            "the dataset has no labels",
            hint="Label it: heads and rankings need labels; without, its features can be mapped, "
            "searched and predicted.",
        )


LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 1e6
"""What a sample of a class may count. Far beyond, float32 holds no sums of them beside others; far
below, a class is as good as gone, which leaving it out says better."""


def weights_by_class(given: Any) -> tuple[tuple[str, float], ...]:
    """Weights by label, from a mapping or pairs.

    Raises:
        InvalidHeadSetting: it is neither, or a weight is out of bounds.
    """
    try:
        pairs = given.items() if hasattr(given, "items") else given
        found = tuple((str(label), float(weight)) for label, weight in pairs)
    except (TypeError, ValueError):
        raise InvalidHeadSetting(
            f"class_weights is {brief(given)}", hint="Give a dictionary, such as {'cat': 2.0}."
        ) from None
    for label, weight in found:
        if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
            raise InvalidHeadSetting(
                f"the weight of {label!r} is {weight:g}",
                hint=f"Give a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:,.0f}.",
            )
    return found


def weights_of(labels: Sequence[Label], given: Sequence[tuple[str, float]]) -> np.ndarray:
    """What a sample of each class counts, (classes,), float32; 1 where nothing is given.

    Raises:
        HeadError: a weight is of a class that there is not.
    """
    own, known = dict(given), [str(label) for label in labels]
    for label in own:
        if label not in known:
            more = ", …" if len(known) > 8 else ""
            raise HeadError(
                f"a weight is given for {label!r}, and no sample has that label",
                hint=f"The classes are {', '.join(known[:8])}{more}.",
            )
    return np.array([own.get(label, 1.0) for label in known], np.float32)
