"""Compaction: small shards of a feature set become a few large ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from headstart.extractors.cache.feature_cache import FeatureCache, Rows
from headstart.registry.entities import FeatureSet, Shard
from headstart.registry.features import FeatureRepository
from headstart.storage.index import Places
from headstart.storage.keys import unpack_digests

TARGET_BYTES = 64 << 20
"""Of the features in a shard."""


def compact(
    feature_set: FeatureSet,
    repository: FeatureRepository,
    cache: FeatureCache,
    progress: Callable[[int, int], None],
) -> tuple[int, int]:
    """Merge the shards of a feature set that are smaller than half of what a shard may be.

    Every row is read with its checks; the new shard and the end of the old ones are one
    transaction. A view that is open goes on with the old files.

    Args:
        feature_set: the set.
        repository: where its shards are registered.
        cache: where they lie.
        progress: called with (rows done, rows in all).

    Returns:
        How many shards there were, and how many there are.
    """
    with cache.hold(feature_set.key):
        index = cache.open_index(feature_set.key)  # puts aside what is damaged
        known = {shard.file for shard in index.living}
        shards = [  # what others commit from now on is left for the next time
            shard
            for shard in repository.find_shards(feature_set.id)
            if cache.file_of(shard, feature_set.key) in known
        ]
        groups = list(_groups(shards))
        total, done = sum(shard.rows for group in groups for shard in group), 0
        for group in groups:
            _merge(feature_set, group, cache)
            done += sum(shard.rows for shard in group)
            progress(done, total)
        cache.save()
        return len(shards), len(shards) - sum(len(group) - 1 for group in groups)


def _groups(shards: Sequence[Shard]) -> Iterator[list[Shard]]:
    """Small shards that will be one, in the order in which they were committed."""
    gathered: list[Shard] = []
    for shard in shards:
        if shard.size >= TARGET_BYTES // 2:
            continue
        if gathered and sum(one.size for one in gathered) + shard.size > TARGET_BYTES:
            if len(gathered) > 1:
                yield gathered
            gathered = []
        gathered.append(shard)
    if len(gathered) > 1:
        yield gathered


def _merge(feature_set: FeatureSet, group: Sequence[Shard], cache: FeatureCache) -> None:
    index = cache.open_index(feature_set.key)
    number = {shard.file: place for place, shard in enumerate(index.shards)}
    found = [number[cache.file_of(shard, feature_set.key)] for shard in group]
    digests = np.concatenate([cache.digests_of(index.shards[n].file) for n in found])
    shard = np.repeat(found, [one.rows for one in group])
    row = np.concatenate([np.arange(one.rows) for one in group])
    _, first = np.unique(digests, axis=0, return_index=True)  # a sample that is in two of them
    first.sort()
    rows = np.empty((len(first), *feature_set.shape), feature_set.dtype)
    cache.open_reader(feature_set, index).read(Places(shard[first], row[first]), rows)
    engines = sorted({one.engine for one in group})
    versions = {**group[0].versions, "compacted_from": len(group)}
    cache.commit(
        [Rows(feature_set, unpack_digests(digests[first]), rows)],
        " + ".join(engines),
        versions,
        instead_of=group,
    )
