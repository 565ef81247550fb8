"""A block as a file: an Arrow IPC stream of one record batch, not compressed, so that it is mapped.

A file may have been made by anyone. The messages are looked at before any is decoded: what is
packed would be unpacked into as much memory as it says. Then the columns are those of a block, and
every offset, index and text is found right (`validate(full=True)`) before one is followed.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa

from headstart.storage.columns.arrays import ODD_STATS
from headstart.storage.columns.block import NEEDED, SAME_STAT, TYPES, Block
from headstart.storage.columns.buffers import numbers_in
from headstart.storage.files import check_regular
from headstart.storage.samples import SPLITS

SCHEMA, DICTIONARY, BATCH = "schema", "dictionary", "record batch"
MOST_MESSAGES = 5
"""The schema, a dictionary of labels, splits and groups, the batch."""


def to_arrow(block: Block, format_: dict[bytes, bytes]) -> pa.Buffer:
    """The bytes of the file of a block.

    Args:
        block: the samples.
        format_: what the file says of itself, in the metadata of its schema.
    """
    batch = block.canonical().batch
    schema = batch.schema.with_metadata({**format_, **(batch.schema.metadata or {})})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return sink.getvalue()


def map_file(path: Path) -> pa.Buffer:
    """The bytes of a file, read from the disk where they are looked at.

    Raises:
        OSError, StorageError: it is missing, or no regular file.
    """
    check_regular(path)
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def from_arrow(content: pa.Buffer, source: str, format_: dict[bytes, bytes], rows: int) -> Block:
    """The block in the bytes of a file, which are not copied.

    Args:
        content: of the file.
        source: of the dataset.
        format_: as it was written.
        rows: samples that it is to hold.

    Raises:
        ValueError: it is no such file.
    """
    try:
        _check_messages(content)
        with pa.ipc.open_stream(content) as reader:
            _check_schema(reader.schema, format_)
            batch = reader.read_next_batch()
        batch.validate(full=True)
    except (pa.ArrowException, StopIteration, OSError, struct.error, IndexError) as error:
        raise ValueError(f"it is no Arrow stream of samples ({error})") from error
    _check_batch(batch, rows)
    block = Block(batch, source)
    stats = block.column("stat")
    _ = block.label_values, block.same_stat
    _ = stats is not None and stats.type == ODD_STATS and block.stats
    return block


def from_checked(content: pa.Buffer, source: str) -> Block:
    """As `from_arrow`, of bytes that it has taken before."""
    with pa.ipc.open_stream(content) as reader:
        return Block(reader.read_next_batch(), source)


def _check_messages(content: pa.Buffer) -> None:
    """See that there is one batch and nothing packed."""
    kinds = []
    for message in pa.ipc.MessageReader.open_stream(content):
        kinds.append(message.type)
        if len(kinds) > MOST_MESSAGES or _is_packed(message):
            raise ValueError("it is packed, or has more than one batch")
    if [kinds[0], kinds[-1]] != [SCHEMA, BATCH] or set(kinds[1:-1]) - {DICTIONARY}:
        raise ValueError(f"it holds {', '.join(kinds)}")


def _is_packed(message: pa.ipc.Message) -> bool:
    """Whether the buffers of a message are compressed, or its kind is none of ours.

    By the tables of https://github.com/apache/arrow/blob/main/format/Message.fbs, as pyarrow does
    not tell; that their offsets lie within the message was verified when it was read.
    """
    if message.type == SCHEMA:
        return False
    content = bytes(message.metadata)
    header = _follow(content, _place(content, _follow(content, 0), 2))
    if message.type == DICTIONARY:
        header = _follow(content, _place(content, header, 1))
    elif message.type != BATCH:
        return True
    return _place(content, header, 3) != 0


def _place(content: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 where it is left out."""
    fields = table - struct.unpack_from("<i", content, table)[0]
    (size,) = struct.unpack_from("<H", content, fields)
    entry = 4 + 2 * number
    offset = struct.unpack_from("<H", content, fields + entry)[0] if entry < size else 0
    return table + offset if offset else 0


def _follow(content: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", content, place)[0]


def _check_schema(schema: pa.Schema, format_: dict[bytes, bytes]) -> None:
    said = schema.metadata or {}
    for key, value in format_.items():
        if said.get(key) != value:
            raise ValueError(f"its {key.decode()} is {said.get(key)!r}, not {value!r}")
    names = schema.names
    if names != [name for name in TYPES if name in names] or set(NEEDED) - set(names):
        raise ValueError(f"its columns are {', '.join(names)}")
    for field in schema:
        if field.type not in TYPES[field.name]:
            raise ValueError(f"its column {field.name} is of type {field.type}")
    if SAME_STAT in said and "stat" in names:
        raise ValueError("it says twice by what a change is seen")


def _check_batch(batch: pa.RecordBatch, rows: int) -> None:
    if batch.num_rows != rows:
        raise ValueError(f"it holds {batch.num_rows:,} samples, not {rows:,}")
    for name in [*NEEDED, *(["stat"] if "stat" in batch.schema.names else [])]:
        if batch.column(name).null_count:
            raise ValueError(f"its column {name} has gaps")
    for name in ("label", "split", "group"):
        if name in batch.schema.names and batch.column(name).dictionary.null_count:
            raise ValueError(f"its column {name} has a text that is none")
    if "weight" in batch.schema.names:
        weights = numbers_in(batch.column("weight"), null=1)
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError("a sample counts for no finite number above 0")
    if set(batch.column("split").dictionary.to_pylist()) - set(SPLITS):
        raise ValueError("its splits have other names")
