"""Labels that are numbers to be learnt, and no classes."""

from __future__ import annotations

import math
from collections.abc import Collection

MANY, FEW_OF_EACH = 30, 2
"""So many whole numbers, of so few samples each, are no classes: nothing could be learnt of one."""
FEW_WITH_POINT = 20
"""Of those that are written with a point, such as `25.0`, this many: a place of a class has one
only where a program knew no whole numbers besides missing ones."""


def are_many_numbers(labels: Collection[str | int], samples: int) -> bool:
    """Whether labels are whole numbers of which one is written with a point, and too many, of too
    few samples each, to be classes.

    Args:
        labels: the different ones.
        samples: that have them.
    """
    if len(labels) < MANY or samples >= FEW_WITH_POINT * len(labels):
        return False
    return any(_has_point(label) for label in labels) and _values_of(labels) is not None


def range_of(labels: Collection[str | int], samples: int) -> tuple[float, float] | None:
    """The least and the largest of labels that are numbers: there is a fraction among them, or
    there are many that hardly a sample shares, or few where they are written with a point. None
    where they may be classes, or are several numbers each.

    Args:
        labels: the different ones.
        samples: that have them.
    """
    values = _values_of(labels)
    if not values:
        return None
    are_whole = all(value.is_integer() for value in values)
    are_few = len(values) < MANY or samples >= FEW_OF_EACH * len(values)
    if are_whole and are_few and not are_many_numbers(labels, samples):
        return None
    return min(values), max(values)


def _values_of(labels: Collection[str | int]) -> list[float] | None:
    """Of each label; None where one is no finite number."""
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def _has_point(label: str | int) -> bool:
    return isinstance(label, str) and "." in label
