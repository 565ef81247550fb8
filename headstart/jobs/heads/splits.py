"""The cached features that a fine-tuning trains on, is judged on and is tested on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from headstart.cached import answered_in, features_in_views, features_of
from headstart.errors import HeadError
from headstart.extractors.backbones.cuts import Cut
from headstart.heads.evaluation.folds import Fold, held_out, held_out_labels
from headstart.heads.kind import Part
from headstart.heads.labelled import groups_of, numbers_of, sample_weights
from headstart.heads.models.finetune import FineTuning
from headstart.heads.tasks import Classification, MultiLabel
from headstart.heads.trials.by_task import mixed_folds
from headstart.registry.entities import Backbone
from headstart.storage.columns.units import units_of
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead

ON_VALIDATION = "of the validation split"
ON_HELD_OUT = "held out of the train split by seed, as there is no validation split"
FAVOURED = (
    "no weights were trained on them, but which epoch to keep was chosen on them, and that favours "
    "the result there"
)


@dataclass(frozen=True)
class Splits:
    """The samples of each purpose.

    Attributes:
        train: to train on, views behind the samples as they are.
        judging: to judge the epochs; seen by no fit.
        test: looked at in the end.
        samples: how many there are to train on, without views.
        is_held_out: whether the judging ones are of the train split.
    """

    train: Part
    judging: Part
    test: Part
    samples: int
    is_held_out: bool

    @property
    def counts(self) -> dict[str, int]:
        tested, judged = len(self.test), len(self.judging)
        return {"n_train": self.samples, "n_validation": judged, "n_test": tested}

    @property
    def judged_on(self) -> str:
        """Which samples judge the epochs, in words."""
        which = ON_HELD_OUT if self.is_held_out else ON_VALIDATION
        return f"{len(self.judging):,} samples {which}: {FAVOURED}"

    @property
    def judged(self) -> dict[str, int]:
        """How many rows of which split judge the epochs, as of other kinds of heads."""
        which = "train" if self.is_held_out else "validation"
        return {"train": 0, "validation": 0, which: len(self.judging)}


def split(head: TrainedHead, backbone: Backbone, cut: Cut, settings: FineTuning) -> Splits:
    """The cached features of a cut; without a validation split some are held out of the train
    split.

    Raises:
        HeadError: a split is empty, or nothing can be held out.
        FeaturesMissing: they have not been extracted.
    """
    record = head.record
    asked = f"{backbone.reference}@{cut.name}", record.dataset, cut.precision
    view = features_of(head.context, *asked)
    more = features_in_views(head.context, *asked, settings.views)
    view, *more = answered_in(head.task, view, *more)
    train, validation, test = (view.split(name) for name in ("train", "validation", "test"))
    for name, part in (("train", train), ("test", test)):
        if not len(part):
            raise HeadError(f"the {name} split is empty", hint="Add samples.")
    part = partial(_part, head)
    if len(validation):
        return Splits(
            part(train, *more), part(validation), part(test), len(train), is_held_out=False
        )
    fold = _held_out(head, train)
    out = set(train.samples.take(fold.test).ids)
    rest = [one for view in (train, *more) for one in [(view, _rows_but(view, out))]]
    rest = _part_of_rows(head, rest)
    _check_labels(head, rest)
    return Splits(
        rest,
        _part_of_rows(head, [(train, fold.test)]),
        part(test),
        len(fold.train),
        is_held_out=True,
    )


def _held_out(head: TrainedHead, train: FeatureView) -> Fold:
    """A fifth of the train split to judge: of classes, and of several labels, each has its share,
    of numbers rows or groups are mixed."""
    record, groups = head.record, groups_of(train.samples)
    if isinstance(head.task, Classification):
        targets = numbers_of(train.labels, record.classes)
        return held_out(targets, classes=record.classes, groups=groups, seed=record.seed)
    count = len(train) if groups is None else len(set(groups))
    if count < 2:
        raise HeadError(
            "there is no validation split, and none can be held out of 1 sample or group",
            hint="Add samples, or say in a `split` column or array which are for validation.",
        )
    parts = min(5, count)
    if isinstance(head.task, MultiLabel):
        targets = head.task.read(train.labels, record.classes)
        return held_out_labels(targets, groups, record.seed, parts)
    return mixed_folds(len(train), parts, groups, seed=record.seed)[0]


def _check_labels(head: TrainedHead, rest: Part) -> None:
    """See that what is left to train on has, of several labels, samples with and without each."""
    if not isinstance(head.task, MultiLabel):
        return
    shares = rest.targets.mean(axis=0).tolist()
    for label, share in zip(head.record.classes, shares, strict=True):
        if share in (0.0, 1.0):
            raise HeadError(
                "there is no validation split, and without what is held out by seed, label "
                f"{label!r} is on {'all' if share else 'no'} samples to train on",
                hint="Say in a `split` column or array which are for validation.",
            )


def _rows_but(view: FeatureView, out: set[str]) -> np.ndarray:
    return np.array([n for n, id_ in enumerate(view.ids) if id_ not in out], np.int64)


def _part(head: TrainedHead, *views: FeatureView) -> Part:
    return _part_of_rows(head, [(view, np.arange(len(view))) for view in views])


def _part_of_rows(head: TrainedHead, chosen: list[tuple[FeatureView, np.ndarray]]) -> Part:
    """Some rows of some views, one behind the other, as they lie in the cache: (n, …)."""
    features = np.concatenate([view[rows] for view, rows in chosen])
    labels = [label for view, rows in chosen for label in view.samples.take(rows).labels]
    classes = head.record.classes
    targets = head.task.read(labels, classes)
    own = None
    if not head.ignores_weights:
        own = sample_weights(*(view.samples.take(rows) for view, rows in chosen))
    weights = head.task.weigh(targets, len(classes), classes, own)
    units = units_of(*(view.samples.take(rows) for view, rows in chosen))
    groups = None if units is None else np.unique(units, return_inverse=True)[1]
    return Part(features.astype(np.float32, copy=False), targets, weights, groups)
