"""What a sample takes from a row of a table, as it is written: `[NAME=]KIND:COLUMN[+COLUMN…]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.errors import DatasetError
from headstart.extractors.datasets import options as known
from headstart.extractors.datasets.source import Option

VALUE_KINDS = ("path", "text", "number")
COLUMNAR_KINDS = (*VALUE_KINDS, "bytes", "array")
"""Of columns that have types: also what is in a file, and lists of numbers."""
VALUES = Option(
    "values",
    "What a sample is: path, text or number:COLUMN+COLUMN, in Parquet also bytes or array; a NAME "
    "for each of several inputs. May be repeated.",
    takes="texts",
    metavar="[NAME=]KIND:COLUMN",
)
TABLE_OPTIONS = (
    known.PATH_COLUMN,
    known.TEXT_COLUMN,
    VALUES,
    known.LABEL_COLUMN,
    known.SPLIT_COLUMN,
    known.GROUP_COLUMN,
    known.GROUP_PATTERN,
    known.WEIGHT_COLUMN,
    known.ROOT,
    known.ID_COLUMN,
    known.STORE_OPTIONS,
)
"""That every table knows, of text or of columns."""


@dataclass(frozen=True)
class Value:
    """What a sample takes from a row: `[NAME=]KIND:COLUMN[+COLUMN…]`.

    Attributes:
        kind: `path` of a file, `text`, or `number` (float32, one a column); of columns with types
            also `bytes` of a picture or sound, and `array`, a list of numbers.
        columns: where it is; several only for numbers.
        name: of the backbone's input, where a sample has several values.
    """

    kind: str
    columns: tuple[str, ...]
    name: str | None = None


def parse_value(text: str, kinds: Sequence[str] = VALUE_KINDS) -> Value:
    """Read `[NAME=]KIND:COLUMN[+COLUMN…]`.

    Args:
        text: as it was given.
        kinds: that there are.

    Raises:
        DatasetError: it is not of that form.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        name, rest = "", text
    kind, colon, columns = rest.partition(":")
    names = tuple(columns.split("+"))
    if kind not in kinds or not colon or not all(names):
        raise DatasetError(
            f"a value is [NAME=]KIND:COLUMN, received {text!r}",
            hint=f"The kinds are {', '.join(kinds)}; such as text:body or number:age+height.",
        )
    if kind != "number" and len(names) > 1:
        raise DatasetError(f"{text!r} names several columns", hint="Only numbers may have several.")
    return Value(kind, names, name or None)


def check_names(values: Sequence[Value]) -> None:
    """See that several values have different names.

    Raises:
        DatasetError: they have not.
    """
    names = [value.name for value in values]
    if len(values) > 1 and (None in names or len(set(names)) < len(names)):
        raise DatasetError(
            "several values need a name each",
            hint="Name them as the backbone's inputs, such as --value image=path:file.",
        )
