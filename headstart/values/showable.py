"""What can be shown: as JSON, as a table in a notebook, in one line.

Results of verbs, and what the collections of a workspace hold, are `Showable`. Faces ask them and
put nothing together themselves: `--json` prints `to_json()`, a notebook shows the table that is
made from the same, a debugger the line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from headstart.visible import visible

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 1
"""Of what `--json` prints: counted up when a field goes or changes its meaning."""
T = TypeVar("T")
BRIEF = 60
"""Characters of a value in a line; of a longer one is said how much it is."""
FEW = 20
"""Results of a list that stand in its line."""


class Showable:
    """Base of what can be shown.

    A subclass says what belongs to it by `_facts`, where that is not just its fields, and what
    stands in its line by `_line`; how values are spelled is the same for all of them (`spelled`).
    """

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        # `dataclass` writes a __repr__ of all fields into a class that has none of its own.
        cls.__repr__ = cls.__repr__

    def to_json(self) -> Any:
        """JSON values: what `--json` prints of it."""
        return spelled(self._facts())

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks; nothing in it is read as HTML."""
        from headstart.values.notebook import table_of

        return table_of(type(self).__name__, self.to_json())

    def __repr__(self) -> str:
        """One line, made of what is in memory: no file is read, and it never fails."""
        try:
            line = self._line()
        except Exception as error:  # a debugger also shows what is only half made
            line = f"… {type(error).__name__}"
        return visible(f"{type(self).__name__}({line})")

    def _facts(self) -> Any:
        """What belongs to it, by name; not spelled yet."""
        return {name: getattr(self, name) for name in _names(self)}

    def _line(self) -> str:
        """What stands in brackets behind the class."""
        return ", ".join(f"{name}={brief(getattr(self, name))}" for name in _names(self))


class Record(Showable):
    """A result that was a dictionary once, and can still be used as one: by its fields' names."""

    def __getitem__(self, name: str) -> Any:
        return self.to_json()[name]

    def keys(self) -> list[str]:
        """The fields' names, so that `dict(...)` and `**` take it."""
        return list(self.to_json())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


class Results(Showable, list[T]):
    """Several results of one kind: a list that can be shown."""

    def to_pandas(self) -> pandas.DataFrame:
        """A row each, a column for each name that `to_json` has of it.

        Raises:
            HeadstartError: pandas is not installed.
        """
        from headstart.values.frames import frame_of

        return frame_of([spelled(one) for one in self])

    def _facts(self) -> list[T]:
        return list(self)

    def __repr__(self) -> str:
        shown = ", ".join(map(brief, self[:FEW]))
        return visible(f"[{shown}{f', … {len(self):,} in all' if len(self) > FEW else ''}]")


def spelled(value: Any) -> Any:
    """A value as JSON has it.

    Texts, whole numbers, truth values and None stay. A number that is none (NaN, infinity) becomes
    None: JSON has no word for it (RFC 8259, section 6). Numbers and arrays of numpy become numbers
    and lists, paths their text, dates and times what ISO 8601 has for them, tuples and sets lists,
    keys of mappings texts; a `Showable` its `to_json`, any other dataclass its fields.

    Raises:
        TypeError: it is of a type for which nothing is declared here.
    """
    if isinstance(value, Showable):
        return value.to_json()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): spelled(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [spelled(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(spelled, value))
    if is_dataclass(value) and not isinstance(value, type):
        return {name: spelled(getattr(value, name)) for name in _names(value)}
    to_list = getattr(value, "tolist", None)
    if to_list is not None:  # of numpy, which is not imported for it
        return spelled(to_list())
    raise TypeError(f"nothing says how {type(value).__module__}.{type(value).__name__} is spelled")


def brief(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, Showable):
        return repr(value)
    if isinstance(value, float):
        text = repr(float(value))
        return text if len(text) <= 8 else f"{value:.4g}"
    if isinstance(value, str):
        return repr(value if len(value) <= BRIEF else f"{value[:BRIEF]}…")
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{value.dtype} of {'x'.join(map(str, value.shape)) or 'one number'}>"
    is_many = isinstance(value, list | tuple | dict)
    amount = f"<{type(value).__name__}{f' of {len(value):,}' if is_many else ''}>"
    if is_many and len(value) > FEW:
        return amount
    text = _bracketed(value) if is_many else repr(value)
    return text if len(text) <= BRIEF else amount


def _bracketed(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {brief(one)}' for key, one in value.items())}}}"
    inside = ", ".join(map(brief, value))
    if isinstance(value, list):
        return f"[{inside}]"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def _names(value: Any) -> Iterable[str]:
    """The fields of a dataclass or of a named tuple."""
    named = getattr(value, "_fields", None)
    return named if named is not None else [one.name for one in fields(value)]
