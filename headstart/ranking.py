"""`ws.rank`: which backbone at which cut suits a dataset, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from headstart.candidates import Trying, choose, load
from headstart.catalogue import Progress, silent
from headstart.errors import LayerNotFound, NotFound
from headstart.extractors.cuts import Cut
from headstart.heads.ranking import Rank, in_order, rank_features
from headstart.registry.entities import Backbone

if TYPE_CHECKING:
    from headstart.workspace import Workspace

LEAST_COMPUTED = 16
"""Samples of an extraction, for its time to count."""


def rank(
    workspace: Workspace,
    dataset: str,
    references: Sequence[str] = (),
    *,
    precision: str = "float32",
    trying: Trying | None = None,
    progress: Progress = silent,
) -> list[Rank]:
    """See `Workspace.rank`."""
    chosen = choose(workspace, dataset, references, precision)
    ranks: list[Rank] = []
    progress(0, len(chosen))
    for one in load(workspace, dataset, chosen, precision, trying or Trying()):
        ranks.append(
            rank_features(
                one.features,
                one.labelled.targets,
                one.folds,
                backbone=one.backbone.label,
                cut=one.cut.name,
                size=one.size,
                seconds=_seconds_per_sample(workspace, one.backbone, one.cut),
            )
        )
        progress(len(ranks), len(chosen))
    return in_order(ranks)


def _seconds_per_sample(workspace: Workspace, backbone: Backbone, cut: Cut) -> float | None:
    """Of the largest extraction that gave this cut, by this cut's share of the computing."""
    best: tuple[int, float] | None = None
    for run in workspace.runs.find_latest("extract", None, 1000):
        with suppress(NotFound, LayerNotFound):  # of a backbone that is gone
            other, cuts = workspace.resolve(run.subject)
            names = [one.name for one in cuts]
            computed = run.counts.get("computed", 0)
            if other.id != backbone.id or cut.name not in names or computed < LEAST_COMPUTED:
                continue
            share = _share(cut) / max(map(_share, cuts))
            if best is None or computed > best[0]:
                best = computed, run.seconds / computed * share
    return None if best is None else best[1]


def _share(cut: Cut) -> float:
    """Of the model's computing that lies below a cut; all of it where that is not known."""
    return cut.point.compute_below or 1.0
