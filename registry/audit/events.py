"""Who did what: written in the transaction of the change itself, so that neither is without the
other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from headstart.registry import tables as t
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.values.calls import call_in_words, host_name, user_name
from headstart.values.logs import logger
from headstart.values.showable import Results, Showable

log = logger(__name__)
Facts = dict[str, Any]
KIND_OF_LOG = "log"


@dataclass(frozen=True)
class Event(Showable):
    """One change: who made it, where, when, and by what.

    Attributes:
        user: name of the system's user.
        host: name of the machine.
        call: the command line, or the call of Python; without passwords.
        action: what was done: `add`, `alias`, `tag`, `remove` …
        kind: of the object: `backbone`, `dataset`, `head` …
        object: its name, with the version where it has one.
        before: what of it was another before.
        after: what it is now.
        created_at: when, in UTC.
    """

    user: str
    host: str
    call: str
    action: str
    kind: str
    object: str
    before: Facts | None = None
    after: Facts | None = None
    created_at: datetime | None = None
    id: int | None = None

    def _line(self) -> str:
        return f"{self.user} on {self.host}: {self.action} {self.kind} {self.object!r}"


def record(
    connection: Connection,
    action: str,
    kind: str,
    name: str,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Write an event into the transaction of the change that it is of.

    Args:
        connection: of the change.
        action: what was done, such as `add`, `alias`, `remove`.
        kind: of the object, such as `backbone`.
        name: of the object, with its version where it has one.
        before: what of it was another before.
        after: what it is now.
    """
    log.info("%s %s %s", action, kind, name)
    connection.execute(
        insert(t.events).values(
            user=user_name(),
            host=host_name(),
            call=call_in_words(),
            action=action,
            kind=kind,
            object=name,
            before=before,
            after=after,
        )
    )


@outlasting
class EventRepository:
    """Reads what happened; only old events can be forgotten, and that is an event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self,
        name: str | None = None,
        *,
        kind: str | None = None,
        action: str | None = None,
        user: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Results[Event]:
        """The events, the newest first.

        Args:
            name: of an object; without a version all its versions'.
            kind: of the objects.
            action: that was done.
            user: who did it.
            since: none from before.
            limit: at most so many.
        """
        events = t.events.c
        query = select(t.events).order_by(events.id.desc()).limit(limit)
        if name is not None:
            of_version = events.object.startswith(f"{name}:", autoescape=True)
            query = query.where(or_(events.object == name, of_version))
        for column, wanted in ((events.kind, kind), (events.action, action), (events.user, user)):
            if wanted is not None:
                query = query.where(column == wanted)
        if since is not None:
            query = query.where(events.created_at >= since)
        with self._database.reading() as connection:
            return Results(Event(**row._mapping) for row in connection.execute(query))

    def forget(self, before: datetime) -> int:
        """Delete the events from before a moment; gives how many there were."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(t.events).where(t.events.c.created_at < before))
            count = gone.rowcount
            facts = {"events": count, "from_before": before.isoformat()}
            record(connection, "forget", KIND_OF_LOG, "events", before=facts)
            return count
