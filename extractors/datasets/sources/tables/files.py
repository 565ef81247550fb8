"""The rows of CSV, TSV and JSON Lines files, with where they stand, read one after the other.

Nothing of a file is kept but where each block of rows begins, so that a row can be had again.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from headstart.errors import DatasetError, SampleChanged, StorageError, first_line
from headstart.extractors.datasets.places import suffix_of
from headstart.extractors.datasets.rows import is_utf8
from headstart.storage.files import open_regular, stat_of

Row = Mapping[str, Any]
Placed = tuple[str, Row]
"""Where a row is, file and line, and the row."""
LARGEST_CELL = 1 << 28
csv.field_size_limit(LARGEST_CELL)
BLOCK = 256
"""Rows that are read together where one of them is wanted: mostly the next ones are wanted next."""
KEPT_BLOCKS = 16
"""Of those, how many are kept: several threads read at a time."""
UTF8 = "utf-8"
MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""In front of texts, as some programs write them, and in which encoding they are."""
LONGEST_MARK = 3
HINT = "Run `headstart dataset refresh`, then extract again."


class TableFile:
    """The rows of a CSV, TSV or JSON Lines file.

    Attributes:
        columns: their names, in order.

    Args:
        source: the file; for messages alone where there is `content`.
        content: its bytes, where it lies elsewhere.
        delimiter: between its cells; by the file's name without it.

    Raises:
        DatasetError: it cannot be read; JSON Lines are gone through to see which columns there are.
    """

    def __init__(
        self, source: Path | str, content: bytes | None = None, delimiter: str | None = None
    ) -> None:
        self.source = source
        self._content = content
        suffix = suffix_of(str(source))
        self._is_json = suffix == ".jsonl"
        self._delimiter = delimiter or ("\t" if suffix == ".tsv" else ",")
        self._known: _Index | None = None
        self._indexing = Lock()
        self._block = lru_cache(KEPT_BLOCKS)(self._read_block)
        self.columns: Sequence[str] = ()
        if self._is_json:
            self.columns = list(dict.fromkeys(name for _, row in self.rows() for name in row))
        else:
            with self._opened() as lines:
                self.columns = list(self._csv(lines).fieldnames or ())

    def __len__(self) -> int:
        return self._index.rows

    @property
    def longer(self) -> str | None:
        """Where the first row is that has more cells than there are columns, if there is one."""
        return self._index.longer

    def rows(self) -> Generator[Placed, None, None]:
        """All rows in order; none of them is kept.

        Raises:
            DatasetError: the file cannot be read, or a line is none of its kind.
        """
        starts, numbers, count, longer = array("q"), array("q"), 0, None
        with self._opened() as lines:
            rows = self._json(lines) if self._is_json else self._cells(lines)
            start = lines.place, lines.number
            for row in rows:
                if count % BLOCK == 0:
                    starts.append(start[0])
                    numbers.append(start[1])
                if longer is None and None in row[1]:
                    longer = row[0]
                count += 1
                yield row
                start = lines.place, lines.number
            self._known = _Index(starts, numbers, count, longer, lines.stat)

    def first(self, count: int) -> list[Placed]:
        """The first rows."""
        with closing(self.rows()) as rows:
            return list(islice(rows, count))

    def row(self, number: int) -> Placed:
        """A row by its number; from any thread.

        Raises:
            SampleChanged: there is no such row, or the file has changed since it was gone through.
        """
        if number >= len(self):
            raise SampleChanged(f"row {number} is gone from {self.source}", hint=HINT)
        return self._block(number // BLOCK)[number % BLOCK]

    @property
    def _index(self) -> _Index:
        with self._indexing:
            if self._known is None:
                for _ in self.rows():
                    pass
            assert self._known is not None
            return self._known

    def _read_block(self, number: int) -> list[Placed]:
        index = self._index
        with self._opened(index.starts[number], index.numbers[number]) as lines:
            if lines.stat != index.stat:
                raise SampleChanged(
                    f"{self.source} has changed since its rows were counted", hint=HINT
                )
            rows = self._json(lines) if self._is_json else self._cells(lines, self.columns)
            return list(islice(rows, BLOCK))

    def _opened(self, place: int = 0, number: int = 0) -> _Lines:
        return _Lines(self.source, self._content, place, number)

    def _csv(self, lines: _Lines, columns: Sequence[str] | None = None) -> csv.DictReader[str]:
        return csv.DictReader(lines, columns, delimiter=self._delimiter)

    def _cells(self, lines: _Lines, columns: Sequence[str] | None = None) -> Iterator[Placed]:
        """The rows of a CSV file; those behind its head, where the columns are not given."""
        reader = self._csv(lines, columns)
        _ = reader.fieldnames
        return ((f"{self.source}, line {lines.number}", row) for row in reader)

    def _json(self, lines: _Lines) -> Iterator[Placed]:
        for line in lines:
            if line.strip():
                where = f"{self.source}, line {lines.number}"
                yield where, _object_in(line, where)


@dataclass(frozen=True)
class _Index:
    """Where the rows of a file are.

    Attributes:
        starts: the byte at which each block of rows begins.
        numbers: the lines in front of each block.
        rows: how many there are.
        longer: see `TableFile.longer`.
        stat: of the file when it was gone through.
    """

    starts: array[int]
    numbers: array[int]
    rows: int
    longer: str | None
    stat: tuple[int, ...]


LONGEST = 1 << 26
"""Characters of a line."""


class _Lines:
    """The lines of an open file, from a place on; a context.

    Attributes:
        place: the byte behind the lines that were given out.
        number: how many lines lie in front of that.
        stat: of the file.

    Raises:
        DatasetError: at its end, for whatever failed meanwhile in reading a table.
    """

    def __init__(self, source: Path | str, content: bytes | None, place: int, number: int) -> None:
        self._source = source
        self._content = content
        self.place = place
        self.number = number
        self.stat: tuple[int, ...] = ()
        self._encoding = UTF8

    def __enter__(self) -> _Lines:
        try:
            if self._content is None:
                file = open_regular(Path(self._source))
                self.stat = stat_of(os.fstat(file.fileno()))
            else:
                file = BytesIO(self._content)
        except OSError as error:
            raise _translated(self._source, error) from error
        mark, self._encoding = _mark_of(file.read(LONGEST_MARK))
        self.place = max(self.place, mark)
        file.seek(self.place)
        self._text = TextIOWrapper(file, encoding=self._encoding, newline="")
        return self

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST + 1)
        if not line:
            raise StopIteration
        if len(line) > LONGEST:
            raise csv.Error(f"line {self.number + 1:,} has more than {LONGEST:,} characters")
        # As it was decoded strictly, these are the bytes that it was.
        is_plain = self._encoding == UTF8 and line.isascii()
        self.place += len(line) if is_plain else len(line.encode(self._encoding))
        self.number += 1
        return line

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._text.close()
        if isinstance(error, UnicodeDecodeError | csv.Error | OSError):
            raise _translated(self._source, error) from error


def _mark_of(start: bytes) -> tuple[int, str]:
    """The length of a mark at the beginning of a file, and the encoding behind it."""
    found = next((mark for mark in MARKS if start.startswith(mark)), b"")
    return len(found), MARKS.get(found, UTF8)


def _translated(source: Path | str, error: Exception) -> Exception:
    if isinstance(error, StorageError):
        return error
    if isinstance(error, OSError):
        return DatasetError(f"cannot read {source}: {error.strerror or error}")
    return DatasetError(
        f"{source} is not a readable CSV file ({first_line(error)})",
        hint="Save it as UTF-8, or UTF-16, with commas or semicolons.",
    )


def _object_in(line: str, where: str) -> Row:
    """The object that a line of JSON is.

    Raises:
        DatasetError: it is none.
    """
    try:
        row = json.loads(line)
    except RecursionError:
        raise DatasetError(f"{where}: nested too deeply to be read") from None
    except ValueError as error:  # besides what is no JSON, numbers of thousands of digits
        reason = getattr(error, "msg", None) or first_line(error)
        raise DatasetError(f"{where}: not JSON ({reason})") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: not a JSON object")
    if "\\u" in line and not is_utf8(json.dumps(row, ensure_ascii=False)):
        raise DatasetError(f"{where}: half a letter (a lone surrogate)", hint="Fix the row.")
    return row
