"""Shards: write-once HDF5 files with some rows of one feature set, written and read as a whole.

What their bytes are: `storage.shards.format`; where they are kept: `storage.shard_store`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.errors import ShardDamaged, StorageError
from headstart.storage.encoding import Encoding
from headstart.storage.keys import DIGEST_BYTES, pack_digests, unpack_digests
from headstart.storage.shard_store import ShardStore, Stat
from headstart.storage.shards.format import (
    AGAIN,
    FORMAT,
    VERSION,
    Layout,
    Parsed,
    built,
    parse,
    shard_id,
)
from headstart.storage.shards.names import SUFFIX, last_of, new_token

LARGEST_FOREIGN = 1 << 30
"""Bytes that the rows of a shard from outside may take in memory; ours are of some 64 MiB."""


@dataclass(frozen=True)
class ShardFile:
    """A shard as its row in SQL says it must be.

    Attributes:
        name: in the store.
        feature_key: the feature set that it belongs to.
        rows: number of rows.
        size: bytes.
        sha256: of all its bytes, in hex.
        shard_id: what its feature key and digests hash to; empty where that is not known.
    """

    name: str
    feature_key: str
    rows: int
    size: int
    sha256: str
    shard_id: str = field(default="", compare=False)


@dataclass(frozen=True)
class CheckedShard:
    """A shard whose bytes were all found right, or was just written.

    Attributes:
        file: its name, and what it must be.
        digests: shape (rows, 32), uint8.
        layout: where its features lie.
        attributes: key and provenance.
        stat: of it in its store, taken before it was read; see `ShardStore.stat_of`.
        place: where it is, for messages.
    """

    file: ShardFile
    digests: np.ndarray
    layout: Layout
    attributes: dict[str, Any]
    stat: Stat
    place: str


@dataclass(frozen=True)
class ShardContent:
    """A shard in memory: `digests` in hex and `features` of shape (rows, *feature shape)."""

    digests: list[str]
    features: np.ndarray


def write_shard(
    store: ShardStore,
    feature_key: str,
    digests: list[str],
    features: np.ndarray,
    attributes: Mapping[str, Any],
    encoding: Encoding | None = None,
) -> CheckedShard:
    """Write rows as one new shard of a feature set; durable when this returns.

    Its name holds its sha256, so that it can be checked when the database is lost, and is unique,
    so that two processes writing the same rows never touch each other's shard; which of them
    counts is decided by the database.

    Args:
        store: where to.
        feature_key: the feature set.
        digests: sample digests in hex, one a row.
        features: array of shape (rows, *feature shape).
        attributes: the rest of the key and the provenance, JSON values.
        encoding: how the numbers are to lie in the file; as they are without it.

    Raises:
        StorageError: it cannot be written.
    """
    encoding = encoding or Encoding.choose(features.dtype.name, None, None)
    head = {
        **attributes,
        "format": FORMAT,
        "format_version": VERSION,
        "feature_key": feature_key,
        "shard_id": shard_id(feature_key, digests),
        "dtype": encoding.dtype,
        "storage": encoding.storage,
        "compression": encoding.compression,
    }
    packed = pack_digests(digests)
    with built(head, packed, features, encoding) as (image, layout):
        name, sha256 = store.create(feature_key, image, new_token())
        id_ = head["shard_id"]
        file = ShardFile(name, feature_key, len(digests), len(image), sha256, id_)
    return CheckedShard(file, packed, layout, head, store.stat_of(name), store.place_of(name))


def check_shard(store: ShardStore, shard: ShardFile) -> CheckedShard:
    """Read a whole shard and compare it with what was committed.

    The bytes that are hashed are the bytes that are parsed: nothing can change in between.

    Raises:
        ShardDamaged: it is missing, or is not what was committed.
        StorageError: the store cannot be reached now.
    """
    return _read(store, shard, with_features=False)[0]


def read_shard(store: ShardStore, shard: ShardFile) -> ShardContent:
    """Read a whole shard with its rows, after the same checks.

    Raises:
        ShardDamaged, StorageError: as `check_shard`.
    """
    checked, parsed = _read(store, shard, with_features=True)
    return ShardContent(unpack_digests(checked.digests), parsed.encoding.decode(parsed.stored))


def find_shard(store: ShardStore, name: str) -> CheckedShard:
    """Read a shard of which the database knows nothing; its name says what its sha256 must be.

    Returns:
        The shard; its attributes say `dtype`, `storage`, `compression` and `shape` too.

    Raises:
        ShardDamaged: it is not a whole shard, or not the one that its attributes say.
        StorageError: the store cannot be reached now.
    """
    stat, place = store.stat_of(name), store.place_of(name)
    try:
        content = store.read(name)
    except StorageError:
        raise
    except OSError as error:
        raise ShardDamaged(f"the shard {place} cannot be read: {error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    named, dash, _ = last_of(name).removesuffix(SUFFIX).partition("-")
    if dash and len(named) == len(sha256) and named != sha256:
        raise ShardDamaged(f"the shard {place} is damaged: its sha256 is not the one in its name")
    return _found(name, place, content, sha256, stat)


def read_foreign_shard(place: str, content: bytes) -> CheckedShard:
    """Read a shard that came from outside and is in no store yet; `place` is for messages.

    Raises:
        ShardDamaged: it is not a whole shard, or not the one that its attributes say.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    return _found("", place, content, sha256, (), LARGEST_FOREIGN)


def committed_bytes(store: ShardStore, shard: ShardFile) -> bytes:
    """All bytes of a shard, which are those that were committed.

    Raises:
        ShardDamaged, StorageError: as `check_shard`.
    """
    place = store.place_of(shard.name)
    try:
        content = store.read(shard.name)
    except StorageError:
        raise
    except FileNotFoundError:
        raise ShardDamaged(f"the shard {place} is missing", hint=AGAIN) from None
    except OSError as error:
        raise ShardDamaged(f"the shard {place} cannot be read: {error}", hint=AGAIN) from error
    if len(content) != shard.size:
        raise ShardDamaged(
            f"the shard {place} has {len(content)} bytes, not {shard.size}", hint=AGAIN
        )
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise ShardDamaged(
            f"the shard {place} is not what was committed: its hash is another", hint=AGAIN
        )
    return content


def _read(
    store: ShardStore, shard: ShardFile, *, with_features: bool
) -> tuple[CheckedShard, Parsed]:
    stat, place = store.stat_of(shard.name), store.place_of(shard.name)
    parsed = parse(place, committed_bytes(store, shard), with_features=with_features)
    return _checked(shard, place, parsed, stat), parsed


def _found(
    name: str, place: str, content: bytes, sha256: str, stat: Stat, most: int | None = None
) -> CheckedShard:
    parsed = parse(place, content, with_features=True, most=most)
    key = parsed.attributes.get("feature_key")
    named = parsed.attributes.get("shard_id")
    if not isinstance(key, str) or shard_id(key, unpack_digests(parsed.digests)) != named:
        raise ShardDamaged(f"the shard {place} is damaged: its digests do not fit its shard id")
    found = ShardFile(name, key, len(parsed.digests), len(content), sha256)
    more = {**vars(parsed.encoding), "shape": list(parsed.stored.shape[1:])}
    parsed.attributes.update(more)
    return _checked(found, place, parsed, stat)


def _checked(shard: ShardFile, place: str, parsed: Parsed, stat: Stat) -> CheckedShard:
    key = parsed.attributes["feature_key"]
    if key != shard.feature_key:
        raise ShardDamaged(
            f"the shard {place} belongs to another feature set, {key[:12]}", hint=AGAIN
        )
    digests = parsed.digests
    if digests.shape != (shard.rows, DIGEST_BYTES) or parsed.rows != shard.rows:
        raise ShardDamaged(f"the shard {place} has not {shard.rows} rows", hint=AGAIN)
    return CheckedShard(shard, digests, parsed.layout, parsed.attributes, stat, place)
