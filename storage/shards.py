"""Shards: write-once HDF5 files with some rows of one feature set. The format: docs/format.md."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from headstart.errors import ShardDamaged
from headstart.storage.files import written_aside
from headstart.storage.keys import canonical_json, fingerprint, pack_digests, unpack_digests

AGAIN = "Run `headstart extract` again: it computes just these rows anew."
FORMAT = "headstart.shard"
VERSION = 1
CHUNK_BYTES = 512 * 1024


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
class ShardContent:
    """A shard in memory: `digests` in hex and `features` of shape (rows, *feature shape)."""

    digests: list[str]
    features: np.ndarray


def shard_id(feature_key: str, digests: list[str]) -> str:
    """The name of these rows of this feature set: the same wherever they are computed."""
    return fingerprint("headstart.shard/1", {"feature_key": feature_key, "digests": digests})


def write_shard(
    folder: Path,
    feature_key: str,
    digests: list[str],
    features: np.ndarray,
    attributes: Mapping[str, Any],
) -> ShardFile:
    """Write rows as one new shard under `folder`/`feature_key`; durable when this returns.

    The name is unique, so that two processes writing the same rows never touch each other's
    file; which of them counts is decided by the database.

    Args:
        folder: the features folder of the workspace.
        feature_key: the feature set.
        digests: sample digests in hex, one a row.
        features: array of shape (rows, *feature shape).
        attributes: the rest of the key and the provenance, JSON values.
    """
    image = _build(feature_key, digests, features, attributes)
    name = f"{shard_id(feature_key, digests)[:32]}-{secrets.token_hex(4)}.h5"
    path = folder / feature_key[:2] / feature_key / name
    with written_aside(path) as file:
        file.write(image)
    return ShardFile(path, feature_key, len(digests), len(image), hashlib.sha256(image).hexdigest())


def read_shard(shard: ShardFile) -> ShardContent:
    """Read a whole shard, after its size, hash and key were found right.

    The bytes that are hashed are the bytes that are parsed: nothing can change in between.

    Raises:
        ShardDamaged: the file is missing, or is not what was committed.
    """
    content = _checked_bytes(shard)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            _check_identity(shard, file)
            digests = unpack_digests(file["digests"][()])  # type: ignore[index]
            features = _rows(file, "features")
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ShardDamaged(f"the shard {shard.path} cannot be read: {error}", hint=AGAIN) from error
    if len(digests) != shard.rows or len(features) != shard.rows:
        raise ShardDamaged(f"the shard {shard.path} has not {shard.rows} rows", hint=AGAIN)
    return ShardContent(digests, features)


def read_digests(shard: ShardFile) -> np.ndarray:
    """The sample digests of a shard, shape (rows, 32), dtype uint8, after the same checks.

    Raises:
        ShardDamaged: the file is missing, or is not what was committed.
    """
    content = _checked_bytes(shard)
    with h5py.File(io.BytesIO(content), "r") as file:
        _check_identity(shard, file)
        digests = _rows(file, "digests")
    if digests.shape != (shard.rows, 32):
        raise ShardDamaged(f"the shard {shard.path} has not {shard.rows} rows", hint=AGAIN)
    return digests


def _checked_bytes(shard: ShardFile) -> bytes:
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


def _rows(file: h5py.File, name: str) -> np.ndarray:
    dataset = file[name]
    assert isinstance(dataset, h5py.Dataset)
    return dataset[()]


def _check_identity(shard: ShardFile, file: h5py.File) -> None:
    key = json.loads(str(file.attrs["feature_key"]))
    if key != shard.feature_key:
        raise ShardDamaged(
            f"the shard {shard.path} belongs to another feature set, {key[:12]}", hint=AGAIN
        )


def _build(
    feature_key: str, digests: list[str], features: np.ndarray, attributes: Mapping[str, Any]
) -> bytes:
    head = {
        **attributes,
        "format": FORMAT,
        "format_version": VERSION,
        "feature_key": feature_key,
        "shard_id": shard_id(feature_key, digests),
    }
    with h5py.File.in_memory() as file:
        for name, value in sorted(head.items()):
            file.attrs[name] = canonical_json(value).decode()
        _add_rows(file, "digests", pack_digests(digests))
        _add_rows(file, "features", features)
        file.flush()
        return bytes(file.id.get_file_image())


def _add_rows(file: h5py.File, name: str, rows: np.ndarray) -> None:
    row_bytes = max(1, rows.nbytes // max(1, len(rows)))
    chunk_rows = min(len(rows), max(1, CHUNK_BYTES // row_bytes))
    file.create_dataset(
        name, data=rows, chunks=(chunk_rows, *rows.shape[1:]), fletcher32=True, track_times=False
    )
