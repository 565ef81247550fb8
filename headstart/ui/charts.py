"""Charts as SVG, made here: shapes with classes, which the style sheet colours; no style of their
own, which the page's policy forbids, and nothing to fetch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from headstart.heads.evaluation.intervals import share_text
from headstart.heads.evaluation.provenance import words_of
from headstart.heads.trials.objective import ACCURACY, OBJECTIVES
from headstart.jobs.heads.care.judgement import Bin, Covered
from headstart.visible import visible

LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 44
"""Room beside what is drawn, pixels."""
LONGEST = 40
"""Letters of a name beside a point."""
LETTER, LINE = 7, 14
"""Room that a letter of a name and its line take at most, pixels."""
START, END = "start", "end"
"""Where a name stands: right of its point, or left of it."""


@dataclass(frozen=True)
class Frame:
    """A field with two axes.

    Attributes:
        x: the least and largest value across.
        y: likewise, upwards.
        width: of the picture, pixels.
        height: likewise.
        is_log: whether the axis across is logarithmic.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 480
    height: int = 320
    is_log: bool = False

    def across(self, value: float) -> float:
        """Where a value stands across."""
        low, high, value = (math.log(one) if self.is_log else one for one in (*self.x, value))
        return LEFT + (value - low) / ((high - low) or 1.0) * (self.width - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """Where a value stands from above."""
        low, high = self.y
        share = (value - low) / ((high - low) or 1.0)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def drawn(self, title: str, inside: str, across: str, up: str, role: str = "img") -> Markup:
        """The picture.

        Args:
            title: what it shows, for who cannot see it.
            inside: shapes.
            across: what the axis across is.
            up: what the other is.
            role: `group` where there are links in it, which a picture cannot have.
        """
        ticks = "".join(self._across(value) for value in self._ticks_across())
        ticks += "".join(self._up(value) for value in _round_values(*self.y))
        middle = (LEFT + self.width - RIGHT) / 2
        return Markup(
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="{role}" aria-label="{_text(title)}">{ticks}{inside}'
            f'<text class="quiet" x="{middle:.0f}" y="{self.height - 6}" text-anchor="middle">'
            f'{_text(across)}</text><text class="quiet" x="14" y="{self.height / 2:.0f}" '
            f'text-anchor="middle" transform="rotate(-90 14 {self.height / 2:.0f})">{_text(up)}'
            "</text></svg>"
        )

    def _ticks_across(self) -> list[float]:
        if not self.is_log:
            return _round_values(*self.x)
        first, last = (math.log10(one) for one in self.x)
        tens = range(math.floor(first), math.ceil(last) + 1)
        values = [factor * 10.0**ten for ten in tens for factor in (1, 2, 5)]
        found = [value for value in values if self.x[0] <= value <= self.x[1]]
        return found if len(found) > 1 else _round_values(*self.x)

    def _across(self, value: float) -> str:
        place, low = self.across(value), self.height - BOTTOM
        return (
            f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{low}"/>'
            f'<text class="quiet" x="{place:.1f}" y="{low + 16}" text-anchor="middle">{value:g}'
            "</text>"
        )

    def _up(self, value: float) -> str:
        place = self.up(value)
        return (
            f'<line class="grid" x1="{LEFT}" x2="{self.width - RIGHT}" y1="{place:.1f}" '
            f'y2="{place:.1f}"/><text class="quiet" x="{LEFT - 6}" y="{place + 4:.1f}" '
            f'text-anchor="end">{value:g}</text>'
        )


@dataclass(frozen=True)
class Point:
    """Something with a score and what it costs.

    Attributes:
        name: of it.
        cost: above 0.
        score: any number.
        interval: of the score.
        is_marked: whether it is filled.
        address: where it leads.
    """

    name: str
    cost: float
    score: float
    interval: tuple[float, float]
    is_marked: bool
    address: str


def draw_scores(points: Sequence[Point], cost: str, score: str = ACCURACY) -> Markup:
    """Scores with their intervals over what they cost, on a logarithmic axis.

    Args:
        points: what is drawn.
        cost: in words.
        score: its name, as in `OBJECTIVES`.
    """
    of, said = OBJECTIVES[score], words_of(score)
    costs = [one.cost for one in points]
    ends = [end for one in points for end in one.interval]
    room = max(0.02, 0.05 * (max(ends) - min(ends))) if of.high - of.low > 1 else 0.02
    low, high = max(of.low, min(ends) - room), min(of.high, max(ends) + room)
    frame = Frame((min(costs) / 1.5, max(costs) * 1.5), (low, high), 720, 380, is_log=True)
    sides = _sides(frame, points)
    shapes = "".join(_scored(frame, *one) for one in zip(points, sides, strict=True))
    return frame.drawn(f"{said} over {cost}", shapes, f"{cost} (logarithmic)", said, role="group")


def _sides(frame: Frame, points: Sequence[Point]) -> list[str]:
    """Where the name of each point stands: where it crosses the fewest whiskers and other names."""
    taken = [
        (place, place, frame.up(one.interval[1]), frame.up(one.interval[0]))
        for one, place in ((one, frame.across(one.cost)) for one in points)
    ]
    chosen = list[str]()
    for one in points:
        spans = {side: _span(frame, one, side) for side in (START, END)}
        best = min(spans, key=lambda side: _crossed(frame, spans[side], taken))
        taken.append(spans[best])
        chosen.append(best)
    return chosen


def _span(frame: Frame, one: Point, side: str) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a name, pixels."""
    place, height = frame.across(one.cost), frame.up(one.score)
    far = 8 + LETTER * min(len(one.name), LONGEST + 1)
    ends = (place + 8, place + far) if side == START else (place - far, place - 8)
    return *ends, height - LINE / 2, height + LINE / 2


def _crossed(
    frame: Frame,
    span: tuple[float, float, float, float],
    taken: Sequence[tuple[float, float, float, float]],
) -> int:
    """How many of what is drawn a name would lie on; many where it leaves the field."""
    left, right, top, bottom = span
    if left < LEFT or right > frame.width:
        return len(taken) + 1
    return sum(left <= b and a <= right and top <= d and c <= bottom for a, b, c, d in taken)


def _scored(frame: Frame, one: Point, side: str) -> str:
    place, height = frame.across(one.cost), frame.up(one.score)
    low, high = (frame.up(end) for end in one.interval)
    told = f"{one.name}: {share_text(one.score)}"
    name = one.name if len(one.name) <= LONGEST else f"{one.name[:LONGEST]}…"
    gap = 8 if side == START else -8
    return (
        f'<a href="{escape(one.address)}" aria-label="{_text(told)}"><title>{_text(told)}</title>'
        f'<line class="whisker" x1="{place:.1f}" x2="{place:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="{"dot marked" if one.is_marked else "dot"}" cx="{place:.1f}" '
        f'cy="{height:.1f}" r="5"/><text x="{place + gap:.1f}" y="{height + 4:.1f}" '
        f'text-anchor="{side}">{_text(name)}</text></a>'
    )


def draw_reliability(bins: Sequence[Bin]) -> Markup:
    """How often a head is right, over how sure it is, with the diagonal on which both are one."""
    frame = Frame((0.0, 1.0), (0.0, 1.0), 400, 340)
    ends = [(frame.across(value), frame.up(value)) for value in (0.0, 1.0)]
    shapes = (
        f'<line class="axis dashed" x1="{ends[0][0]:.1f}" y1="{ends[0][1]:.1f}" '
        f'x2="{ends[1][0]:.1f}" y2="{ends[1][1]:.1f}"/>'
    )
    line = " ".join(f"{frame.across(one.sure):.1f},{frame.up(one.right):.1f}" for one in bins)
    shapes += f'<polyline class="line" points="{line}"/>'
    for one in bins:
        place, low, high = frame.across(one.sure), *(frame.up(end) for end in one.interval)
        told = (
            f"{one.samples:,} samples, {share_text(one.sure)} sure, {share_text(one.right)} right"
        )
        shapes += (
            f"<g><title>{_text(told)}</title>"
            f'<line class="whisker" x1="{place:.1f}" x2="{place:.1f}" y1="{low:.1f}" '
            f'y2="{high:.1f}"/><circle class="dot marked" cx="{place:.1f}" '
            f'cy="{frame.up(one.right):.1f}" r="4"/></g>'
        )
    title = "how often the head is right, over how sure it is"
    return frame.drawn(title, shapes, "how sure it is", "how often it is right")


def draw_coverage(covered: Sequence[Covered]) -> Markup:
    """The accuracy over the share of samples that is answered, as the threshold rises."""
    told = [one for one in covered if one.accuracy is not None and one.interval is not None]
    least = min((one.interval[0] for one in told if one.interval), default=0.0)
    frame = Frame((0.0, 1.0), (math.floor(least * 10) / 10, 1.0), 400, 340)
    upper = [
        f"{frame.across(c.coverage):.1f},{frame.up(c.interval[1]):.1f}" for c in told if c.interval
    ]
    lower = [
        f"{frame.across(c.coverage):.1f},{frame.up(c.interval[0]):.1f}" for c in told if c.interval
    ]
    line = " ".join(
        f"{frame.across(c.coverage):.1f},{frame.up(c.accuracy or 0.0):.1f}" for c in told
    )
    shapes = (
        f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'
        f'<polyline class="line" points="{line}"/>'
    )
    return frame.drawn(
        "accuracy over the share of samples that is answered", shapes, "answered", "accuracy"
    )


def _round_values(low: float, high: float) -> list[float]:
    """About five round values within a range."""
    if high <= low:
        return [low]
    rough = (high - low) / 4
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * ten for factor in (1, 2, 5, 10) if factor * ten >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _text(text: str) -> str:
    return escape(visible(text))
