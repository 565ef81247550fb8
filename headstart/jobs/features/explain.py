"""`features explain`: what `extract` would compute, and why."""

from __future__ import annotations

from headstart.context import Context
from headstart.extractors.run.explain import Explanation
from headstart.extractors.run.explain import explain as explain_rows


def explain(
    context: Context, backbone: str, dataset: str, precision: str = "float32"
) -> Explanation:
    """See `Cache.explain`."""
    entity, cuts = context.resolve(backbone, precision)
    manifest = context.manifest(dataset)
    runs = context.runs.find_latest("extract", limit=200)
    own = [run for run in runs if run.subject.partition("@")[0] == backbone.partition("@")[0]]
    return explain_rows(entity, cuts, manifest, context.feature_sets, context.cache(), own)
