"""How good a head is with fewer samples to train on: would more of them help?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from headstart.heads.calibration.out_of_fold import inner_folds, sides
from headstart.heads.dense_stack import DenseStack, outputs_of, stack_of
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE, share_interval
from headstart.heads.kind import HeadKind, Part
from headstart.heads.models.curves import (
    DRAWS,
    FOLDS,
    Draw,
    NoCurve,
    Recipe,
    ScorePoint,
    at_each_size,
    check_draws,
    pool_of,
)
from headstart.heads.tasks import Classification
from headstart.heads.trials.objective import ACCURACY
from headstart.progress import Progress, silent
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView

Tried = tuple[np.ndarray, np.ndarray]
"""Numbers of samples, and where a head was right on them, bool."""
WHOLE = 1 - 1 / FOLDS
"""Of the samples, that the heads of the last point are trained on."""
ALIKE = 0.25
"""By how much heads that are trained on few of the samples add to the variance of independent ones,
as a share of it: 0 to .45 in simulations."""
ALIKE_IN_GROUPS = 0.54
"""The same of samples in groups: heads of a few groups that all have are more alike."""


class CurvePoint(ScorePoint):
    """The same by accuracy: train samples are of the classes' shares, and one at least of each.

    In JSON its scores are called by their name, and not `score`.
    """

    @staticmethod
    def of(*, accuracy: float, train_accuracy: float, **others: Any) -> CurvePoint:
        """By the names that it has in JSON."""
        own = {"objective": ACCURACY, "score": accuracy, "train_score": train_accuracy}
        return CurvePoint(**own, **others)

    @property
    def accuracy(self) -> float:
        return self.score

    @property
    def train_accuracy(self) -> float:
        return self.train_score

    def _facts(self) -> dict[str, Any]:
        own = {"train_score": "train_accuracy", "score": "accuracy"}
        facts: dict[str, Any] = super()._facts()
        del facts["objective"]
        return {own.get(name, name): value for name, value in facts.items()}


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
    return curve_of(*pool_of(view, kind, seed, task), draws, progress)


def curve_of(
    pool: Part,
    first: int,
    recipe: Recipe[Classification],
    draws: int = DRAWS,
    progress: Progress = silent,
) -> list[CurvePoint]:
    """As `learning_curve`, of rows whose `first` ones are of the train split, the others of the
    validation split."""
    check_draws(draws)
    classes, aside = len(recipe.classes), len(pool) - first
    drawn = _drawn(pool, first, recipe.seed, draws)
    least = max(2 * classes, classes * first // aside if aside else 0)

    def point(size: int) -> CurvePoint:
        heads = [_fitted(pool, draw, size, recipe) for draw in drawn]
        return _point(pool, drawn, heads, recipe.task)

    return at_each_size(least, drawn, point, progress)


def _drawn(pool: Part, first: int, seed: int, draws: int) -> list[Draw]:
    """The draws; of the rows of the pool the `first` ones are of the train split."""
    found: list[Draw] = []
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
            found.append(Draw(repeat, train, aside, asked))
    if not found:
        raise NoCurve(
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
    pool: Part, draw: Draw, size: int, recipe: Recipe[Classification]
) -> tuple[DenseStack, Part]:
    """A head of the first rows of a draw, and the part that it was trained on."""
    train, validation = (
        _weighed(part, recipe.task, recipe.classes) for part in draw.first(pool, size)
    )
    return stack_of(recipe.fit(train, validation).layers, recipe.classes), train


def _weighed(part: Part, task: Classification, classes: Sequence[Label]) -> Part:
    """With the weights that its own classes give besides its samples, not those of all samples."""
    return replace(part, weights=task.weigh(part.targets, len(classes), classes, part.weights))


def _point(
    pool: Part,
    drawn: Sequence[Draw],
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
        objective=ACCURACY,
        train_score=float(np.mean([right(*head).mean() for head in heads])),
        score=float(np.concatenate(each).mean()),
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
