"""`ws.cache.reindex`: what the registry has lost and the files still tell."""

from __future__ import annotations

from dataclasses import replace

from headstart.context import Context
from headstart.extractors.cache.reindex import Reindexed
from headstart.extractors.cache.reindex import reindex as reindex_shards
from headstart.jobs.heads.care.reindex_heads import heads_back
from headstart.progress import Progress, silent


def reindex(context: Context, progress: Progress = silent) -> Reindexed:
    """See `Cache.reindex`."""
    found = reindex_shards(context.feature_sets, context.cache(), progress)
    heads, lost = heads_back(context)
    return replace(found, heads=heads, damaged=[*found.damaged, *lost])
