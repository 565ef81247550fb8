"""Whether a dataset has classes to learn: looked at before anything is opened or computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from headstart.errors import HeadError
from headstart.heads.evaluation.folds import check_rarest
from headstart.heads.labelled import REGRESSION, check_labels, groups_of, numbers_of
from headstart.registry.entities import Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS, sorted_labels


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
    with _of_classes(dataset):
        check_labels(samples.where(labels))
    for split, there in (("test", tested & labels), ("train", labels & ~tested)):
        if there.any():
            continue
        raise HeadError(
            f"the {split} split of {dataset.name!r} is empty",
            hint="Add samples, or say which is which in a `split` column or array.",
        )
    learnt = samples.where(labels & ~tested)
    classes = sorted_labels(learnt.labels)
    with _of_classes(dataset):
        check_rarest(
            numbers_of(learnt.labels, classes), folds, classes=classes, groups=groups_of(learnt)
        )


@contextmanager
def _of_classes(dataset: Dataset) -> Iterator[None]:
    """Name the verb that learns numbers, as this one does not."""
    try:
        yield
    except HeadError as error:
        if error.hint != REGRESSION:
            raise
        raise HeadError(
            error.message,
            hint=f"If these are numbers: `headstart head train NAME BACKBONE {dataset.name} "
            "--task regression`; auto is for classes.",
        ) from error
