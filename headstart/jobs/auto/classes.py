"""Whether a dataset has classes to learn: looked at before anything is opened or computed."""

from __future__ import annotations

from collections import Counter

import numpy as np

from headstart.errors import HeadError
from headstart.heads.labelled import check_labels, hint_of
from headstart.registry.entities import Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.samples import is_fraction
from headstart.values.quantities import are_many, range_of


def check_samples(dataset: Dataset, samples: SampleColumns, folds: int) -> None:
    """See that there are classes to learn, each with samples enough to try heads on, and a test
    split to score on.

    Raises:
        HeadError: there are not.
    """
    labels = np.array([label is not None for label in samples.labels], bool)
    tested = samples.split_codes == SPLITS.index("test")
    if not labels.any():
        raise HeadError(
            f"dataset {dataset.name!r} has no labels",
            hint=f"`headstart dataset add {dataset.name} SOURCE --labels FILE`, after `headstart "
            f"dataset remove {dataset.name}` if it is registered; or give a folder of class "
            "folders, or a table.",
        )
    known = samples.where(labels)
    _refuse_numbers(dataset, known.different_labels, len(known))
    check_labels(known)
    if not (tested & labels).any():
        raise HeadError(
            f"the test split of {dataset.name!r} is empty",
            hint="Add samples, or say which is which in a `split` column or array.",
        )
    _refuse_few(dataset, samples.where(labels & ~tested), known, folds)


def _refuse_numbers(dataset: Dataset, labels: set[Label], samples: int) -> None:
    """Refuse numbers, of which each is hardly a class."""
    fractions = sorted(str(label) for label in labels if is_fraction(label))
    ends = range_of(labels, samples)
    are_alone = 2 * len(labels) > samples or are_many(labels, samples)
    if are_alone and (fractions or ends is not None):
        told = f"from {ends[0]:.6g} to {ends[1]:.6g}" if ends else f"such as {fractions[0]!r}"
        raise HeadError(
            f"the labels of {dataset.name!r} look like numbers, {told}: {len(labels):,} different "
            f"ones on {samples:,} samples, and auto is for classes",
            hint=_regression(dataset),
        )


def _refuse_few(dataset: Dataset, learnt: SampleColumns, known: SampleColumns, folds: int) -> None:
    """Refuse a class with too few samples outside of the test split: nobody would know how good a
    head is at it."""
    counts = Counter(dict.fromkeys(known.different_labels, 0))
    counts.update(label for label in learnt.labels if label is not None)
    label, count = min(counts.items(), key=lambda one: (one[1], str(one[0])))
    if count < folds:
        raise HeadError(
            f"class {label!r} of {dataset.name!r} has {count} sample{'s' * (count != 1)} to try "
            f"heads on, and takes {folds}, one for each fold",
            hint=hint_of(counts, len(known), "Add samples of it, or leave it out."),
        )


def _regression(dataset: Dataset) -> str:
    return f"`headstart head train NAME BACKBONE {dataset.name} --task regression` learns numbers."
