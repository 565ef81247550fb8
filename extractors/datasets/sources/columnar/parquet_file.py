"""A Parquet file, read a row group or less at a time; what it takes is known before.

The footer says how many rows there are and what each row group takes once it is unpacked, and may
lie; the headers of pages, by which they are unpacked, cannot (see `parquet_pages`). A file of a few
kilobytes can claim terabytes; and a value that occurs once in a dictionary can occur a million
times in a column, which no footer says. The size of a dictionary is in its page's header: so many
rows are read together that they take no more than a bearable size even if each holds all of it. A
row group that is read as a whole, for some of its rows, keeps its dictionaries.
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
from headstart.extractors.datasets.sources.columnar.parquet_pages import Pages, pages_of
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
from headstart.storage.files import open_regular

MOST_ROWS = 4096
"""That are read together."""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value in memory, of those that are alike."""
PLACE = 4
"""Bytes of the place of a text or of bytes, wherever they lie."""
SLACK = 1 << 20
"""Bytes by which a footer may be wrong, besides twice what it says."""


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
        self._ahead: tuple[int, int, Iterator[Block]] = (-1, 0, iter(()))
        with reading(path):
            self._file = pq.ParquetFile(path, memory_map=True)
            self.schema = checked_names(self._file.schema_arrow)
            self._packed = pq.ParquetFile(
                path,
                metadata=self._file.metadata,
                memory_map=True,
                read_dictionary=self._of_bytes(),
            )
            with open_regular(path) as file:
                self._groups = list(_groups(self._file.metadata, file, path))
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
                read = partial(self._whole, number, columns)
                return Block(group.start, self._recent.get(group.start, read))
            start = group.start + (row - group.start) // group.together * group.together
            return Block(start, self._recent.get(start, partial(self._seek, start, columns)))

    def _whole(self, number: int, columns: Sequence[str]) -> pa.Table:
        table = self._packed.read_row_group(number, list(columns), use_threads=False)
        table.validate(full=True)  # a text may be no text
        return table

    def _seek(self, start: int, columns: Sequence[str]) -> pa.RecordBatch:
        """Some rows of a large row group: behind those that were read last, or from its beginning.

        Where rows are asked for in order, none is unpacked twice.
        """
        number = bisect_right(self._ends, start)
        with self._lock:
            group, at, blocks = self._ahead
            if group != number or at > start:
                blocks = self._blocks(number, columns)
            for block in blocks:
                self._ahead = (number, block.start + block.table.num_rows, blocks)
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
        rows = self._groups[number].together
        for batch in self._file.iter_batches(rows, [number], list(columns), use_threads=False):
            batch.validate(full=True)
            yield batch

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
        refuse_alike(rows, packed, str(self.path))


def _groups(metadata: pq.FileMetaData, file: IO[bytes], path: Path) -> Iterator[Group]:
    """The row groups, as the headers of their pages and the footer say."""
    start = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(n) for n in range(group.num_columns)]
        pages = [pages_of(one, file) for one in columns]
        for column, its in zip(columns, pages, strict=True):
            _check_pages(
                column, its, f"{path}: row group {number}, column {column.path_in_schema!r}"
            )
        inside = sum(map(_dictionary_size, columns, pages))
        size = max(group.total_byte_size, sum(map(_unpacked, columns, pages)))
        a_row = max(1, size // max(1, group.num_rows)) + inside
        together = min(MOST_ROWS, max(1, SMALL // a_row))
        yield Group(start, group.num_rows, size, together)
        start += group.num_rows


def _check_pages(column: pq.ColumnChunkMetaData, pages: Pages, where: str) -> None:
    """See that the pages of a column hold about as much as the footer says.

    Raises:
        DatasetError: they hold much more.
    """
    said = column.total_uncompressed_size
    if pages.size > SLACK + 2 * said:
        raise DatasetError(
            f"{where}: its pages take {pages.size / 1e6:,.1f} MB once they are unpacked, the "
            f"footer says {said / 1e6:,.1f} MB",
            hint="It is damaged; save it again.",
        )


def _unpacked(column: pq.ColumnChunkMetaData, pages: Pages) -> int:
    """Bytes of a column in memory: as its pages or the footer say, and at least what its numbers
    take; of texts the places of the values."""
    width = WIDTHS.get(column.physical_type, PLACE)
    values = max(column.num_values, pages.values)
    return max(column.total_uncompressed_size, pages.size, values * width)


def _dictionary_size(column: pq.ColumnChunkMetaData, pages: Pages) -> int:
    """Bytes that any value of a column of texts or bytes may have."""
    return 0 if column.physical_type in WIDTHS else pages.dictionary
