"""`log`: who did what, and how long that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headstart.context import Context
from headstart.registry.audit.events import Event
from headstart.registry.names import nearest
from headstart.values.moments import moment
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Forgotten(Showable):
    """How many events were deleted, and from before when, in ISO 8601 and UTC."""

    forgotten: int
    before: str


def find(
    context: Context,
    name: str | None = None,
    *,
    kind: str | None = None,
    action: str | None = None,
    user: str | None = None,
    since: str | datetime | None = None,
    limit: int | None = None,
) -> Results[Event]:
    """The events, the newest first; see `EventRepository.find`.

    Args:
        context: whose.
        name: of an object; without a version all its versions'.
        kind: of the objects.
        action: that was done.
        user: who did it.
        since: a moment, as `moment` reads it.
        limit: at most so many.
    """
    start = None if since is None else moment(since)
    return context.events.find(name, kind=kind, action=action, user=user, since=start, limit=limit)


def hint_for(context: Context, name: str) -> str:
    """What to do where there are no events of an object of that name."""
    known = {one.object.partition(":")[0] for one in context.events.find(limit=LOOKED_AT)}
    if name.partition(":")[0] in known:
        return "There are others of it: leave filters out, or its version."
    return nearest(name, known) or "`headstart log` alone lists all."


LOOKED_AT = 10_000
"""Events, the newest, among whose objects a name is looked for."""


def forget(context: Context, before: str | datetime) -> Forgotten:
    """Delete the events from before a moment, and write that down as an event."""
    start = moment(before)
    return Forgotten(context.events.forget(start), start.isoformat(timespec="seconds"))
