"""Which column of a schema holds what: the samples, their labels, splits, groups and ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.errors import DatasetError
from headstart.extractors.datasets.rows import checked_split, to_label
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.columnar.declared import (
    ARRAY,
    BYTES,
    NUMBER,
    TEXT,
    Declared,
    declared_in,
    holds,
)
from headstart.extractors.datasets.sources.tables.columns import (
    ID_COLUMNS,
    OR_SKIP,
    PATH_COLUMNS,
    SPLIT_COLUMNS,
    TEXT_COLUMNS,
    cell_in,
    find_column,
    get_column,
    is_numbered,
    label_columns,
    label_in,
    no_label_column,
    text_of,
    weight_in,
)
from headstart.extractors.datasets.sources.tables.files import Row
from headstart.extractors.datasets.sources.tables.values import (
    COLUMNAR_KINDS,
    Value,
    check_names,
    parse_value,
)
from headstart.extractors.datasets.split_rule import ignores_own
from headstart.storage.manifest import Label

BYTES_COLUMNS = ("image", "img", "picture", "photo", "audio", "sound", "bytes", "content", "file")
ARRAY_COLUMNS = ("x", "features", "array", "data", "pixels", "embedding", "vector")
HELD = {"path": (TEXT,), "text": (TEXT,), "number": (NUMBER,), "bytes": (BYTES,), "array": (ARRAY,)}
"""What the columns of each kind of value hold."""


class Roles:
    """What is taken from which column.

    Attributes:
        values: what a sample is.
        labels: columns; several where each holds a label, or a number, of several.
        id, split, group, weight: columns; None where there is none.
        is_numbered: whether rows are called by their numbers, whatever columns there are.
        declared: what the schema says besides types.
        read_rows: what reads labels that are rows of numbers; set once it is known what they are.

    Args:
        source: for messages.
        schema: of the files.
        options: which columns hold what; see `dataset add`.
        is_labelled: whether it has to be clear what the labels are, or that there are none.

    Raises:
        DatasetError: there are no columns for what is needed.
    """

    def __init__(
        self, source: Path, schema: pa.Schema, options: Options, *, is_labelled: bool = True
    ) -> None:
        self._source, self.schema = source, schema
        self._names = list(schema.names)
        self._check_names()
        self.declared: Declared = declared_in(schema)
        self.labels = self._label_columns(options)
        given = options.get("id_column")
        self.is_numbered = is_numbered(self._names, given)
        self.id = None if self.is_numbered else self._find(given, ID_COLUMNS)
        said = self._find(options.get("split_column"), SPLIT_COLUMNS)
        self.split, self._idle = (None, said) if ignores_own(options) else (said, None)
        self.group = self._find(options.get("group_column"), ())
        self.weight = self._find(options.get("weight_column"), ())
        self.read_rows: Callable[[Any, str], Label | None] | None = None
        self.values = self._choose_values(options)
        if is_labelled and not self.labels and options.get("label_column") is None:
            self._check_unlabelled(options)

    @property
    def label(self) -> str | None:
        """The column of the labels; None where there is none, or several are."""
        return self.labels[0] if len(self.labels) == 1 else None

    @property
    def has_rows(self) -> bool:
        """Whether labels are rows of numbers of one length, such as zeros and ones."""
        kind = None if self.label is None else self.schema.field(self.label).type
        return kind is not None and pa.types.is_fixed_size_list(kind) and holds(kind) == ARRAY

    @property
    def is_of_files(self) -> bool:
        """Whether every sample is just a file that a row names."""
        return len(self.values) == 1 and self.values[0].kind == "path"

    @property
    def content(self) -> list[str]:
        """The columns that samples are made of, each once."""
        return list(dict.fromkeys(name for value in self.values for name in value.columns))

    @property
    def about(self) -> list[str]:
        """The columns that say something of samples."""
        named = (*self.labels, self.id, self.split, self.group, self.weight)
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def unused(self) -> list[str]:
        """Columns that nothing is taken from, in words."""
        used = {*self.content, *self.about}
        index = self.declared.index
        why = dict.fromkeys(index, ": an index that a data frame was saved with")
        return [f"column {name!r}{why.get(name, '')}" for name in self._names if name not in used]

    def label_of(self, row: Row, where: str) -> Label | None:
        """The label of a row: a name where the column declares names.

        Raises:
            DatasetError: there is none, or no such name.
        """
        if self.label is None:
            values = [self._one_of_several(row, name, where) for name in self.labels]
            return label_in({"": values}, ("",), where) if values else None
        value, names = row[self.label], self.declared.names.get(self.label)
        if self.read_rows is not None and value is not None:
            return self.read_rows(value, where)
        if isinstance(value, list):
            labels = [self._named(one, self.label, where) for one in value] if names else value
            return label_in({self.label: labels}, (self.label,), where)
        if value is None or value == "":
            raise _missing(self.label, where)
        return self._named(value, self.label, where) if names else to_label(value, where)

    def split_of(self, row: Row, where: str) -> str | None:
        """The split that a row says."""
        if self.split is None:
            return None
        value, names = row[self.split], self.declared.names.get(self.split)
        if names and value is not None:
            value = self._named(value, self.split, where)
        return checked_split(text_of(value), where)

    def group_of(self, row: Row, where: str) -> str | None:
        """What a row belongs to."""
        return cell_in(row, self.group, where) if self.group else None

    def weight_of(self, row: Row, where: str) -> float | None:
        """For how many samples a row counts."""
        return weight_in(row, self.weight, where) if self.weight else None

    def _one_of_several(self, row: Row, column: str, where: str) -> Label:
        """What stands in one of several columns of labels; numbers with all their digits, as they
        are in rows of numbers."""
        value = row[column]
        if value is None or value == "":
            raise _missing(column, where)
        value = self._named(value, column, where)
        plain = to_label(value, f"{where}, {column}")
        return repr(value) if isinstance(value, float) else plain

    def _named(self, value: Any, column: str, where: str) -> Any:
        names = self.declared.names.get(column)
        if names is None or isinstance(value, str):
            return value
        if not isinstance(value, int) or not 0 <= value < len(names):
            raise DatasetError(
                f"{where}: {column} is {value!r}, of {len(names):,} names"
                f"{' (-1 says that it is not known)' if value == -1 else ''}",
                hint=f"Fix or remove the row, {OR_SKIP}.",
            )
        return names[value]

    def _check_names(self) -> None:
        twice = sorted(name for name, count in Counter(self._names).items() if count > 1)
        if twice:
            raise DatasetError(
                f"{self._source}: the column {twice[0]!r} occurs twice",
                hint="Give each column a name of its own.",
            )

    def _find(self, given: str | None, usual: Sequence[str]) -> str | None:
        return find_column(self._source, self._names, given, usual)

    def _label_columns(self, options: Options) -> tuple[str, ...]:
        """Those that are given, or one called so; else the only one that declares names of
        classes."""
        given = options.get("label_column")
        found = label_columns(self._source, self._names, given)
        if found or given is not None:
            return found
        classes = [name for name in self.declared.names if name not in SPLIT_COLUMNS]
        return tuple(classes) if len(classes) == 1 else ()

    def _check_unlabelled(self, options: Options) -> None:
        """See that no column is there that may be the label, and has another name."""
        used = {*self.content, *self.about, self._idle, *self.declared.index}
        is_guess = self.values[0].kind == "number" and not options.get("values")
        if is_guess or any(name not in used for name in self._names):
            raise no_label_column(self._source, self._names)

    def _choose_values(self, options: Options) -> list[Value]:
        if options.get("values"):
            values = [parse_value(text, COLUMNAR_KINDS) for text in options["values"]]
            for value in values:
                self._check_value(value)
            check_names(values)
            return values
        for option, kind in (("text_column", "text"), ("path_column", "path")):
            if options.get(option):
                column = get_column(self._source, self._names, options[option])
                return [self._check_value(Value(kind, (column,)))]
        return [self._usual_value()]

    def _usual_value(self) -> Value:
        """What a sample is, by types and usual names.

        Raises:
            DatasetError: it cannot be told.
        """
        taken = {*self.about, self._idle, *self.declared.index}
        others = [name for name in self._names if name not in taken]
        held = {name: holds(self.schema.field(name).type) for name in others}
        by_kind = {
            kind: [name for name in others if held[name] == kind]
            for kind in (BYTES, TEXT, ARRAY, NUMBER)
        }
        media = [name for name in self.declared.media if held.get(name) == BYTES]
        for kind, columns, usual in (
            ("bytes", media or by_kind[BYTES], BYTES_COLUMNS),
            ("path", by_kind[TEXT], PATH_COLUMNS),
            ("text", by_kind[TEXT], TEXT_COLUMNS),
            ("array", by_kind[ARRAY], ARRAY_COLUMNS),
        ):
            named = find_column(self._source, columns, None, usual)
            if named is None and len(columns) == 1 and kind in ("bytes", "array"):
                named = columns[0]
            if named is not None:
                return Value(kind, (named,))
        if by_kind[NUMBER] and by_kind[NUMBER] == others:
            return Value("number", tuple(others))
        raise self._unknown()

    def _check_value(self, value: Value) -> Value:
        for column in value.columns:
            get_column(self._source, self._names, column)
            kind = self.schema.field(column).type
            if holds(kind) not in HELD[value.kind]:
                raise DatasetError(
                    f"{self._source}: the column {column!r} is {kind}, not {value.kind}",
                    hint="A value is path, text, number, bytes or array, as its column is.",
                )
        return value

    def _unknown(self) -> DatasetError:
        columns = ", ".join(f"{one.name} ({one.type})" for one in self.schema)
        return DatasetError(
            f"it cannot be determined what a sample of {self._source} is; its columns are "
            f"{columns[:500] or 'none'}",
            hint="Say it with --value bytes:COLUMN, path:COLUMN, text:COLUMN, array:COLUMN or "
            "number:COLUMN+COLUMN.",
        )


def _missing(column: str, where: str) -> DatasetError:
    return DatasetError(f"{where}: no {column}", hint=f"Fill it in or remove the row, {OR_SKIP}.")
