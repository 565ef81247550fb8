"""A Parquet file, read a row group at a time; its footer is looked at before anything is unpacked.

The footer says how many rows there are and what each row group takes once it is unpacked. A file of
a few kilobytes can claim terabytes, and texts and bytes that occur once in a dictionary can occur a
billion times in a column: they are read as dictionaries and stay so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.columnar.part import (
    BATCH,
    LARGEST_ROW_GROUP,
    Block,
    Recent,
    reading,
)
from headstart.extractors.datasets.sources.numpy_files import (
    LARGEST_PACKING,
    ROW_BYTES,
    SMALL,
    refuse_large,
)

BYTE_ARRAY = "BYTE_ARRAY"


class ParquetPart:
    """See `Part`. Rows are found by row group; those read last are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._recent = Recent()
        with reading(path):
            self._metadata = pq.read_metadata(path, memory_map=True)
            self._check()
            dictionaries = [
                column.path
                for column in (self._metadata.schema.column(n) for n in range(self._columns))
                if column.physical_type == BYTE_ARRAY
            ]
            self._file = pq.ParquetFile(
                path, metadata=self._metadata, memory_map=True, read_dictionary=dictionaries
            )
            self.schema: pa.Schema = self._file.schema_arrow
        self.rows: int = self._metadata.num_rows

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """See `Part.batches`."""
        with reading(self.path):
            yield from self._file.iter_batches(BATCH, columns=list(columns), use_threads=False)

    def block(self, row: int, columns: Sequence[str]) -> Block:
        """See `Part.block`."""
        group = bisect_right(self._ends, row)
        start = self._ends[group - 1] if group else 0

        def read() -> pa.Table:
            return self._file.read_row_group(group, list(columns), use_threads=False)

        with reading(self.path):
            return Block(start, self._recent.get(group, read))

    @cached_property
    def _ends(self) -> list[int]:
        groups = (self._metadata.row_group(n) for n in range(self._metadata.num_row_groups))
        return list(accumulate(group.num_rows for group in groups))

    @property
    def _columns(self) -> int:
        return self._metadata.num_columns

    def _check(self) -> None:
        """See that what the footer says can be held.

        Raises:
            DatasetError: it cannot, or the numbers of rows do not fit together.
        """
        meta, packed = self._metadata, self.path.stat().st_size
        refuse_large(meta.num_rows * ROW_BYTES, f"the {meta.num_rows:,} rows of {self.path}")
        if sum(meta.row_group(n).num_rows for n in range(meta.num_row_groups)) != meta.num_rows:
            raise DatasetError(
                f"{self.path} is damaged: its row groups hold other rows than it says",
                hint="Save it again.",
            )
        for number in range(meta.num_row_groups):
            size = _unpacked(meta.row_group(number))
            if size > SMALL and size > LARGEST_PACKING * packed:
                raise DatasetError(
                    f"{self.path}: row group {number} takes {size / 1e9:,.1f} GB once it is "
                    f"unpacked, more than {LARGEST_PACKING} times the whole file",
                    hint="If that is meant, save it without compression.",
                )
            if size > LARGEST_ROW_GROUP:
                refuse_large(size, f"row group {number} of {self.path}")


def _unpacked(group: pq.RowGroupMetaData) -> int:
    """Bytes of a row group in memory: as its footer says, and at least what its numbers take."""
    found = 0
    for number in range(group.num_columns):
        column = group.column(number)
        width = WIDTHS.get(column.physical_type, 4)
        found += max(column.total_uncompressed_size, column.num_values * width)
    return max(found, group.total_byte_size)


WIDTHS = {"BOOLEAN": 1 / 8, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value; of bytes, that of its number in a dictionary."""
