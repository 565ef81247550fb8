"""`ws.rank`: which backbone at which cut suits a dataset, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from headstart.context import Context
from headstart.errors import HeadError, LayerNotFound, NotFound
from headstart.extractors.backbones.cuts import Cut
from headstart.heads.evaluation.ranking import Rank, in_order, needs_cells, rank_features
from headstart.jobs.heads.cross_validation import CrossValidation, Features, choose, load
from headstart.notices import tell
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone
from headstart.values.showable import Results

LEAST_COMPUTED = 16
"""Samples of an extraction, for its time to count."""


def rank(
    context: Context,
    features: Features,
    *,
    trying: CrossValidation | None = None,
    progress: Progress = silent,
) -> Results[Rank]:
    """See `Workspace.rank`."""
    trying = trying or CrossValidation()
    if trying.is_loss:
        raise HeadError(
            f"the objective is {trying.objective}, and features are ranked by accuracy",
            hint="Leave it out, or compare features by `headstart head sweep`.",
        )
    chosen = choose(context, features)
    runs = _timed(context)
    ranks: list[Rank] = []
    progress(0, len(chosen))
    for one in load(context, features, chosen, trying):
        if not ranks and needs_cells(one.rows, one.folds):
            tell(
                f"neighbours of {len(one.labelled.rows):,} samples are looked for around each, not "
                "among all: a few of them may be others"
            )
        ranks.append(
            rank_features(
                one.rows,
                one.folds,
                backbone=one.backbone.label,
                cut=one.cut.name,
                size=one.size,
                seconds=_seconds_per_sample(runs, one.backbone, one.cut),
            )
        )
        progress(len(ranks), len(chosen))
    return in_order(ranks)


def _timed(context: Context) -> list[tuple[int | None, Sequence[Cut], int, float]]:
    """Backbone, cuts, samples and seconds of the extractions that count; each is looked up once."""
    found = []
    for run in context.runs.find_latest("extract", None, 1000):
        computed = run.counts.get("computed", 0)
        if computed >= LEAST_COMPUTED:
            with suppress(NotFound, LayerNotFound):  # of a backbone that is gone
                backbone, cuts = context.resolve(run.subject)
                found.append((backbone.id, cuts, computed, run.seconds))
    return found


def _seconds_per_sample(
    runs: Sequence[tuple[int | None, Sequence[Cut], int, float]], backbone: Backbone, cut: Cut
) -> float | None:
    """Of the largest extraction that gave this cut, by this cut's share of the computing."""
    own = [
        (computed, seconds / computed * _share(cut) / max(map(_share, cuts)))
        for number, cuts, computed, seconds in runs
        if number == backbone.id and cut.name in [one.name for one in cuts]
    ]
    return max(own, key=lambda one: one[0])[1] if own else None


def _share(cut: Cut) -> float:
    """Of the model's computing that lies below a cut; all of it where that is not known."""
    return cut.point.compute_below or 1.0
