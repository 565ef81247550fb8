"""`dataset changes`: what differs between two versions of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import Call, Result, command, table, text, with_options

if TYPE_CHECKING:
    from headstart.jobs.datasets.changes import Changed

WORDS = {
    "added": "added",
    "removed": "removed",
    "moved": "moved",
    "contents": "other content",
    "labels": "other label",
    "splits": "other split",
    "weights": "other weight",
}


def register(group: click.Group) -> None:
    version = "The digest of a version, or its first letters."
    command(group, "changes")(
        with_options(
            _changes,
            click.argument("name"),
            click.option("--before", help=f"{version} Default: the one before."),
            click.option("--after", help=f"{version} Default: the newest."),
        )
    )


def _changes(call: Call, name: str, before: str | None, after: str | None) -> Result:
    """Show which samples of a dataset were added, removed or changed between two versions."""
    found = call.open().datasets.changes(name, before, after)
    rows = [(words, getattr(found, what)) for what, words in WORDS.items()]
    title = f"{found.dataset}, {found.before[:12]} to {found.after[:12]}"

    def show(out: Any) -> None:
        counts = [(words, one.count, _first(one)) for words, one in rows]
        out.print(text(title))
        out.print(table(None, ("samples", ">count", "first"), counts))

    return Result(found, show)


def _first(changed: Changed) -> tuple[str, ...]:
    lines = [_line(one) for one in changed.first]
    more = changed.count - len(lines)
    return (*lines, *([f"… and {more:,} more"] if more else []))


def _line(one: dict[str, Any]) -> str:
    if "after" not in one:
        return one["id"]
    change = f"{one['before']} -> {one['after']}"
    if "now" not in one:
        return f"{one['id']}: {change}"
    told = "" if one["before"] == one["after"] else f", label {change}"
    return f"{one['id']} -> {one['now']}{told}"
