"""What is known of shards that are missing or damaged, for who says why samples have no row."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.registry.entities import Shard
from headstart.registry.features import QUARANTINED, FeatureRepository
from headstart.storage.index import Index
from headstart.storage.index_files import find_lost


@dataclass(frozen=True)
class Lost:
    """Shards of a feature set that do not count.

    Attributes:
        shards: that were put aside, or were found missing or damaged now.
        index: over the samples that they held, as far as that is still known; no row is read by it.
    """

    shards: list[Shard]
    index: Index

    @property
    def untold(self) -> int:
        """Rows in those of which nobody knows any more which samples they held."""
        told = {shard.file.name for shard in self.index.living}
        return sum(shard.rows for shard in self.shards if shard.file not in told)


def lost_of(repository: FeatureRepository, cache: FeatureCache, key: str) -> Lost:
    """Those of a feature set; its index was opened."""
    feature_set = repository.find_set(key)
    if feature_set is None:
        return Lost([], Index())
    shards = repository.find_shards(feature_set.id, QUARANTINED) + cache.found_lost(key)
    return Lost(shards, find_lost(cache.store, key, {shard.file for shard in shards}))
