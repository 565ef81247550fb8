"""How good a head of numbers, or of several labels, is with fewer samples to train on: by the score
that sweeps of its task compare heads by, from what heads say of rows that they were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.heads.calibration.out_of_fold import groups_of
from headstart.heads.dense_stack import outputs_of, stack_of
from headstart.heads.evaluation.folds import Fold, label_folds
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
from headstart.heads.regression import Regression
from headstart.heads.tasks import MultiLabel, Task
from headstart.heads.trials.by_task import gathering_of, mixed_folds
from headstart.heads.trials.crossed import draws_of
from headstart.heads.trials.objective import objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.progress import Progress, silent
from headstart.storage.views import FeatureView

FEWEST = 10
"""Samples of the first point, at least."""


def score_curve(
    view: FeatureView,
    kind: HeadKind,
    seed: int,
    task: Task,
    progress: Progress = silent,
    draws: int = DRAWS,
) -> list[ScorePoint]:
    """Heads on growing parts of the train and validation splits; see `learning_curve`.

    Each sample is scored once in each repeat of five folds, as a sweep does: so there are as many
    heads a point as asked for, or up to four more.

    Raises:
        HeadError: the labels or splits do not allow training, or `draws` is below 2.
    """
    return scores_of_pool(*pool_of(view, kind, seed, task), draws, progress)


def scores_of_pool(
    pool: Part, first: int, recipe: Recipe[Task], draws: int = DRAWS, progress: Progress = silent
) -> list[ScorePoint]:
    """As `score_curve`, of rows whose `first` ones are of the train split, the others of the
    validation split."""
    check_draws(draws)
    drawn = _drawn(pool, first, recipe, draws)
    least = max(FEWEST, *(_needed(pool, draw, recipe) for draw in drawn))
    return at_each_size(least, drawn, lambda size: _point(pool, drawn, size, recipe), progress)


def _drawn(pool: Part, first: int, recipe: Recipe[Task], draws: int) -> list[Draw]:
    """As many as asked for or a few more, so that each sample is judged equally often.

    Raises:
        NoCurve: there is one sample or group alone.
    """
    groups, rng = groups_of(pool), np.random.default_rng(recipe.seed)
    names = [str(one) for one in groups.tolist()]
    count = min(FOLDS, len(set(names)))
    if count < 2:
        raise NoCurve(
            "there is no learning curve: no sample can be left out, as all are of one group",
            hint="Add samples.",
        )
    repeats = -(-draws // count)
    how: dict[str, Any] = {"repeats": repeats, "seed": recipe.seed}
    if isinstance(recipe.task, MultiLabel):
        folds = label_folds(pool.targets, count, names, **how)
    else:
        folds = mixed_folds(len(pool), count, names, **how)
    found = []
    for number, fold in enumerate(folds):
        train, aside = (
            rng.permutation(rows)
            for rows in (fold.train[fold.train < first], fold.train[fold.train >= first])
        )
        train = _each_label_early(pool, train, recipe)
        found.append(Draw(number // count, train, aside, fold.test))
    return found


def _each_label_early(pool: Part, train: np.ndarray, recipe: Recipe[Task]) -> np.ndarray:
    """The same rows, in which one with each label and one without it come first: a head of few
    samples cannot learn a label otherwise.

    Raises:
        NoCurve: in all of them a label is on no sample, or on each.
    """
    if not isinstance(recipe.task, MultiLabel):
        return train
    is_on = pool.targets[train] > 0
    for label, count in zip(recipe.classes, is_on.sum(axis=0).tolist(), strict=True):
        if count in (0, len(train)):
            raise NoCurve(
                f"there is no learning curve: label {label!r} is on {'all' if count else 'no'} "
                "samples of a part that heads are trained on",
                hint="Add samples, or leave the label out.",
            )
    firsts = np.unique([is_on.argmax(axis=0), (~is_on).argmax(axis=0)])
    return np.concatenate([train[firsts], np.delete(train, firsts)])


def _needed(pool: Part, draw: Draw, recipe: Recipe[Task]) -> int:
    """The fewest first rows of a draw that a head can be fitted to."""
    targets = pool.targets[draw.train]
    differs = (targets != targets[0]).argmax(axis=0)
    if isinstance(recipe.task, Regression) and not (targets != targets[0]).any(axis=0).all():
        raise NoCurve(
            "there is no learning curve: all numbers of a part that heads are trained on are the "
            "same",
            hint="Add samples.",
        )
    return int(differs.max()) + 1


def _point(pool: Part, drawn: Sequence[Draw], size: int, recipe: Recipe[Task]) -> ScorePoint:
    objective = objectives_of(recipe.task)[0]
    folds = [Fold(draw.train[:size], draw.asked) for draw in drawn]
    draws = draws_of(folds, len(pool))
    gathered = gathering_of(recipe.task, pool, folds, draws)
    trained = []
    for number, draw in enumerate(drawn):
        train, aside = draw.first(pool, size)
        stack = stack_of(recipe.fit(train, aside).layers, recipe.classes)
        gathered.add(number, outputs_of(stack, pool.rows(draw.asked)))
        trained.append(_said_at_once(train, outputs_of(stack, train), recipe))
    found = gathered.result({}, recipe.kind)
    outcomes = found.outcomes(objective)
    counts = np.bincount(draws.ravel())
    each = np.bincount(draws.ravel(), outcomes.values.ravel()) / counts
    low, high = _interval_of(found, objective)
    return ScorePoint(
        samples=size,
        objective=objective,
        train_score=float(np.mean([one.outcomes(objective).mean for one in trained])),
        score=outcomes.mean,
        interval=(low, high),
        draws=tuple(each.tolist()),
        scored=len(pool),
        groups=None if found.clusters is None else len(found.clusters),
    )


def _said_at_once(part: Part, said: np.ndarray, recipe: Recipe[Task]) -> OutOfFold:
    """What one head says of all rows of a part."""
    rows = np.arange(len(part))
    folds = [Fold(rows, rows)]
    gathered = gathering_of(recipe.task, part, folds, draws_of(folds, len(part)))
    gathered.add(0, said)
    return gathered.result({}, recipe.kind)


def _interval_of(found: OutOfFold, objective: str) -> tuple[float, float]:
    ends = found.metrics()["intervals"].get(objective)
    if ends is None:
        raise NoCurve(
            "there is no learning curve: of so few samples, or groups, no interval is known",
            hint="Add samples.",
        )
    return ends[0], ends[1]
