"""Parallel coordinates as SVG: each line is a setting that was tried, each axis what was varied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from headstart.visible import visible

APART, HEIGHT, TOP, BOTTOM, SIDE = 150, 300, 34, 24, 90
"""Pixels between two axes, of the picture, and beside what is drawn."""
LONGEST = 22
"""Letters of a value beside an axis."""
MOST = 12
"""Values that are written at an axis; of more, the ends."""
MANY_TIMES = 50.0
"""From so many times the least value on the axis of a number is logarithmic."""
Value = str | int | float | None


@dataclass(frozen=True)
class Axis:
    """What was varied.

    Attributes:
        name: of it.
        values: of each line; None where it does not have it.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def are_numbers(self) -> bool:
        """Whether it is one axis of numbers; else each value has a place of its own."""
        known = [one for one in self.values if one is not None]
        return bool(known) and all(isinstance(one, int | float) for one in known)

    def shares(self) -> list[float | None]:
        """Where each line meets the axis, 0 below and 1 above; None where it does not."""
        if not self.are_numbers:
            order = {value: place for place, value in enumerate(self.labels())}
            most = max(len(order) - 1, 1)
            return [None if one is None else order[str(one)] / most for one in self.values]
        ends = self._ends()
        return [None if one is None else _share(float(one), *ends) for one in self.values]

    def labels(self) -> list[str]:
        """What is written at it, from below."""
        if self.are_numbers:
            return [f"{end:.4g}" for end in self._ends()]
        return sorted({str(one) for one in self.values if one is not None})

    def _ends(self) -> tuple[float, float]:
        known = [float(one) for one in self.values if isinstance(one, int | float)]
        return min(known), max(known)


def draw_parallel(axes: Sequence[Axis], are_best: Sequence[bool]) -> Markup:
    """The picture.

    Args:
        axes: from left to right.
        are_best: which lines stand out.
    """
    width = 2 * SIDE + APART * max(len(axes) - 1, 1)
    shares = [axis.shares() for axis in axes]
    lines = "".join(_line(shares, row, is_best) for row, is_best in enumerate(are_best))
    drawn = "".join(_axis(place, axis) for place, axis in enumerate(axes))
    told = escape(f"{len(are_best):,} settings through {', '.join(axis.name for axis in axes)}")
    return Markup(
        f'<svg class="chart parallel" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
        f'height="{HEIGHT}" role="img" aria-label="{told}">{lines}{drawn}</svg>'
    )


def _line(shares: Sequence[Sequence[float | None]], row: int, is_best: bool) -> str:
    points = [
        f"{SIDE + APART * place},{_height(share):.1f}"
        for place, own in enumerate(shares)
        if (share := own[row]) is not None
    ]
    return f'<polyline class="way{" best" if is_best else ""}" points="{" ".join(points)}"/>'


def _axis(place: int, axis: Axis) -> str:
    across, labels = SIDE + APART * place, axis.labels()
    most = max(len(labels) - 1, 1)
    shown = labels if len(labels) <= MOST else [labels[0], labels[-1]]
    written = "".join(
        f'<text class="quiet" x="{across + 6}" y="{_height(labels.index(one) / most) + 4:.1f}">'
        f"{_text(one)}</text>"
        for one in shown
    )
    return (
        f'<line class="axis" x1="{across}" x2="{across}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text x="{across}" y="18" text-anchor="middle">{_text(axis.name)}</text>{written}'
    )


def _height(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _share(value: float, low: float, high: float) -> float:
    if high == low:
        return 0.5
    if low > 0 and high / low >= MANY_TIMES:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def _text(text: str) -> str:
    return escape(visible(text if len(text) <= LONGEST else f"{text[:LONGEST]}…"))
