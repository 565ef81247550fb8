"""Whether a store can do what a workspace relies on, and whose it is."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress

from headstart.errors import ShardExists, StorageError
from headstart.storage.objects.bucket import Bucket

MARKER = "headstart.json"
"""By which a store says to which database its shards belong."""
FORMAT = "headstart.store"
PROBES = "probe"
LARGEST_MARKER = 1 << 16


def probe(bucket: Bucket) -> None:
    """Put, put again, list, read and delete an object; nothing of it stays.

    Raises:
        StorageError: the store cannot be used, or not by these credentials; or it takes a second
            object of a name, so that two machines could overwrite each other's.
    """
    key = f"{PROBES}/{secrets.token_hex(16)}"
    bucket.listed(PROBES)
    try:
        bucket.create(key, memoryview(b"first"))
        _refuse_unless_create_only(bucket, key)
        if key not in [found.key for found in bucket.listed(PROBES)]:
            raise _unfit(bucket, "does not list what was put a moment before")
        bucket.delete([key])
        if bucket.find(key) is not None:
            raise _unfit(bucket, "does not delete what it is asked to")
    finally:
        with suppress(StorageError):  # what went wrong is said already
            bucket.delete([key])


def _refuse_unless_create_only(bucket: Bucket, key: str) -> None:
    try:
        bucket.create(key, memoryview(b"second"))
    except ShardExists:
        if bytes(bucket.get(key)) != b"first":
            raise _unfit(bucket, "gives another content than what was put") from None
    else:
        raise _unfit(bucket, "takes a second object of the same name (it ignores If-None-Match: *)")


def _unfit(bucket: Bucket, why: str) -> StorageError:
    return StorageError(
        f"{bucket.place_of()} {why}",
        hint="A workspace cannot rely on it: take a store that writes an object once, such as "
        "S3, Google's, Azure's or MinIO's.",
    )


def owner_of(bucket: Bucket) -> str | None:
    """The UUID of the workspace whose shards lie here; None of a store that is nobody's yet.

    Raises:
        StorageError: it says so in a way that this code does not know.
    """
    try:
        content = bytes(bucket.get(MARKER))
    except FileNotFoundError:
        return None
    try:
        said = json.loads(content) if len(content) <= LARGEST_MARKER else {}
        known = (said["format"], said["version"]) == (FORMAT, 1) and isinstance(said["id"], str)
        return said["id"] if known else _unknown(bucket)
    except (ValueError, TypeError, LookupError, RecursionError):
        return _unknown(bucket)


def _unknown(bucket: Bucket) -> str:
    raise StorageError(
        f"{bucket.place_of(MARKER)} is not what this code writes there",
        hint="Upgrade headstart, or take another prefix.",
    )


def claim(bucket: Bucket, id_: str) -> str:
    """Say that the store is a workspace's, unless it is another's already.

    Args:
        bucket: the store.
        id_: UUID of the workspace.

    Returns:
        The UUID of the workspace whose it is.
    """
    said = json.dumps({"format": FORMAT, "version": 1, "id": id_}).encode()
    with suppress(ShardExists):
        bucket.create(MARKER, memoryview(said))
        return id_
    return owner_of(bucket) or id_
