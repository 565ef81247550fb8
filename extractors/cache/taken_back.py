"""Shards that were written for a commit that did not come about."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from headstart.errors import RegistryError, StorageError
from headstart.registry.features import FeatureRepository
from headstart.storage.shard_store import ShardStore


def take_back(store: ShardStore, repository: FeatureRepository, files: Sequence[str]) -> None:
    """Delete those that no row names. `features reindex` may have found one meanwhile, and what has
    a row counts; what cannot be deleted now, `features gc` finds."""
    with suppress(RegistryError):
        named = repository.find_named(files)
        for file in files:
            if file not in named:
                with suppress(StorageError):
                    store.delete(file)
