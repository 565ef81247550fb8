"""An index that follows what others commit: what it costs depends on what is new.

While many workers commit, each of them asks behind each of its claims what is there by now. To
fetch the rows of all shards and to open the whole index each time would cost the more the more
there is: at a hundred million samples a worker would do nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from headstart.errors import ShardDamaged
from headstart.registry.entities import Shard
from headstart.registry.features import FeatureRepository
from headstart.storage.index import Index
from headstart.storage.index_files import save_index
from headstart.storage.shard_store import ShardStore
from headstart.storage.shards.shard import CheckedShard, ShardFile

AT_ONCE = 500
"""Shards that are asked for in one statement."""
UNSAVED = 1 << 20
"""Rows of an index that are in memory only, 38 MB; more are kept in its files, and mapped."""


def grow(
    store: ShardStore,
    repository: FeatureRepository,
    feature_set_id: int,
    known: Index,
    file_of: Callable[[Shard], ShardFile],
    check: Callable[[ShardStore, ShardFile], CheckedShard],
    put_aside: Callable[[Shard], None],
) -> Index | None:
    """An index with what was committed since; None where something of it went.

    Args:
        store: where the shards are.
        repository: which are committed.
        feature_set_id: of the feature set.
        known: as it was.
        file_of: what the row of a shard says that it is.
        check: reads a new one.
        put_aside: told of each new one that is damaged.
    """
    names = {shard.file.name for shard in known.living}
    files = repository.find_files(feature_set_id)
    if not names or not names <= files:
        return None
    new = sorted(files - names)
    for start in range(0, len(new), AT_ONCE):
        for shard in repository.find_shards(feature_set_id, files=new[start : start + AT_ONCE]):
            try:
                checked = check(store, file_of(shard))
            except ShardDamaged:
                put_aside(shard)
            else:
                known = known.with_added(Index.of([checked]))
    if sum(len(segment) for segment in known.segments if segment.file is None) >= UNSAVED:
        known = save_index(store.index_folder(known.living[0].file.feature_key), known)
    return known
