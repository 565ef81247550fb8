"""Data frames of pandas, polars, pyarrow and whatever else gives Arrow's stream."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.memory.items import PATH, kind_of_item, written
from headstart.extractors.datasets.memory.kept import Kept, named_type, refused
from headstart.extractors.datasets.memory.labels import WEIGHT, label_column, weights_of
from headstart.extractors.datasets.memory.named_by_rows import NamedFiles
from headstart.extractors.datasets.memory.pictures import is_picture
from headstart.extractors.datasets.memory.rows import write_batches
from headstart.extractors.datasets.options import WEIGHT_COLUMN
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.columnar.declared import is_file
from headstart.extractors.datasets.sources.columnar.roles import Roles
from headstart.storage.contents import Contents

LABEL = "label"
SPLIT = "split"


def is_frame(value: Any) -> bool:
    """Whether it gives a table by Arrow's PyCapsule interface, or a batch of one."""
    is_arrow = hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
    return is_arrow and hasattr(value, "columns")


def keep_frame(
    frame: Any, labels: Any, options: Options, contents: Contents, weights: Any = None
) -> Kept:
    """Write a frame; the paths in it are made absolute, and files that structs name are read.

    Args:
        frame: as `is_frame` knows it.
        labels: one for each row, if they are not a column of it.
        options: that say what is in which column, and outside of which `root` nothing is read.
        contents: where.
        weights: for how many samples each row counts, if that is no column of it.

    Raises:
        DatasetError: it cannot be told what a sample is, it cannot be kept, or a file that it
            names may not be read.
    """
    origin = f"a {named_type(frame)}"
    reader = read_frame(frame)
    extra = {} if labels is None else {LABEL: _labels(labels, frame)}
    if weights is not None:
        extra[WEIGHT] = pa.array(weights_of(weights, _rows_in(frame)))
        options = {**options, WEIGHT_COLUMN.name: WEIGHT}
    return keep_batches(reader.schema, iter(reader), options, contents, origin, extra)


def keep_batches(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    options: Options,
    contents: Contents,
    origin: str,
    extra: Mapping[str, pa.Array] | None = None,
    *,
    are_ours: bool = True,
) -> Kept:
    """Write batches as a source of columns.

    Args:
        schema: of the batches.
        batches: looked at once.
        options: that say what is in which column.
        contents: where.
        origin: what they are, in words.
        extra: columns that they lack.
        are_ours: see `NamedFiles`.
    """
    extra, place = extra or {}, Path(origin)
    for name, column in extra.items():
        if name in schema.names:
            raise refused(
                f"{'weights' if name == WEIGHT else 'labels'} besides {origin} that has a column "
                f"{name!r}",
                "Leave one of them out, or name the column with "
                f"{WEIGHT_COLUMN.name if name == WEIGHT else 'label_column'}=….",
            )
        schema = schema.append(pa.field(name, column.type))
    schema = _kept_schema(schema)
    given = {LABEL: None, **options, **({"label_column": LABEL} if LABEL in extra else {})}
    roles = Roles(place, schema, given, is_labelled=False)
    paths = [one.columns[0] for one in roles.values if one.kind == PATH]
    files = NamedFiles(origin, options, are_ours=are_ours)
    whole = _whole(schema, batches, extra, _changed(paths, files))
    path = contents.keep(lambda file: write_batches(file, whole), ".parquet")
    files.say_skipped()
    named = {"label_column": LABEL} if LABEL in extra else {}
    named |= {WEIGHT_COLUMN.name: WEIGHT} if WEIGHT in extra else {}
    return Kept("parquet", path, named, origin)


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
    return label_column(labels, _rows_in(frame))


def _rows_in(frame: Any) -> int:
    rows = getattr(frame, "num_rows", None)
    return len(frame) if rows is None else rows


def _kept_schema(schema: pa.Schema) -> pa.Schema:
    """Views of texts and bytes, also those in dictionaries, are kept as what they are views of."""
    for number, field in enumerate(schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string_view(kind):
            schema = schema.set(number, field.with_type(pa.large_string()))
        elif pa.types.is_binary_view(kind):
            schema = schema.set(number, field.with_type(pa.large_binary()))
    return schema


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(kind):
        values = column.dictionary.cast(kind)
        return pa.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
    return column.cast(kind)


def _whole(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    extra: Mapping[str, pa.Array],
    change: Callable[[str, pa.Array, int], pa.Array],
) -> Iterator[pa.RecordBatch]:
    """Batches with the columns that they lack, of the schema that is kept."""
    row = 0
    is_empty = True
    for batch in batches:
        is_empty = False
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays |= {name: column.slice(row, batch.num_rows) for name, column in extra.items()}
        cast = [change(one.name, _cast(arrays[one.name], one.type), row) for one in schema]
        row += batch.num_rows
        yield pa.record_batch(cast, schema=schema)
    if is_empty:
        yield pa.record_batch([pa.array([], one.type) for one in schema], schema=schema)


def _changed(paths: Collection[str], files: NamedFiles) -> Callable[[str, pa.Array, int], pa.Array]:
    """What is done with a column, by its name and the number of its first row."""

    def change(name: str, column: pa.Array, first: int) -> pa.Array:
        if name in paths:
            return files.placed(column, first)
        return files.filled(column, first) if is_file(column.type) else column

    return change
