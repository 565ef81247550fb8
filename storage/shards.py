"""Shards: write-once HDF5 files with some rows of one feature set. The format: docs/format.md."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash

from headstart.errors import ShardDamaged
from headstart.paths import by_digest, checked_digest
from headstart.storage.encoding import Encoding
from headstart.storage.files import write_under_its_hash
from headstart.storage.keys import (
    DIGEST_BYTES,
    canonical_json,
    fingerprint,
    pack_digests,
    unpack_digests,
)
from headstart.storage.memory_file import MemoryFile

AGAIN = "Run `headstart extract` again: it computes just these rows anew."
FORMAT = "headstart.shard"
VERSION = 1
CHUNK_BYTES = 512 * 1024
LARGEST_FOREIGN = 1 << 30
"""Bytes that the rows of a shard from outside may take in memory; ours are of some 64 MiB."""
SUFFIX = ".h5"
_THREAD = threading.local()


@dataclass(frozen=True)
class ShardFile:
    """A shard's file as its row in SQL says it must be.

    Attributes:
        path: where it lies.
        feature_key: the feature set that it belongs to.
        rows: number of rows.
        size: bytes.
        sha256: of the whole file, in hex.
    """

    path: Path
    feature_key: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Layout:
    """Where the chunks of a shard's features lie in its file, and what they hold.

    Attributes:
        chunk_rows: rows a chunk; the last one may hold fewer.
        offsets: of each chunk in the file, in bytes; int64.
        sizes: of each chunk in the file, in bytes; int64.
        checksums: xxh3, 64 bits, of each chunk's bytes in the file; uint64.
    """

    chunk_rows: int
    offsets: np.ndarray
    sizes: np.ndarray
    checksums: np.ndarray


@dataclass(frozen=True)
class CheckedShard:
    """A shard whose whole file was found right, or was just written.

    Attributes:
        file: its file.
        digests: shape (rows, 32), uint8.
        layout: where its features lie.
        attributes: key and provenance.
        stat: of its file, taken before it was read; see `stat_of`.
    """

    file: ShardFile
    digests: np.ndarray
    layout: Layout
    attributes: dict[str, Any]
    stat: tuple[int, ...]


@dataclass(frozen=True)
class ShardContent:
    """A shard in memory: `digests` in hex and `features` of shape (rows, *feature shape)."""

    digests: list[str]
    features: np.ndarray


def shard_id(feature_key: str, digests: list[str]) -> str:
    """The name of these rows of this feature set: the same wherever they are computed."""
    return fingerprint("headstart.shard/1", {"feature_key": feature_key, "digests": digests})


def set_folder(folder: Path, feature_key: str) -> Path:
    """Where the shards of a feature set lie."""
    return by_digest(folder, feature_key)


def new_name(sha256: str, token: str | None = None) -> str:
    """A name for a shard's file that no other has; `token` is what makes it so."""
    return f"{checked_digest(sha256)}-{token or secrets.token_hex(4)}{SUFFIX}"


def write_shard(
    folder: Path,
    feature_key: str,
    digests: list[str],
    features: np.ndarray,
    attributes: Mapping[str, Any],
    encoding: Encoding | None = None,
) -> CheckedShard:
    """Write rows as one new shard under `folder`/`feature_key`; durable when this returns.

    The file's name holds its sha256, so that it can be checked when the database is lost, and is
    unique, so that two processes writing the same rows never touch each other's file; which of
    them counts is decided by the database.

    Args:
        folder: the features folder of the workspace.
        feature_key: the feature set.
        digests: sample digests in hex, one a row.
        features: array of shape (rows, *feature shape).
        attributes: the rest of the key and the provenance, JSON values.
        encoding: how the numbers are to lie in the file; as they are without it.

    Raises:
        StorageError: the file cannot be written.
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
    layout = _build(_memory(), head, packed, features, encoding)
    token = secrets.token_hex(4)
    with _memory().content as image:
        path, sha256 = write_under_its_hash(
            set_folder(folder, feature_key), image, lambda sha256: new_name(sha256, token)
        )
        file = ShardFile(path, feature_key, len(digests), len(image), sha256)
    return CheckedShard(file, packed, layout, head, stat_of(path))


def check_shard(shard: ShardFile) -> CheckedShard:
    """Read a whole file and compare it with what was committed.

    The bytes that are hashed are the bytes that are parsed: nothing can change in between.

    Raises:
        ShardDamaged: the file is missing, or is not what was committed.
    """
    stat = stat_of(shard.path)
    return _checked(shard, _parse(shard.path, _committed_bytes(shard)), stat)


def read_shard(shard: ShardFile) -> ShardContent:
    """Read a whole shard, after the same checks.

    Raises:
        ShardDamaged: the file is missing, or is not what was committed.
    """
    stat = stat_of(shard.path)
    parsed = _parse(shard.path, _committed_bytes(shard), with_features=True)
    checked = _checked(shard, parsed, stat)
    return ShardContent(unpack_digests(checked.digests), parsed.encoding.decode(parsed.stored))


def find_shard(path: Path) -> CheckedShard:
    """Read a file of which the database knows nothing; its name says what its sha256 must be.

    Returns:
        The shard; its attributes say `dtype`, `storage`, `compression` and `shape` too.

    Raises:
        ShardDamaged: it is not a whole shard, or not the one that its attributes say.
    """
    stat = stat_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShardDamaged(f"the shard {path} cannot be read: {error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    named, dash, _ = path.stem.partition("-")
    if dash and len(named) == len(sha256) and named != sha256:
        raise ShardDamaged(f"the shard {path} is damaged: its sha256 is not the one in its name")
    return _found(path, content, sha256, stat)


def read_foreign_shard(path: Path, content: bytes) -> CheckedShard:
    """Read a shard that came from outside and lies nowhere yet; `path` is for messages.

    Raises:
        ShardDamaged: it is not a whole shard, or not the one that its attributes say.
    """
    return _found(path, content, hashlib.sha256(content).hexdigest(), (), LARGEST_FOREIGN)


def _found(
    path: Path, content: bytes, sha256: str, stat: tuple[int, ...], most: int | None = None
) -> CheckedShard:
    parsed = _parse(path, content, with_features=True, most=most)
    key = parsed.attributes.get("feature_key")
    named = parsed.attributes.get("shard_id")
    if not isinstance(key, str) or shard_id(key, unpack_digests(parsed.digests)) != named:
        raise ShardDamaged(f"the shard {path} is damaged: its digests do not fit its shard id")
    found = ShardFile(path, key, len(parsed.digests), len(content), sha256)
    more = {**vars(parsed.encoding), "shape": list(parsed.stored.shape[1:])}
    parsed.attributes.update(more)
    return _checked(found, parsed, stat)


def stat_of(path: Path) -> tuple[int, ...]:
    """Size, mtime, ctime and inode: one changes when somebody writes. Empty if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@dataclass(frozen=True)
class _Parsed:
    """What a file holds; `stored` is empty unless asked for."""

    attributes: dict[str, Any]
    digests: np.ndarray
    rows: int
    layout: Layout
    encoding: Encoding
    stored: np.ndarray


def _committed_bytes(shard: ShardFile) -> bytes:
    try:
        content = shard.path.read_bytes()
    except FileNotFoundError:
        raise ShardDamaged(f"the shard {shard.path} is missing", hint=AGAIN) from None
    except OSError as error:
        raise ShardDamaged(f"the shard {shard.path} cannot be read: {error}", hint=AGAIN) from error
    if len(content) != shard.size:
        raise ShardDamaged(
            f"the shard {shard.path} has {len(content)} bytes, not {shard.size}", hint=AGAIN
        )
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise ShardDamaged(
            f"the shard {shard.path} is not what was committed: its hash is another", hint=AGAIN
        )
    return content


def _parse(
    path: Path, content: bytes, *, with_features: bool = False, most: int | None = None
) -> _Parsed:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            attributes = {name: json.loads(str(value)) for name, value in file.attrs.items()}
            _refuse_other_formats(path, attributes)
            features = _dataset(file, "features", most)
            encoding = _encoding_of(attributes, features.dtype.name)
            if with_features:
                Encoding.choose(encoding.dtype, encoding.storage, encoding.compression)
                if features.dtype != encoding.stored_dtype:
                    raise ValueError(f"its features are {features.dtype}, not {encoding.storage}")
            return _Parsed(
                attributes=attributes,
                digests=_digests(file, most),
                rows=len(features),
                layout=_layout(features, content),
                encoding=encoding,
                stored=features[()] if with_features else np.empty(0),
            )
    except ShardDamaged:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ShardDamaged(f"the shard {path} cannot be read: {error}", hint=AGAIN) from error


def _refuse_other_formats(path: Path, attributes: Mapping[str, Any]) -> None:
    found = (attributes.get("format"), attributes.get("format_version"))
    if found != (FORMAT, VERSION):
        raise ShardDamaged(
            f"{path} has the format {found[0]} {found[1]}; this code reads {FORMAT} {VERSION}",
            hint="Upgrade headstart if it was written by a newer one.",
        )


def _checked(shard: ShardFile, parsed: _Parsed, stat: tuple[int, ...]) -> CheckedShard:
    key = parsed.attributes["feature_key"]
    if key != shard.feature_key:
        raise ShardDamaged(
            f"the shard {shard.path} belongs to another feature set, {key[:12]}", hint=AGAIN
        )
    digests = parsed.digests
    if digests.shape != (shard.rows, DIGEST_BYTES) or parsed.rows != shard.rows:
        raise ShardDamaged(f"the shard {shard.path} has not {shard.rows} rows", hint=AGAIN)
    return CheckedShard(shard, digests, parsed.layout, parsed.attributes, stat)


def _encoding_of(attributes: Mapping[str, Any], stored: str) -> Encoding:
    """How a shard's numbers lie; `stored` is the dtype in a file that does not say."""
    dtype = attributes.get("dtype", stored)
    storage, compression = attributes.get("storage", dtype), attributes.get("compression", "none")
    return Encoding(dtype, storage, compression)


def _dataset(file: h5py.File, name: str, most: int | None) -> h5py.Dataset:
    """A dataset of the file itself: links, and data that lies in other files, are refused.

    Raises:
        ValueError: it is none, or takes more than `most` bytes in memory.
    """
    dataset = file[name]
    is_own = isinstance(file.get(name, getlink=True), h5py.HardLink)
    if not is_own or not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"its {name} are no dataset of its own")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"its {name} lie in another file")
    if most is not None and dataset.nbytes > most:
        raise ValueError(f"its {name} take {dataset.nbytes:,} bytes; at most {most:,} are read")
    return dataset


def _digests(file: h5py.File, most: int | None) -> np.ndarray:
    digests = _dataset(file, "digests", most)
    if digests.dtype != np.uint8 or digests.shape[1:] != (DIGEST_BYTES,):
        raise ValueError(f"its digests are {digests.dtype} of shape {digests.shape}")
    return digests[()]


def _layout(features: h5py.Dataset, content: bytes | memoryview) -> Layout:
    """Where the chunks lie; chunks are of whole rows, so there is one after the other."""
    chunks = features.chunks
    if chunks is None or chunks[1:] != features.shape[1:]:
        raise ValueError("its features are not chunked by whole rows")
    found = sorted(
        (features.id.get_chunk_info(number) for number in range(features.id.get_num_chunks())),
        key=lambda info: info.chunk_offset[0],
    )
    if len(found) != -(-len(features) // chunks[0]) or any(info.filter_mask for info in found):
        raise ValueError("chunks of its features are missing or were written without their filter")
    return Layout(
        chunks[0],
        np.array([info.byte_offset for info in found], np.int64),
        np.array([info.size for info in found], np.int64),
        np.array(
            [
                xxhash.xxh3_64_intdigest(content[info.byte_offset : info.byte_offset + info.size])
                for info in found
            ],
            np.uint64,
        ),
    )


def _memory() -> MemoryFile:
    """This thread's file in memory."""
    if not hasattr(_THREAD, "memory"):
        _THREAD.memory = MemoryFile()
    return _THREAD.memory


def _build(
    memory: MemoryFile,
    head: Mapping[str, Any],
    digests: np.ndarray,
    features: np.ndarray,
    encoding: Encoding,
) -> Layout:
    """Write a shard into memory; gives where its features lie in it."""
    memory.seek(0)
    memory.truncate()
    with h5py.File(memory, "w") as file:
        for name, value in sorted(head.items()):
            file.attrs[name] = canonical_json(value).decode()
        _add_rows(file, "digests", digests, {"fletcher32": True})
        stored = _add_rows(file, "features", encoding.encode(features), encoding.filters)
        file.flush()
        with memory.content as image:
            return _layout(stored, image)


def _add_rows(
    file: h5py.File, name: str, rows: np.ndarray, filters: Mapping[str, Any]
) -> h5py.Dataset:
    row_bytes = max(1, rows.nbytes // max(1, len(rows)))
    chunk_rows = min(len(rows), max(1, CHUNK_BYTES // row_bytes))
    return file.create_dataset(
        name, data=rows, chunks=(chunk_rows, *rows.shape[1:]), track_times=False, **filters
    )
