"""A learning curve as SVG; see `charts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from headstart.heads.evaluation.intervals import share_text
from headstart.ui.charts import Frame


def draw_curve(points: Sequence[Mapping[str, Any]]) -> Markup:
    """Accuracy with its band over the number of samples that heads were trained on, and, dashed,
    the accuracy on those.

    Args:
        points: one at least, as `CurvePoint` has them in JSON, of growing numbers of samples.
    """
    sizes = [one["samples"] for one in points]
    least = min(one["interval"][0] for one in points)
    ends = (sizes[0], sizes[-1]) if len(sizes) > 1 else (sizes[0] / 2, sizes[0] * 2)
    frame = Frame(ends, (math.floor(least * 10) / 10, 1.0), 560, 340, is_log=True)

    def line(values: Sequence[float]) -> list[str]:
        pairs = zip(sizes, values, strict=True)
        return [f"{frame.across(size):.1f},{frame.up(value):.1f}" for size, value in pairs]

    low, high = (line([one["interval"][end] for one in points]) for end in (0, 1))
    trained = " ".join(line([max(one["train_accuracy"], frame.y[0]) for one in points]))
    shapes = (
        f'<polygon class="band" points="{" ".join([*high, *reversed(low)])}"/>'
        f'<polyline class="axis dashed" points="{trained}"/>'
        f'<polyline class="line" points="{" ".join(line([one["accuracy"] for one in points]))}"/>'
    )
    for one in points:
        told = f"{one['samples']:,} samples: {share_text(one['accuracy'])}, " + " to ".join(
            share_text(end) for end in one["interval"]
        )
        shapes += (
            f'<g><title>{told}</title><circle class="dot marked" '
            f'cx="{frame.across(one["samples"]):.1f}" cy="{frame.up(one["accuracy"]):.1f}" r="4"/>'
            "</g>"
        )
    title = "accuracy over the number of samples to train on"
    return frame.drawn(title, shapes, "samples to train on (logarithmic)", "accuracy")
