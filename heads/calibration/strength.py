"""The strength of a linear head, chosen on rows that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from headstart.heads.calibration.judge import ENOUGH
from headstart.heads.calibration.out_of_fold import inner_folds, members
from headstart.heads.kind import Part
from headstart.heads.kinds.grid import PLAIN, Choice, choose, nearest
from headstart.heads.kinds.logistic import log_loss
from headstart.heads.kinds.paths import Abreast, side_by_side
from headstart.heads.origins import bounds_of, within
from headstart.heads.rows import some_of
from headstart.heads.shared_rows import SharedRows

FOLDS = 5
"""Of training rows, where there is no validation split."""
CHOICE_TOLERANCE = 2e-5
"""Of heads that only choose a strength: their log loss on rows left out was 0.17 to 0.34 %
off on four data sets, where that of the same rows is known to some percent."""
RISEN = 1.02
"""Times the least log loss: what has risen so far, twice in turn, does not fall below it again."""


@dataclass(frozen=True)
class _Asked:
    """A fit, by the training rows that it is not to, (n,), and the rows that it is asked about."""

    without: np.ndarray
    about: Part


def find_strength(
    train: Part,
    validation: Part,
    strengths: Sequence[float],
    classes: int,
    seed: int,
    pool: ThreadPoolExecutor,
    iterations: int,
) -> tuple[Choice, dict[str, int]]:
    """The strength with the least log loss on rows that were not fitted: the validation split, and
    where that is small or is none, training rows as well, left out fold after fold. A few rows that
    are all right would choose the largest. And how many rows of which split were asked.

    Where no row can be left out, or the features are too many for memory, it is `PLAIN` or the one
    nearest to it.

    Args:
        strengths: to choose from, in rising order.
        pool: threads for blocks of rows.
        iterations: at most so many steps a fit.
    """
    if len(strengths) == 1:
        return Choice(strengths[0], None, []), {"train": 0, "validation": 0}
    in_memory = isinstance(train.features, np.ndarray)
    is_asked = in_memory and len(validation) < ENOUGH
    left_out = members(inner_folds(train, seed, FOLDS)) if is_asked else []
    judged = {"train": sum(map(len, left_out)), "validation": len(validation)}
    fits = [_left_out(train, rows) for rows in left_out]
    if len(validation):
        fits.insert(0, _Asked(np.empty(0, np.int64), validation))
    if not fits:
        lacking = "no row could be left out" if in_memory else "the features do not fit into memory"
        return nearest(strengths, PLAIN, lacking), judged
    step = side_by_side(train.features.shape[1], classes)
    groups = [fits[first : first + step] for first in range(0, len(fits), step)]

    def begin(group: Sequence[_Asked]) -> Abreast:
        return Abreast(_shared(train, group), classes, seed, pool, CHOICE_TOLERANCE, iterations)

    losses = _losses(strengths, groups, begin)
    return choose([*losses], lambda strength: (losses[strength], None)), judged


def _left_out(train: Part, rows: np.ndarray) -> _Asked:
    inside = np.ones(len(train), bool)
    inside[rows] = False
    bounds = bounds_of(some_of(train.features, np.flatnonzero(inside)))
    return _Asked(rows, within(train.rows(rows), bounds))


def _shared(train: Part, fits: Sequence[_Asked]) -> SharedRows:
    inside = np.ones((len(train), len(fits)), bool)
    for number, fit in enumerate(fits):
        inside[fit.without, number] = False
    return SharedRows([train], None if inside.all() else inside)


def _losses(
    strengths: Sequence[float],
    groups: Sequence[Sequence[_Asked]],
    begin: Callable[[Sequence[_Asked]], Abreast],
) -> dict[float, float]:
    """The mean log loss of each strength. Where all fits go side by side, those far behind the best
    one, which have weak penalties and take longest, are not tried."""
    losses = dict[float, float]()
    for group in groups:
        abreast = begin(group)
        for strength in strengths:
            heard = zip(group, abreast.go_on(strength), strict=True)
            total = sum(fit.about.mass * log_loss([fit.about], *weights) for fit, weights in heard)
            losses[strength] = losses.get(strength, 0.0) + total
            if len(groups) == 1 and _has_risen([*losses.values()]):
                break
    mass = sum(fit.about.mass for group in groups for fit in group)
    return {strength: loss / mass for strength, loss in losses.items()}


def _has_risen(losses: Sequence[float]) -> bool:
    """Whether the last two of some losses are each larger than the one before, and far from the
    least: it falls to one side of its minimum and rises to the other."""
    if len(losses) < 3:
        return False
    return losses[-3] < losses[-2] < losses[-1] and losses[-1] > RISEN * min(losses)
