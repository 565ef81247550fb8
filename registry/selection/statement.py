"""A listing's statement: what a selection asks for in SQL where columns tell it, and the rest of
it, which the rows tell."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from headstart.errors import InvalidValue
from headstart.registry.selection.fields import NUMBER, REFERENCE, TIME, Field, Listed
from headstart.registry.selection.words import THERE, Condition, Selection
from headstart.values.moments import moment

COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OF_TEXTS = ("=", "!=", THERE)


@dataclass(frozen=True)
class Statement:
    """What to ask the database, and what to do with its rows.

    Attributes:
        sql: with a `?` for each parameter.
        parameters: their values.
        left: conditions that the rows tell.
        sort: what the rows tell of the order; None where they are in order.
        descending: from the largest down.
        limit: of the rows; None where the database keeps it.
    """

    sql: str
    parameters: tuple[Any, ...]
    left: tuple[tuple[Field, str, float], ...] = ()
    sort: Field | None = None
    descending: bool = False
    limit: int | None = None

    def chosen(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What of the database's rows is meant, in order; of a row without a number nothing
        holds, and it stands last."""
        found = [row for row in rows if all(_holds(row, *one) for one in self.left)]
        if self.sort is not None:
            read, sign = self.sort.read, -1 if self.descending else 1
            keys = [(value is None, sign * (value or 0)) for value in map(read, found)]
            order = sorted(range(len(found)), key=keys.__getitem__)
            found = [found[place] for place in order]
        return found[: self.limit]


def statement_of(listed: Listed, selection: Selection) -> Statement:
    """That of a listing.

    Raises:
        InvalidValue: it has no such field, or a field is not compared so.
    """
    terms, given, left = list[str](), list[Any](), list[tuple[Field, str, float]]()
    for condition in selection.conditions:
        field = listed.get(condition.field)
        value = _value(field, condition)
        if field.sql is None:
            left.append((field, condition.operator, value))
            continue
        term, values = _term(field, condition.operator, value)
        terms.append(term)
        given += values
    order, sort, descending = listed.order, None, False
    if selection.sort is not None:
        sort = listed.get(selection.sort)
        descending = selection.descending
        descending = sort.takes in (NUMBER, TIME) if descending is None else descending
        if sort.sql is not None:
            way = "DESC" if descending else "ASC"
            order = f"{sort.sql} IS NULL, {sort.sql} {way}, {order}"
            given += [*sort.given, *sort.given]
            sort = None
    where = f"WHERE {' AND '.join(terms)}\n" if terms else ""
    is_told = not left and sort is None
    limit = f"\nLIMIT {int(selection.limit)}" if selection.limit is not None and is_told else ""
    return Statement(
        f"{listed.select}{where}ORDER BY {order}{limit}",
        tuple(given),
        tuple(left),
        sort,
        descending,
        None if is_told else selection.limit,
    )


def _value(field: Field, condition: Condition) -> Any:
    """With what the field is compared.

    Raises:
        InvalidValue: it is not compared so, or not with this.
    """
    if field.takes not in (NUMBER, TIME):
        if condition.operator not in OF_TEXTS:
            raise InvalidValue(
                f"{condition.field} is a text, and {condition} compares it with "
                f"{condition.operator}",
                hint="Texts take = and !=.",
            )
        return condition.value
    if field.takes == TIME:
        when = moment(condition.value).astimezone(UTC).replace(tzinfo=None)
        return when.isoformat(" ", timespec="microseconds")  # as SQLite has it
    try:
        return float(condition.value)
    except ValueError:
        raise InvalidValue(
            f"{condition.field} is a number, and {condition.value!r} is none",
            hint=f"Such as {condition.field}>=0.5.",
        ) from None


def _term(field: Field, compared: str, value: Any) -> tuple[str, list[Any]]:
    """A condition in SQL, and the values of its placeholders."""
    sql, own = field.sql, list(field.given)
    if compared == THERE:
        return f"{sql} IS NOT NULL", own
    if field.takes == REFERENCE and ":" not in value:
        term, given = f"substr({sql}, 1, {len(value) + 1}) = ?", [*own, f"{value}:"]
        return (term if compared == "=" else f"NOT {term}"), given
    if compared == "!=":
        return f"({sql} IS NULL OR {sql} <> ?)", [*own, *own, value]
    return f"{sql} {compared} ?", [*own, value]


def _holds(row: dict[str, Any], field: Field, compared: str, value: float) -> bool:
    found = field.read(row)
    return found is not None and COMPARED[compared](found, value)
