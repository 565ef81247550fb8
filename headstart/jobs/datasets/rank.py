"""`ws.rank`: which backbone at which cut suits a dataset, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError, LayerNotFound, NotFound
from headstart.extractors.backbones.cuts import Cut
from headstart.heads.evaluation.ranking import (
    NEAREST,
    STRENGTHS,
    Rank,
    in_order,
    needs_cells,
    rank_features,
)
from headstart.heads.tasks import Task
from headstart.heads.trials.by_task import is_plain
from headstart.heads.trials.objective import objectives_of
from headstart.heads.trials.ranked import quick_heads
from headstart.jobs.heads.cross_validation import (
    Candidate,
    CrossValidation,
    Features,
    Found,
    choose,
    find,
)
from headstart.jobs.heads.trials import Field, TrialExecutor
from headstart.notices import tell
from headstart.origins.blocks import Blocks
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone
from headstart.registry.rates import LEAST_COMPUTED, Cost, cost_of
from headstart.registry.references import exact
from headstart.values.showable import Results
from headstart.values.sizes import size_text

WIDE = 8_192
"""Numbers of a sample from which on the heads of one ranking take minutes rather than seconds."""
MOST_NUMBERS = 1 << 31
"""Numbers of all samples, 8 GiB, that heads are tried on."""


def rank(
    context: Context,
    features: Features,
    *,
    trying: CrossValidation | None = None,
    progress: Progress = silent,
    executor: TrialExecutor | None = None,
) -> Results[Rank]:
    """See `Workspace.rank`."""
    trying = trying or CrossValidation()
    first = objectives_of(trying.task)[0]
    if trying.objective != first:
        raise HeadError(
            f"the objective is {trying.objective}, and features are ranked by {first}",
            hint="Leave it out, or compare features by `headstart head sweep`.",
        )
    chosen = with_each(choose(context, features))
    runs = _timed(context)
    progress(0, len(chosen))
    found = find(context, features, chosen, trying)
    for one in found:
        _foretell(one)
    _tell_with_start(runs, found)
    _tell_of_neighbours(found[0], trying.task)
    attempts = [
        (place, partial(_rank_one, task=trying.task, seconds=_seconds_of(runs, one.blocks)))
        for place, one in enumerate(found)
    ]
    ranks: dict[int, Rank] = {}
    if executor is None:
        done = ((place, attempt(found[place].load())) for place, attempt in attempts)
    else:
        done = executor.run(Field(features, tuple(chosen), trying), attempts)
    for place, rank_ in done:
        ranks[place] = rank_
        progress(len(ranks), len(chosen))
    return in_order([ranks[place] for place in sorted(ranks)])


def with_each(chosen: Sequence[Blocks]) -> list[Blocks]:
    """Features that are ranked, behind joined ones each of those that they join: what joining is
    worth is told beside them."""
    every = [one for blocks in chosen for one in (blocks, *blocks.each())]
    return list({blocks.name: blocks for blocks in every}.values())


def _foretell(one: Found) -> None:
    """Say what wide features cost, before it is spent.

    Raises:
        HeadError: they are too many numbers to try heads on.
    """
    shape, rows = one.view.shape[1:], len(one.rows)
    width = prod(shape)
    if width < WIDE:
        return
    size = size_text(4 * rows * width)
    told = f"{one.name}: {width:,} numbers per sample, {size} for {rows:,} samples"
    pooled = f"{one.name}|gap has {shape[-1]:,}; " if len(shape) > 1 else ""
    if rows * width > MOST_NUMBERS:
        raise HeadError(
            f"{told}, are too many to rank",
            hint=f"{pooled}--limit {MOST_NUMBERS // width:,} looks at fewer samples.",
        )
    tell(
        f"{told}: ranking them takes minutes, and is done when all its heads are; "
        f"{pooled}--limit looks at fewer samples"
    )


def _tell_of_neighbours(one: Found, task: Task) -> None:
    """Say where samples are too many to compare all."""
    if not needs_cells(len(one.rows), one.folds):
        return
    told = f"neighbours of {len(one.rows):,} samples are"
    if is_plain(task):
        tell(f"{told} looked for around each, not among all: a few of them may be others")
    else:
        tell(f"{told} left out; --limit has them")


def _rank_one(one: Candidate, task: Task, seconds: float | None) -> Rank:
    label = one.blocks[0].backbone.label
    told: dict[str, Any] = {
        "backbone": label,
        "cut": one.name.removeprefix(f"{label}@"),
        "size": one.size,
        "seconds": seconds,
        "joins": tuple(block.name for block in one.blocks) if len(one.blocks) > 1 else (),
    }
    if is_plain(task):
        return rank_features(one.rows, one.folds, **told)
    near = None if needs_cells(len(one.rows), one.folds) else NEAREST
    found = quick_heads(one.rows, one.folds, task, STRENGTHS, near)
    return Rank(
        **told,
        width=one.features.shape[1],
        linear=found.linear,
        neighbours=found.neighbours,
        log_me=found.log_me,
        h_score=None,
    )


@dataclass(frozen=True)
class _Timed:
    """An extraction: its backbone's number, its cuts, how many samples it computed, and what each
    took."""

    backbone: int | None
    cuts: Sequence[Cut]
    computed: int
    cost: Cost


def _timed(context: Context) -> list[_Timed]:
    """The extractions that computed enough to tell; each is looked up once."""
    found = []
    for run in context.runs.find_latest("extract", None, 1000):
        cost = cost_of([(run.counts, run.seconds)])
        if cost is not None and run.counts["computed"] >= LEAST_COMPUTED:
            with suppress(NotFound, LayerNotFound):  # of a backbone that is gone
                backbone, cuts = context.resolve(exact(run.subject))
                found.append(_Timed(backbone.id, cuts, run.counts["computed"], cost))
    return found


def _tell_with_start(runs: list[_Timed], found: Sequence[Found]) -> None:
    """Say of which features a sample's time has the start of a run in it."""
    of = [
        one.name
        for one in found
        if any(
            (own := _run_of(runs, block.backbone, block.cut)) is not None and own.cost.has_start
            for block in one.blocks
        )
    ]
    if of:
        more = f" and {len(of) - 3:,} more" if len(of) > 3 else ""
        tell(
            f"the time per sample of {', '.join(of[:3])}{more} includes the start of the "
            "extraction, which was too short to tell them apart: it is at most that"
        )


def _seconds_of(runs: list[_Timed], blocks: Blocks) -> float | None:
    """Of all that are joined: each backbone runs once, up to the highest of its cuts."""
    highest: dict[int | None, float] = {}
    for one in blocks:
        run = _run_of(runs, one.backbone, one.cut)
        if run is None:
            return None
        seconds = run.cost.each * _share(one.cut) / max(map(_share, run.cuts))
        highest[one.backbone.id] = max(seconds, highest.get(one.backbone.id, 0.0))
    return sum(highest.values())


def _run_of(runs: Sequence[_Timed], backbone: Backbone, cut: Cut) -> _Timed | None:
    """The largest extraction that gave this cut, first of those that tell their start apart. Of its
    time this cut's share of the computing counts."""
    own = [
        one
        for one in runs
        if one.backbone == backbone.id and cut.name in [each.name for each in one.cuts]
    ]
    return max(own, key=lambda one: (not one.cost.has_start, one.computed)) if own else None


def _share(cut: Cut) -> float:
    """Of the model's computing that lies below a cut; all of it where that is not known."""
    return cut.point.compute_below or 1.0
