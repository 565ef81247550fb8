"""The bytes of a shard: an HDF5 file made of rows, and read again. The format: docs/format.md.

Nothing here knows where shards are kept; `storage.shards.shard` does, through a store.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from headstart.errors import ShardDamaged
from headstart.storage.encoding import Encoding
from headstart.storage.keys import DIGEST_BYTES, canonical_json, fingerprint
from headstart.storage.shards.memory_file import MemoryFile
from headstart.values.logs import logger

if TYPE_CHECKING:  # a run which computes nothing needs no HDF5: it goes by the index
    import h5py

AGAIN = "Run `headstart extract` again: it recomputes only these rows."
FORMAT = "headstart.shard"
VERSION = 1
SHUFFLE, FLETCHER32 = 2, 3
"""As HDF5 numbers them: `h5py.h5z.FILTER_SHUFFLE` and `FILTER_FLETCHER32`."""
CHUNK_BYTES = 512 * 1024
"""What one row costs to read: a chunk is checked as a whole (docs/design/checked-chunks.md)."""
_THREAD = threading.local()
log = logger(__name__)


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
class Parsed:
    """What a shard's bytes hold.

    Attributes:
        attributes: key and provenance.
        digests: shape (rows, 32), uint8.
        rows: of the features.
        layout: where they lie.
        encoding: how their numbers lie.
        stored: shape (rows, *feature shape), as they lie; empty unless asked for.
    """

    attributes: dict[str, Any]
    digests: np.ndarray
    rows: int
    layout: Layout
    encoding: Encoding
    stored: np.ndarray


def shard_id(feature_key: str, digests: list[str]) -> str:
    """The name of these rows of this feature set: the same wherever they are computed."""
    return fingerprint("headstart.shard/1", {"feature_key": feature_key, "digests": digests})


@contextmanager
def built(
    head: Mapping[str, Any], digests: np.ndarray, features: np.ndarray, encoding: Encoding
) -> Iterator[tuple[memoryview, Layout]]:
    """A shard's bytes in memory, for the length of the block, and where its features lie in them.

    Args:
        head: the attributes, JSON values.
        digests: shape (rows, 32), uint8.
        features: shape (rows, *feature shape).
        encoding: how the numbers are to lie.
    """
    layout = _build(_memory(), head, digests, features, encoding)
    with _memory().content as image:
        yield image, layout


def parse(
    place: str, content: bytes, *, with_features: bool = False, most: int | None = None
) -> Parsed:
    """Read a shard's bytes.

    Args:
        place: where they come from, for messages.
        content: the bytes.
        with_features: whether to read the features too.
        most: bytes that its digests, or its features, may take in memory; no limit without it.

    Raises:
        ShardDamaged: they are no shard, or not one that this code reads.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            attributes = {name: json.loads(str(value)) for name, value in file.attrs.items()}
            _refuse_other_formats(place, attributes)
            features = _dataset(file, "features", most)
            encoding = _encoding_of(attributes, features.dtype.name)
            if with_features:
                Encoding.choose(encoding.dtype, encoding.storage, encoding.compression)
                if features.dtype != encoding.stored_dtype:
                    raise ValueError(f"its features are {features.dtype}, not {encoding.storage}")
            if most is not None:
                _check_filters(features, encoding)
            return Parsed(
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
        raise ShardDamaged(f"the shard {place} cannot be read: {error}", hint=AGAIN) from error


def parse_digests(place: str, file: io.RawIOBase, rows: int) -> np.ndarray | None:
    """The digests in a shard's file, shape (rows, 32), uint8; None of what is no shard of so many
    rows. Whether they are right is for the caller to check.

    Args:
        place: where it comes from, for the log.
        file: the shard, of which the features need not be there.
        rows: how many it has.
    """
    import h5py

    try:
        with h5py.File(file, "r") as shard:
            return _digests(shard, rows * DIGEST_BYTES)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        log.debug("%s: %s", place, error)
        return None


def _refuse_other_formats(place: str, attributes: Mapping[str, Any]) -> None:
    found = (attributes.get("format"), attributes.get("format_version"))
    if found != (FORMAT, VERSION):
        raise ShardDamaged(
            f"{place} has the format {found[0]} {found[1]}; this code reads {FORMAT} {VERSION}",
            hint="Upgrade headstart if it was written by a newer one.",
        )


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
    import h5py

    dataset = file[name]
    is_own = isinstance(file.get(name, getlink=True), h5py.HardLink)
    if not is_own or not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"its {name} are no dataset of its own")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"its {name} lie in another file")
    if most is not None and dataset.nbytes > most:
        raise ValueError(f"its {name} take {dataset.nbytes:,} bytes; at most {most:,} are read")
    return dataset


def _check_filters(features: h5py.Dataset, encoding: Encoding) -> None:
    """See that chunks are packed as the encoding says: whoever reads single chunks goes by it.

    Raises:
        ValueError: they are packed otherwise, and would be other numbers to that reader.
    """
    import h5py

    with h5py.File.in_memory() as other:
        made = other.create_dataset(
            "chunk", features.chunks, encoding.stored_dtype, chunks=features.chunks,
            **encoding.filters,
        )  # fmt: skip
        wanted = _filters(made)
    found = _filters(features)
    if found != wanted and found != [*wanted, (FLETCHER32, ())]:  # of earlier versions
        raise ValueError(f"its features are not packed as it says ({encoding.compression})")


def _filters(dataset: h5py.Dataset) -> list[tuple[int, tuple[int, ...]]]:
    """The filters of a dataset, each with what it is told; how hard to pack is no part of that."""
    listed = dataset.id.get_create_plist()
    found = [listed.get_filter(number) for number in range(listed.get_nfilters())]
    return [(kind, told if kind == SHUFFLE else ()) for kind, _, told, _ in found]


def _digests(file: h5py.File, most: int | None) -> np.ndarray:
    digests = _dataset(file, "digests", most)
    if digests.dtype != np.uint8 or digests.shape[1:] != (DIGEST_BYTES,):
        raise ValueError(f"its digests are {digests.dtype} of shape {digests.shape}")
    if digests.id.get_storage_size() < digests.nbytes:  # they are never packed
        raise ValueError("its digests are not all there")
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
    import h5py

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
