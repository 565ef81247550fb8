"""One file of columns: what Parquet and Arrow files have in common for their readers."""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from headstart.errors import DatasetError, HeadstartError, StorageError, first_line
from headstart.storage.files import check_regular

KEPT = 1 << 27
"""Bytes of blocks that are kept for the next row; the last two are kept anyhow."""
OPEN_A_PART, OTHERS_OPEN = 3, 256
"""Files that are open for one part, at the most, and for all else."""
DAMAGE = (
    pa.ArrowException,
    OSError,
    ValueError,
    OverflowError,
    LookupError,
    UnicodeDecodeError,
    struct.error,
)
"""What pyarrow raises at a file that is damaged, or of a kind that it does not read."""


@dataclass(frozen=True)
class Block:
    """Rows that lie together: the number of the first, and the columns that were asked for."""

    start: int
    table: pa.Table | pa.RecordBatch

    def cell(self, column: str, row: int) -> pa.Scalar:
        """A cell, by the row's number in the file."""
        return self.table.column(column)[row - self.start]


class Recent:
    """The blocks that were read last, for several threads.

    One thread reads at a time; who wants the same block waits for it instead of reading it, too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, pa.Table | pa.RecordBatch] = OrderedDict()

    def get(self, number: int, read: Callable[[], pa.Table | pa.RecordBatch]) -> Any:
        """The block of a number; read if it is not there."""
        with self._lock:
            block = self._kept.pop(number, None)
            self._kept[number] = block = read() if block is None else block
            while len(self._kept) > 2 and sum(one.nbytes for one in self._kept.values()) > KEPT:
                self._kept.popitem(last=False)
            return block


class Part(Protocol):
    """One file. Making it reads its footer or its batches' sizes, and no content.

    Attributes:
        path: of the file.
        schema: its columns; texts and bytes may stand in dictionaries.
        rows: how many there are.
    """

    path: Path
    schema: pa.Schema
    rows: int

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows of some columns, in order, some at a time.

        Raises:
            DatasetError: the file is damaged.
        """
        ...

    def block(self, row: int, columns: Sequence[str]) -> Block:
        """Rows among which one is; always asked for the same columns. From any thread.

        Raises:
            DatasetError: the file is damaged.
        """
        ...


def make_room(files: int) -> None:
    """See that so many files can be open at once, as all parts of a dataset are.

    Raises:
        DatasetError: the system does not let this process open as many.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OTHERS_OPEN + OPEN_A_PART * files
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise DatasetError(
            f"{files:,} files, of which this process may have {hard // OPEN_A_PART:,} open",
            hint="Join some of them, or allow more with `ulimit -n`.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors of pyarrow become ours.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        check_regular(path)
        yield
    except HeadstartError as error:
        if isinstance(error, StorageError):
            raise DatasetError(error.message, hint=error.hint) from error
        raise
    except FileNotFoundError:
        raise DatasetError(f"no file {path}", hint="Check the path.") from None
    except DAMAGE as error:
        raise DatasetError(
            f"{path} is not a readable Parquet or Arrow file ({first_line(error)})",
            hint="Save it again, such as with df.to_parquet(…).",
        ) from error


def checked_names(schema: pa.Schema) -> pa.Schema:
    """A schema, of which the names of the columns were found to be texts.

    Raises:
        UnicodeDecodeError: one is none.
    """
    list(schema.names)
    return schema
