"""The numbers by which people call jobs and sweeps: none is given twice, whatever was removed.

A database's own numbering does not promise that: SQLite goes on from the largest row that is left,
and a copy of the rows in another database knows no others.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, case, func, select

from headstart.errors import InvalidValue
from headstart.registry import tables as t
from headstart.registry.database import insert_into
from headstart.values.options import taken

LARGEST = 2**31 - 1
"""That a column of numbers holds in PostgreSQL; SQLite refuses to look for one above 2**63."""


def is_held(number: int, what: str) -> bool:
    """Whether a database can have a row of that number.

    Args:
        number: by which somebody asks.
        what: has the number, such as `job`.

    Raises:
        InvalidValue: it is no whole number.
    """
    return bool(0 < taken(what, number, "int", InvalidValue) <= LARGEST)


def next_number(connection: Connection, table: Table) -> int:
    """The number of the next row of a table, as a part of the transaction that inserts it: what is
    rolled back was given to nobody.

    Processes that were begun before there were such counters number rows by the database: it is
    above theirs, too.
    """
    last = t.numbers.c.last
    largest = connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    statement = insert_into(connection, t.numbers).values(what=table.name, last=largest + 1)
    above = case((last > largest, last), else_=largest) + 1
    counted = statement.on_conflict_do_update(
        index_elements=[t.numbers.c.what], set_={"last": above}
    )
    return connection.execute(counted.returning(last)).scalar_one()
