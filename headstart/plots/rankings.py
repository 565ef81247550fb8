"""A ranking as a picture: what features cost, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.errors import HeadError
from headstart.heads.evaluation.provenance import words_of
from headstart.heads.evaluation.ranking import Rank
from headstart.plots.figures import figure, plain_axes


def draw_ranking(ranks: Sequence[Rank], dataset: str) -> Any:
    """The score that ranks with its interval over the cost of extraction, and the front of what is
    worth it.

    Features whose cost was never measured are left out.

    Raises:
        HeadError: none of the costs is known, or matplotlib is not installed.
    """
    drawn = [rank for rank in ranks if rank.seconds is not None]
    if not drawn:
        raise HeadError(
            "no extraction of these features was timed, so there is no cost to draw",
            hint="Extract some 16 samples or more in this workspace.",
        )
    made = figure()
    axes = plain_axes(made)
    backbones = sorted({rank.backbone for rank in drawn})
    for number, backbone in enumerate(backbones):
        own = [rank for rank in drawn if rank.backbone == backbone]
        ends = [rank.interval or (rank.score, rank.score) for rank in own]
        low = [rank.score - low for rank, (low, _) in zip(own, ends, strict=True)]
        high = [high - rank.score for rank, (_, high) in zip(own, ends, strict=True)]
        axes.errorbar(
            [1000 * (rank.seconds or 0) for rank in own],
            [rank.score for rank in own],
            yerr=[low, high],
            fmt="o",
            capsize=3,
            color=f"C{number}",
            label=backbone,
        )
    front = sorted((r for r in drawn if r.is_on_front), key=lambda rank: rank.seconds or 0)
    axes.plot(
        [1000 * (rank.seconds or 0) for rank in front],
        [rank.score for rank in front],
        color="0.6",
        linewidth=1,
        zorder=0,
        label="nothing is both cheaper and better",
    )
    for rank in drawn:
        axes.annotate(
            rank.cut,
            (1000 * (rank.seconds or 0), rank.score),
            xytext=(7, -3),
            textcoords="offset points",
            fontsize=8,
        )
    rows = len(drawn[0].linear.targets)
    axes.set_xlabel("extraction, ms a sample")
    axes.set_ylabel(f"{words_of(drawn[0].objective)} of a linear head")
    axes.set_title(f"{dataset}: features by what they cost", loc="left")
    dearest = max(1000 * (rank.seconds or 0) for rank in drawn)
    axes.set_xlim(0, 1.25 * dearest)  # room for the last name
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    made.text(
        0.99,
        0.99,
        f"cross-validated on {rows:,} samples, bars: 95 % intervals",
        ha="right",
        va="top",
        fontsize=7,
        color="0.4",
    )
    return made
