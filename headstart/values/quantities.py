"""Labels that are numbers to be learnt, and no classes."""

from __future__ import annotations

import math
from collections.abc import Collection

MANY, FEW_OF_EACH = 30, 2
"""So many whole numbers, of so few samples each, are no classes: nothing could be learnt of one."""


def range_of(labels: Collection[str | int], samples: int) -> tuple[float, float] | None:
    """The least and the largest of labels that are numbers: there is a fraction among them, or
    there are many that hardly a sample shares. None where they may be classes, or are several
    numbers each.

    Args:
        labels: the different ones.
        samples: that have them.
    """
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return None
    if not values or not all(map(math.isfinite, values)):
        return None
    are_whole = all(value.is_integer() for value in values)
    if are_whole and (len(values) < MANY or samples >= FEW_OF_EACH * len(values)):
        return None
    return min(values), max(values)
