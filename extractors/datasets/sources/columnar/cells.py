"""The cells of columns as raw content: bytes, texts, arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.columnar.declared import is_list
from headstart.extractors.datasets.sources.tables.columns import OR_SKIP

FILLED = f"Fill it in or remove the row, {OR_SKIP}."


def bytes_in(cell: pa.Scalar, column: str, where: str) -> bytes | str:
    """The bytes in a cell; of a struct without any, the path of the file that holds them.

    Raises:
        DatasetError: there are none.
    """
    value = cell.as_py()
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if not value:
        raise DatasetError(f"{where}: no {column}", hint=FILLED)
    return value


def array_in(cell: pa.Scalar, column: str, where: str) -> np.ndarray:
    """The numbers of a cell, as long and as deep as its lists.

    Raises:
        DatasetError: one is missing, or lists of one depth are of several lengths.
    """
    shape = _tensor_shape(cell.type)
    values = _values(cell)
    if values is None:
        raise DatasetError(f"{where}: no {column}", hint=FILLED)
    found = [len(values)]
    while is_list(values.type):
        lengths = values.value_lengths().unique() if len(values) else pa.array([0])
        if values.null_count or len(lengths) != 1:
            raise DatasetError(
                f"{where}: {column} holds lists of different lengths, which are no array",
                hint=f"Fill them up to one length, {OR_SKIP}.",
            )
        found.append(lengths[0].as_py())
        values = values.flatten()
    if values.null_count:
        raise DatasetError(f"{where}: a number in {column} is missing", hint=FILLED)
    return values.to_numpy(zero_copy_only=False).reshape(shape or found)


def _values(cell: pa.Scalar) -> pa.Array | None:
    """What the list in a cell holds; None where there is no list."""
    if isinstance(cell, pa.ExtensionScalar):
        inner: Any = cell.value
        return None if inner is None else _values(inner)
    return cell.values if cell.is_valid else None


def _tensor_shape(kind: pa.DataType) -> tuple[int, ...] | None:
    """The shape of a tensor of Arrow's own extension type, whose cells are flat lists."""
    if not isinstance(kind, pa.FixedShapeTensorType):
        return None
    order = kind.permutation
    if order is not None and list(order) != sorted(order):
        raise DatasetError(
            f"a column of tensors in the order {list(order)}", hint="Save them in C order."
        )
    return tuple(kind.shape)
