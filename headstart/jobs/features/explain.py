"""`features explain`: what `extract` would compute, and why."""

from __future__ import annotations

from headstart.context import Context
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
    return explain_rows(entity, cuts, manifest, context.feature_sets, context.cache(), own)
