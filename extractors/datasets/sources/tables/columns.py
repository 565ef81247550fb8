"""Which column of a table holds what, and what stands in its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from headstart.errors import DatasetError
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.tables.files import Row
from headstart.registry.names import nearest
from headstart.storage.samples import (
    BETWEEN,
    LEAST_SAMPLE_WEIGHT,
    MOST_SAMPLE_WEIGHT,
    is_weight,
)

TEXT_COLUMNS = ("text", "sentence", "content", "body", "review", "document", "comment")
SPLIT_COLUMNS = ("split",)
ID_COLUMNS = ("id",)
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
OR_SKIP = "or leave such rows out with --on-error skip"
LARGEST = float(np.finfo(np.float32).max)
UNLABELLED = "none"
"""The label column of a table without labels."""
UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?")
"""What pandas calls a column without a name that it has read."""
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name", "labels")


def find_label_column(source: Path | str, columns: Sequence[str], given: str | None) -> str | None:
    """The column of the labels, as `find_column` finds it; None if there are said to be none.

    Raises:
        DatasetError: the one that is given is not there.
    """
    if given == UNLABELLED and given not in columns:
        return None
    return find_column(source, columns, given, LABEL_COLUMNS)


NUMBERED = "none"
"""The column of ids of a table whose rows are called by their numbers."""


def is_numbered(columns: Sequence[str], given: str | None) -> bool:
    """Whether somebody said that rows are called by their numbers, in place of ids or paths, which
    may be repeated."""
    return given == NUMBERED and given not in columns


def label_columns(source: Path | str, columns: Sequence[str], given: str | None) -> tuple[str, ...]:
    """The columns of the labels: one, several with `+` between them, or none.

    Raises:
        DatasetError: one that is given is not there.
    """
    if given is None or given in columns or "+" not in given:
        found = find_label_column(source, columns, given)
        return () if found is None else (found,)
    return tuple(get_column(source, columns, part.strip()) for part in given.split("+"))


def other_delimiter(columns: Sequence[str], options: Options) -> str | None:
    """What is between the cells of a table that seems to have one column, as spreadsheets of many
    countries write semicolons; None where that one is meant."""
    if len(columns) != 1 or columns[0] in options.values():
        return None
    return next((sign for sign in (";", "\t") if sign in columns[0]), None)


def no_label_column(source: Path | str, columns: Sequence[str]) -> DatasetError:
    """The error of a table of which a column may be the label, or none."""
    return DatasetError(
        f"{source} has no label column; its columns are {', '.join(columns) or 'none'}",
        hint=f"Name it with --label-column; --label-column {UNLABELLED} if there are no labels.",
    )


def find_column(
    source: Path | str, columns: Sequence[str], given: str | None, usual: Sequence[str]
) -> str | None:
    """The column that is given, or the first of the usual names that is there, in any case.

    Raises:
        DatasetError: the one that is given is not there.
    """
    if given is not None and given not in columns:
        raise DatasetError(
            f"{source} has no column {given!r}; its columns are {', '.join(columns)}",
            hint=nearest(given, columns),
        )
    if given is not None:
        return given
    by_lower_case = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_lower_case[name] for name in usual if name in by_lower_case), None)


def get_column(source: Path | str, columns: Sequence[str], given: str) -> str:
    """The column that is given; see `find_column`."""
    return find_column(source, columns, given, ()) or given


def is_index(place: int, column: str) -> bool:
    """Whether a column is none that anybody named, such as the index that pandas writes in front.

    Args:
        place: from 1 on.
        column: its name.
    """
    return not column.strip() or (place == 1 and UNNAMED.fullmatch(column.strip()) is not None)


def named(place: int, column: str) -> str:
    """A column in words."""
    if not is_index(place, column):
        return f"column {column!r}"
    name = f"called {column.strip()!r}" if column.strip() else "which has no name"
    is_first = ": an index that a data frame was saved with" if place == 1 else ""
    return f"column {place}, {name}{is_first}"


def text_of(value: Any) -> str | None:
    """A cell as text; None where there is none."""
    return None if value is None else str(value)


def is_number(value: Any) -> bool:
    """Whether a cell holds a number."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def number_in(row: Row, column: str, where: str) -> float:
    """The number in a row's cell.

    Raises:
        DatasetError: it holds none, or one that is too large for a float32.
    """
    if not is_number(row.get(column)):
        raise DatasetError(
            f"{where}: {column} is {row.get(column)!r}, not a number",
            hint=f"Fix or remove the row, {OR_SKIP}.",
        )
    number = float(row[column])
    if LARGEST < abs(number) < math.inf:
        raise DatasetError(
            f"{where}: {column} is {row[column]!r}, more than a float32 holds ({LARGEST:.3g})",
            hint=f"Give it in another unit, or its logarithm; or remove the row, {OR_SKIP}.",
        )
    return number


def weight_in(row: Row, column: str, where: str) -> float:
    """For how many samples a row counts, as its cell says.

    Raises:
        DatasetError: it says no finite number above 0, or one that heads cannot compute with.
    """
    given: Any = row.get(column)
    is_python = isinstance(given, str) and ("_" in given or not given.isascii())  # as in 1_000
    weight = float(given) if is_number(given) and not is_python else None
    if not is_weight(weight):
        raise DatasetError(
            f"{where}: {column} is {given!r}, not a positive finite number",
            hint=f"Fix or remove the row, {OR_SKIP}.",
        )
    if not LEAST_SAMPLE_WEIGHT <= cast(float, weight) <= MOST_SAMPLE_WEIGHT:
        raise DatasetError(
            f"{where}: {column} is {given!r}, and weights are from {LEAST_SAMPLE_WEIGHT:g} to "
            f"{MOST_SAMPLE_WEIGHT:g}",
            hint=f"Fix or remove the row, {OR_SKIP}.",
        )
    return cast(float, weight)


def cell_in(row: Row, column: str, where: str) -> str:
    """The text in a row's cell.

    Raises:
        DatasetError: it is empty.
    """
    given = row.get(column)
    if isinstance(given, list | dict):
        raise DatasetError(
            f"{where}: {column} is {given!r}, not one text", hint=f"Fix the row, {OR_SKIP}."
        )
    value = (text_of(given) or "").strip()
    if not value:
        raise DatasetError(
            f"{where}: no {column}", hint=f"Fill it in or remove the row, {OR_SKIP}."
        )
    return value


def label_in(row: Row, columns: Sequence[str], where: str) -> str | None:
    """The label in a row's cell; of a list, or of several cells, the labels or numbers as
    `MultiLabel` and `Regression` read them, None if it is empty.

    Raises:
        DatasetError: there is none, or one of several is no text or number.
    """
    given = row.get(columns[0]) if len(columns) == 1 else [cell_in(row, c, where) for c in columns]
    if not isinstance(given, list):
        try:
            return cell_in(row, columns[0], where)
        except DatasetError as error:
            error.hint = (
                f"{str(error.hint).rstrip('.')}; --label-column {UNLABELLED} takes no labels."
            )
            raise
    return BETWEEN.join(_one_of(label, where) for label in given) or None


def _one_of(label: Any, where: str) -> str:
    text = str(label).strip() if isinstance(label, str | int | float) else None
    if not text or BETWEEN in text:
        what = (
            f"a label of several is {label!r}, not a text"
            if text is None
            else (
                f"the label {text!r} of several holds {BETWEEN!r}, which stands between labels"
                if text
                else "a label of several is empty"
            )
        )
        raise DatasetError(f"{where}: {what}", hint=f"Fix the row, {OR_SKIP}.")
    return text


BEHIND = {
    "values": ("text_column", "path_column"),
    "text_column": ("path_column",),
    "group_column": ("group_pattern",),
}
"""Options that another one leaves nothing to do."""


def idle_options(given: Options, *, is_far: bool) -> list[str]:
    """Options that were given and are not used, in words.

    Args:
        given: all of a table.
        is_far: whether it names files that lie elsewhere, or came from there.
    """
    names = {other for name in BEHIND if given.get(name) for other in BEHIND[name]}
    idle = [f"option {name}" for name in sorted(names) if given.get(name)]
    return [*idle, "option store_options"] if given.get("store_options") and not is_far else idle
