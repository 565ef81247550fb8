"""A learning curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.heads.evaluation.provenance import words_of
from headstart.heads.models.curves import ScorePoint, limits_of
from headstart.heads.trials.objective import OBJECTIVES
from headstart.plots.figures import figure, plain_axes


def draw_learning_curve(points: Sequence[ScorePoint], title: str) -> Any:
    """The score over the number of samples that heads were trained on, with each draw."""
    made = figure()
    axes = plain_axes(made)
    sizes = [point.samples for point in points]
    objective = OBJECTIVES[points[0].objective]
    low, high = limits_of(points, objective)
    is_cut = low is not None
    axes.plot(
        sizes,
        [point.train_score for point in points],
        color="0.6",
        marker=".",
        clip_on=is_cut,
        label="on the samples that they were trained on",
    )
    axes.plot(
        sizes,
        [point.score for point in points],
        color="C0",
        marker="o",
        clip_on=is_cut,
        label="on train and validation samples they had not seen, with 95 % band",
    )
    each = [(point.samples, one) for point in points for one in point.draws]
    axes.scatter(*zip(*each, strict=True), color="C0", s=6, alpha=0.4, linewidths=0, clip_on=is_cut)
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
    axes.set_ylim(low, high)  # markers at the end of an axis of shares are drawn as a whole
    cut = "; what lies beyond the axis is cut off" if is_cut else ""
    axes.set_xlabel(f"samples to train on{cut}")
    less = ", less is better" if objective.is_loss else ""
    axes.set_ylabel(f"{words_of(objective.name)}{less}")
    axes.set_title(title, loc="left")
    axes.legend(loc=f"{'upper' if objective.is_loss else 'lower'} right", frameon=False, fontsize=8)
    return made
