"""By what heads are compared in a search: the first objective of their task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.intervals import SHARES
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.provenance import words_of
from headstart.heads.trials.objective import OBJECTIVES, ascending, objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold


def objective_of(crossed: OutOfFold) -> str:
    """The name of the score."""
    return objectives_of(crossed.task)[0]


def outcomes_of(crossed: OutOfFold) -> Outcomes:
    """What became of each sample by it."""
    return crossed.outcomes(objective_of(crossed))


def rank_of(crossed: OutOfFold) -> tuple[float, float]:
    """The less, the better; see `OutOfFold.order`."""
    return crossed.order(objective_of(crossed))


def scores_of(crossed: OutOfFold) -> tuple[dict[str, float], dict[str, Interval | None]]:
    """The scores by which heads of the task are compared, the one that decides first, and their
    intervals."""
    metrics = crossed.metrics()
    names, ends = objectives_of(crossed.task), metrics["intervals"]
    found = {name: (ends[name][0], ends[name][1]) if name in ends else None for name in names}
    return {name: metrics[name] for name in names}, found


def are_worse(tried: Sequence[OutOfFold]) -> np.ndarray:
    """Which are worse than the best of them beyond chance, bool, (candidates,)."""
    is_loss = OBJECTIVES[objective_of(tried[0])].is_loss
    return worse_than_best([outcomes_of(one) for one in tried], is_loss=is_loss)


def is_better(one: OutOfFold, other: OutOfFold) -> bool:
    """Whether one is better than another beyond chance, by what became of the same samples."""
    return gain(one, other) > 0 and bool(are_worse([one, other])[1])


def can_be_beaten(crossed: OutOfFold) -> bool:
    """Whether a head could be shown to be better on these samples beyond chance: where shares are
    compared, one that is right on all of them could. Of losses nothing bounds that."""
    own = outcomes_of(crossed)
    if not own.are_shares:
        return True
    best = replace(own, values=np.ones_like(own.values))
    return bool(worse_than_best([own, best])[0])


def gain(one: OutOfFold, other: OutOfFold) -> float:
    """By how much one is better than another."""
    name = objective_of(one)
    return ascending(name, outcomes_of(other).mean) - ascending(name, outcomes_of(one).mean)


def gain_text(one: OutOfFold, other: OutOfFold) -> str:
    """The same in words: shares in points, `12.3 points`; others as `0.034 of R2`."""
    name = objective_of(one)
    if name in SHARES:
        return f"{100 * gain(one, other):.1f} points"
    return f"{gain(one, other):.3f} of {words_of(name)}"
