"""`ws.audit`: labels worth a look and near duplicates of a dataset, found by its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.cached import features_of, of_samples, unweighted
from headstart.context import Context
from headstart.errors import HeadError
from headstart.extractors.datasets import reader_of
from headstart.heads.copied_rows import copied
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.label_errors import find_wrong_labels
from headstart.heads.evaluation.near_duplicates import compares_all
from headstart.heads.generalised import SQUARED
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.ridge import Ridge
from headstart.heads.labelled import labelled_rows, some_rows
from headstart.heads.regression import Regression
from headstart.heads.rows import Rows, rows_of, some_of
from headstart.heads.tasks import Classification
from headstart.heads.trials.objective import LOG_LOSS
from headstart.heads.trials.ranked import cross_neighbours
from headstart.heads.trials.wrong_numbers import NEAREST, find_wrong_numbers
from headstart.jobs.datasets.twins import (
    Twins,
    find_twins,
    groups_of,
    looks_of,
    samples_by_number,
)
from headstart.jobs.heads.cross_validation import ROOM, CrossValidation, folds_of
from headstart.notices import tell, warn
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import reference_of
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS, Label, Sample
from headstart.storage.samples import BETWEEN
from headstart.values.showable import Showable

STRENGTHS = (1e-3, 1e-2, 1e-1)
"""Of the linear heads that judge labels; the one with the least log loss judges."""


@dataclass(frozen=True)
class Suspect(Showable):
    """A sample whose label is worth a look.

    Attributes:
        sample: which.
        guess: the class that it looks like; of numbers, what is predicted.
        margin: probability of its label less that of the guess, from heads not trained on it; of
            numbers, by how many robust standard deviations it is off, below 0: see
            `find_wrong_numbers`.
    """

    sample: Sample
    guess: Label
    margin: float

    def _facts(self) -> dict[str, Any]:
        sample = self.sample
        named = {"id": sample.id, "split": sample.split, "label": sample.label}
        return {**named, "guess": self.guess, "margin": self.margin}

    def _line(self) -> str:
        sample = self.sample
        return f"{sample.id!r} is {sample.label!r}, looks like {self.guess!r}, {self.margin:.2f}"


@dataclass(frozen=True)
class Audit(Showable):
    """What was found, the surest first.

    Attributes:
        samples: how many were looked at.
        suspects: labels that are worth a look; None if the dataset has no labels.
        twins: near duplicates, those across the border of the test split first.
        pictures: how many samples were compared by how they look; None where that was not asked.
        all_pairs: whether the features of all pairs of samples were compared; else near duplicates
            by features were looked for around each sample, and a few may be missing.
    """

    samples: int
    suspects: list[Suspect] | None
    twins: list[Twins]
    pictures: int | None = None
    all_pairs: bool = True

    @property
    def groups(self) -> dict[str, str]:
        """See `groups_of`."""
        return groups_of(self.twins)

    @property
    def leaks(self) -> list[Twins]:
        """Near duplicates across the border of the test split."""
        return [pair for pair in self.twins if pair.is_leak]

    def _facts(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "wrong_labels": self.suspects,
            "near_duplicates": self.twins,
            "pictures": self.pictures,
            "all_pairs": self.all_pairs,
        }

    def _line(self) -> str:
        suspects = "no" if self.suspects is None else f"{len(self.suspects):,} of {self.samples:,}"
        return f"{suspects} labels worth a look, {len(self.twins):,} near duplicates"


def audit(
    context: Context,
    backbone: str | Backbone,
    dataset: str | Dataset,
    *,
    precision: str = "float32",
    trying: CrossValidation | None = None,
    pictures: bool = False,
    labels: bool = True,
    progress: Progress = silent,
) -> Audit:
    """See `Workspace.audit`; without `labels` near duplicates alone are looked for."""
    trying = trying or CrossValidation()
    view = of_samples(features_of(context, backbone, dataset, precision), trying.windows)
    view = unweighted(view) if trying.ignore_weights else view
    if not len(view):
        raise HeadError(f"dataset {reference_of(dataset, 'dataset')!r} has no samples")
    rows = _looked_at(view.samples, trying.limit, trying.seed)
    features, samples = copied(rows_of(view, chosen=rows, room=ROOM)), view.samples.take(rows)
    if not (all_pairs := compares_all(len(rows))):
        tell(
            f"near duplicates of {len(rows):,} samples are looked for around each, not among all: "
            "a few may be missing"
        )
    looks = None
    if pictures:
        looks = looks_of(
            reader_of(context.datasets.get(reference_of(dataset, "dataset"))), samples, progress
        )
    twins = find_twins(features, samples, looks or {})
    seen = None if looks is None else len(looks)
    if not labels or not samples.different_labels:
        return Audit(len(rows), None, twins, seen, all_pairs)
    find = _suspects if isinstance(trying.task, Classification) else _suspect_numbers
    suspects = find(features, samples, trying, progress)
    return Audit(len(rows), suspects, twins, seen, all_pairs)


def _looked_at(samples: SampleColumns, limit: int, seed: int) -> np.ndarray:
    """All rows, or `limit` of them chosen by seed: those with a label before others."""
    is_told = np.array([label is not None for label in samples.labels], bool)
    told = some_rows(np.flatnonzero(is_told), limit, seed)
    others = some_rows(np.flatnonzero(~is_told), limit - len(told), seed)
    return np.sort(np.concatenate([told, others]))


def _told(features: Rows, samples: SampleColumns) -> tuple[Rows, SampleColumns]:
    """The samples that have a label."""
    told = np.flatnonzero([label is not None for label in samples.labels])
    if len(told) < len(samples):
        warn(
            f"{len(samples) - len(told):,} of {len(samples):,} samples have no label: they are no "
            "suspects, and are looked at for near duplicates alone"
        )
        return some_of(features, told), samples.take(told)
    return features, samples


def _advanced(progress: Progress, total: int) -> Callable[[int], None]:
    fitted = 0

    def advance(count: int) -> None:
        nonlocal fitted
        fitted += count
        progress(fitted, total)

    return advance


def _suspect_numbers(
    features: Rows, samples: SampleColumns, trying: CrossValidation, progress: Progress
) -> list[Suspect]:
    """Numbers that are far from what a ridge head and the nearest neighbours say."""
    if not isinstance(task := trying.task, Regression) or task.loss != SQUARED:
        raise HeadError(
            "an audit judges classes, and numbers by their squared error",
            hint="Give no task, or --task regression without --loss; hs.Regression().",
        )
    features, samples = _told(features, samples)
    labelled = labelled_rows(samples, len(samples), trying.seed, SPLITS, task)
    part = Part(features, labelled.targets, labelled.weights, labelled.group_numbers)
    task.check(part, [])
    folds = folds_of(labelled, trying)
    how: dict[str, Any] = {"seed": trying.seed, "progress": _advanced(progress, len(folds))}
    (ridge,) = cross([Ridge()], part, folds, task=task, **how)
    near = cross_neighbours(part, folds, task, NEAREST)
    wrong = find_wrong_numbers(ridge.outputs, near.outputs, labelled.targets)
    known = samples_by_number(samples, (found.row for found in wrong))
    return [
        Suspect(known[found.row], text_of_numbers(ridge.outputs[found.row]), -found.off)
        for found in wrong
    ]


def text_of_numbers(numbers: np.ndarray) -> str:
    """Predicted numbers as a label has them."""
    return BETWEEN.join(f"{one:.4g}" for one in numbers.tolist())


def _suspects(
    features: Rows, samples: SampleColumns, trying: CrossValidation, progress: Progress
) -> list[Suspect]:
    features, samples = _told(features, samples)
    labelled = labelled_rows(samples, len(samples), trying.seed, SPLITS)
    folds = folds_of(labelled, trying)
    advance = _advanced(progress, len(STRENGTHS) * len(folds))
    part = Part(features, labelled.targets, labelled.weights)
    tried = cross([Linear(STRENGTHS)], part, folds, seed=trying.seed, progress=advance)
    best = min(tried, key=lambda one: one.outcomes(LOG_LOSS).mean)
    wrong = find_wrong_labels(best.outputs, labelled.targets)
    known = samples_by_number(samples, (found.row for found in wrong))
    return [
        Suspect(known[found.row], labelled.classes[found.guess], found.margin) for found in wrong
    ]
