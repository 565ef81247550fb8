"""`features show`: a feature set with its shards, and what other ways to store it would save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.registry.entities import FeatureSet, Shard
from headstart.storage.index import Places
from headstart.storage.savings import Savings, measure
from headstart.values.showable import Showable

SAMPLE_BYTES = 4 << 20
"""Of the features that are stored in every way, to see what it takes."""


@dataclass(frozen=True)
class FeatureSetDetails(Showable):
    """A feature set with all that there is of it.

    Attributes:
        feature_set: which.
        shards: with its rows.
        savings: what storing it otherwise would take; None without any rows.
    """

    feature_set: FeatureSet
    shards: tuple[Shard, ...]
    savings: Savings | None

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def size(self) -> int:
        """Bytes of the shards."""
        return sum(shard.size for shard in self.shards)

    @property
    def engines(self) -> list[str]:
        """What computed it."""
        return sorted({shard.engine for shard in self.shards})

    def _facts(self) -> dict[str, Any]:
        own = {"rows": self.rows, "shards": self.shards, "savings": self.savings}
        return {**self.feature_set.to_json(), **own}

    def __repr__(self) -> str:
        return repr(self.feature_set)


def details(context: Context, key: str) -> FeatureSetDetails:
    """See `Cache.details`."""
    repository = context.feature_sets
    found = repository.get_set(key)
    shards = tuple(repository.find_shards(found.id))
    return FeatureSetDetails(found, shards, _measured(context, found))


def _measured(context: Context, feature_set: FeatureSet) -> Savings | None:
    """What storing it otherwise would save, by its first rows; None without any."""
    cache = context.cache()
    with cache.hold(feature_set.key):
        index = cache.open_index(feature_set.key)
        if not index.living:
            return None
        number = next(n for n, shard in enumerate(index.shards) if shard is index.living[0])
        reader = cache.open_reader(feature_set, index)
        count = min(index.living[0].file.rows, max(1, SAMPLE_BYTES // max(1, reader.row_bytes)))
        rows = np.empty((count, *feature_set.shape), feature_set.dtype)
        reader.read(Places(np.full(count, number), np.arange(count)), rows)
        return measure(rows)
