"""Parquet and Arrow files as datasets: pictures, sounds, texts, arrays and numbers in columns."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from headstart.errors import DatasetError, SampleChanged
from headstart.extractors.datasets.labels import rows_reader
from headstart.extractors.datasets.named_files import HINT, own_root_of
from headstart.extractors.datasets.places import Places, is_address, is_far
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.datasets.remote.several import base_of
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.source import (
    FETCHED,
    LIKELY,
    NO,
    Entry,
    Location,
    Option,
    Options,
)
from headstart.extractors.datasets.sources.columnar.arrow_file import ArrowPart
from headstart.extractors.datasets.sources.columnar.cells import array_in, bytes_in
from headstart.extractors.datasets.sources.columnar.expansion import Expansion
from headstart.extractors.datasets.sources.columnar.files import (
    PARQUET,
    Found,
    files_of,
    is_columnar,
    stamp_of,
)
from headstart.extractors.datasets.sources.columnar.parquet_file import ParquetPart
from headstart.extractors.datasets.sources.columnar.part import Part, room_for
from headstart.extractors.datasets.sources.columnar.roles import Roles
from headstart.extractors.datasets.sources.tables.columns import (
    OR_SKIP,
    cell_in,
    idle_options,
    number_in,
)
from headstart.extractors.datasets.sources.tables.values import TABLE_OPTIONS, Value
from headstart.extractors.datasets.split_rule import FOLDERS, ignores_own, is_unsettled
from headstart.notices import tell
from headstart.storage.keys import digest_of

IN_FOLDER = 0.75
"""Surer than that a folder is one of class folders."""
MISSING = f"Paths are relative to the file; fix or remove the row, {OR_SKIP}."

Cell = Callable[[str], pa.Scalar]
"""The cell of a row, by its column."""


@dataclass(frozen=True)
class _Row:
    """A row while it is looked at; `about` has what stands in the columns besides its content."""

    number: int
    where: str
    id: str
    split: str | None
    about: Mapping[str, Any]
    cell: Cell


class ColumnarSource:
    """Files of columns; see `DatasetSource`. A sample's location is its row's number, over all
    files; the path of its file where a row holds just that."""

    kind: ClassVar[str] = "parquet"
    what: ClassVar[str] = ".parquet, .arrow, .feather or a folder of them"
    options: ClassVar[tuple[Option, ...]] = TABLE_OPTIONS
    splits_may_move: ClassVar[bool] = True
    own_splits: ClassVar[tuple[str, ...]] = (FOLDERS,)

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.found: dict[str, Any] = {}
        self.skipped: list[str] = []
        self._path = Path(source)
        self._options = dict(options)
        self._root = own_root_of(source, options)
        self._names_far = False

    @staticmethod
    def recognise(source: str) -> float:
        path = Path(source)
        if not is_columnar(path):
            return NO
        return IN_FOLDER if path.is_dir() else LIKELY

    def stamp(self) -> tuple[int, ...]:
        if self._labelled.is_of_files:
            return ()  # they may change without the columns
        return stamp_of(self._found.files)

    def scan(self) -> Iterator[Entry]:
        self._take_index()
        self._take_label_rows()
        roles, skipping, found = self._labelled, Skipping(self._options), self._found
        self.skipped, stamp = skipping.skipped, stamp_of(found.files)
        if found.splits and not ignores_own(self._options):
            self._say(found)
            self.found["split"] = FOLDERS
        make = partial(self._entry, roles, stamp)
        for _, made in ahead(self._rows(roles), make, partial(_is_far, roles)):
            entry = skipping.of(made)
            if entry is not None:
                self._names_far |= is_far(entry.location)
                yield entry

    def digest(self, location: Location) -> str:
        if isinstance(location, str):
            return self._places.digest(location)
        return digest_of(self.read(location))

    def locations(self) -> Iterator[Location]:
        """The rows' numbers, also where every sample is just a file."""
        return iter(range(self._starts[-1]))

    def read(self, location: Location) -> Any:
        if isinstance(location, str):
            return self._places.read(location)
        place = bisect_right(self._starts, location) - 1
        if location < 0 or place >= len(self._parts):
            raise SampleChanged(f"row {location} is gone from {self.source}", hint=HINT)
        part, row = self._parts[place], location - self._starts[place]
        block = part.block(row, self._plain.content)
        where = f"{part.path}, row {row}"
        return self._content(self._plain, partial(block.cell, row=row), where)

    def unused(self) -> Sequence[str]:
        given = self._options
        idle = idle_options(given, is_far=self._names_far or FETCHED in given)
        return [*self._found.unused, *self._labelled.unused, *idle]

    def _rows(self, roles: Roles) -> Iterator[_Row]:
        """All rows, some at a time in memory; those of a split are numbered within it."""
        counts, held = Counter[str | None](), self._expansion
        for file, part, start in zip(self._found.files, self._parts, self._starts, strict=False):
            row = 0
            for batch in part.batches([*roles.content, *roles.about]):
                held.add(batch)
                about = [batch.column(name).to_pylist() for name in roles.about]
                for place in range(batch.num_rows):
                    id_ = f"{file.split}/{counts[file.split]}" if file.split else str(start + row)
                    yield _Row(
                        number=start + row,
                        where=f"{part.path}, row {row}",
                        id=id_,
                        split=file.split,
                        about=dict(zip(roles.about, (one[place] for one in about), strict=True)),
                        cell=partial(_cell, batch, place),
                    )
                    row, counts[file.split] = row + 1, counts[file.split] + 1

    def _entry(self, roles: Roles, stamp: tuple[int, ...], row: _Row) -> Entry:
        """A row as a sample: its content, or the file that it names."""
        location, stat, digest = row.number, stamp, None
        file = self._file(roles, row)
        if file is None:
            digest = digest_of(self._content(roles, row.cell, row.where))
        else:
            location, stat = file, self._places.stat(file, row.where)
        id_ = row.id
        if roles.id is not None:
            id_ = cell_in(row.about, roles.id, row.where)
        elif roles.is_of_files and not roles.is_numbered:
            id_ = str(row.cell(roles.content[0]).as_py())
        return Entry(
            id=id_,
            location=location,
            stat=stat,
            label=roles.label_of(row.about, row.where),
            split=roles.split_of(row.about, row.where) or row.split,
            group=roles.group_of(row.about, row.where),
            digest=digest,
            weight=roles.weight_of(row.about, row.where),
        )

    def _file(self, roles: Roles, row: _Row) -> str | None:
        """The place that a row's sample is; None where the content stands in the row.

        Raises:
            DatasetError: it may not be read.
        """
        if len(roles.values) > 1 or roles.values[0].kind not in ("path", "bytes"):
            return None
        (column,) = roles.values[0].columns
        if roles.values[0].kind == "path":
            name: Any = cell_in({column: row.cell(column).as_py()}, column, row.where)
        else:
            name = bytes_in(row.cell(column), column, row.where)
        if isinstance(name, bytes):
            return None
        return self._places.named(name, row.where)

    def _content(self, roles: Roles, cell: Cell, where: str) -> Any:
        contents = {value.name: self._value(value, cell, where) for value in roles.values}
        return contents.get(None, contents)

    def _value(self, value: Value, cell: Cell, where: str) -> Any:
        if value.kind == "number":
            row = {column: cell(column).as_py() for column in value.columns}
            return np.array([number_in(row, one, where) for one in value.columns], np.float32)
        (column,) = value.columns
        if value.kind == "array":
            return array_in(cell(column), column, where)
        if value.kind == "bytes":
            found = bytes_in(cell(column), column, where)
            return found if isinstance(found, bytes) else self._named(found, where)
        text = cell_in({column: cell(column).as_py()}, column, where)
        return text.encode() if value.kind == "text" else self._named(text, where)

    def _named(self, name: str, where: str) -> bytes:
        return self._places.read(self._places.named(name, where), where, MISSING)

    @cached_property
    def _places(self) -> Places:
        fetched = self._options.get(FETCHED)  # paths are relative to where the file was
        source = self.source if fetched is None else base_of(fetched["address"])
        return Places(source, self._options, self._folder)

    @property
    def _folder(self) -> Path:
        """That paths are relative to."""
        return self._path if self._path.is_dir() else self._path.parent

    def _say(self, found: Found) -> None:
        tell(f"{self.source}: {', '.join(found.splits)} are its splits")

    def _take_index(self) -> None:
        """The index of a data frame is what ids are, where it is of different texts."""
        roles = self._labelled
        if roles.id is not None or roles.is_numbered:
            return
        for name in roles.declared.text_index(roles.schema):
            texts = list(self._column(name))
            if name not in (*roles.content, *roles.about) and len(set(texts)) == len(texts):
                tell(f"{self.source}: the index {name!r} of the data frame is the samples' ids")
                self.found["id_column"] = self._options["id_column"] = name
                del self.__dict__["_labelled"]
                return

    def _take_label_rows(self) -> None:
        """Rows of zeros and ones are one-hot classes, or several labels."""
        roles = self._labelled
        if roles.label is None or not roles.has_rows:
            return
        rows = [row for row in self._column(roles.label) if row is not None]
        roles.read_rows, what = rows_reader(rows)
        if what and is_unsettled(self._options):
            tell(f"{self.source}: {roles.label} is read as {what}")

    def _column(self, name: str) -> Iterator[Any]:
        """The values of a column, over all files."""
        held = self._expansion
        for part in self._parts:
            for batch in part.batches([name]):
                held.add(batch)
                yield from batch.column(name).to_pylist()

    @property
    def _expansion(self) -> Expansion:
        return Expansion(self.source, [file.path for file in self._found.files])

    @cached_property
    def _found(self) -> Found:
        return files_of(self._path, self._root, self._options)

    @cached_property
    def _parts(self) -> list[Part]:
        with room_for(len(self._found.files)):
            made: list[Part] = [
                ParquetPart(one.path) if one.path.suffix.lower() in PARQUET else ArrowPart(one.path)
                for one in self._found.files
            ]
        first = made[0]
        for part in made[1:]:
            if odd := set(part.schema.names) ^ set(first.schema.names):
                raise DatasetError(
                    f"{part.path} and {first.path} have other columns: {', '.join(sorted(odd))}",
                    hint="Files of one dataset have the same columns.",
                )
        return made

    @cached_property
    def _starts(self) -> list[int]:
        """The number of the first row of each file, and how many there are."""
        return [0, *accumulate(part.rows for part in self._parts)]

    @cached_property
    def _labelled(self) -> Roles:
        return Roles(self._path, self._parts[0].schema, self._options)

    @cached_property
    def _plain(self) -> Roles:
        """The same, also where labels are missing."""
        return Roles(self._path, self._parts[0].schema, self._options, is_labelled=False)


def _cell(batch: pa.RecordBatch, place: int, column: str) -> pa.Scalar:
    return batch.column(column)[place]


def _is_far(roles: Roles, row: _Row) -> bool:
    """Whether a row's sample is what lies at an address."""
    first = roles.values[0]
    return first.kind == "path" and is_address(row.cell(first.columns[0]).as_py())
