"""Parts of a dataset to train and to test on, in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.calibration.stratification import dealt_labels, have_all_of_a_side
from headstart.heads.labelled import hint_of
from headstart.storage.manifest import Label


@dataclass(frozen=True)
class Fold:
    """Row numbers to train on, and to test on."""

    train: np.ndarray
    test: np.ndarray


def held_out(
    targets: np.ndarray,
    *,
    classes: Sequence[Label],
    groups: Sequence[str] | None,
    seed: int,
    parts: int = 5,
) -> Fold:
    """A fifth of the rows to test on, of each class its share; more where a class has few.

    Raises:
        HeadError: a class has a single row, or group, so that none can be held out.
    """
    label, count = _rarest(targets, classes, groups)
    if count < 2:
        raise HeadError(
            f"there is no validation split, and none can be held out: class {label!r} has 1 "
            "sample or group to train on",
            hint=hint_of(
                classes,
                len(targets),
                "Add samples, or say in a `split` column or array which are for validation.",
            ),
        )
    return split_into_folds(targets, min(parts, count), classes=classes, groups=groups, seed=seed)[
        0
    ]


def _rarest(
    targets: np.ndarray, classes: Sequence[Label], groups: Sequence[str] | None
) -> tuple[Label, int]:
    """The class with the fewest rows, or groups, and how many."""
    if groups is None:
        there, counts = np.unique(targets, return_counts=True)
        least = int(counts.argmin())
        return classes[there[least]], int(counts[least])
    pairs = set(zip(targets.tolist(), groups, strict=True))
    rarest, count = min(Counter(t for t, _ in pairs).items(), key=lambda item: item[1])
    return classes[rarest], count


def check_rarest(
    targets: np.ndarray,
    folds: int,
    *,
    classes: Sequence[Label],
    groups: Sequence[str] | None = None,
    hint: str = "Take fewer folds, add samples, or leave the class out.",
) -> None:
    """See that each class can be in each fold.

    Args:
        targets: class numbers, (n,).
        folds: how many.
        classes: the label of each number.
        groups: of each row; rows of one group stay in one fold.
        hint: what to do, where labels are classes.

    Raises:
        HeadError: a class has fewer rows, or groups, than there are folds.
    """
    label, count = _rarest(targets, classes, groups)
    if count < folds:
        what = "sample" if groups is None else "group"
        raise HeadError(
            f"class {label!r} has {count} {what}{'s' * (count != 1)} to try heads "
            f"on, fewer than the {folds} folds",
            hint=hint_of(classes, len(targets), hint),
        )


def with_few(
    fold: Fold, targets: np.ndarray, shots: int, classes: Sequence[Label], seed: int = 0
) -> Fold:
    """The fold with only so many rows of each class to train on, chosen by seed.

    Raises:
        HeadError: a class has fewer, or `shots` is below 1.
    """
    if shots < 1:
        raise InvalidHeadSetting(
            f"shots is {shots}",
            hint="Give 1 or more.",
        )
    own = targets[fold.train]
    counts = np.bincount(own, minlength=len(classes))
    rarest = int(counts.argmin())
    if counts[rarest] < shots:
        raise HeadError(
            f"class {classes[rarest]!r} has {counts[rarest]} samples to train on, fewer than the "
            f"{shots} shots",
            hint=hint_of(
                classes, len(targets), "Take fewer shots, add samples, or leave the class out."
            ),
        )
    order = in_turn(own, seed)
    return Fold(np.sort(fold.train[order[: shots * len(classes)]]), fold.test)


def in_turn(targets: np.ndarray, seed: int) -> np.ndarray:
    """Row numbers such that any first few have as many of each class as there are, mixed.

    A class that is out of rows is passed over, so the last few are of the largest classes.
    """
    mixed = np.random.default_rng(seed).permutation(len(targets))
    turn = np.empty(len(targets), np.int64)
    for one in np.unique(targets):
        own = mixed[targets[mixed] == one]
        turn[own] = np.arange(len(own))
    return mixed[np.argsort(turn[mixed], kind="stable")]


def split_into_folds(
    targets: np.ndarray,
    folds: int = 5,
    *,
    classes: Sequence[Label],
    groups: Sequence[str] | None = None,
    repeats: int = 1,
    seed: int = 0,
) -> list[Fold]:
    """Stratified folds: each row is tested once a repeat, each class has its share in each fold.

    Args:
        targets: class numbers, (n,).
        folds: how many parts.
        classes: the label of each number, for messages.
        groups: of each row; rows of one group stay on one side.
        repeats: how many times all of it, each mixed anew.
        seed: of the mixing.

    Raises:
        HeadError: a class has fewer rows, or groups, than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    check_folds(folds, repeats)
    check_rarest(targets, folds, classes=classes, groups=groups)
    maker = StratifiedKFold if groups is None else StratifiedGroupKFold
    return [
        Fold(train, test)
        for repeat in range(repeats)
        for train, test in maker(folds, shuffle=True, random_state=seed + repeat).split(
            np.zeros(len(targets)), targets, groups
        )
    ]


def check_folds(folds: int, repeats: int) -> None:
    """See that there is something to train on, and to try.

    Raises:
        InvalidHeadSetting: there are fewer than two folds, or than one repeat.
    """
    if folds < 2 or repeats < 1:
        raise InvalidHeadSetting(
            f"folds is {folds}, repeats {repeats}",
            hint="Give 2 and 1, or more.",
        )


def check_count(rows: int, folds: int, groups: Sequence[str] | None) -> None:
    """See that no fold is empty.

    Raises:
        HeadError: there are fewer rows, or groups, than folds.
    """
    count = rows if groups is None else len(set(groups))
    if count < folds:
        what = "samples" if groups is None else "groups"
        raise HeadError(
            f"there are {count} {what} to try heads on, fewer than the {folds} folds",
            hint="Take fewer folds, or add samples.",
        )


def label_folds(
    targets: np.ndarray,
    folds: int = 5,
    groups: Sequence[str] | None = None,
    *,
    repeats: int = 1,
    seed: int = 0,
) -> list[Fold]:
    """Folds of several labels: each row is tested once a repeat, and each fold has its share of
    the rows with each label, and of those without it; see `dealt`.

    Args:
        targets: 0 and 1, (n, labels).
        folds: how many parts.
        groups: of each row; rows of one group stay on one side.
        repeats: how many times all of it, each mixed anew.
        seed: of the mixing.

    Raises:
        HeadError: there are fewer rows, or groups, than folds.
    """
    check_folds(folds, repeats)
    check_count(len(targets), folds, groups)
    units = None if groups is None else np.unique(groups, return_inverse=True)[1]
    shares = [1 / folds] * folds
    found = []
    for repeat in range(repeats):
        parts = dealt_labels(targets, shares, units, seed + repeat)
        found += [
            Fold(np.flatnonzero(parts != one), np.flatnonzero(parts == one)) for one in range(folds)
        ]
    return found


def held_out_labels(
    targets: np.ndarray, groups: Sequence[str] | None, seed: int, parts: int = 5
) -> Fold:
    """A fifth of the rows of several labels to test on, rounded up, of each label its share; more
    where there are fewer groups. What alone has a label, or is without it, is trained on."""
    units = np.arange(len(targets))
    if groups is not None:
        units = np.unique(groups, return_inverse=True)[1]
    count = int(units.max()) + 1
    share = -(-count // parts) / count
    out = dealt_labels(targets, [1 - share, share], units, seed) > 0
    out &= ~np.isin(units, units[have_all_of_a_side(targets, out)])
    if not out.any():
        out = _smallest_free(targets, units)
    return Fold(np.flatnonzero(~out), np.flatnonzero(out))


def _smallest_free(targets: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The rows of the smallest unit without which each label is still there, and still lacking
    somewhere; of none if there is no such unit, (n,) bool."""
    for unit in np.argsort(np.bincount(units), kind="stable").tolist():
        own = units == unit
        if not own.all() and not have_all_of_a_side(targets, own).any():
            return own
    return np.zeros(len(units), bool)
