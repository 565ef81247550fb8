"""`log`: who did what."""

from __future__ import annotations

import json
from typing import Any

import click

from headstart.cli.output import Call, Result, command, table, text, with_options
from headstart.cli.parameters import NUMBER


def register(cli: click.Group) -> None:
    command(cli, "log")(
        with_options(
            _log,
            click.argument("object", required=False),
            click.option(
                "--kind", help="Kind of object: backbone, dataset, head, features, database …"
            ),
            click.option("--action", help="Action: add, alias, change, remove …"),
            click.option("--user", help="Who did it."),
            click.option(
                "--since", metavar="WHEN", help="A date, a time, or an age such as 7d or 12h."
            ),
            click.option("--limit", type=NUMBER, default=50, show_default=True),
            click.option(
                "--forget-before",
                metavar="WHEN",
                help="Delete older events and record that as an event.",
            ),
        )
    )


def _log(
    call: Call,
    object: str | None,
    kind: str | None,
    action: str | None,
    user: str | None,
    since: str | None,
    limit: int,
    forget_before: str | None,
) -> Result:
    """Show who changed what (all, or OBJECT only), the newest first.

    OBJECT is a name, one with a version such as net:2, or both as the listing has them: 'job 1'.
    """
    from headstart.jobs import events

    context = call.open().context
    if forget_before is not None:
        if any(given is not None for given in (object, kind, action, user, since)):
            raise click.UsageError("--forget-before takes no filters: it deletes all that is old.")
        gone = events.forget(context, forget_before)
        line = f"{gone.forgotten:,} events from before {gone.before} are deleted."
        return Result(gone, lambda out: out.print(text(line)))
    found = events.find(
        context, object, kind=kind, action=action, user=user, since=since, limit=limit
    )
    rows = [
        (
            f"{one.created_at:%Y-%m-%d %H:%M:%S}",
            f"{one.user}@{one.host}",
            one.action,
            f"{one.kind} {one.object}",
            _changed(one.before, one.after),
            one.call,
        )
        for one in found
    ]
    columns = ("=when (UTC)", "who", "=did", "to", "what", "by")
    empty = "No such events."
    if not rows and object is not None:
        empty = events.nothing_of(context, object)
    shown = table(None, columns, rows) if rows else text(empty)
    return Result(found, lambda out: out.print(shown))


def _changed(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str | tuple[str, ...]:
    """What is another than before, a line each; of what is new or gone, `--json` has all."""
    if before is None or after is None:
        return ", ".join(f"{name} {_short(value)}" for name, value in _plain(after or before))
    return tuple(
        f"{name} {_short(before.get(name))} -> {_short(value)}"
        for name, value in after.items()
        if value != before.get(name)
    )


def _plain(facts: dict[str, Any] | None) -> list[tuple[str, Any]]:
    """Those a person can read: no digests, and nothing that is made of parts."""
    return [
        (name, value)
        for name, value in (facts or {}).items()
        if not name.endswith(("digest", "fingerprint")) and not isinstance(value, dict | list)
    ]


def _short(value: Any) -> str:
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told if len(told) <= 40 else f"{told[:39]}…"
