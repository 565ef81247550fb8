"""The best value of a setting among some, and beyond them where it lies at their end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

EXTENSIONS = 4
"""Values beyond each end of a grid."""

C_TOLD = (
    "C, the inverse of the penalty, as in scikit-learn: a larger one follows the training samples "
    "more closely; such as 0.01,0.1,1."
)
"""What `--strengths` says of itself, whatever kind has it."""
PLAIN = 1.0
"""The strength where nothing can be said of any, or the nearest of those that are given;
scikit-learn's default."""


@dataclass(frozen=True)
class Choice:
    """The best value of a grid.

    Attributes:
        value: that was chosen.
        found: what came of it.
        path: each value that was tried with its loss, in rising order.
        why: why it was not chosen but taken, where no row could judge; see `nearest`.
    """

    value: float
    found: Any
    path: list[tuple[float, float]]
    why: str = ""

    @property
    def loss(self) -> float:
        return dict(self.path)[self.value]

    def remarks(self) -> dict[str, str]:
        """What is to be known, as a JSON value: that nothing could be chosen, or `at_end`."""
        return {"not_chosen": self.why} if self.why else self.at_end()

    def at_end(self) -> dict[str, str]:
        """What is to be known, as a JSON value, where the choice lies at an end; else nothing."""
        values = [value for value, _ in self.path]
        if not _is_end(values, self.value):
            return {}
        is_low = self.value == values[0]
        which, more = ("smallest", "smaller") if is_low else ("largest", "larger")
        words = f"{self.value:.3g} is the {which} value that was tried; a {more} one may be better"
        return {"at_end": words}


def nearest(given: Sequence[float], plain: float, lacking: str) -> Choice:
    """The value to take where nothing can judge: the nearest to a plain one, by their ratio.

    Args:
        given: values above 0; one alone is taken, and nothing is said.
        plain: what is taken of all values there are.
        lacking: why none can be judged, in words.
    """
    value = min(given, key=lambda one: abs(math.log(one / plain)))
    if len(given) == 1:
        return Choice(value, None, [])
    which = "" if value == plain else f", the one given that is nearest to {plain:g}"
    return Choice(value, None, [], f"{lacking}; {value:.3g} was taken{which}")


def choose(
    grid: Sequence[float], tried: Callable[[float], tuple[float, Any]], *, is_open: bool = False
) -> Choice:
    """The value with the least loss; the first of equals.

    Args:
        grid: values above 0; one alone is taken, and nothing is said.
        tried: gives the loss of a value, and what came of it.
        is_open: whether to go on beyond an end that is best, by its last factor, until the loss
            falls no more, `EXTENSIONS` times at most.
    """
    found = {value: tried(value) for value in dict.fromkeys(grid)}
    best = min(found, key=lambda value: found[value][0])
    for _ in range(EXTENSIONS if is_open else 0):
        further = _beyond(sorted(found), best)
        if further is None:
            break
        found[further] = tried(further)
        best = min(found, key=lambda value: found[value][0])
    path = [(value, found[value][0]) for value in sorted(found)]
    return Choice(best, found[best][1], path)


def _beyond(values: Sequence[float], best: float) -> float | None:
    """The next value beyond an end that is best."""
    if not _is_end(values, best):
        return None
    neighbour = values[1] if best == values[0] else values[-2]
    return best * best / neighbour


def _is_end(values: Sequence[float], best: float) -> bool:
    """Whether the best of several values in rising order is the first or the last."""
    return len(values) > 1 and best in (values[0], values[-1])
