"""The numbers by which people call jobs and sweeps: none is given twice, whatever was removed.

A database's own numbering does not promise that: SQLite goes on from the largest row that is left,
and a copy of the rows in another database knows no others.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table

from headstart.registry import tables as t
from headstart.registry.database import insert_into


def next_number(connection: Connection, table: Table) -> int:
    """The number of the next row of a table, as a part of the transaction that inserts it: what is
    rolled back was given to nobody."""
    last = t.numbers.c.last
    statement = insert_into(connection, t.numbers).values(what=table.name, last=1)
    counted = statement.on_conflict_do_update(
        index_elements=[t.numbers.c.what], set_={"last": last + 1}
    )
    return connection.execute(counted.returning(last)).scalar_one()
