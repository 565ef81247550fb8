"""`features compact`: small shards become large ones."""

from __future__ import annotations

from typing import NamedTuple

from headstart.context import Context
from headstart.extractors.cache.compact import compact as compact_set
from headstart.jobs.features.gc import collector_of
from headstart.progress import Progress, silent
from headstart.values.showable import Showable


class Shards(NamedTuple):
    """How many shards there were, and how many there are."""

    before: int
    after: int


class Compacted(Showable, Shards):
    """The number of shards before and after; a pair, as it always was."""


def compact(context: Context, key: str | None = None, progress: Progress = silent) -> Compacted:
    """Merge small shards, of one feature set or of all; gives their number before and after."""
    repository, cache = context.feature_sets, context.cache()
    sets = repository.find_sets() if key is None else [repository.get_set(key)]
    before = after = 0
    for feature_set in sets:
        had, has = compact_set(feature_set, repository, cache, progress)
        before, after = before + had, after + has
        collector_of(context).collect_orphans(feature_set.key)
    return Compacted(before, after)
