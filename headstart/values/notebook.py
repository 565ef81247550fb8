"""Tables in HTML for notebooks, made of JSON values; nothing from outside is read as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from headstart.visible import visible

ROWS = 50
"""Of a list; of more is said how many there are."""
TEXT = 200
"""Characters of a cell."""
DEEPEST = 2
"""Tables within tables; what lies deeper is a line."""


def table_of(title: str, value: Any) -> str:
    """JSON values as a table: a line for each name of an object, or for each object of a list.

    Args:
        title: stands above it.
        value: as `to_json` gives it.
    """
    return f"<div><b>{_text(title)}</b>{_shown(value, 0)}</div>"


def _shown(value: Any, depth: int) -> str:
    if isinstance(value, Mapping) and depth < DEEPEST:
        rows = ((name, one) for name, one in value.items())
        return _table(None, (_row(f"<th>{_text(name)}</th>", [one], depth) for name, one in rows))
    if isinstance(value, list) and _are_objects(value) and depth < DEEPEST:
        return _objects(value, depth)
    return _text(_line(value))


def _are_objects(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(one, Mapping) for one in value)


def _objects(value: Sequence[Mapping[str, Any]], depth: int) -> str:
    """A list of objects: a column for each name that one of them has."""
    columns = list(dict.fromkeys(name for one in value for name in one))
    rows = (_row("", [one.get(name) for name in columns], depth) for one in value[:ROWS])
    more = f"<p>{len(value):,} in all</p>" if len(value) > ROWS else ""
    return _table(columns, rows) + more


def _table(columns: Sequence[str] | None, rows: Iterable[str]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in columns or ())
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{''.join(rows)}</table>"


def _row(head: str, values: Sequence[Any], depth: int) -> str:
    return f"<tr>{head}{''.join(f'<td>{_shown(one, depth + 1)}</td>' for one in values)}</tr>"


def _line(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_line(one) for one in value[:ROWS]) + (" …" if len(value) > ROWS else "")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_line(one)}" for name, one in list(value.items())[:ROWS])
    return str(value)


def _text(text: str) -> str:
    """What may stand between tags: markup and control characters are written out."""
    cut = text if len(text) <= TEXT else f"{text[:TEXT]}…"
    return escape(visible(cut))
