"""Tags on the command line: of what is added, and of what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from headstart.cli.output import Call, Result, command, with_options
from headstart.cli.parameters import SWEEP
from headstart.registry.selection.words import checked_tags, tags_in_words

Tags = dict[str, str | None]
tag_option = click.option(
    "--tag", "tags", multiple=True, metavar="K=V", help="To find it by; may be repeated."
)
"""Of every command that adds something."""


def register(
    group: click.Group, change: Callable[[Call, Any, Tags], Result], name: str = "tag"
) -> None:
    """A command that sets tags and takes others away.

    Args:
        group: of the command.
        change: does it, and gives what is shown.
        name: of the command.
    """

    def tag(call: Call, name: Any, tags: tuple[str, ...], remove: tuple[str, ...]) -> Result:
        """Set TAGS, each KEY=VALUE, by which `list --filter tag.KEY=VALUE` finds it."""
        if not tags and not remove:
            raise click.UsageError("Give KEY=VALUE, or --remove KEY.")
        return change(call, name, {**tags_in_words(tags), **_removed(remove)})

    remove = click.option(
        "--remove", multiple=True, metavar="KEY", help="Take this tag away; may be repeated."
    )
    is_numbered = name != "tag"
    kind: dict[str, Any] = {"metavar": "ID", "type": SWEEP} if is_numbered else {}
    what = click.argument("name", **kind)
    tags = click.argument("tags", nargs=-1, metavar="[KEY=VALUE]...")
    command(group, name)(with_options(tag, what, tags, remove))


def _removed(keys: tuple[str, ...]) -> Tags:
    return checked_tags(dict.fromkeys(keys))


def tags_text(tags: Mapping[str, str]) -> str | None:
    """For a cell; None of none."""
    return ", ".join(f"{key}={value}" for key, value in tags.items()) or None
