"""What depends on the task where heads are tried: folds, kinds of heads, what is gathered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.combined.bagged import UNTRIED, Bagged
from headstart.heads.evaluation.folds import (
    Fold,
    check_count,
    check_folds,
    label_folds,
    split_into_folds,
)
from headstart.heads.generalised import SQUARED
from headstart.heads.kind import FitsLoss, HeadKind, Part, learns_of_samples, takes_class_names
from headstart.heads.kinds.every_kind import able_kinds
from headstart.heads.kinds.mlp import MLP
from headstart.heads.labelled import Labelled
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification, MultiLabel, Task
from headstart.heads.trials.crossed import Gathered
from headstart.heads.trials.numbers import GatheredNumbers
from headstart.heads.trials.out_of_fold import Gathering


def is_plain(task: Task | None) -> bool:
    """Whether labels are classes without an order."""
    return task is None or type(task) is Classification


def outputs_of(task: Task, targets: np.ndarray) -> int:
    """How many numbers a head says of a row."""
    return int(targets.max()) + 1 if targets.ndim == 1 else targets.shape[1]


def gathering_of(task: Task, rows: Part, folds: Sequence[Fold], draws: np.ndarray) -> Gathering:
    """What takes in what the heads of one setting say."""
    if isinstance(task, Regression):
        return GatheredNumbers(task, rows, folds, draws)
    return Gathered(rows, folds, draws, outputs_of(task, rows.targets), task)


def check_kinds(task: Task, kinds: Sequence[HeadKind]) -> None:
    """See, before anything is fitted, that kinds of heads can be tried on a task.

    Raises:
        HeadError: one cannot.
    """
    for kind in kinds:
        if (refused := _refusal(task, kind)) is not None:
            raise HeadError(refused[0], hint=refused[1])


def can_try(task: Task, kind: HeadKind) -> bool:
    """Whether a kind of heads can be tried on a task."""
    return _refusal(task, kind) is None


def _refusal(task: Task, kind: HeadKind) -> tuple[str, str] | None:
    """Why a kind cannot be tried on a task, and what can; None where it can."""
    if isinstance(kind, Bagged):
        return UNTRIED
    if takes_class_names(kind):
        why = "takes names of classes" if learns_of_samples(kind) else "learns nothing of samples"
        told = f"a head of kind {kind.kind} {why}, and is not tried on folds"
        return told, f"Train it: headstart head train NAME BACKBONE DATASET --kind {kind.kind}."
    if task.name not in kind.tasks:
        told = f"a head of kind {kind.kind} cannot do the task {task.name}"
        return told, f"Take kind {able_kinds(task.name)}."
    if isinstance(task, Regression) and task.loss != SQUARED and not isinstance(kind, FitsLoss):
        told = f"a head of kind {kind.kind} knows no loss but the squared error"
        return told, "Take kind ridge, or leave the loss out."
    return None


def usual_kinds(task: Task) -> list[str]:
    """The names of the kinds whose settings are searched unless others are named: what is fitted
    first, and an mlp, where that can do the task."""
    first, more = task.default_kind.kind, MLP()
    return [first, more.kind] if can_try(task, more) else [first]


def folds_of(
    task: Task, labelled: Labelled, folds: int, *, repeats: int = 1, seed: int = 0
) -> list[Fold]:
    """The folds of a task: of classes, and of several labels, each has its share; of numbers rows
    or groups are mixed.

    Raises:
        HeadError: there are too few rows, or groups, for so many folds.
    """
    if isinstance(task, Classification):
        return split_into_folds(
            labelled.targets,
            folds,
            classes=labelled.classes,
            groups=labelled.groups,
            repeats=repeats,
            seed=seed,
        )
    how: dict[str, Any] = {"repeats": repeats, "seed": seed}
    if isinstance(task, MultiLabel):
        return label_folds(labelled.targets, folds, labelled.groups, **how)
    return mixed_folds(len(labelled.targets), folds, labelled.groups, **how)


def mixed_folds(
    rows: int,
    folds: int,
    groups: Sequence[str] | None = None,
    *,
    repeats: int = 1,
    seed: int = 0,
) -> list[Fold]:
    """scikit-learn's `KFold`, or `GroupKFold`, with rows or groups mixed by seed, anew for each
    repeat: each row is tested once a repeat, and a group stays together.

    Raises:
        HeadError: there are fewer rows, or groups, than folds.
    """
    from sklearn.model_selection import GroupKFold, KFold

    check_folds(folds, repeats)
    check_count(rows, folds, groups)
    maker = KFold if groups is None else GroupKFold
    return [
        Fold(train, test)
        for repeat in range(repeats)
        for train, test in maker(folds, shuffle=True, random_state=seed + repeat).split(
            np.zeros(rows), None, groups
        )
    ]
