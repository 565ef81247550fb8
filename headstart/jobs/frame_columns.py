"""Data frames of pandas, polars or pyarrow, as far as they hold samples; through Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.datasets.sources.tables.columns import (
    ID_COLUMNS,
    LABEL_COLUMNS,
    PATH_COLUMNS,
    SPLIT_COLUMNS,
    TEXT_COLUMNS,
    is_index,
)
from headstart.notices import warn


@dataclass(frozen=True)
class FrameColumns:
    """The samples of a frame.

    Attributes:
        kind: whether a value is a `path`, or the raw `value`: a text, bytes, or an array.
        values: a sample each.
        names: of the samples: the `id` column, or their places.
    """

    kind: Literal["path", "value"]
    values: Sequence[Any]
    names: Sequence[str]


def is_frame(given: Any) -> bool:
    """Whether it is a table with named columns that speaks Arrow's C interface."""
    named = hasattr(given, "columns") or hasattr(given, "column_names")
    return named and hasattr(given, "__arrow_c_stream__")


def columns_of(frame: Any, *, takes_texts: bool) -> FrameColumns:
    """The samples of a frame: its column of paths, pictures or texts, else its numbers.

    Args:
        frame: see `is_frame`.
        takes_texts: whether the only column of texts is one of texts, and not of paths.

    Raises:
        HeadError: no column can be a sample.

    Warns:
        HeadstartWarning: columns that are not used.
    """
    import pyarrow

    table = pyarrow.table(frame)
    aside = {*ID_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS, "group", "__index_level_0__"}
    columns = [name for name in table.column_names if name.lower() not in aside]
    names = _names(table)
    chosen = _find(columns, PATH_COLUMNS) or _find(columns, TEXT_COLUMNS)
    texts = [name for name in columns if _is_text(table.schema.field(name).type)]
    chosen = chosen or (texts[0] if len(texts) == 1 else None)
    if chosen is None:
        numbers = [name for name in columns if _is_number(table.schema.field(name).type)]
        numbers = [name for name in numbers if not is_index(columns.index(name) + 1, name)]
        _say_unused(columns, numbers)
        if not numbers:
            raise HeadError(
                f"no column of {', '.join(table.column_names) or 'none'} can be a sample",
                hint="Name one path, image or text, or give columns of numbers; frame['x'] alone "
                "does, too.",
            )
        rows = np.column_stack([table[name].to_numpy() for name in numbers])
        return FrameColumns("value", list(rows.astype(np.float32)), names)
    _say_unused(columns, [chosen])
    values = [_content(value) for value in table[chosen].to_pylist()]
    if None in values:
        raise HeadError(f"row {values.index(None)} of the frame has no {chosen}")
    is_path = isinstance(values[0] if values else "", str) and not (
        chosen.lower() in TEXT_COLUMNS or (takes_texts and chosen.lower() not in PATH_COLUMNS)
    )
    return FrameColumns("path" if is_path else "value", values, names)


def _names(table: Any) -> list[str]:
    column = _find(table.column_names, ID_COLUMNS)
    if column is None:
        return [f"[{row}]" for row in range(table.num_rows)]
    return [str(value) for value in table[column].to_pylist()]


def _find(columns: Sequence[str], usual: Sequence[str]) -> str | None:
    known = {name.strip().lower(): name for name in reversed(columns)}
    return next((known[name] for name in usual if name in known), None)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return any(is_of(kind) for is_of in (types.is_string, types.is_large_string)) or (
        str(kind) == "string_view"
    )


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def _content(value: Any) -> Any:
    """A cell: Hugging Face's pictures are an object with `bytes`, or the `path` of a file."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    return value.strip() or None if isinstance(value, str) else value


def _say_unused(columns: Sequence[str], used: Sequence[str]) -> None:
    if unused := [name for name in columns if name not in used]:
        warn(f"columns of the frame that are not used: {', '.join(unused)}")
