"""Samples one after the other are written to one file: into columns, or as arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.memory.items import (
    ARRAY,
    BYTES,
    COLUMN,
    TEXT,
    TYPE,
    array_of,
    kind_of_item,
    label_cell,
    leads_somewhere,
    written,
)
from headstart.extractors.datasets.memory.kept import Kept, refused
from headstart.extractors.datasets.memory.npz import write_npz
from headstart.extractors.datasets.options import WEIGHT_COLUMN
from headstart.storage.contents import Contents
from headstart.storage.samples import BETWEEN

GROUP_BYTES, GROUP_ROWS = 1 << 24, 4096
"""Of a row group: so much is in memory while it is written, and when a row of it is read."""
NONE = "none"
WEIGHT = "sample_weight"
"""The column, or array, of weights that were given beside samples."""


class Item(NamedTuple):
    """A sample with its label, and its split if one is said."""

    content: Any
    label: Any = None
    split: str | None = None


def keep_rows(
    items: Iterable[Item], contents: Contents, origin: str, weights: np.ndarray | None = None
) -> Kept:
    """Write samples that come one by one; only some are in memory at a time.

    Args:
        items: looked at once, from the first on.
        contents: where.
        origin: what they are, in words.
        weights: for how many samples each counts, (n,); None without.

    Raises:
        DatasetError: there are none, one is of another kind than the first, or all are texts that
            lead somewhere.
    """
    stream = iter(items)
    first = next(stream, None)
    if first is None:
        raise refused(f"{origin} without any sample", "Give some samples.")
    kind = kind_of_item(first.content)
    every = chain([first], stream)
    if kind == TEXT:
        every = _checked_texts(every, origin)
    if kind == ARRAY:
        return _weighed(_keep_arrays(every, contents, origin, weights), weights)
    has_split = first.split is not None

    def write(file: BinaryIO) -> None:
        write_batches(file, _with_weights(_batches(every, kind, has_split), weights))

    path = contents.keep(write, ".parquet")
    has_labels = "label" in pq.read_schema(path).names
    options = {} if has_labels else {"label_column": NONE}
    return _weighed(Kept("parquet", path, options, origin), weights)


def _weighed(kept: Kept, weights: np.ndarray | None) -> Kept:
    """With the option that names the column of weights, where there is one."""
    if weights is None:
        return kept
    return replace(kept, options={**kept.options, WEIGHT_COLUMN.name: WEIGHT})


def _with_weights(
    batches: Iterator[pa.RecordBatch], weights: np.ndarray | None
) -> Iterator[pa.RecordBatch]:
    """The same with a column of weights behind the others, where there are any."""
    start = 0
    for batch in batches:
        if weights is not None:
            own = pa.array(weights[start : start + batch.num_rows])
            batch = batch.append_column(WEIGHT, own)
        yield batch
        start += batch.num_rows


def _checked_texts(items: Iterable[Item], origin: str) -> Iterator[Item]:
    """The same, one by one.

    Raises:
        DatasetError: behind the last, where all of them lead somewhere: files are meant, surely.
    """
    first, count, are_places = None, 0, True
    for item in items:
        first, count = item.content if first is None else first, count + 1
        are_places = are_places and leads_somewhere(item.content)
        yield item
    if are_places:
        raise refused(
            f"{origin}: {count:,} texts that all are addresses or paths, such as {first!r}",
            "Give files as pathlib.Path, or addresses in the column 'path' of a frame; what is "
            "meant as a text in the column 'text'.",
        )


def write_batches(file: BinaryIO, batches: Iterator[pa.RecordBatch]) -> None:
    """Batches as a Parquet file of row groups that are read fast one by one.

    Raises:
        DatasetError: a column is of a type that Parquet does not know.
    """
    first = next(batches)
    try:
        schema = first.schema
        texts: Any = [one.name for one in schema if not pa.types.is_binary(one.type)]
        with pq.ParquetWriter(file, schema, use_dictionary=texts) as out:
            for batch in chain([first], batches):
                for part in _cut(batch):
                    out.write_batch(part.cast(schema) if part.schema != schema else part)
    except pa.ArrowException as error:
        raise DatasetError(
            f"a column cannot be kept ({first_line(error)})", hint="Leave it out, or convert it."
        ) from error


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    a_row = max(1, batch.nbytes // max(1, batch.num_rows))
    rows = max(1, min(GROUP_ROWS, GROUP_BYTES // a_row))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _batches(items: Iterable[Item], kind: str, has_split: bool) -> Iterator[pa.RecordBatch]:
    """Samples as batches; the first labels say of which type all are."""
    block: list[tuple[Any, Any, str | None]] = []
    size, schema = 0, None
    for number, item in enumerate(items):
        cell = written(item.content, kind, number)
        block.append((cell, label_cell(item.label, number), item.split))
        size += len(cell)
        if size >= GROUP_BYTES or len(block) >= GROUP_ROWS:
            schema = schema or _schema(kind, [label for _, label, _ in block], has_split)
            yield _batch(block, schema)
            block, size = [], 0
    if block:
        yield _batch(block, schema or _schema(kind, [label for _, label, _ in block], has_split))


def _schema(kind: str, labels: Sequence[Any], has_split: bool) -> pa.Schema:
    fields = [pa.field(COLUMN[kind], TYPE[kind])]
    known = [label for label in labels if label is not None]
    if known:
        fields.append(pa.field("label", _label_type(known)))
    if has_split:
        fields.append(pa.field("split", pa.string()))
    return pa.schema(fields)


def _label_type(labels: Sequence[Any]) -> pa.DataType:
    if any(isinstance(one, float) for one in labels):
        return pa.float64()
    if isinstance(labels[0], list):
        inner = next((one for each in labels for one in each), "")
        width = len(labels[0])
        if not isinstance(inner, str) and all(len(one) == width for one in labels):
            return pa.list_(pa.float64(), width)
        return pa.list_(pa.string() if isinstance(inner, str) else pa.int64())
    return pa.int64() if isinstance(labels[0], int) else pa.string()


def _batch(block: Sequence[tuple[Any, Any, str | None]], schema: pa.Schema) -> pa.RecordBatch:
    contents, labels, splits = (list(column) for column in zip(*block, strict=True))
    if "label" not in schema.names and any(label is not None for label in labels):
        raise refused("labels behind samples without any", "All samples have labels, or none has.")
    columns = {schema.names[0]: contents, "label": labels, "split": splits}
    try:
        arrays = [pa.array(columns[field.name], field.type) for field in schema]
    except (pa.ArrowException, TypeError, OverflowError) as error:
        kinds = sorted({type(one).__name__ for one in labels})
        raise refused(
            f"labels of several types: {', '.join(kinds)} ({first_line(error)})",
            "All labels are names, or all are numbers.",
        ) from None
    return pa.record_batch(arrays, schema=schema)


def _keep_arrays(
    items: Iterable[Item], contents: Contents, origin: str, weights: np.ndarray | None
) -> Kept:
    """Arrays of one shape, which lie in a temporary file until it is known how many they are."""
    labels: list[Any] = []
    splits: list[str | None] = []
    with tempfile.TemporaryFile() as spool:
        shape, kind = None, None
        for number, item in enumerate(items):
            array = array_of(item.content, number)
            shape, kind = shape if labels else array.shape, kind or array.dtype
            if array.shape != shape or array.dtype != kind:
                raise refused(
                    f"sample {number:,} of shape {array.shape} and type {array.dtype}, after "
                    f"others of {shape} and {kind}",
                    "Bring them to one shape, or give pictures of Pillow, which may differ.",
                )
            spool.write(np.ascontiguousarray(array).tobytes())
            labels.append(label_cell(item.label, number))
            splits.append(item.split)
        spool.flush()
        assert shape is not None and kind is not None
        members: dict[str, Any] = {}
        full = (len(labels), *shape)
        members["x"] = np.memmap(spool, kind, "r", 0, full) if spool.tell() else np.empty(full)
        if any(label is not None for label in labels):
            members["y"] = labels_array(labels)
        if splits[0] is not None:
            members["split"] = np.array(splits)
        if weights is not None:
            members[WEIGHT] = weights
        path = contents.keep(lambda file: write_npz(file, members), ".npz")
    return Kept("arrays", path, {}, origin)


def labels_array(labels: Sequence[Any]) -> np.ndarray:
    """Labels as an array that `.npz` holds.

    Raises:
        DatasetError: they are of different lengths, or one is missing.
    """
    kinds = sorted({type(label).__name__ for label in labels})
    if all(isinstance(one, list) and all(isinstance(n, str) for n in one) for one in labels):
        labels = [BETWEEN.join(one) or None for one in labels]
    try:
        is_mixed = "str" in kinds and len(kinds) > 1
        found = np.empty(0, object) if is_mixed else np.array(labels)
    except ValueError:
        found = np.empty(0, object)
    if found.dtype.kind not in "biufU" or any(label is None for label in labels):
        raise refused(
            f"labels of {', '.join(kinds)} that are no array",
            "Expected: one name or one number a sample; or rows of zeros and ones.",
        )
    return found


__all__ = ["BYTES", "Item", "keep_rows", "labels_array", "write_batches"]
