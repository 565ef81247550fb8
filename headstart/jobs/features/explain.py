"""`features explain`: what `extract` would compute, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headstart.context import Context
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.engines.engine import INT8, kind_of
from headstart.extractors.run.explain import Explanation
from headstart.extractors.run.explain import explain as explain_rows
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import reference_of


def explain(
    context: Context, backbone: str | Backbone, dataset: str | Dataset, precision: str = "float32"
) -> Explanation:
    """See `Cache.explain`."""
    entity, cuts = context.resolve(backbone, precision)
    manifest = context.manifest(dataset)
    runs = context.runs.find_latest("extract", limit=200)
    name = reference_of(backbone, "backbone").partition("@")[0]
    own = [run for run in runs if run.subject.partition("@")[0] == name]
    cache = context.cache(reads_rows=False, puts_aside=False)
    with cache.hold(*(one.key for one in context.feature_sets.find_sets())):
        found = explain_rows(entity, cuts, manifest, context.feature_sets, cache, own)
    reports = [
        replace(report, calibration=_calibration(context, entity, cut))
        for report, cut in zip(found.cuts, cuts, strict=True)
    ]
    return replace(found, cuts=reports)


def _calibration(context: Context, backbone: Backbone, cut: Cut) -> dict[str, Any] | None:
    if kind_of(cut.precision) != INT8:
        return None
    known = context.calibrations
    found = known.find(backbone, cut, cut.precision)
    found = found or next(iter(known.find_all(backbone, cut)), None)  # the last that was refused
    if found is None:
        return None
    told = {"dataset": found.dataset, "calibrated_by": found.samples, "refused": found.is_refused}
    return {**told, **found.verdict}
