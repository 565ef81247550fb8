"""What the pages of a Parquet file say of themselves, which no footer can lie about.

Whoever unpacks a page takes the size from its header. So the headers of all pages of a column are
read, and what is packed between them is passed over.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, `PageHeader`;
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow.parquet as pq

KIND, UNPACKED, PACKED = 1, 2, 3
"""Fields of a header."""
DICTIONARY = 2
DATA = {0: 5, 3: 8}
"""Kinds of pages that hold values: the field of each, a struct that begins with how many."""
COUNT = 1
LARGEST, LAST_FIELD = (1 << 31) - 1, (1 << 15) - 1
"""Of what is no larger in a page; other readers would cut off the rest."""
FIRST_READ, LONGEST = 1 << 9, 1 << 24
"""Bytes of a header: it ends with the least and largest value, which may be long texts."""
DEEPEST = 8
"""Structs and lists within each other; a header has three."""
YES, NO, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
SHORT, NUMBER, LONG = 4, 5, 6


@dataclass(frozen=True)
class Pages:
    """What the pages of a column in a row group hold, all together.

    Attributes:
        size: bytes, once they are unpacked.
        values: how many, with those that are missing.
        dictionary: bytes of the dictionary; 0 if there is none.
    """

    size: int
    values: int
    dictionary: int


def pages_of(column: pq.ColumnChunkMetaData, file: IO[bytes]) -> Pages:
    """What the headers of a column's pages say.

    Raises:
        ValueError: a page has no header, or one that says what cannot be.
    """
    size = values = dictionary = 0
    for header in _headers(column, file):
        size += header[UNPACKED]
        values += _values(header)
        dictionary += header[UNPACKED] if header[KIND] == DICTIONARY else 0
    return Pages(size, values, dictionary)


def _values(header: dict[int, Any]) -> int:
    """How many there are in a page.

    Raises:
        ValueError: it does not say.
    """
    if header[KIND] not in DATA:
        return 0
    data = header.get(DATA[header[KIND]])
    return _checked(data.get(COUNT) if isinstance(data, dict) else None)


def _checked(number: Any) -> int:
    if not isinstance(number, int) or not 0 <= number <= LARGEST:
        raise ValueError("the header of a page says what cannot be")
    return number


def _headers(column: pq.ColumnChunkMetaData, file: IO[bytes]) -> Iterator[dict[int, Any]]:
    """The headers of pages up to that which holds the last value that the footer knows of: so far
    they are read by pyarrow, too."""
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < start:
        start = column.dictionary_page_offset
    end, values = start + column.total_compressed_size, 0
    while start < end and values < column.num_values:
        header, length = _header(file, start)
        yield header
        values += _values(header)
        start += length + header[PACKED]


def _header(file: IO[bytes], start: int) -> tuple[dict[int, Any], int]:
    """The header of the page that begins at a place, and its length."""
    length = FIRST_READ
    while True:
        file.seek(start)
        content = file.read(length)
        reader = _Compact(content)
        try:
            header = reader.struct()
        except IndexError:
            if len(content) < length or length >= LONGEST:
                raise ValueError("a page has no header") from None
            length *= 32
            continue
        for field in (KIND, UNPACKED, PACKED):
            _checked(header.get(field))
        return header, reader.place


class _Compact:
    """Reads a struct of Thrift's compact protocol: numbers, and structs of them; the rest is passed
    over. At the end of what is there it fails with an IndexError."""

    def __init__(self, content: bytes) -> None:
        self._content, self.place = content, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The fields of a struct by their numbers."""
        found: dict[int, Any] = {}
        field = 0
        while (head := self._byte()) != 0:
            field = field + (head >> 4) if head >> 4 else self._number()
            if not 0 < field <= LAST_FIELD:
                raise ValueError("the header of a page has a field that cannot be")
            value = self._value(head & 15, depth + 1)
            if value is not None:
                found[field] = value
        return found

    def _value(self, kind: int, depth: int) -> Any:
        """A number of 32 bits or a struct; None of all others, which are passed over."""
        if depth > DEEPEST:
            raise ValueError("the header of a page is nested too deeply")
        if kind == NUMBER:
            return self._number()
        if kind == STRUCT:
            return self.struct(depth)
        if kind in (SHORT, LONG):
            self._number()
        elif kind == BINARY:
            self._pass(self._unsigned())
        elif kind in (LIST, SET):
            self._pass_list(depth)
        elif kind in (BYTE, DOUBLE):
            self._pass(1 if kind == BYTE else 8)
        elif kind not in (YES, NO):
            raise ValueError("the header of a page holds what no such header does")
        return None

    def _pass_list(self, depth: int) -> None:
        head = self._byte()
        count, kind = head >> 4, head & 15
        for _ in range(self._unsigned() if count == 15 else count):
            if kind in (YES, NO):
                self._pass(1)
            else:
                self._value(kind, depth + 1)

    def _pass(self, count: int) -> None:
        self.place += count
        if self.place > len(self._content):
            raise IndexError

    def _byte(self) -> int:
        self._pass(1)
        return self._content[self.place - 1]

    def _unsigned(self) -> int:
        value = 0
        for bits in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << bits
            if byte < 0x80:
                return value
        raise ValueError("the header of a page holds a number that is none")

    def _number(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
