"""A Parquet file, read a row group or less at a time; what it takes is known before.

The footer says how many rows there are and what each row group takes once it is unpacked. A file of
a few kilobytes can claim terabytes; and a value that occurs once in a dictionary can occur a
million times in a column, which no footer says. The size of a dictionary is in its page's header:
so many rows are read together that they take no more than a bearable size even if each holds all
of it. A row group that is read as a whole, for some of its rows, keeps its dictionaries.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.columnar.part import Block, Recent, reading
from headstart.extractors.datasets.sources.numpy_files import (
    LARGEST_PACKING,
    ROW_BYTES,
    SMALL,
    refuse_large,
)
from headstart.storage.files import open_regular

MOST_ROWS = 4096
"""That are read together."""
FIELD, DICTIONARY_PAGE = 0x15, 2
"""In a page's header, by Thrift's compact protocol: "the next field, a number", and a type of page.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift"""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value in memory, of those that are alike."""


@dataclass(frozen=True)
class Group:
    """A row group: its first row, its rows, its bytes, and how many rows are read together."""

    start: int
    rows: int
    size: int
    together: int

    @property
    def is_small(self) -> bool:
        """Whether it is read as a whole."""
        return self.size <= SMALL


class ParquetPart:
    """See `Part`. Rows are found by row group; those read last are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._recent, self._lock = Recent(), threading.Lock()
        self._ahead: tuple[int, Iterator[Block]] | None = None
        with reading(path):
            self._file = pq.ParquetFile(path, memory_map=True)
            self.schema: pa.Schema = self._file.schema_arrow
            self._packed = pq.ParquetFile(
                path,
                metadata=self._file.metadata,
                memory_map=True,
                read_dictionary=self._of_bytes(),
            )
            with open_regular(path) as file:
                self._groups = list(_groups(self._file.metadata, file))
            self._check()
        self.rows: int = self._file.metadata.num_rows
        self._ends = list(accumulate(group.rows for group in self._groups))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See `Part.batches`."""
        for number in range(len(self._groups)):
            with reading(self.path):
                yield from self._batches(number, columns)

    def block(self, row: int, columns: Sequence[str]) -> Block:
        """See `Part.block`."""
        number = bisect_right(self._ends, row)
        group = self._groups[number]
        with reading(self.path):
            if group.is_small:
                read = partial(
                    self._packed.read_row_group, number, list(columns), use_threads=False
                )
                return Block(group.start, self._recent.get(group.start, read))
            start = group.start + (row - group.start) // group.together * group.together
            return Block(start, self._recent.get(start, partial(self._seek, start, columns)))

    def _seek(self, start: int, columns: Sequence[str]) -> pa.RecordBatch:
        """Some rows of a large row group: behind those that were read last, or from its beginning.

        Where rows are asked for in order, none is unpacked twice.
        """
        number = bisect_right(self._ends, start)
        with self._lock:
            at, blocks = self._ahead or (start + 1, iter(()))
            if not self._groups[number].start <= at <= start:
                blocks = self._blocks(number, columns)
            for block in blocks:
                self._ahead = (block.start + block.table.num_rows, blocks)
                if block.start == start:
                    return block.table
        raise DatasetError(
            f"{self.path} is damaged: row {start} is not there", hint="Save it again."
        )

    def _blocks(self, number: int, columns: Sequence[str]) -> Iterator[Block]:
        start = self._groups[number].start
        for batch in self._batches(number, columns):
            yield Block(start, batch)
            start += batch.num_rows

    def _batches(self, number: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return self._file.iter_batches(
            self._groups[number].together, [number], list(columns), use_threads=False
        )

    def _of_bytes(self) -> list[str]:
        """The columns of texts and bytes, as the file's own schema calls them."""
        schema = self._file.schema
        columns = (schema.column(number) for number in range(len(schema)))
        return [one.path for one in columns if one.physical_type == "BYTE_ARRAY"]

    def _check(self) -> None:
        """See that what the footer says can be held.

        Raises:
            DatasetError: it cannot, or the numbers of rows do not fit together.
        """
        rows, packed = self._file.metadata.num_rows, self.path.stat().st_size
        refuse_large(rows * ROW_BYTES, f"the {rows:,} rows of {self.path}")
        if sum(group.rows for group in self._groups) != rows:
            raise DatasetError(
                f"{self.path} is damaged: its row groups hold other rows than it says",
                hint="Save it again.",
            )
        for number, group in enumerate(self._groups):
            if group.size > SMALL and group.size > LARGEST_PACKING * packed:
                raise DatasetError(
                    f"{self.path}: row group {number} takes {group.size / 1e9:,.1f} GB once it is "
                    f"unpacked, more than {LARGEST_PACKING} times the whole file",
                    hint="If that is meant, save it without compression.",
                )


def _groups(metadata: pq.FileMetaData, file: IO[bytes]) -> Iterator[Group]:
    """The row groups, as the footer and the headers of dictionaries say."""
    start = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(n) for n in range(group.num_columns)]
        inside = sum(_dictionary_size(one, file) for one in columns)
        size = max(group.total_byte_size, sum(_unpacked(one) for one in columns))
        a_row = max(1, size // max(1, group.num_rows)) + inside
        together = min(MOST_ROWS, max(1, SMALL // a_row))
        yield Group(start, group.num_rows, size, together)
        start += group.num_rows


def _unpacked(column: pq.ColumnChunkMetaData) -> int:
    """Bytes of a column in memory: as the footer says, and at least what its numbers take."""
    width = WIDTHS.get(column.physical_type, 0)
    return max(column.total_uncompressed_size, column.num_values * width)


def _dictionary_size(column: pq.ColumnChunkMetaData, file: IO[bytes]) -> int:
    """Bytes of the dictionary of a column of texts or bytes; 0 where it has none.

    Raises:
        ValueError: its first page has no header.
    """
    if column.physical_type in WIDTHS or not column.num_values:
        return 0
    has_own = column.has_dictionary_page and column.dictionary_page_offset
    file.seek(column.dictionary_page_offset if has_own else column.data_page_offset)
    head = file.read(16)
    kind, rest = _number(head)
    return _number(rest)[0] if kind == DICTIONARY_PAGE else 0


def _number(head: bytes) -> tuple[int, bytes]:
    """The number of a field, and what stands behind it: seven bits a byte, the sign last."""
    value = 0
    if head[:1] != bytes([FIELD]):
        raise ValueError("a page has no header")
    for place, byte in enumerate(head[1:6]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), head[place + 2 :]
    raise ValueError("a page has no header")
