"""An Arrow file or stream (`.arrow`, `.feather`), mapped: batches are looked at where they lie.

What a batch takes once it is unpacked stands in its message, and is looked at before. Offsets in
it may lead anywhere, so each batch is validated as a whole before a cell of it is read
(https://arrow.apache.org/docs/format/Security.html).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
from flatbuffers import number_types
from flatbuffers.table import Table as Flat

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.columnar.part import (
    Block,
    Recent,
    checked_names,
    reading,
)
from headstart.extractors.datasets.sources.numpy_files import (
    LARGEST_PACKING,
    ROW_BYTES,
    SMALL,
    refuse_alike,
    refuse_large,
)

FILE, OLD = b"ARROW1", b"FEA1"
BODY = 8
"""Where the messages of a file begin; those of a stream begin at once."""
DICTIONARY, BATCH = 2, 3
"""What stands in a message: https://github.com/apache/arrow/blob/main/format/Message.fbs"""


@dataclass(frozen=True)
class Stated:
    """What a message says of a batch: its rows, and its bytes once it is unpacked."""

    rows: int
    size: int


class ArrowPart:
    """See `Part`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._recent = Recent()
        with reading(path):
            self._map = pa.memory_map(str(path))
            start = self._map.read(len(FILE))
            if start.startswith(OLD):
                raise DatasetError(
                    f"{path} is of Feather's first version", hint="Save it again, as Parquet."
                )
            self._is_file = start == FILE
            self.schema = checked_names(pa.ipc.open_stream(self._at_messages()).schema)
            self._index()
        self.rows: int = self._ends[-1] if self._ends else 0
        refuse_large(self.rows * ROW_BYTES, f"the {self.rows:,} rows of {path}")
        refuse_alike(self.rows, path.stat().st_size, str(path))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See `Part.batches`."""
        with reading(self.path):
            for number in range(len(self._ends)):
                yield self._read(number, columns)

    def block(self, row: int, columns: Sequence[str]) -> Block:
        """See `Part.block`."""
        number = bisect_right(self._ends, row)
        with reading(self.path):
            batch = self._recent.get(number, lambda: self._read(number, columns))
        return Block(self._ends[number - 1] if number else 0, batch)

    def _read(self, number: int, columns: Sequence[str]) -> pa.RecordBatch:
        if self._has_dictionaries:
            batch = self._whole[number]
        else:
            batch = pa.ipc.read_record_batch(self._messages[number], self.schema)
        chosen = batch.select(list(columns))
        chosen.validate(full=True)
        return chosen

    def _index(self) -> None:
        """The messages of all batches, which are not unpacked."""
        self._messages: list[pa.Message] = []
        self._has_dictionaries = False
        ends, total = [], 0
        for message in _messages(self._at_messages()):
            kind, stated = _stated(message)
            total += stated.size
            if stated.size > SMALL:
                self._refuse(stated.size)
            if kind == DICTIONARY:
                self._has_dictionaries = True
            elif kind == BATCH:
                self._messages.append(message)
                ends.append(stated.rows)
        self._ends = list(accumulate(ends))
        if self._has_dictionaries:
            refuse_large(total, f"the columns of {self.path}")

    def _refuse(self, size: int) -> None:
        if size > LARGEST_PACKING * self.path.stat().st_size:
            raise DatasetError(
                f"{self.path}: a batch takes {size / 1e9:,.1f} GB once it is unpacked, more than "
                f"{LARGEST_PACKING} times the whole file",
                hint="If that is meant, save it without compression.",
            )
        if size > self.path.stat().st_size:
            refuse_large(size, f"a batch of {self.path}")

    @cached_property
    def _whole(self) -> list[pa.RecordBatch]:
        """All batches of a file with dictionaries, which stand in messages of their own.

        The messages are read that were looked at: the footer of a file may name others.
        """
        return list(pa.ipc.open_stream(self._at_messages()))

    def _at_messages(self) -> pa.MemoryMappedFile:
        self._map.seek(BODY if self._is_file else 0)
        return self._map


def _messages(mapped: pa.MemoryMappedFile) -> Iterator[pa.Message]:
    found = pa.ipc.MessageReader.open_stream(mapped)
    while True:
        try:
            message = found.read_next_message()
        except StopIteration:
            return
        yield message


def _stated(message: pa.Message) -> tuple[int, Stated]:
    """The kind of a message, and what it says of the batch in it."""
    table = _root(message.metadata.to_pybytes())
    kind, header = _byte(table, 1), _child(table, 2)
    if kind == DICTIONARY and header is not None:
        header = _child(header, 1)
    if kind not in (DICTIONARY, BATCH) or header is None:
        return kind, Stated(0, 0)
    rows, place = 0, header.Offset(4)
    if place:
        rows = header.Get(number_types.Int64Flags, place + header.Pos)
    return kind, Stated(rows, _size(header, message.body))


def _size(header: Flat, body: pa.Buffer) -> int:
    """Bytes of a batch once it is unpacked: each buffer that is packed begins with its own."""
    vector = header.Offset(8)
    if not vector:
        return 0
    start, count = header.Vector(vector), header.VectorLen(vector)
    is_packed, total = bool(header.Offset(10)), 0
    for place in range(start, start + 16 * count, 16):
        offset = header.Get(number_types.Int64Flags, place)
        length = header.Get(number_types.Int64Flags, place + 8)
        if is_packed and length >= 8 and 0 <= offset <= body.size - 8:
            said = int.from_bytes(body.slice(offset, 8).to_pybytes(), "little", signed=True)
            length = length - 8 if said == -1 else said
        total += max(0, length)
    return total


def _root(metadata: bytes) -> Flat:
    return Flat(bytearray(metadata), int.from_bytes(metadata[:4], "little"))


def _byte(table: Flat, field: int) -> int:
    place = table.Offset(4 + 2 * field)
    return table.Get(number_types.Uint8Flags, place + table.Pos) if place else 0


def _child(table: Flat, field: int) -> Flat | None:
    place = table.Offset(4 + 2 * field)
    return Flat(table.Bytes, table.Indirect(place + table.Pos)) if place else None
