"""Data frames of pandas, which is nobody's dependency here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from headstart.errors import HeadstartError


def need_pandas() -> Any:
    """The package.

    Raises:
        HeadstartError: it is not installed.
    """
    try:
        return import_module("pandas")
    except ImportError:
        raise HeadstartError(
            "to_pandas needs the package pandas, which is not installed",
            hint="pip install pandas; to_arrow gives the same without it.",
        ) from None


def frame_of(rows: list[Any]) -> Any:
    """JSON values as a frame with a row for each: of an object, a column for each name."""
    named = [row if isinstance(row, dict) else {"value": row} for row in rows]
    return need_pandas().DataFrame(named)
