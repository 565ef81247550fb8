"""The index of a feature set, kept in files of this machine: `ShardStore.index_folder`.

Nothing but a cache: what is in the files is compared with the database at every opening, what is
missing is read from the shards, and a file that is damaged, or of other code, is made anew. Most
rows are in `base`; shards that came later are in `recent`, until they are an eighth of all.

A shard is read and hashed as a whole when it enters an index by which rows are read, and again when
the store's mark of it (`ShardStore.stat_of`) is another than then. What is served is checked chunk
by chunk besides (`storage.row_reader`). Of an index that only says who has what, shards that lie
afar are read for their digests alone (`storage.shards.digests`); whoever wants their rows later
reads them as a whole.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xxhash

from headstart.errors import ShardDamaged
from headstart.paths import checked_name
from headstart.storage.files import BLOCK, written_aside
from headstart.storage.index import Index, IndexedShard, Segment
from headstart.storage.keys import canonical_json
from headstart.storage.shard_store import ShardStore, is_far
from headstart.storage.shards.digests import check_digests
from headstart.storage.shards.format import Layout
from headstart.storage.shards.names import in_set, last_of
from headstart.storage.shards.shard import CheckedShard, ShardFile, check_shard

MAGIC = b"HSINDEX1"
ALIGNMENT = 64
"""Arrays are mapped from the file, and begin at a cache line, whatever their numbers' size is."""
PREFIX = len(MAGIC) + 8 + 16
BASE, RECENT = "base.index", "recent.index"
RECENT_SHARE = 8
"""What is new is written beside the base until it is an eighth of it: a commit costs what is new,
and each row is written again only now and then."""
THREADS, FAR_THREADS = 2, 4
"""That read whole shards at once: more where they wait for a network."""


def open_index(
    store: ShardStore,
    feature_key: str,
    files: Sequence[ShardFile],
    *,
    for_rows: bool = True,
    is_kept: bool = True,
) -> tuple[Index, list[ShardFile]]:
    """An index over just these shards.

    Args:
        store: where they are.
        feature_key: the feature set that they belong to.
        files: the shards that the database knows, oldest first.
        for_rows: whether rows are going to be read by it.
        is_kept: whether to keep what is new of it in its files, where shards are damaged too, which
            are forgotten there then.

    Returns:
        The index, and the shards that are missing or not what was committed.

    Raises:
        StorageError: the store cannot be reached now.
    """
    folder = store.index_folder(feature_key)
    unseen = {file.name: file for file in files}
    segments: list[Segment] = []
    damaged: list[ShardFile] = []
    for name in (BASE, RECENT):
        segment = load_segment(folder / name)
        if segment is not None:
            segments.append(_compared(store, segment, unseen, damaged, for_rows=for_rows))
    fresh = _check_all(store, unseen.values(), damaged, for_rows=for_rows)
    index = Index(segments).with_added(Index.of(fresh))
    if any(segment.file is None for segment in index.segments) and (is_kept or not damaged):
        index = save_index(folder, index)
    return index, damaged


def save_index(folder: Path, index: Index) -> Index:
    """Keep an index in its files; where they cannot be written, it stays in memory only.

    Returns:
        The same rows in one or two segments.
    """
    if all(segment.file is not None for segment in index.segments):
        return index
    base, *later = index.segments
    rows = sum(len(segment) for segment in later)
    try:
        if base.file == folder / BASE and rows * RECENT_SHARE <= len(base):
            return Index([base, _write_segment(folder / RECENT, Segment.merge(later))])
        base = _write_segment(folder / BASE, Segment.merge(index.segments))
        # A crash before this leaves shards in both files; they count once.
        (folder / RECENT).unlink(missing_ok=True)
        return Index([base])
    except OSError:  # a full disk, or read-only media: the next opening builds it again
        return index


def find_lost(store: ShardStore, feature_key: str, names: Collection[str]) -> Index:
    """An index over shards that count no longer, as far as index files still know what they held;
    no row is read by it."""
    folder = store.index_folder(feature_key)
    segments = [load_segment(folder / name) for name in (BASE, RECENT)]
    return Index(
        [
            replace(one, alive=np.array([shard.file.name in names for shard in one.shards], bool))
            for one in segments
            if one is not None
        ]
    )


def _compared(
    store: ShardStore,
    segment: Segment,
    unseen: dict[str, ShardFile],
    damaged: list[ShardFile],
    *,
    for_rows: bool,
) -> Segment:
    """The segment with only those shards alive that the database knows and that are whole.

    What is found is taken out of `unseen`; damage goes to `damaged`.
    """
    shards, alive = list(segment.shards), np.zeros(len(segment.shards), bool)
    again: dict[ShardFile, int] = {}
    for place, shard in enumerate(shards):
        if unseen.get(shard.file.name) != shard.file:
            continue
        file = unseen.pop(shard.file.name)
        if store.stat_of(file.name) != shard.stat or (for_rows and not shard.is_read):
            again[file] = place
        else:
            alive[place] = True
    is_same = bool(alive.all())
    for checked in _check_all(store, again, damaged, for_rows=for_rows):
        place = again[checked.file]
        shards[place] = IndexedShard(checked.file, checked.layout, checked.stat)
        alive[place] = True
    return segment if is_same else replace(segment, shards=tuple(shards), alive=alive, file=None)


def _check_all(
    store: ShardStore, files: Iterable[ShardFile], damaged: list[ShardFile], *, for_rows: bool
) -> list[CheckedShard]:
    lanes = FAR_THREADS if is_far(store) else THREADS
    with ThreadPoolExecutor(lanes) as pool:  # hashing needs no interpreter lock
        found = pool.map(lambda file: _check(store, file, damaged, for_rows=for_rows), files)
        return [checked for checked in found if checked is not None]


def _check(
    store: ShardStore, file: ShardFile, damaged: list[ShardFile], *, for_rows: bool
) -> CheckedShard | None:
    try:
        return check_shard(store, file) if for_rows else check_digests(store, file)
    except ShardDamaged:
        damaged.append(file)
        return None


def load_segment(path: Path) -> Segment | None:
    """A segment mapped from its file; None if that is missing, damaged or of other code."""
    try:
        with path.open("rb") as file:
            prefix = file.read(PREFIX)
            size = int.from_bytes(prefix[8:16], "little")
            if prefix[:8] != MAGIC or size > path.stat().st_size:
                return None
            head = file.read(size)
            checksum = xxhash.xxh3_128(head)
            while block := file.read(BLOCK):
                checksum.update(block)
            if checksum.digest() != prefix[16:]:
                return None
            # What is mapped is the file that was checked; another may have its name by now.
            return _map_segment(path, file, json.loads(head), PREFIX + len(head))
    except (OSError, ValueError):
        return None


def _map_segment(path: Path, file: BinaryIO, head: dict, start: int) -> Segment:
    arrays = {}
    mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for name, dtype, shape in head["arrays"]:
        arrays[name] = np.ndarray(tuple(shape), dtype, mapping, start)
        start += -(-arrays[name].nbytes // ALIGNMENT) * ALIGNMENT
    shards, at = [], 0
    for name, rows, size, sha256, stat, chunk_rows, chunks in head["shards"]:
        part = slice(at, at + chunks)
        at += chunks
        layout = Layout(
            chunk_rows, *(np.array(arrays[n][part]) for n in ("offsets", "sizes", "checksums"))
        )
        key = head["feature_key"]
        shard = ShardFile(in_set(key, checked_name(name)), key, rows, size, sha256)
        shards.append(IndexedShard(shard, layout, tuple(stat)))
    rows = (arrays[name] for name in ("first", "rest", "number"))
    alive = np.ones(len(shards), bool)
    return Segment(tuple(shards), alive, *rows, file=path, mapping=mapping)


def _write_segment(path: Path, segment: Segment) -> Segment:
    if not segment.shards:
        path.unlink(missing_ok=True)
        return segment
    layouts = [shard.layout for shard in segment.shards]
    arrays = {
        "first": segment.first,
        "rest": segment.rest,
        "number": segment.number,
        **{
            name: np.concatenate([getattr(layout, name) for layout in layouts])
            for name in ("offsets", "sizes", "checksums")
        },
    }
    head = {
        "feature_key": segment.shards[0].file.feature_key,
        "arrays": [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()],
        "shards": [
            [
                last_of(shard.file.name),
                shard.file.rows,
                shard.file.size,
                shard.file.sha256,
                list(shard.stat),
                shard.layout.chunk_rows,
                len(shard.layout.offsets),
            ]
            for shard in segment.shards
        ],
    }
    text = canonical_json(head)
    text += b" " * (-(PREFIX + len(text)) % ALIGNMENT)
    checksum = xxhash.xxh3_128(text)
    with written_aside(path) as file:
        file.write(bytes(PREFIX))
        file.write(text)
        for array in arrays.values():
            content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            padding = bytes(-len(content) % ALIGNMENT)
            for part in (content, padding):
                checksum.update(part)
                file.write(part)
        file.seek(0)
        file.write(MAGIC + len(text).to_bytes(8, "little") + checksum.digest())
    return replace(segment, file=path)
