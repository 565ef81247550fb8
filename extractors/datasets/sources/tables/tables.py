"""Tables: CSV, TSV and JSON Lines with paths, texts or numbers in their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headstart.errors import DatasetError
from headstart.extractors.datasets.places import Places, is_address, is_far, suffix_of
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.datasets.rows import Skipping, checked_split
from headstart.extractors.datasets.source import LIKELY, NO, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.tables.columns import (
    ID_COLUMNS,
    PATH_COLUMNS,
    SPLIT_COLUMNS,
    TEXT_COLUMNS,
    cell_in,
    find_column,
    get_column,
    idle_options,
    is_index,
    is_number,
    is_numbered,
    label_columns,
    label_in,
    named,
    no_label_column,
    number_in,
    other_delimiter,
    text_of,
    weight_in,
)
from headstart.extractors.datasets.sources.tables.files import Placed, Row, TableFile
from headstart.extractors.datasets.sources.tables.values import (
    TABLE_OPTIONS,
    Value,
    check_names,
    parse_value,
)
from headstart.extractors.datasets.split_rule import ignores_own, is_before
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Label

TABLE_SUFFIXES = {".csv", ".tsv", ".jsonl"}
LOOKED_AT = 100
"""Rows by which it is told which columns hold numbers."""


@dataclass(frozen=True)
class TableRow:
    """A row of a table."""

    number: int
    where: str
    id: str
    label: Label | None
    split: str | None
    content: Row
    group: str | None = None
    weight: float | None = None


class Table:
    """A table file: its rows, and what each sample takes from its row.

    Args:
        source: the file, or its address.
        options: which columns hold what; see `dataset add`.
        content: what lies at the address.
        is_labelled: whether it has to be clear what its labels are, or that it has none.

    Raises:
        DatasetError: it cannot be read, or has no columns for what is needed.
    """

    def __init__(
        self,
        source: Path | str,
        options: Options,
        content: bytes | None = None,
        *,
        is_labelled: bool = True,
    ) -> None:
        self.source = source
        self._places = Places(str(source), options)
        self._file = TableFile(source, content)
        if (other := other_delimiter(self._file.columns, options)) is not None:
            self._file = TableFile(source, content, other)
        self.columns = columns = list(self._file.columns)
        self._labels = label_columns(source, columns, options.get("label_column"))
        given = options.get("id_column")
        self._is_numbered = is_numbered(columns, given)
        self._id = None if self._is_numbered else find_column(source, columns, given, ID_COLUMNS)
        said = find_column(source, columns, options.get("split_column"), SPLIT_COLUMNS)
        self._split, self._idle = (None, said) if ignores_own(options) else (said, None)
        self._group = find_column(source, columns, options.get("group_column"), ())
        self._weight = find_column(source, columns, options.get("weight_column"), ())
        self.values = self._choose_values(columns, options)
        if is_labelled and not self._labels and options.get("label_column") is None:
            self._check_unlabelled(options)

    @property
    def label_column(self) -> str | None:
        """Where the labels are, or the first of them; None if there are none."""
        return next(iter(self._labels), None)

    @property
    def is_of_files(self) -> bool:
        """Whether every sample is just a file."""
        return len(self.values) == 1 and self.values[0].kind == "path"

    @property
    def names_files(self) -> bool:
        """Whether what a sample is may change without the table."""
        return any(value.kind == "path" for value in self.values)

    def __len__(self) -> int:
        return len(self._file)

    def rows(self) -> Iterator[Placed]:
        """All rows, one after the other."""
        return self._file.rows()

    def read(self, number: int, placed: Placed) -> TableRow:
        """A row with what its roles hold.

        Raises:
            DatasetError: a cell is empty that may not be, or names no split.
        """
        where, row = placed
        if self._id:
            id_ = cell_in(row, self._id, where)
        elif self.is_of_files and not self._is_numbered:
            id_ = cell_in(row, self.values[0].columns[0], where)
        else:
            id_ = str(number)
        return TableRow(
            number=number,
            where=where,
            id=id_,
            label=label_in(row, self._labels, where) if self._labels else None,
            split=checked_split(text_of(row.get(self._split)), where) if self._split else None,
            content=row,
            group=cell_in(row, self._group, where) if self._group else None,
            weight=weight_in(row, self._weight, where) if self._weight else None,
        )

    def place(self, row: TableRow) -> str:
        """The file of a row of a table of files, or its address; nothing is looked at.

        Raises:
            DatasetError: it names none, or one that may not be read.
        """
        return self._places.named(
            cell_in(row.content, self.values[0].columns[0], row.where), row.where
        )

    def stat(self, row: TableRow) -> tuple[int, ...]:
        """By what the change of a row's file is seen.

        Raises:
            DatasetError: it is not there, or lies outside of the root.
        """
        return self._places.stat(self.place(row), row.where)

    def is_far(self, numbered: tuple[int, Placed]) -> bool:
        """Whether a row names what lies far, as far as that can be told without a look."""
        path = next((value for value in self.values if value.kind == "path"), None)
        if path is None:
            return False
        return is_address(str(self.source)) or is_address(numbered[1][1].get(path.columns[0]))

    def raw(self, number: int) -> Any:
        """The raw content of a row: bytes, an array, or those by name.

        Raises:
            SampleChanged: there is no such row, or its file is gone.
            SampleUnreadable: its file cannot be read.
        """
        return self.content(self._file.row(number))

    def content(self, placed: Placed) -> Any:
        """As `raw`, of a row that is at hand."""
        where, row = placed
        contents = {value.name: self._content(value, row, where) for value in self.values}
        return contents.get(None, contents)

    def unused(self) -> list[str]:
        """Columns that nothing is taken from, and cells that stand below no column."""
        used = {column for value in self.values for column in value.columns}
        used |= {column for column in self._roles if column is not None}
        found = [
            named(place, column)
            for place, column in enumerate(self.columns, start=1)
            if column not in used
        ]
        doubled = [name for name, count in Counter(self.columns).items() if count > 1]
        found += [f"all but the last column {name!r}" for name in doubled]
        longer = self._file.longer
        return [*found, *([f"cells behind the last column ({longer})"] if longer else [])]

    def _check_unlabelled(self, options: Options) -> None:
        """See that no column is there that may be the label, and has another name."""
        used = {column for value in self.values for column in value.columns} | {*self._roles}
        others = [c for n, c in enumerate(self.columns, 1) if c not in used and not is_index(n, c)]
        is_guess = self.values[0].kind == "number" and not options.get("values")
        if others or is_guess:
            raise no_label_column(self.source, self.columns)

    @property
    def _roles(self) -> tuple[str | None, ...]:
        return (*self._labels, self._id, self._split, self._group, self._weight)

    def _content(self, value: Value, row: Row, where: str) -> Any:
        if value.kind == "number":
            return np.array([number_in(row, column, where) for column in value.columns], np.float32)
        cell = cell_in(row, value.columns[0], where)
        if value.kind == "text":
            return cell.encode()
        hint = "Paths are relative to the table; fix or remove the row."
        return self._places.read(self._places.named(cell, where), where, hint)

    def _choose_values(self, columns: list[str], options: Options) -> list[Value]:
        if not columns:
            raise no_label_column(self.source, columns)
        if options.get("values"):
            values = [parse_value(text) for text in options["values"]]
            for value in values:
                for column in value.columns:
                    find_column(self.source, columns, column, ())
            check_names(values)
            return values
        if options.get("text_column"):
            return [Value("text", (get_column(self.source, columns, options["text_column"]),))]
        path = find_column(self.source, columns, options.get("path_column"), PATH_COLUMNS)
        if path is not None:
            return [Value("path", (path,))]
        text = find_column(self.source, columns, None, TEXT_COLUMNS)
        if text is not None:
            return [Value("text", (text,))]
        return [Value("number", self._choose_numbers(columns, options))]

    def _choose_numbers(self, columns: list[str], options: Options) -> tuple[str, ...]:
        """All columns that say nothing else of a sample, of a table without paths and texts.

        Raises:
            DatasetError: not all of them hold numbers.
        """
        others = [
            column
            for place, column in enumerate(columns, start=1)
            if column not in (*self._roles, self._idle)
            and (is_before(options) or not is_index(place, column))
        ]
        some = [row for _, row in self._file.first(LOOKED_AT)]
        if not some:
            raise DatasetError(f"{self.source} lists no samples")
        numbers = [c for c in others if some and all(is_number(row.get(c)) for row in some)]
        if numbers and numbers == others:
            return tuple(numbers)
        self._check_numbers(others)
        texts = [column for column in others if column not in numbers]
        if numbers and 2 * len(texts) <= len(numbers):
            raise DatasetError(
                f"{self.source} has no path or text column, and {', '.join(texts)} "
                f"hold{'s' if len(texts) == 1 else ''} no numbers, as the other columns do",
                hint="Say what it is, such as --group-column or --id-column, or what a sample is "
                "with --value number:COLUMN+COLUMN, which leaves it out.",
            )
        raise DatasetError(
            f"{self.source} has no path or text column; its columns are "
            f"{', '.join(columns) or 'none'}",
            hint="Name it with --path-column or --text-column, or say what a sample is with "
            "--value number:COLUMN+COLUMN.",
        )

    def _check_numbers(self, columns: Sequence[str]) -> None:
        """See that a table of numbers was not taken for none because of a cell or two.

        Raises:
            DatasetError: all cells of its first rows are numbers, but for one in twenty at most.
        """
        some = self._file.first(LOOKED_AT)
        cells = [(where, name, row.get(name)) for where, row in some for name in columns]
        bad = [one for one in cells if not is_number(one[2])]
        if bad and len(bad) <= max(1, len(cells) // 20) and len(cells) > 2 * len(bad):
            where, name, cell = bad[0]
            pointed = str(cell or "").replace(",", ".")
            raise DatasetError(
                f"{where}: column {name!r} holds {str(cell or '')[:80]!r}, and numbers elsewhere",
                hint=f"Write numbers with a point: {pointed}."
                if is_number(pointed)
                else "Fix the cell, or take the row out.",
            )


class TableSource:
    """A table; see `DatasetSource`. A sample's location is the path of its file if it is just that,
    else the row's number."""

    kind: ClassVar[str] = "csv"
    what: ClassVar[str] = ".csv, .tsv, .jsonl"
    options: ClassVar[tuple[Option, ...]] = TABLE_OPTIONS
    splits_may_move: ClassVar[bool] = True
    takes_addresses: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.skipped: list[str] = []
        self._options = options
        self._places = Places(source, options)
        self._is_far = is_address(source)

    @staticmethod
    def recognise(source: str) -> float:
        return LIKELY if suffix_of(source) in TABLE_SUFFIXES else NO

    def stamp(self) -> tuple[int, ...]:
        if self._is_far or self._table.names_files:
            return ()  # the table may be the same, and a file that it names another
        return self._places.stat_of_table()

    def scan(self) -> Iterator[Entry]:
        table, skipping = self._labelled, Skipping(self._options)
        self.skipped = skipping.skipped
        found = () if table.is_of_files else self._places.stat_of_table()
        make = partial(_entry, table, found)
        for _, made in ahead(enumerate(table.rows()), make, table.is_far):
            entry = skipping.of(made)
            if entry is not None:
                self._is_far |= is_far(entry.location)
                yield entry

    def digest(self, location: Location) -> str:
        if isinstance(location, str):
            return self._places.digest(location)
        return digest_of(self.read(location))

    def locations(self) -> Iterator[Location]:
        """The rows' numbers, also where every sample is just a file."""
        return iter(range(len(self._table)))

    def read(self, location: Location) -> Any:
        if isinstance(location, str):
            return self._places.read(location)
        return self._table.raw(location)

    def unused(self) -> Sequence[str]:
        idle = idle_options(self._options, is_far=self._is_far)
        return [*self._labelled.unused(), *idle]

    @cached_property
    def _labelled(self) -> Table:
        return Table(self._path, self._options, self._content)

    @cached_property
    def _table(self) -> Table:
        """The same table, also where labels are missing."""
        return Table(self._path, self._options, self._content, is_labelled=False)

    @cached_property
    def _content(self) -> bytes | None:
        """Of a table that lies elsewhere, which is fetched once; of a file nothing."""
        return self._places.table()

    @property
    def _path(self) -> Path | str:
        return self.source if is_address(self.source) else Path(self.source)


def _entry(table: Table, found: tuple[int, ...], numbered: tuple[int, Placed]) -> Entry:
    """A row as a sample: of a table of files its file, else its content."""
    number, placed = numbered
    row = table.read(number, placed)
    if table.is_of_files:
        place = table.place(row)
        said = row.label, row.split, row.group, None, row.weight
        return Entry(row.id, place, table.stat(row), *said)
    digest = digest_of(table.content(placed))
    return Entry(row.id, number, found, row.label, row.split, row.group, digest, row.weight)
