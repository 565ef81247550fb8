"""What columns take once each value stands for itself.

A value that lies in a file once can be that of a million rows: in a dictionary, or as several views
of the same bytes. What a batch says of its size tells nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.columnar.declared import is_list
from headstart.extractors.datasets.sources.numpy_files import refuse_expanded
from headstart.storage.columns.buffers import are_there, numbers_in

VIEW = 4
"""Numbers of 32 bits in a view; the first is its length.
https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout"""


class Expansion:
    """Counts what the batches of some files hold.

    Args:
        source: for messages.
        paths: of the files.
    """

    def __init__(self, source: str, paths: Sequence[Path]) -> None:
        self._source = source
        self._packed = sum(path.stat().st_size for path in paths)
        self._size = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count another batch, before a cell of it becomes an object of Python.

        Raises:
            DatasetError: they hold far more than the files; see `refuse_expanded`. Or a column is
                of a type that is not read, or holds one.
        """
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                self._size += size_of(column)
            except Unread as error:
                raise DatasetError(
                    f"{self._source}: the column {name!r} is of the type {error}, "
                    "which is not read",
                    hint="Save it as a plain column of texts, numbers or lists.",
                ) from None
        refuse_expanded(self._size, self._packed, self._source)


class Unread(Exception):
    """A type of columns that are not read."""


def size_of(column: pa.Array) -> int:
    """Bytes of a column, about, with each value as often as it occurs.

    Raises:
        Unread: it is packed by runs, or of lists that may overlap; or what it holds is.
    """
    kind, types = column.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return size_of(cast(pa.ExtensionArray, column).storage)
    if (
        types.is_run_end_encoded(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
        or types.is_map(kind)
        or types.is_union(kind)
    ):
        raise Unread(str(kind)[:80])
    if types.is_struct(kind):
        return sum(map(size_of, cast(pa.StructArray, column).flatten()))
    if is_list(kind):
        return column.nbytes if _is_plain(kind) else size_of(cast(pa.ListArray, column).flatten())
    return column.nbytes if _is_plain(kind) else int(_lengths(column).sum())


def _is_plain(kind: pa.DataType) -> bool:
    """Whether every value lies there as often as it occurs."""
    types = pa.types
    if is_list(kind):
        return _is_plain(kind.value_type)
    is_view = types.is_string_view(kind) or types.is_binary_view(kind)
    return not (is_view or types.is_dictionary(kind) or types.is_struct(kind))


def _lengths(column: pa.Array) -> np.ndarray:
    """Bytes of each value of a dictionary or of views, int64."""
    if isinstance(column, pa.DictionaryArray):
        known = _lengths(column.dictionary)
        places = numbers_in(column.indices).astype(np.int64)
        return np.append(known, 0)[np.where(are_there(column.indices), places, len(known))]
    types, kind, count = pa.types, column.type, len(column)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        if not count:
            return np.zeros(0, np.int64)
        views = np.frombuffer(column.buffers()[1], np.int32, VIEW * (column.offset + count))
        return np.maximum(views[::VIEW][column.offset :], 0).astype(np.int64)
    is_long = types.is_large_binary(kind) or types.is_large_string(kind)
    if count <= 1 or not (is_long or types.is_binary(kind) or types.is_string(kind)):
        return np.full(count, -(-column.nbytes // max(1, count)), np.int64)
    width = np.int64 if is_long else np.int32
    ends = np.frombuffer(column.buffers()[1], width, column.offset + count + 1)
    return np.diff(ends[column.offset :].astype(np.int64))
