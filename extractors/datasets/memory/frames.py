"""Data frames of pandas, polars, pyarrow and whatever else gives Arrow's stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.memory.items import PATH, kind_of_item, written
from headstart.extractors.datasets.memory.kept import Kept, named_type, refused
from headstart.extractors.datasets.memory.pictures import is_picture
from headstart.extractors.datasets.memory.rows import write_batches
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.columnar.declared import is_file
from headstart.extractors.datasets.sources.columnar.roles import Roles
from headstart.storage.contents import Contents

LABEL = "label"
SPLIT = "split"


def is_frame(value: Any) -> bool:
    """Whether it gives a table by Arrow's PyCapsule interface, or a batch of one."""
    return hasattr(value, "columns") and (
        hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
    )


def keep_frame(frame: Any, labels: Any, options: Options, contents: Contents) -> Kept:
    """Write a frame; the paths in it are made absolute.

    Args:
        frame: as `is_frame` knows it.
        labels: one for each row, if they are not a column of it.
        options: that say what is in which column.
        contents: where.

    Raises:
        DatasetError: it cannot be told what a sample is, or it cannot be kept.
    """
    origin = f"a {named_type(frame)}"
    reader = read_frame(frame)
    extra = {} if labels is None else {LABEL: _labels(labels, frame)}
    return keep_batches(reader.schema, iter(reader), options, contents, origin, extra)


def keep_batches(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    options: Options,
    contents: Contents,
    origin: str,
    extra: Mapping[str, pa.Array] | None = None,
) -> Kept:
    """Write batches as a source of columns.

    Args:
        schema: of the batches.
        batches: looked at once.
        options: that say what is in which column.
        contents: where.
        origin: what they are, in words.
        extra: columns that they lack.
    """
    extra, place = extra or {}, Path(origin)
    for name, column in extra.items():
        if name in schema.names:
            raise refused(
                f"labels besides {origin} that has a column {name!r}",
                "Leave one of them out, or name the column with label_column=….",
            )
        schema = schema.append(pa.field(name, column.type))
    schema = _kept_schema(schema)
    given = {LABEL: None, **options, **({"label_column": LABEL} if LABEL in extra else {})}
    roles = Roles(place, schema, given, is_labelled=False)
    paths = [one.columns[0] for one in roles.values if one.kind == PATH]
    whole = _whole(schema, batches, extra, _absolute(paths))
    path = contents.keep(lambda file: write_batches(file, whole), ".parquet")
    return Kept("parquet", path, {"label_column": LABEL} if LABEL in extra else {}, origin)


def read_frame(frame: Any) -> pa.RecordBatchReader:
    """A frame as a stream of batches.

    Raises:
        DatasetError: a column of it has no form in Arrow.
    """
    try:
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(_plain_objects(frame))
        batch = pa.record_batch(frame)
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DatasetError(
            f"a {named_type(frame)} has a column that cannot be kept ({first_line(error)})",
            hint="Leave it out, or give pictures and paths as lists: add(name, list(df['image']), "
            "list(df['label'])).",
        ) from error


def _plain_objects(frame: Any) -> Any:
    """A pandas frame with its pictures and paths as bytes and texts."""
    if not hasattr(frame, "assign"):
        return frame
    others: dict[str, list[Any]] = {}
    for name in frame.columns:
        values = frame[name]
        first = next((one for one in values if one is not None), None) if _holds(values) else None
        if first is not None and (is_picture(first) or isinstance(first, Path)):
            kind = kind_of_item(first)
            others[name] = [written(one, kind, row) for row, one in enumerate(values)]
    return frame.assign(**others) if others else frame


def _holds(values: Any) -> bool:
    return str(getattr(values, "dtype", "")) == "object"


def _labels(labels: Any, frame: Any) -> pa.Array:
    from headstart.extractors.datasets.memory.labels import label_column

    rows = getattr(frame, "num_rows", None)
    return label_column(labels, len(frame) if rows is None else rows)


def _kept_schema(schema: pa.Schema) -> pa.Schema:
    """Views of texts and bytes are kept as what they are views of."""
    for number, field in enumerate(schema):
        if pa.types.is_string_view(field.type):
            schema = schema.set(number, field.with_type(pa.large_string()))
        elif pa.types.is_binary_view(field.type):
            schema = schema.set(number, field.with_type(pa.large_binary()))
    return schema


def _whole(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    extra: Mapping[str, pa.Array],
    change: Callable[[str, pa.Array], pa.Array],
) -> Iterator[pa.RecordBatch]:
    """Batches with the columns that they lack, of the schema that is kept."""
    row = 0
    is_empty = True
    for batch in batches:
        is_empty = False
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays |= {name: column.slice(row, batch.num_rows) for name, column in extra.items()}
        row += batch.num_rows
        cast = [change(one.name, arrays[one.name].cast(one.type)) for one in schema]
        yield pa.record_batch(cast, schema=schema)
    if is_empty:
        yield pa.record_batch([pa.array([], one.type) for one in schema], schema=schema)


def _absolute(paths: list[str]) -> Callable[[str, pa.Array], pa.Array]:
    """What makes the paths in columns absolute, as the file that holds them lies elsewhere; and
    puts files that structs only name into them."""

    def change(name: str, column: pa.Array) -> pa.Array:
        if name in paths:
            named = [None if one is None else _placed(one) for one in column.to_pylist()]
            return pa.array(named, column.type)
        if is_file(column.type) and pa.types.is_struct(column.type):
            return _filled(column)
        return column

    return change


def _filled(column: pa.Array) -> pa.Array:
    rows = column.to_pylist()
    if all(row is None or row["bytes"] is not None for row in rows):
        return column
    for row in rows:
        if row and row["bytes"] is None and row.get("path"):
            row["bytes"] = _content(Path(row["path"]).expanduser().absolute())
    return pa.array(rows, column.type)


def _content(path: Path) -> bytes:
    from headstart.extractors.datasets.named_files import read_named

    return read_named(path, None, hint="The data name it as a sample's file.")


def _placed(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path.strip() else path
