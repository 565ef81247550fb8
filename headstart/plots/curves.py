"""A learning curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.heads.models.learning_curves import CurvePoint
from headstart.plots.figures import figure, plain_axes


def draw_learning_curve(points: Sequence[CurvePoint], title: str) -> Any:
    """Accuracy over the number of samples that heads were trained on, with each draw."""
    made = figure()
    axes = plain_axes(made)
    sizes = [point.samples for point in points]
    axes.plot(
        sizes,
        [point.train_accuracy for point in points],
        color="0.6",
        marker=".",
        clip_on=False,
        label="on the samples that they were trained on",
    )
    axes.plot(
        sizes,
        [point.accuracy for point in points],
        color="C0",
        marker="o",
        clip_on=False,
        label="on train and validation samples they had not seen, with 95 % band",
    )
    each = [(point.samples, one) for point in points for one in point.draws]
    axes.scatter(*zip(*each, strict=True), color="C0", s=6, alpha=0.4, linewidths=0, clip_on=False)
    axes.fill_between(
        sizes,
        [point.interval[0] for point in points],
        [point.interval[1] for point in points],
        color="C0",
        alpha=0.15,
        linewidth=0,
    )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(None, 1)  # markers at the end of the axis are drawn as a whole
    axes.set_xlabel("samples to train on")
    axes.set_ylabel("accuracy")
    axes.set_title(title, loc="left")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return made
