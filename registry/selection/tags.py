"""Tags: free keys and values of backbones, datasets, heads and sweeps, in SQL."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from headstart.errors import NotFound
from headstart.registry import tables as t
from headstart.registry.audit.events import record

Tags = Mapping[str, str | None]
"""By key; None takes the tag away."""


def change(connection: Connection, kind: str, id_: int | None, name: str, tags: Tags) -> None:
    """Set tags of something registered, take others away, and write that down as an event.

    Args:
        connection: of the change.
        kind: of the thing: one of `tables.TAGS`.
        id_: its number.
        name: what the event calls it.
        tags: what is to be.

    Raises:
        NotFound: a tag that is to be taken away is not there.
    """
    known = find(connection, kind, id_)
    for key, value in tags.items():
        if value is None and key not in known:
            has = ", ".join(known) or "none"
            raise NotFound(f"{kind} {name} has no tag {key!r}", hint=f"Its tags: {has}.")
    before = {key: known.get(key) for key in tags}
    record(connection, "tag", kind, name, before=before, after=dict(tags))
    write(connection, kind, id_, tags)


def write(connection: Connection, kind: str, id_: int | None, tags: Tags) -> None:
    """As `change`, of something that is just being added, whose event has them."""
    table, own = t.TAGS[kind], f"{kind}_id"
    for key, value in tags.items():
        same = (table.c[own] == id_, table.c.key == key)
        connection.execute(delete(table).where(*same))
        if value is not None:
            connection.execute(insert(table).values({own: id_, "key": key, "value": value}))


def find(connection: Connection, kind: str, id_: int | None) -> dict[str, str]:
    """Those of something registered, by key."""
    table = t.TAGS[kind]
    of = select(table.c.key, table.c.value).where(table.c[f"{kind}_id"] == id_)
    return {row.key: row.value for row in connection.execute(of.order_by(table.c.key))}
