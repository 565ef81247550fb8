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
    own_kind, name = _kind_and_name(name)
    if kind is not None and own_kind not in (None, kind):
        return Results()
    chosen = kind or own_kind
    return context.events.find(
        name, kind=chosen, action=action, user=user, since=start, limit=limit
    )


def _kind_and_name(name: str | None) -> tuple[str | None, str | None]:
    """`job 1`, as listings call an object, is the job of that number; no name holds a space."""
    kind, space, rest = (name or "").partition(" ")
    return (kind, rest) if space and rest else (None, name)


def nothing_of(context: Context, name: str) -> str:
    """What is said where no events of an object of that name were found, and what to do."""
    if find(context, name.partition(":")[0], limit=1):
        return f"No such events of {name!r}. There are others: leave filters out, or its version."
    known = {one.object.partition(":")[0] for one in context.events.find(limit=LOOKED_AT)}
    hint = nearest(_kind_and_name(name)[1] or name, known) or "`headstart log` alone lists all."
    return f"Nothing called {name!r} is in the log. {hint}"


LOOKED_AT = 10_000
"""Events, the newest, among whose objects a name is looked for."""


def forget(context: Context, before: str | datetime) -> Forgotten:
    """Delete the events from before a moment, and write that down as an event."""
    start = moment(before)
    return Forgotten(context.events.forget(start), start.isoformat(timespec="seconds"))
