"""Cached features that heads are tried on, cut by cut, on the same rows and folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from headstart.cached import answered_in, features_of, features_of_blocks, of_samples, unweighted
from headstart.context import Context
from headstart.errors import FeaturesMissing, HeadError, InvalidHeadSetting, LayerNotFound, NotFound
from headstart.extractors import datasets as sources
from headstart.extractors.engines.engine import kind_of
from headstart.heads.attention.layout import tokens_of
from headstart.heads.attention.tokens import NoTokens, Tokens
from headstart.heads.copied_rows import copied
from headstart.heads.evaluation.folds import Fold, with_few
from headstart.heads.kind import Part
from headstart.heads.labelled import Labelled, check_labelled, labelled_rows
from headstart.heads.rows import Rows, rows_of
from headstart.heads.tasks import Classification, Task, one_task, task_of
from headstart.heads.trials import by_task
from headstart.heads.trials.objective import OBJECTIVES, objectives_of
from headstart.notices import tell, warn
from headstart.origins.blocks import Block, Blocks, blocks_of
from headstart.registry.entities import Dataset
from headstart.registry.references import (
    References,
    exact,
    parts_of,
    reference_of,
    references_of,
)
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import MAX, MEAN
from headstart.values.options import Options

NAMED = 4
"""Maps that are named in one message."""
FEW_SHOT_REPEATS = 5
"""Of all folds, where heads are trained on few samples a class: 25 draws with five folds."""
LARGEST = 20_000
"""Samples that are looked at; of more, so many chosen by seed."""
ROOM = 1 << 30
"""Bytes of features in memory, however many samples are looked at: more are copied into a temporary
file, and read from there block by block, as often as they are asked for."""


@dataclass(frozen=True)
class CrossValidation(Options, error=InvalidHeadSetting):
    """How heads are tried.

    Attributes:
        folds: how many parts, each tried by heads trained on the others.
        repeats: how many times all of it, mixed anew; 1 without it, and with `shots` 5, as which
            few samples are drawn decides much.
        limit: look at so many samples at most.
        seed: of the folds, of the choice among more samples, and of the heads.
        shots: train on so many samples of each class only; all of them without it.
        windows: of a dataset of windows, what a sample is: the `mean` (the default) or `max` of the
            features of its windows.
        objective: by which sweeps and searches choose heads and put them in order, `accuracy` or
            `log_loss`; where that is equal, by the other. See `objectives_of` for those of other
            tasks; the task's first without it, by which a ranking is.
        task: what labels mean, a task or its name; classes without it.
        ignore_weights: count all samples alike, though the dataset has weights of them.
    """

    folds: int = 5
    repeats: int | None = None
    limit: int = LARGEST
    seed: int = 0
    shots: int | None = None
    windows: str | None = None
    objective: str = ""
    task: Task = field(default_factory=Classification)
    ignore_weights: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeats is None:
            object.__setattr__(self, "repeats", 1 if self.shots is None else FEW_SHOT_REPEATS)
        object.__setattr__(self, "task", one_task(self.task) or Classification())
        self._check_task()
        known = objectives_of(self.task)
        if not self.objective:
            object.__setattr__(self, "objective", known[0])
        if self.objective not in known:
            of = "" if by_task.is_plain(self.task) else f", and the task {self.task.name}"
            raise InvalidHeadSetting(
                f"objective is {self.objective!r}{of}",
                hint=f"It can be {' or '.join(known)}.",
            )
        if self.windows not in (None, MEAN, MAX):
            raise InvalidHeadSetting(
                f"windows is {self.windows!r}",
                hint="It can be mean or max: what is tried is compared on samples. A head on each "
                "window is trained by `headstart head train --windows each`.",
            )

    @property
    def times(self) -> int:
        """How many times all folds are tried."""
        return 1 if self.repeats is None else self.repeats

    def _check_task(self) -> None:
        task = self.task
        if isinstance(task, Classification) and (task.balanced or task.class_weights):
            raise InvalidHeadSetting(
                "the task gives classes weights, and heads are compared with all samples alike",
                hint="Leave the weights out here; head train takes them.",
            )
        if self.shots is not None and not isinstance(task, Classification):
            raise InvalidHeadSetting(
                f"shots is {self.shots}, so many samples of each class, and the task {task.name}",
                hint="Leave shots out; limit looks at fewer samples.",
            )

    @property
    def is_loss(self) -> bool:
        """Whether less of the objective is better."""
        return OBJECTIVES[self.objective].is_loss

    @property
    def bounds(self) -> tuple[float, float]:
        """What the objective is at the least and at the most."""
        objective = OBJECTIVES[self.objective]
        return objective.low, objective.high

    def describe(self) -> dict[str, Any]:
        """As a sweep keeps it, and `of` reads it; without a task where labels are classes, and
        without a word of weights that count."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        del own["task"]
        if not self.ignore_weights:
            del own["ignore_weights"]
        return own if by_task.is_plain(self.task) else {**own, "task": self.task.describe()}

    @staticmethod
    def of(described: dict[str, Any]) -> CrossValidation:
        """What `describe` gave; of classes, where there is no task: before there were others."""
        return CrossValidation(**{**described, "task": task_of(described.get("task", {}))})


@dataclass(frozen=True)
class Features:
    """Which cached features heads are tried on.

    Attributes:
        dataset: name of a dataset.
        backbones: `NAME[@CUT[,CUT…]]` each, whose cuts are looked at one by one; with ` + ` between
            several they are joined; all whose features are cached without them.
        precision: in what they were computed.
    """

    dataset: str
    backbones: tuple[str, ...] = ()
    precision: str = "float32"

    @staticmethod
    def of(dataset: str | Dataset, backbones: References, precision: str) -> Features:
        """From what a person gave: names, or the things themselves, one or several."""
        named = references_of(backbones, "backbone")
        return Features(reference_of(dataset, "dataset"), named, precision)


@dataclass(frozen=True)
class Candidate:
    """One kind of features.

    Attributes:
        blocks: what they come from, and where; several are joined.
        size: bytes a sample, as it is served.
        features: (rows, width), float32; on the disk if they are large.
        labelled: which samples the rows are.
        folds: which rows to train on, and which to try.
        tokens: how the rows are made of tokens, or why they are of none.
    """

    blocks: Blocks
    size: int
    features: Rows
    labelled: Labelled
    folds: list[Fold]
    tokens: Tokens | NoTokens | None = None

    @property
    def name(self) -> str:
        """`BACKBONE@CUT`, joined by ` + `."""
        return self.blocks.name

    @property
    def rows(self) -> Part:
        """The features with class numbers, weights and groups."""
        told, numbers = self.labelled, self.labelled.group_numbers
        return Part(self.features, told.targets, told.weights, numbers, self.tokens)


def folds_of(labelled: Labelled, trying: CrossValidation) -> list[Fold]:
    """The folds of some samples, few samples of each class to train on if that is asked for."""
    folds = by_task.folds_of(
        trying.task, labelled, trying.folds, repeats=trying.times, seed=trying.seed
    )
    if trying.shots is None:
        return folds
    return [
        with_few(fold, labelled.targets, trying.shots, labelled.classes, number)
        for number, fold in enumerate(folds, start=trying.seed)
    ]


def load(
    context: Context,
    wanted: Features,
    chosen: Sequence[Blocks],
    trying: CrossValidation,
) -> Iterator[Candidate]:
    """The features of each cut, one after the other, so that one is in memory at a time; and what
    takes more than `ROOM` stays on the disk."""
    return (one.load() for one in find(context, wanted, chosen, trying))


@dataclass(frozen=True)
class Found:
    """One kind of features that is not loaded yet.

    Attributes:
        blocks: what they come from, and where; several are joined.
        labelled: which samples the rows are.
        folds: which rows to train on, and which to try.
        view: of all samples.
        rows: those of the view that are looked at.
    """

    blocks: Blocks
    labelled: Labelled
    folds: list[Fold]
    view: FeatureView
    rows: np.ndarray

    @property
    def name(self) -> str:
        """`BACKBONE@CUT`, joined by ` + `."""
        return self.blocks.name

    def load(self) -> Candidate:
        """With its features."""
        view = self.view
        size = int(np.prod(view.shape[1:], dtype=np.int64)) * view.dtype.itemsize
        features = copied(rows_of(view, chosen=self.rows, room=ROOM))
        tokens = tokens_of(view)
        return Candidate(self.blocks, size, features, self.labelled, self.folds, tokens)


def find(
    context: Context,
    wanted: Features,
    chosen: Sequence[Blocks],
    trying: CrossValidation,
) -> list[Found]:
    """All kinds of features, of the same samples: what one backbone cannot read, and what has no
    label where others have one, is left out of all."""
    dataset = context.datasets.get(wanted.dataset)
    views = [
        of_samples(features_of_blocks(context, blocks, dataset), trying.windows)
        for blocks in chosen
    ]
    if trying.ignore_weights:
        views = [unweighted(views[0]), *(view.unweighted() for view in views[1:])]  # said once
    check_labelled(views[0].samples)
    return found_among(wanted.dataset, chosen, answered_in(trying.task, *views), trying)


def found_among(
    dataset: str, chosen: Sequence[Blocks], views: Sequence[FeatureView], trying: CrossValidation
) -> list[Found]:
    """The same of views of labelled samples, one for each kind of features.

    Args:
        dataset: its name.
        chosen: what the features come from.
        views: of each, a row per sample.
        trying: on which folds.
    """
    samples = _in_all(views)
    labelled = labelled_rows(samples, trying.limit, trying.seed, task=trying.task)
    if by_task.is_plain(trying.task):
        _tell_of_several(dataset, labelled)
    else:
        nothing = np.empty((len(labelled.rows), 0), np.float32)
        trying.task.check(Part(nothing, labelled.targets), labelled.classes)
    folds = folds_of(labelled, trying)
    ids = [] if len(views) == 1 else samples.take(labelled.rows).ids
    found = []
    for blocks, view in zip(chosen, views, strict=True):
        rows = labelled.rows
        if view.samples is not samples:
            known = {id_: row for row, id_ in enumerate(view.ids)}
            rows = np.array([known[one] for one in ids], np.int64)
        found.append(Found(blocks, labelled, folds, view, rows))
    return found


def _tell_of_several(dataset: str, labelled: Labelled) -> None:
    """Say that samples with several labels are tried as classes."""
    if several := sources.several_in(labelled.classes):
        warn(
            f"{dataset}: samples have several labels, and heads are tried on classes: each "
            f"combination, such as {min(several)!r}, is taken for a class of its own; "
            "--task multi-label (hs.MultiLabel()) tries them one by one"
        )


def _in_all(views: Sequence[FeatureView]) -> SampleColumns:
    """The samples that every view has, in the dataset's order."""
    samples = views[0].samples
    for view in views[1:]:
        own = set(view.ids)
        samples = samples.where(np.array([id_ in own for id_ in samples.ids], bool))
    return samples


def choose(context: Context, wanted: Features) -> list[Blocks]:
    """What is asked for, each cut by itself unless it is joined, or all that is cached for the
    dataset; maps, which are cached for what is pooled or tuned above them, are left out and named,
    unless there is nothing else, and so are features in another precision."""
    found: list[Blocks] = []
    for reference in wanted.backbones:
        blocks = blocks_of(context, reference, wanted.precision)
        are_joined = len(parts_of(reference)) > 1
        found += [blocks] if are_joined else blocks.each()
    if wanted.backbones:
        return found
    context.datasets.get(wanted.dataset)
    others = dict[str, list[str]]()
    for one in context.feature_sets.find_sets():
        kind = kind_of(one.precision)
        is_wanted = kind == kind_of(wanted.precision)
        precision = wanted.precision if is_wanted else kind
        with suppress(NotFound, LayerNotFound, FeaturesMissing):  # gone, or of another dataset
            backbone, (cut,) = context.resolve(exact(f"{one.backbone}@{one.cut}"), precision)
            features_of(context, f"{backbone.reference}@{cut.name}", wanted.dataset, cut.precision)
            if cut.precision == one.precision and is_wanted:  # not of a calibration before
                found.append(Blocks((Block(backbone, cut),)))
            elif cut.precision == one.precision:
                others.setdefault(kind, []).append(f"{backbone.name}@{cut.name}")
    for kind, names in others.items():
        tell(f"features in {kind} are left out: {_some(names)}; --precision {kind} has them tried")
    if not found:
        raise HeadError(
            f"no features of dataset {wanted.dataset!r} are cached in {wanted.precision}",
            hint="Name backbones, BACKBONE[@CUT,CUT]..., which are extracted first.",
        )
    return _without_maps(found)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _without_maps(found: list[Blocks]) -> list[Blocks]:
    """A map of 7 x 7 x 1280 is 62,720 numbers a sample: a fit of minutes that nobody asked for."""
    vectors = [blocks for blocks in found if len(blocks[0].cut.shape) == 1]
    maps = [f"{one.backbone.name}@{one.cut.name}" for (one,) in found if len(one.cut.shape) > 1]
    if not vectors or not maps:
        return found
    tell(
        f"unpooled features are left out: {_some(maps)}; name them to have them tried, or "
        f"{maps[0]}|gap"
    )
    return vectors
