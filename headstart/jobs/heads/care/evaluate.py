"""`head.evaluate`: a head's scores on the labelled samples of any dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.cached import features_of_blocks, of_samples
from headstart.errors import HeadError, NotFound
from headstart.extractors.datasets import window_options
from headstart.extractors.datasets.corrections import Corrections
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.labelled import labels_of
from headstart.heads.regression import Regression
from headstart.heads.tasks import MultiLabel
from headstart.notices import warn
from headstart.registry.entities import Dataset
from headstart.storage.columns.finder import ABSENT, DigestFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS, Label, Sample
from headstart.storage.views import FeatureView
from headstart.storage.windowed.wholes import wholes_of
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable

ALL = "all"
"""The samples of every split."""
NAMED = 5
"""Labels that are named, of those that a head does not know."""


@dataclass(frozen=True)
class Evaluated(Showable):
    """What a head's scores are on samples of a dataset.

    Attributes:
        head: its name and version.
        dataset: whose samples they are.
        split: of which they were taken, or `all`.
        samples: how many the scores are of.
        seen: how many were left out, as the head was fitted on their content; None where that
            cannot be told, as its dataset is not what it was.
        unlabelled: how many were left out, as they have no label.
        metrics: the scores with their intervals, as those of a trained head.
        classes: the label of each number in the metrics.
    """

    head: str
    dataset: str
    split: str
    samples: int
    seen: int | None
    unlabelled: int
    metrics: dict[str, Any]
    classes: tuple[Label, ...]

    def _line(self) -> str:
        return f"{self.head} on {self.samples:,} samples of {self.dataset!r} ({self.split})"


def evaluate(head: TrainedHead, dataset: str, split: str | None = None) -> Evaluated:
    """See `Head.evaluate`."""
    asked = _asked(head, dataset, split)
    outputs, samples = _said(head, asked.dataset, asked.split)
    kept = _kept(head, samples, asked)
    if asked.fitted is None:
        warn(_unknown(head, asked.split, is_learned=asked.is_learned))
    samples = [samples[row] for row in np.flatnonzero(kept.rows).tolist()]
    classes = list(head.record.classes)
    targets = head.task.read(kept.labels, classes)
    clusters = clusters_of(samples)
    metrics = scores_of(head.task, outputs[kept.rows], targets, classes, clusters)
    metrics["n_test"] = len(samples)
    return Evaluated(
        f"{head.record.name}:{head.record.version}",
        asked.dataset.name,
        asked.split,
        len(samples),
        None if asked.fitted is None else kept.seen,
        kept.unlabelled,
        metrics,
        tuple(classes),
    )


def check_evaluation(head: TrainedHead, dataset: str, split: str | None = None) -> None:
    """See what can be seen before features are extracted for it.

    Raises:
        HeadError: see `Head.evaluate`.
    """
    asked = _asked(head, dataset, split)
    check_cutting(head, asked.dataset)
    samples = wholes_of(head.context.manifest(asked.dataset)).columns
    if asked.split != ALL:
        samples = samples.where(samples.split_codes == SPLITS.index(asked.split))
    _check_some(samples, asked.dataset, asked.split)
    _kept(head, samples, asked)


def check_cutting(head: TrainedHead, dataset: Dataset) -> None:
    """See that the samples of a dataset are cut into windows as those of the head's own were.

    Raises:
        HeadError: they are not.
    """
    cutting = {name: value for name, value in head.windows.items() if name != "pooled"}
    if cutting != window_options(dataset.options)[0]:
        raise HeadError(
            f"head {head.record.name!r} is of samples that were cut differently from those of "
            f"{dataset.name!r}",
            hint="Add the source by another name, with the windows that `head show` tells.",
        )


def whole_view(head: TrainedHead, dataset: Dataset) -> FeatureView:
    """The cached features that a head takes, of any dataset.

    Raises:
        HeadError: its samples were cut into other windows, or the backbone is another one now.
        FeaturesMissing: some have not been extracted.
    """
    blocks = head.blocks()
    check_cutting(head, dataset)
    view = features_of_blocks(head.context, blocks, dataset, 0, head.scales)
    return of_samples(view, head.windows.get("pooled"))


@dataclass(frozen=True)
class _Asked:
    """What a head is to be evaluated on.

    Attributes:
        dataset: as it is registered.
        split: which of its splits, or all.
        fitted: what the head was fitted on; None where that is not known, or does not matter.
        is_learned: whether that is just what it was fitted on.
    """

    dataset: Dataset
    split: str
    fitted: _FittedOn | None
    is_learned: bool


def _asked(head: TrainedHead, dataset: str, split: str | None) -> _Asked:
    """What was asked for.

    Raises:
        HeadError: there is no such split, or what the head was fitted on has to be known and is
            not.
    """
    record = head.record
    if split not in (None, ALL, *SPLITS):
        raise HeadError(f"split is {split!r}", hint=f"Give {ALL}, {', '.join(SPLITS)}.")
    known = head.context.datasets.get(dataset)
    is_own = known.name == record.dataset or known.digest == record.dataset_digest
    fitted = _fitted_on(head, known)
    if fitted is None and is_own and split is None:
        raise _untold(head)
    chosen = split or ("test" if is_own else ALL)
    is_learned = fitted is not None and is_own and chosen in ("train", "validation")
    return _Asked(known, chosen, None if is_learned else fitted, is_learned)


def _said(head: TrainedHead, dataset: Dataset, split: str) -> tuple[np.ndarray, Sequence[Sample]]:
    """What the head says of the samples of a split."""
    view = whole_view(head, dataset)
    view = view if split == ALL else view.split(split)
    _check_some(view, dataset, split)
    of = BySample.of(view)
    return of.mean(head.judge.predict_proba(view.to_numpy())), of.samples


def _check_some(found: Sized, dataset: Dataset, split: str) -> None:
    if not len(found):
        raise HeadError(f"the {split} split of {dataset.name!r} is empty", hint="Name another.")


@dataclass(frozen=True)
class _FittedOn:
    """What a head was fitted on, or what chose its settings.

    Attributes:
        samples: of its dataset.
        gone: digests of samples that were excluded from that since; of which split, and whether
            before the head was trained, is not known, so that all of them count.
    """

    samples: SampleColumns
    gone: frozenset[str] = frozenset()

    def has(self, columns: SampleColumns) -> np.ndarray:
        """Which of some samples are among them, by their content, (n,) bool."""
        found = columns.have(self.gone)
        if len(self.samples):
            found |= DigestFinder(self.samples).find(columns.digests) != ABSENT
        return found


def _fitted_on(head: TrainedHead, known: Dataset) -> _FittedOn | None:
    """What a head was fitted on; None where its dataset is not what it was.

    Args:
        head: the head.
        known: the dataset that it is evaluated on, which may be its own by another name.
    """
    was = head.record.dataset_digest
    try:
        own = known if known.digest == was else head.dataset(corrected=True)
        samples = wholes_of(head.context.manifest(own)).columns
    except (HeadError, NotFound):
        return None
    gone = Corrections.of(own.options).excluded.values() if own.digest != was else ()
    return _FittedOn(samples.where(samples.split_codes != SPLITS.index("test")), frozenset(gone))


@dataclass(frozen=True)
class _Kept:
    """The samples that a head is evaluated on.

    Attributes:
        rows: which of all, bool.
        labels: theirs.
        seen: how many it was fitted on.
        unlabelled: how many of the others have no label.
    """

    rows: np.ndarray
    labels: list[Label | None]
    seen: int
    unlabelled: int


def _kept(head: TrainedHead, samples: Sequence[Sample], asked: _Asked) -> _Kept:
    """Those that have a label and are new to the head.

    Raises:
        HeadError: none is left, or the head cannot say what their labels are.
    """
    columns = SampleColumns.of(samples)
    new = np.ones(len(samples), bool) if asked.fitted is None else ~asked.fitted.has(columns)
    labelled = np.ones(len(samples), bool)
    if not isinstance(head.task, MultiLabel):  # there, no label is an answer
        labelled = np.array([label is not None for label in labels_of(samples)], bool)
    rows, seen, unlabelled = new & labelled, int((~new).sum()), int((new & ~labelled).sum())
    name = asked.dataset.name
    if not rows.any():
        raise HeadError(
            f"no sample of {name!r} ({asked.split}) is left to evaluate on: head "
            f"{head.record.name!r} was fitted on {seen:,} of {len(samples):,}, {unlabelled:,} have "
            "no label",
            hint="Take samples that it has not seen, with labels.",
        )
    labels = _labels(head, columns.take(np.flatnonzero(rows)), name)
    return _Kept(rows, labels, seen, unlabelled)


def _untold(head: TrainedHead) -> HeadError:
    record = head.record
    return HeadError(
        f"dataset {record.dataset!r} has changed since head {record.name!r} was trained: which of "
        "its samples it was fitted on cannot be determined",
        hint=f"`headstart head retrain {record.name}` trains it on the dataset as it is; --split "
        f"{ALL} scores it on all samples, whatever it was fitted on.",
    )


def _unknown(head: TrainedHead, split: str, *, is_learned: bool) -> str:
    record = head.record
    if is_learned:
        return (
            f"head {record.name!r} was fitted on the {split} split, or its settings were chosen on "
            "it: these scores say little of other samples"
        )
    return (
        f"dataset {record.dataset!r} is not what head {record.name!r} was trained on: which of "
        "these samples it was fitted on cannot be determined, and none is left out"
    )


def _labels(head: TrainedHead, samples: Sequence[Sample], dataset: str) -> list[Label | None]:
    """The labels as the head has them: a class may be a number here and a text there.

    Raises:
        HeadError: the head does not know one, or says another number of numbers.
    """
    labels, task = labels_of(samples), head.task
    if isinstance(task, Regression):
        task.find_classes(samples)
        wide = task.read(labels[:1], []).shape[1]
        if wide != head.judge.outputs:
            raise HeadError(
                f"labels of {dataset!r} are {wide} numbers per sample, head {head.record.name!r} "
                f"says {head.judge.outputs}",
                hint="Evaluate it on a dataset that is labelled as its own.",
            )
        return labels
    known = {str(label): label for label in head.record.classes}
    if isinstance(task, MultiLabel):
        found = map(str, task.find_classes(samples))
    else:
        found = (str(label) for label in labels)
        labels = [known.get(str(label)) for label in labels]
    if unknown := list(_unknown_of(found, known)):
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        raise HeadError(
            f"labels of {dataset!r} that head {head.record.name!r} does not know: "
            f"{', '.join(map(repr, unknown[:NAMED]))}{more}",
            hint="It can only be wrong there: leave those samples out, or train it on them.",
        )
    return labels


def _unknown_of(found: Iterator[str], known: dict[str, Label]) -> Iterator[str]:
    return (label for label in dict.fromkeys(found) if label not in known)
