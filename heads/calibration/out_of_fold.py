"""Which training rows are left out together, so that a head can be asked about them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from headstart.heads.calibration.stratification import dealt_labels, have_all_of_a_side
from headstart.heads.kind import Part
from headstart.heads.shared_rows import spans_of
from headstart.storage.columns.units import joined


def groups_of(part: Part) -> np.ndarray:
    """The number of each row's group, (n,), by first appearance from 0 up.

    Equal rows are copies of one sample, and stand in one group. Where most rows have an equal, the
    features are flags or counts, and equal rows are different samples.
    """
    own = np.arange(len(part)) if part.groups is None else part.groups
    copies = _copies(part)
    if 2 * len(np.unique(copies)) <= len(part):
        return _numbered(own)
    return _numbered(joined(own, copies))


def inner_folds(part: Part, seed: int, most: int | None = None) -> np.ndarray:
    """The number of the fold that each row of a part is left out with, (n,); -1 for those that
    never are.

    A fold takes one group of each class, or more where there are `most` folds; so classes keep
    their shares in what is left. Rows without which a class would be missing are never left out.

    Args:
        part: rows with class numbers.
        seed: of the mixing.
        most: folds, 2 or more; as many as the largest class has groups without it.
    """
    groups = groups_of(part)
    _, first = np.unique(groups, return_index=True)
    own = part.targets[first]
    fold = _dealt(own, seed, most)[groups]
    counts = np.zeros((int(fold.max()) + 1, int(part.targets.max()) + 1), np.int64)
    np.add.at(counts, (fold, part.targets), 1)
    lost = (counts == counts.sum(axis=0)) & (counts > 0)
    needed = groups[lost[fold, part.targets]]
    return np.where(np.isin(groups, needed), -1, fold)


def inner_label_folds(part: Part, seed: int, folds: int) -> np.ndarray:
    """The same of rows with several labels, 0 and 1 in (n, labels): each fold has its share of
    each label, and rows that alone have one, or alone are without it, are never left out."""
    groups = groups_of(part)
    fold = dealt_labels(part.targets, [1 / folds] * folds, groups, seed)
    needed = np.zeros(len(part), bool)
    for one in range(folds):
        needed |= have_all_of_a_side(part.targets, fold == one)
    return np.where(np.isin(groups, groups[needed]), -1, fold)


def sides(folds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows to ask about, for each fold."""
    for asked in members(folds):
        yield np.setdiff1d(np.arange(len(folds)), asked), asked


def members(folds: np.ndarray) -> list[np.ndarray]:
    """The rows of each fold."""
    order = np.argsort(folds, kind="stable")
    order = order[np.searchsorted(folds[order], 0) :]
    parts = np.split(order, np.flatnonzero(np.diff(folds[order])) + 1)
    return [rows for rows in parts if len(rows)]


def _dealt(targets: np.ndarray, seed: int, most: int | None) -> np.ndarray:
    """Folds for groups of some classes, each class dealt out from the first fold on."""
    counts = np.bincount(targets)
    folds = int(counts.max()) if most is None else min(most, int(counts.max()))
    mixed = np.random.default_rng(seed).permutation(len(targets))
    found = np.empty(len(targets), np.int64)
    for one in np.flatnonzero(counts):
        found[mixed[targets[mixed] == one]] = np.arange(counts[one]) % folds
    return found


def _copies(part: Part) -> np.ndarray:
    """A number for each row, the same where features are equal."""
    numbers: dict[bytes, int] = {}
    found = np.empty(len(part), np.int64)
    for start, stop in spans_of(part):
        for row, features in enumerate(part.features[start:stop], start):
            digest = blake2b(features.tobytes(), digest_size=16).digest()
            found[row] = numbers.setdefault(digest, len(numbers))
    return found


def _numbered(groups: np.ndarray) -> np.ndarray:
    """The same groups, numbered by first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
