"""`zoo`: backbones that can be added by name."""

from __future__ import annotations

import click

from headstart.cli.output import Call, Result, command, table, text


def register(cli: click.Group) -> None:
    zoo = click.Group("zoo", help="Known backbones that can be added by name.")
    command(zoo, "list")(click.argument("pattern", required=False)(_list))
    command(zoo, "show")(click.argument("name")(_show))
    cli.add_command(zoo)


def _list(call: Call, pattern: str | None) -> Result:
    """List the zoo; PATTERN is a part of the name, or a glob."""
    from headstart.registry.zoo import find_entries

    del call
    entries = find_entries(pattern)
    columns = ("source", ">pixels", "preprocessing", "licence")
    rows = [(e.source, e.size, e.mode, e.licence) for e in entries]
    return Result(
        entries,
        lambda out: out.print(table(None, columns, rows) if rows else "Nothing of that name."),
    )


def _show(call: Call, name: str) -> Result:
    """Show one backbone of the zoo, and how to add it."""
    from headstart.registry.zoo import get_entry

    del call
    entry = get_entry(name)
    short = entry.name.lower()
    rows = [
        ("input", f"{entry.size} x {entry.size} pixels"),
        ("preprocessing", entry.mode),
        ("weights", entry.weights),
        ("licence", entry.licence or "not stated with the weights"),
        ("add it", f"headstart backbone add {short} {entry.source}"),
    ]
    return Result(entry, lambda out: out.print(table(text(entry.name), ("what", ""), rows)))
