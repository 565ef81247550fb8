"""One file of columns: what Parquet and Arrow files have in common for their readers."""

from __future__ import annotations

import errno
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from headstart.errors import DatasetError, HeadstartError, SourceMissing, StorageError, first_line
from headstart.storage.files import check_regular

KEPT = 1 << 27
"""Bytes of blocks that are kept for the next row; the last two are kept anyhow."""
OPEN_A_PART, OTHERS_OPEN = 2, 256
"""Files that are open for one part (of Parquet; of Arrow one), and for all else."""
SPARE = 16
"""Of those, how many must be left, at the least."""
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


@contextmanager
def room_for(files: int) -> Iterator[None]:
    """Let so many files be open at once, as all parts of a dataset are, as far as the system does;
    they are opened inside.

    Raises:
        DatasetError: they cannot be, with some to spare for all else.
    """
    _raise_limit(OTHERS_OPEN + OPEN_A_PART * files)
    try:
        yield
        _check_spare()
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise _too_many(f"{files:,} files cannot be open at once") from error


def _raise_limit(needed: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        with suppress(ValueError, OSError):  # macOS allows less than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _check_spare() -> None:
    """See that what is read of the parts, and whatever else is at work, can open files, too.

    Raises:
        OSError: it cannot.
    """
    with ExitStack() as opened:
        for _ in range(SPARE):
            opened.enter_context(Path(os.devnull).open("rb"))


def _too_many(what: str) -> DatasetError:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(0, hard - OTHERS_OPEN) // OPEN_A_PART
    return DatasetError(
        f"{what}: this process may have {hard:,}, enough for about {most:,} of columns",
        hint="Join some of them, or allow more with `ulimit -n`.",
    )


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
        raise SourceMissing(f"no file {path}", hint="Check the path.") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            raise _too_many(f"{path} cannot be opened, too many files are") from error
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
