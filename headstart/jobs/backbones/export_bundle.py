"""`ws.backbones.export`: a backbone, with its features if wanted, as one file."""

from __future__ import annotations

from pathlib import Path

from headstart.context import Context
from headstart.extractors.backbones.bundle import write_bundle
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, FeatureSet


def export_bundle(
    context: Context,
    reference: str,
    path: str | Path,
    *,
    features: bool = False,
    progress: Progress = silent,
) -> Path:
    """See `Backbones.export`; gives the file."""
    backbone, cache = context.backbones.get(reference), context.cache()
    sets = _sets_of(context, backbone) if features else []
    target = Path(path).expanduser()
    with cache.hold(*(one.key for one in sets)):
        shards = [
            (one, shard) for one in sets for shard in context.feature_sets.find_shards(one.id)
        ]
        write_bundle(target, backbone, context.artifacts, cache.store, shards, progress)
    return target


def _sets_of(context: Context, backbone: Backbone) -> list[FeatureSet]:
    cuts = {cut.fingerprint for cut in backbone.cuts}
    return [
        one
        for one in context.feature_sets.find_sets()
        if one.cut_fingerprint in cuts
        and one.preprocessing_fingerprint == backbone.preprocessing_fingerprint
    ]
