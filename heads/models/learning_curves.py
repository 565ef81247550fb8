"""How good a head is with fewer samples to train on: would more of them help?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Generic, Protocol, TypeVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.out_of_fold import inner_folds, sides
from headstart.heads.dense_stack import DenseStack, outputs_of, stack_of
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE, share_interval
from headstart.heads.kind import Fitted, HeadKind, Part, tokens_for
from headstart.heads.labelled import sample_weights
from headstart.heads.models.train import part_of, parts_of
from headstart.heads.origins import fit_near_zero
from headstart.heads.tasks import Classification, Task
from headstart.progress import Progress, silent
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView
from headstart.values.showable import Showable

POINTS = 7
FOLDS = 5
DRAWS = 5
"""Heads a size, each trained on samples drawn anew and scored on a fold that it has not seen."""

Tried = tuple[np.ndarray, np.ndarray]
"""Numbers of samples, and where a head was right on them, bool."""
WHOLE = 1 - 1 / FOLDS
"""Of the samples, that the heads of the last point are trained on."""
ALIKE = 0.25
"""By how much heads that are trained on few of the samples add to the variance of independent ones,
as a share of it: 0 to .45 in simulations."""
ALIKE_IN_GROUPS = 0.54
"""The same of samples in groups: heads of a few groups that all have are more alike."""


@dataclass(frozen=True)
class CurvePoint(Showable):
    """Heads trained on some of the samples.

    Attributes:
        samples: how many train samples each had; of the classes their shares, and at least one.
        train_accuracy: on those, the mean over the draws.
        accuracy: on samples of the train and validation splits that a head has not seen, the mean
            over the draws.
        interval: of the mean accuracy of such heads on such samples; see `curve_interval`.
        draws: the accuracy of each head.
        scored: how many samples are behind `accuracy`.
        groups: in how many groups those stand; None where each is on its own.
    """

    samples: int
    train_accuracy: float
    accuracy: float
    interval: tuple[float, float]
    draws: tuple[float, ...] = ()
    scored: int = 0
    groups: int | None = None

    @property
    def objective(self) -> str:
        return "accuracy"

    @property
    def score(self) -> float:
        return self.accuracy

    @property
    def train_score(self) -> float:
        return self.train_accuracy


class Point(Protocol):
    """What every learning curve has at a number of samples, by whatever score; see `CurvePoint`."""

    @property
    def samples(self) -> int: ...
    @property
    def objective(self) -> str: ...
    @property
    def train_score(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float]: ...
    @property
    def draws(self) -> tuple[float, ...]: ...
    @property
    def scored(self) -> int: ...
    @property
    def groups(self) -> int | None: ...


class NothingLeftOut(HeadError):
    """There is no learning curve, as each sample is the only one of its class."""


T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Recipe(Generic[T]):
    """How a head is fitted.

    Attributes:
        kind: its settings.
        task: what its labels mean.
        classes: the label of each output.
        seed: of everything that chance decides.
    """

    kind: HeadKind
    task: T
    classes: tuple[Label, ...]
    seed: int = 0

    def fit(self, train: Part, validation: Part) -> Fitted:
        """Fit to some rows, whose features may lie anywhere."""
        width = len(self.classes) or train.targets.shape[1]
        return fit_near_zero(
            lambda train, validation: self.task.fit(self.kind, train, validation, width, self.seed),
            train,
            validation,
            tokens_for(self.kind, train),
        )


@dataclass(frozen=True)
class _Draw:
    """One order of the samples to train on, and the ones to score on: row numbers."""

    repeat: int
    train: np.ndarray
    validation: np.ndarray
    asked: np.ndarray


def learning_curve(
    view: FeatureView,
    kind: HeadKind,
    seed: int,
    task: Classification,
    progress: Progress = silent,
    draws: int = DRAWS,
) -> list[CurvePoint]:
    """Heads on growing parts of the train and validation splits, by equal factors.

    A fifth of both splits is left out in turn, and scores what is trained on the rest: so the test
    split is never looked at, and the largest part is four fifths of what a head of all has. Each
    draw mixes the rest anew; its parts lie inside each other, and in each the classes have the
    shares that they have in all, but one sample at least. The validation split stays what heads
    choose on, and grows alike. The first part has two samples a class, or as many as come with one
    a class of the validation split.

    Raises:
        HeadError: the labels or splits do not allow training, `draws` is below 2, or no sample can
            be left out.
    """
    parts, classes = parts_of(view, task)
    both = view.split("train"), view.split("validation")
    own = sample_weights(*(one.samples for one in both))  # classes are balanced in each draw anew
    pool = replace(part_of(both, task, classes), weights=own)
    recipe = Recipe(kind, task, tuple(classes), seed)
    return curve_of(pool, len(parts["train"]), recipe, draws, progress)


def curve_of(
    pool: Part,
    first: int,
    recipe: Recipe[Classification],
    draws: int = DRAWS,
    progress: Progress = silent,
) -> list[CurvePoint]:
    """As `learning_curve`, of rows whose `first` ones are of the train split, the others of the
    validation split."""
    if draws < 2:
        raise HeadError(f"draws is {draws}", hint="Give 2 or more: a band takes several heads.")
    classes = len(recipe.classes)
    drawn = _drawn(pool, first, recipe.seed, draws)
    most = min(len(draw.train) for draw in drawn)
    aside = len(pool) - first
    least = max(2 * classes, classes * first // aside if aside else 0)
    sizes = np.unique(np.geomspace(min(least, most), most, POINTS).round().astype(int))
    points = []
    for number, size in enumerate(sizes.tolist(), start=1):
        heads = [_fitted(pool, draw, size, recipe) for draw in drawn]
        points.append(_point(pool, drawn, heads, recipe.task))
        progress(number, len(sizes))
    return points


def _drawn(pool: Part, first: int, seed: int, draws: int) -> list[_Draw]:
    """The draws; of the rows of the pool the `first` ones are of the train split."""
    found: list[_Draw] = []
    for repeat in range(-(-draws // FOLDS)):
        rng = np.random.default_rng((seed, repeat))
        for rest, asked in sides(inner_folds(pool, seed + repeat, FOLDS)):
            is_train = rest < first
            # what only the validation split still has a sample of
            is_train |= ~np.isin(pool.targets[rest], pool.targets[rest[is_train]])
            train, aside = (
                rows[in_proportion(pool.targets[rows], rng)]
                for rows in (rest[is_train], rest[~is_train])
            )
            found.append(_Draw(repeat, train, aside, asked))
    if not found:
        raise NothingLeftOut(
            "there is no learning curve: no sample can be left out, as each is the only one of its "
            "class",
            hint="Add samples.",
        )
    return found[:draws]


def in_proportion(targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Row numbers, mixed, such that of any first few each class has its share, to within a row, and
    at least one row as soon as there are as many rows as classes."""
    place = np.empty(len(targets))
    for one in np.unique(targets):
        own = rng.permutation(np.flatnonzero(targets == one))
        place[own] = (np.arange(len(own)) + rng.random()) / len(own)
        place[own[0]] -= 1
    return np.argsort(place, kind="stable")


def _fitted(
    pool: Part, draw: _Draw, size: int, recipe: Recipe[Classification]
) -> tuple[DenseStack, Part]:
    """A head of the first rows of a draw, and the part that it was trained on."""
    chosen = round(len(draw.validation) * size / len(draw.train))
    train, validation = (
        _weighed(pool.rows(np.sort(rows)), recipe.task, recipe.classes)
        for rows in (draw.train[:size], draw.validation[:chosen])
    )
    return stack_of(recipe.fit(train, validation).layers, recipe.classes), train


def _weighed(part: Part, task: Classification, classes: Sequence[Label]) -> Part:
    """With the weights that its own classes give besides its samples, not those of all samples."""
    return replace(part, weights=task.weigh(part.targets, len(classes), classes, part.weights))


def _point(
    pool: Part,
    drawn: Sequence[_Draw],
    heads: Sequence[tuple[DenseStack, Part]],
    task: Classification,
) -> CurvePoint:
    def right(stack: DenseStack, part: Part) -> np.ndarray:
        return task.guess(outputs_of(stack, part)) == part.targets

    scored, clusters = np.unique(np.concatenate([draw.asked for draw in drawn])), None
    if pool.groups is not None:
        clusters = Clusters.of(pool.groups[scored])
    repeats: dict[int, list[Tried]] = {}
    for draw, (stack, _) in zip(drawn, heads, strict=True):
        found = right(stack, pool.rows(draw.asked))
        repeats.setdefault(draw.repeat, []).append((np.searchsorted(scored, draw.asked), found))
    each = [one for repeat in repeats.values() for _, one in repeat]
    return CurvePoint(
        samples=len(heads[0][1]),
        train_accuracy=float(np.mean([right(*head).mean() for head in heads])),
        accuracy=float(np.concatenate(each).mean()),
        interval=curve_interval(list(repeats.values()), len(heads[0][1]) / len(pool), clusters),
        groups=None if clusters is None else len(clusters),
        draws=tuple(float(one.mean()) for one in each),
        scored=len(scored),
    )


def curve_interval(
    right: Sequence[Sequence[Tried]],
    taken: float,
    clusters: Clusters | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Of the mean accuracy of heads, each trained on other samples, on samples of the same kind.

    Two things move such a mean: which samples score, and which samples each head was trained on.
    The first is told by Wilson's interval, of fewer samples than were scored: heads are trained on
    samples in common, and by how much they are right together they do not tell. Where that is four
    fifths of all it is Nadeau and Bengio's 2.25 times the variance (see `Outcomes.alike`), of
    fewer less, in proportion, but 1 and `ALIKE` at least, or `ALIKE_IN_GROUPS`. The second is told
    by how much more the draws' accuracies differ than so many samples do by chance. That surplus of
    variance, divided by the repeats unless most of the same groups are trained on in each, is added
    with the quantile of Student's t for the draws, as half widths are in quadrature (Zou and
    Donner: Construction of confidence limits about effect measures, 2008). It reaches at least as
    far as Student's interval of the draws, for few of them may hide how much the heads differ.
    Simulated: docs/statistics.md.

    Args:
        right: of each repeat of the folds, of each head: the samples of its fold, numbered from 0
            up through all that were scored, and where it was right on them, bool.
        taken: which share of the samples each head was trained on.
        clusters: which of those samples belong together.
        confidence: share of such intervals that hold the truth.
    """
    from scipy.special import stdtrit

    if clusters is not None and len(clusters) < 2:
        return 0.0, 1.0
    rows, every = (
        np.concatenate(part)
        for part in zip(*(one for repeat in right for one in repeat), strict=True)
    )
    share, times = float(every.mean()), np.bincount(rows)
    worth, alike = float(len(times)), ALIKE
    if clusters is not None:
        worth, alike = clusters.worth(np.bincount(rows, every) / times), ALIKE_IN_GROUPS
    high = (1 + confidence) / 2
    quantile = NormalDist().inv_cdf(high) if clusters is None else clusters.t(confidence)
    most = worth / (1 + max(taken / WHOLE**2, alike))
    ends = share_interval(share, variance=0.0, most=most, quantile=quantile)
    several = [[one for _, one in repeat] for repeat in right if len(repeat) > 1]
    apart = np.mean([_between(repeat) for repeat in several]) if several else 0.0
    surplus, repeats = max(float(apart) - share * (1 - share) / worth, 0.0), len(right)
    freedom = sum(len(repeat) - 1 for repeat in several)
    student = float(stdtrit(freedom, high)) if freedom else 0.0
    more = student * math.sqrt(surplus if clusters is not None else surplus / repeats)
    least = student * math.sqrt(float(apart) / repeats)
    below, above = (max(math.hypot(abs(end - share), more), least) for end in ends)
    return max(share - below, 0.0), min(share + above, 1.0)


def _between(right: Sequence[np.ndarray]) -> float:
    """The variance of the mean of all heads' samples, by how the heads' own means differ."""
    sizes = np.array([len(one) for one in right], np.float64)
    means = np.array([one.mean() for one in right])
    parts = sizes / sizes.sum()
    count = len(right)
    return float((parts**2 * (means - parts @ means) ** 2).sum() * count / (count - 1))


def band_text(points: Sequence[Point]) -> str:
    """What the points and the band of a curve are, in words."""
    last = points[-1]
    in_groups = "" if last.groups is None else f", in {last.groups:,} groups"
    shares = ", the classes in their own shares" if last.objective == "accuracy" else ""
    return (
        f"{len(last.draws)} heads per point, each trained on newly drawn samples{shares}, and "
        "scored on others of the train and validation splits "
        f"({last.scored:,} in all{in_groups}); the band is of 95 %, for which samples train and "
        "which score; the test split was not looked at"
    )
