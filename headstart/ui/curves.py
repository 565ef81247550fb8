"""A learning curve as SVG; see `charts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from headstart.heads.evaluation.intervals import score_text
from headstart.heads.evaluation.provenance import words_of
from headstart.heads.models.curves import ScorePoint, limits_of
from headstart.heads.models.learning_curves import CurvePoint
from headstart.heads.trials.objective import OBJECTIVES, Objective
from headstart.ui.charts import Frame

BESIDE = 0.05
"""Of the height, what is left free above and below losses."""


def points_of(told: Sequence[Mapping[str, Any]]) -> list[ScorePoint]:
    """A curve out of JSON.

    Raises:
        TypeError: another version of headstart drew it.
    """
    points = [ScorePoint(**one) if "objective" in one else CurvePoint.of(**one) for one in told]
    if unknown := {one.objective for one in points} - {*OBJECTIVES}:
        raise TypeError(f"no score {', '.join(sorted(unknown))} is known")
    return points


def draw_curve(points: Sequence[ScorePoint]) -> Markup:
    """The score with its band over the number of samples that heads were trained on, and, dashed,
    the score on those.

    Args:
        points: one at least, of growing numbers of samples.
    """
    objective, sizes = OBJECTIVES[points[0].objective], [one.samples for one in points]
    ends = (sizes[0], sizes[-1]) if len(sizes) > 1 else (sizes[0] / 2, sizes[0] * 2)
    frame = Frame(ends, _heights(points, objective), 560, 340, is_log=True)

    def line(values: Sequence[float]) -> list[str]:
        pairs = zip(sizes, values, strict=True)
        return [f"{frame.across(size):.1f},{_up(frame, value):.1f}" for size, value in pairs]

    low, high = (line([one.interval[end] for one in points]) for end in (0, 1))
    trained = " ".join(line([one.train_score for one in points]))
    shapes = (
        f'<polygon class="band" points="{" ".join([*high, *reversed(low)])}"/>'
        f'<polyline class="axis dashed" points="{trained}"/>'
        f'<polyline class="line" points="{" ".join(line([one.score for one in points]))}"/>'
    )
    for one in points:
        shapes += (
            f'<g><title>{_told(one)}</title><circle class="dot marked" '
            f'cx="{frame.across(one.samples):.1f}" cy="{_up(frame, one.score):.1f}" r="4"/></g>'
        )
    score = words_of(objective.name)
    title = f"{score} over the number of samples to train on"
    up = f"{score}, less is better" if objective.is_loss else score
    return frame.drawn(title, shapes, "samples to train on (logarithmic)", up)


def _told(one: ScorePoint) -> str:
    """A point in words."""
    score, *ends = (score_text(one.objective, value) for value in (one.score, *one.interval))
    return f"{one.samples:,} samples: {score}, {' to '.join(ends)}"


def _heights(points: Sequence[ScorePoint], objective: Objective) -> tuple[float, float]:
    """Where the axis of the score ends."""
    low, high = limits_of(points, objective)
    if not objective.is_loss:
        least = min(one.interval[0] for one in points)
        return (math.floor(least * 10) / 10 if low is None else low), objective.high
    drawn = [value for one in points for value in (*one.interval, one.score, one.train_score)]
    if low is not None and high is not None:
        return low, high
    beside = BESIDE * (max(drawn) - min(drawn))
    return max(objective.low, min(drawn) - beside), max(drawn) + beside


def _up(frame: Frame, value: float) -> float:
    """Where a value stands; what lies beyond the axis at its end."""
    return frame.up(min(max(value, frame.y[0]), frame.y[1]))
