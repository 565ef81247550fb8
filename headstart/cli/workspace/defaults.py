"""Variables of options, and options that have a default of the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from headstart.errors import HeadstartError, InvalidValue, WorkspaceNotFound
from headstart.values.defaults import DEFAULTS, PREFIX, Setting, find

ASKED_EACH_TIME = {
    "apply",
    "as_json",
    "custom_objects",
    "database_url",
    "debug",
    "force",
    "forget_before",
    "log_format",
    "quiet",
    "remove",
    "trust",
    "verbose",
    "workspace",
}
"""Options without a variable: what runs code, deletes or writes over is said where it is done, and
the others have one for all commands."""
DELETING = ("gc", "prune", "remove", "upgrade")
"""Commands none of whose options has a variable: a forgotten one would widen what is deleted."""
ROW = "from_sweep"
"""The option that says all settings of a training itself."""


def name_variables(prefix: str, parameters: Iterable[click.Parameter]) -> None:
    """Let each option also be taken from its variable, `HEADSTART_COMMAND_OPTION`; but for those of
    commands that delete."""
    if prefix.endswith(tuple(f"_{one.upper()}_" for one in DELETING)):
        return
    for one in parameters:
        if isinstance(one, click.Option) and one.name not in ASKED_EACH_TIME:
            one.envvar = variable_of(prefix, one)


def prefix_of(words: Sequence[str]) -> str:
    """How the variables of a command begin."""
    return PREFIX + "".join(f"{word.upper().replace('-', '_')}_" for word in words)


def variable_of(prefix: str, option: click.Option) -> str:
    """Of the option's longest name."""
    longest = max((*option.opts,), key=len)
    return prefix + longest.lstrip("-").upper().replace("-", "_")


def fill_in(
    context: click.Context, command: str, root: Path, given: dict[str, Any]
) -> list[Setting]:
    """Set options that nobody gave to what they are by default for this user, or here; gives what
    was set.

    Args:
        context: of the command; its options know where they were taken from.
        command: such as `head train`.
        root: of the workspace; there need be none.
        given: the command's options by name, which are changed.

    Raises:
        InvalidValue: a default is not one that the option takes; the message says where it stands.
    """
    options = [one for one in context.command.params if _has_default(context, command, one)]
    late = getattr(context.command, "late", ())
    options += [one for one in late if _has_default(context, command, one)]
    if not options or given.get(ROW):
        return []
    (file, told), filled = _told_by(root), list[Setting]()
    for one in options:
        name = str(one.name)
        if (setting := find(name, told, file)) is None:
            continue
        try:
            given[name] = one.type_cast_value(context, _typed(one, setting.value))
            filled.append(setting)
        except click.BadParameter as error:
            raise InvalidValue(
                f"{name} in {setting.place}: {error.message.rstrip('.')}", hint="Fix it there."
            ) from None
    return filled


@contextmanager
def places_told(filled: Sequence[Setting]) -> Iterator[None]:
    """Within it, an error about an option that nobody gave says where its value stands.

    Args:
        filled: such options.
    """
    try:
        yield
    except HeadstartError as error:
        told = [one for one in filled if re.search(rf"\b{one.name}\b", error.message)]
        hints = [error.hint or "", *(f"{one.name} stands in {one.place}." for one in told)]
        error.hint = " ".join(filter(None, hints)) or None
        raise


def is_typed(name: str) -> bool:
    """Whether an option of this command stands on the command line; else it is a default."""
    context = click.get_current_context()
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _has_default(context: click.Context, command: str, one: click.Parameter) -> bool:
    default = DEFAULTS.get(str(one.name))
    if default is None or not default.is_for(command):
        return False
    return context.get_parameter_source(str(one.name)) is ParameterSource.DEFAULT


def _told_by(root: Path) -> tuple[Path, Mapping[str, Any]]:
    """The workspace's file, and what it says; nothing where there is none."""
    from headstart.config import CONFIG_FILE, load_config

    try:
        return root / CONFIG_FILE, load_config(root).defaults
    except WorkspaceNotFound:
        return root / CONFIG_FILE, {}


def _typed(one: click.Parameter, value: Any) -> Any:
    """What a file has, as a command line could have given it: 3.9 and true are no whole number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    takes_float = isinstance(one.type, click.types.FloatParamType)
    return value if is_number and (takes_float or isinstance(value, int)) else str(value)
