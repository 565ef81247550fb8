"""`config show`: what is set, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import Call, Result, command, table
from headstart.cli.workspace.defaults import prefix_of, variable_of

if TYPE_CHECKING:
    from headstart.values.defaults import Setting


def register(cli: click.Group) -> None:
    @cli.group()
    def config() -> None:
        """Settings of the workspace and of the user, and where each comes from."""

    command(config, "show")(_show)


def _show(call: Call) -> Result:
    """Show every setting and where it comes from: an option, the environment, the workspace's
    headstart.toml or your own config.toml.
    """
    from headstart.jobs.configuration import show

    program = click.get_current_context().find_root().command
    assert isinstance(program, click.Group)
    found = show(call.root, is_given=call.workspace is not None, options=_variables(program))
    rows = [(one.name, _value(one), one.origin, one.place) for one in found]
    wrong = [one for one in found if one.problem]
    failed = ""
    if wrong:
        first = wrong[0].problem if wrong[0].name.endswith("file") else ""
        failed = first or f"{wrong[0].place or wrong[0].name} is wrong: {wrong[0].problem}"
    columns = ("~setting", "value", "=from", "where")
    return Result(found, lambda out: out.print(table(None, columns, rows)), failed)


def _value(one: Setting) -> Any:
    value = "each command's own" if one.value is None else one.value
    return value if one.problem is None else (value, f"WRONG: {one.problem}")


def _variables(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Those of all options of all commands."""
    for name, one in group.commands.items():
        path = (*words, name)
        if isinstance(one, click.Group):
            yield from _variables(one, path)
            continue
        for option in one.get_params(click.Context(one, help_option_names=["-h", "--help"])):
            if isinstance(option, click.Option) and option.envvar:
                yield variable_of(prefix_of(path), option)
