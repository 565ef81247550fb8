"""Labels that are numbers to be learnt, and no classes."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

MANY = 30
"""So many different labels may be quantities; fewer are classes, however they are written."""
FEW_OF_EACH, HARDLY_SHARED = 20, 2
"""So many samples of each at most: by the first they may be quantities, and are where one is
written with a point, such as `25.0`, which a class has only where a program knew no whole numbers
besides missing ones; by the second they are, as nothing could be learnt of one as a class."""


def look_like_numbers(labels: Collection[str | int | None], samples: int) -> bool:
    """Whether labels may be quantities that happen to be whole: an age, a count.

    Args:
        labels: the different ones.
        samples: that have them.
    """
    return all(isinstance(label, int) for label in labels) and _are_many(labels, samples)


def are_many_numbers(labels: Collection[str | int], samples: int) -> bool:
    """Whether labels are whole numbers of which one is written with a point, and too many, of too
    few samples each, to be classes.

    Args:
        labels: the different ones.
        samples: that have them.
    """
    has_point = any(isinstance(label, str) and "." in label for label in labels)
    return has_point and _are_many(labels, samples) and _values_of(labels) is not None


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
    are_few = not _are_many(labels, samples, HARDLY_SHARED)
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


def _are_many(labels: Collection[Any], samples: int, of_each: int = FEW_OF_EACH) -> bool:
    return len(labels) >= MANY and samples < of_each * len(labels)
