"""What all commands have: help that explains its words, options that are known late, our warnings
as lines, an end by Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from headstart.cli.workspace.defaults import name_variables
from headstart.cli.workspace.said import options, said, say
from headstart.glossary import terms_in
from headstart.notices import HeadstartNote, HeadstartWarning, warn
from headstart.visible import in_number

Parameters = Callable[[], Sequence[click.Parameter]]
WITH_LATE = "headstart.with_late"
"""Whether the completion of a command line has to know its late options, which takes a second."""


class Explained(click.Command):
    """A command whose help ends with the words that it uses, explained."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        helps = [str(getattr(one, "help", None) or "") for one in self.get_params(ctx)]
        named = [" ".join(one.opts).replace("-", " ") for one in self.get_params(ctx)]
        if terms := terms_in(" ".join([self.help or "", *helps, *named])):
            with formatter.section("Words"):
                formatter.write_dl([(term.name, term.text) for term in terms])


def command_with(more: Parameters | None, variables: str = "") -> type[click.Command]:
    """A class of commands whose further options are made when they are asked for.

    Args:
        more: gives them.
        variables: how those of the environment begin that these can be taken from.
    """
    if more is None:
        return Explained

    class Late(Explained):
        @functools.cached_property
        def late(self) -> list[click.Parameter]:
            with noted_warnings():
                found = list(_unlike(self.params, more()))
            name_variables(variables, found)
            return found

        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            ctx.meta[WITH_LATE] = any(one.startswith("-") for one in args)
            return super().parse_args(ctx, args)

        def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
            ctx.meta[WITH_LATE] = True  # it is options that are asked for
            return super().shell_complete(ctx, incomplete)

        def get_params(self, ctx: click.Context) -> list[click.Parameter]:
            is_left_out = ctx.resilient_parsing and not ctx.meta.get(WITH_LATE)
            late = [] if is_left_out else self.late
            own = [*self.params[:COMMON], *late, *self.params[COMMON:]]
            help_option = self.get_help_option(ctx)
            return own if help_option is None else [*own, help_option]

    return Late


def _unlike(
    own: Sequence[click.Parameter], more: Sequence[click.Parameter]
) -> Iterator[click.Parameter]:
    """Further options, but for those whose name the command has already: a plug-in cannot know."""
    taken = {name for one in own for name in (one.name, *one.opts)}
    for one in more:
        if taken.isdisjoint((one.name, *one.opts)):
            yield one
        else:
            warn(f"the option {one.opts[0]} of a plug-in is left out: this command has its own")


COMMON = 6
"""Options of every command, which click has in front."""


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command's function with them."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    workspace = click.option(
        "--workspace",
        type=click.Path(path_type=Path),
        help="The workspace's folder; default: $HEADSTART_HOME.",
    )
    debug = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    return as_json(workspace(debug(options(function))))


@contextlib.contextmanager
def noted_warnings() -> Iterator[None]:
    """Print our own warnings as a line each, once, whatever filters there are."""
    shown = warnings.showwarning
    shown_before: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, HeadstartWarning):
            if str(message) not in shown_before:
                note(f"{NOTE if issubclass(category, HeadstartNote) else WARNING}{message}")
            shown_before.add(str(message))
        elif is_json():
            say(str(message), logging.WARNING, category.__module__)
        else:
            shown(message, category, *where)

    with warnings.catch_warnings():
        warnings.simplefilter("always", HeadstartWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def overheard(told: list[str]) -> Iterator[None]:
    """Note the warnings that are shown meanwhile."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        told.append(str(message))
        shown(message, category, *where)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C as click's own exception: it would print an empty line, into pipes as well."""
    try:
        yield
    except KeyboardInterrupt:
        if sys.stderr.isatty():  # behind the ^C that stands there
            click.echo(err=True)
        raise click.Abort from None


NOTE, WARNING = "note: ", "warning: "
"""How lines begin of which that is said."""


def note(message: str) -> None:
    """A line on standard error, unless -q was given: what begins as a warning is one."""
    message = in_number(message)
    level = logging.WARNING if message.startswith(WARNING) else logging.INFO
    if level >= said.notes:
        say(message.removeprefix(WARNING).removeprefix(NOTE) if is_json() else message, level)


def is_json() -> bool:
    """Whether each line of standard error is an object."""
    return said.as_json
