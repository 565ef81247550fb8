"""Which of several heads that do about as well is the simplest: the one-standard-error rule.

Breiman, Friedman, Olshen and Stone: Classification and regression trees, 1984: of all settings
whose score is within one standard error of the best one's, take the simplest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.kind import Complexity, HasComplexity, HeadKind, Part, tokens_for


def complexity_of(kind: HeadKind, rows: Part, trained: int, outputs: int) -> Complexity:
    """Of heads of a kind, of so many outputs, trained on so many of some rows; beyond all others
    where the kind does not say."""
    if not isinstance(kind, HasComplexity):
        return math.inf, math.inf
    tokens = tokens_for(kind, rows)
    width = rows.features.shape[1] if tokens is None else tokens.width
    return kind.complexity(width, outputs, trained)


def simplest_of(tried: Sequence[tuple[Outcomes, Complexity]], *, is_loss: bool = False) -> int:
    """The number of the simplest one within one standard error of the best; of equally simple ones
    the first.

    Args:
        tried: of each candidate what became of the samples, and how complex it is; from the best
            down.
        is_loss: whether less is better.
    """
    best, _ = tried[0]
    sign = -1 if is_loss else 1
    within = [
        number
        for number, (one, _) in enumerate(tried)
        if sign * (best.mean - one.mean) <= best.error
    ]
    return min(within, key=lambda number: tried[number][1])
