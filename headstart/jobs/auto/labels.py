"""What the labels of a dataset mean, and whether heads can be tried on them: looked at before
anything is opened or computed."""

from __future__ import annotations

from collections import Counter

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.datasets.labels import several_in
from headstart.heads.evaluation.folds import check_count, check_rarest
from headstart.heads.kind import Part
from headstart.heads.labelled import are_quantities, groups_of, numbers_of, some_rows
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification, MultiLabel, Task
from headstart.heads.trials.subsample import is_labelled
from headstart.jobs.auto.found import Wanted
from headstart.notices import tell
from headstart.registry.entities import Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS, sorted_labels
from headstart.storage.samples import BETWEEN

AS_CLASSES = 'with --task classification (task="classification") each is a class'


def task_of_labels(samples: SampleColumns, folds: int) -> Task:
    """What labels mean where nobody says it: numbers, where some are too rare to be classes and all
    look like quantities; several, where they have a `|` and are no numbers; else one class."""
    learnt = samples.where(samples.split_codes != SPLITS.index("test"))
    counts = Counter(label for label in learnt.labels if label is not None)
    if several := several_in(counts):
        tell(
            f"samples have several labels, such as {min(several)!r}: heads that say any number of "
            f"labels are tried; {AS_CLASSES}"
        )
        return MultiLabel()
    are_rows = all(isinstance(label, str) and BETWEEN in label for label in counts)
    are_numbers = are_rows or are_quantities(counts, counts.total())
    if counts and min(counts.values()) < folds and are_numbers:
        tell(
            f"the labels are numbers, such as {next(iter(counts))}: heads that predict numbers are "
            f"tried; {AS_CLASSES}"
        )
        return Regression()
    return Classification()


def check_samples(dataset: Dataset, samples: SampleColumns, wanted: Wanted) -> None:
    """See that there are labels of the task to learn, samples enough to try heads on, and a test
    split to score on.

    Raises:
        HeadError: there are not.
    """
    task = wanted.task or Classification()
    labels = is_labelled(samples, task)
    tested = samples.split_codes == SPLITS.index("test")
    if not labels.any():
        raise HeadError(
            f"dataset {dataset.name!r} has no labels",
            hint=f"`headstart dataset add {dataset.name} SOURCE --labels FILE`, after `headstart "
            f"dataset remove {dataset.name}` if it is registered; or give a folder of class "
            "folders, or a table.",
        )
    task.find_classes(samples.where(labels))
    for split, there in (("test", tested & labels), ("train", labels & ~tested)):
        if there.any():
            continue
        raise HeadError(
            f"the {split} split of {dataset.name!r} is empty",
            hint="Add samples, or say which is which in a `split` column or array.",
        )
    learnt = samples.where(labels & ~tested)
    _check_enough(learnt, task, wanted)
    if len(learnt) > wanted.limit:
        few = learnt.take(some_rows(np.arange(len(learnt)), wanted.limit, wanted.seed))
        try:
            _check_enough(few, task, wanted)
        except HeadError as error:
            raise HeadError(
                f"{error.message}, where --limit {wanted.limit:,} takes so many of "
                f"{len(learnt):,} samples",
                hint="Take a larger --limit (limit=), or none.",
            ) from error


def _check_enough(samples: SampleColumns, task: Task, wanted: Wanted) -> None:
    """See that heads can be tried on samples by folds.

    Raises:
        HeadError: they are too few, or all alike.
    """
    groups = groups_of(samples)
    if isinstance(task, Classification):
        classes = sorted_labels(samples.labels)
        numbers = numbers_of(samples.labels, classes)
        check_rarest(numbers, wanted.folds, classes=classes, groups=groups)
        return
    classes = task.find_classes(samples)
    targets = task.read(samples.labels, classes)
    task.check(Part(np.empty((len(targets), 0), np.float32), targets), classes)
    check_count(len(targets), wanted.folds, groups)
