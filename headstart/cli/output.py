"""How commands print: tables for people, one JSON document for programs, progress on stderr."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.commands import (
    Parameters,
    command_with,
    common,
    interruptible,
    is_json,
    note,
    noted_warnings,
)
from headstart.cli.console import Out, console
from headstart.cli.pace import Pace, estimate_text
from headstart.cli.parameters import (
    FOLDS,
    NUMBER,
    WHOLE,
    ask_about,
    complete_names,
    force_option,
    outputs_of,
)
from headstart.cli.tables import Column, FittedTable
from headstart.cli.workspace import said
from headstart.cli.workspace.defaults import (
    fill_in,
    name_variables,
    places_told,
    prefix_of,
)
from headstart.glossary import terms_in
from headstart.values.showable import SCHEMA_VERSION, Showable
from headstart.values.sizes import shape_text as shape_text
from headstart.values.sizes import size_text as size_text
from headstart.visible import in_number, visible, visible_json

if TYPE_CHECKING:
    from headstart.config import Config
    from headstart.heads.evaluation.per_class import ClassShare
    from headstart.workspace import Workspace

PROGRAM = "cli"
"""The name of the group of all commands."""
Print = Callable[[Out], None]


@dataclass(frozen=True)
class Result:
    """What a command found: `data`, whose `to_json` is printed by `--json`, and `show` for people.

    `failed` is the one line of a command that found something wrong: it is printed behind the
    result, and the exit code is 1. `status` is the exit code of one that was ended by a signal.
    """

    data: Showable
    show: Print
    failed: str = ""
    status: int = 0


@dataclass
class Call:
    """What every command can be told, before or behind its name."""

    workspace: Path | None = None
    as_json: bool = False

    @property
    def root(self) -> Path:
        from headstart.config import default_root

        return self.workspace or default_root()

    @property
    def config(self) -> Config:
        from headstart.config import load_config

        return load_config(self.root)

    def open(self, *given: str, makes: bool = False) -> Workspace:
        """Open the workspace.

        Where there is none, and nobody named one, the platform's own is made if a command `makes`
        things, or if all backbones and datasets that it was `given` are sources: in an empty
        workspace no name means anything.
        """
        from headstart.jobs.named import is_source
        from headstart.workspace import open

        if self.workspace is None and (makes or (given and all(map(is_source, given)))):
            return open()
        return open(self.root)


def command(
    group: click.Group, name: str, more: Parameters | None = None
) -> Callable[[Callable[..., Result]], click.Command]:
    """A command of a group that returns a `Result`; gets the `Call` as its first argument.

    Args:
        group: of the command.
        name: of the command in its group.
        more: options that are only known once plug-ins were looked for, which only those wait for
            who run this command or ask for its help.
    """

    def decorate(function: Callable[..., Result]) -> click.Command:
        outputs = outputs_of(getattr(function, "__click_params__", ()))
        words = (name,) if group.name == PROGRAM else (str(group.name), name)

        @common
        @click.pass_context
        @functools.wraps(function)
        def run(
            context: click.Context, as_json: bool, workspace: Path | None, **given: Any
        ) -> None:
            del given["debug"]  # looked for by `main`, which sees the errors
            said.ask(*(given.pop(name) for name in ("verbose", "quiet", "log_format")))
            call = context.find_object(Call) or Call()
            call.workspace = workspace or call.workspace
            call.as_json = as_json or call.as_json
            filled = fill_in(context, " ".join(words), call.root, given)
            if outputs and not given.pop("force"):
                ask_about(outputs, given)
            # Libraries print to stdout as they like.
            aside = contextlib.redirect_stdout(sys.stderr)
            with aside, said.heard(), noted_warnings(), interruptible(), places_told(filled):
                result = function(call, **given)
            if call.as_json:
                click.echo(document_of(result.data))
            else:
                result.show(Out())
            if result.failed:
                raise click.ClickException(result.failed)
            if result.status:
                sys.exit(result.status)

        if outputs:
            run.__click_params__.insert(0, force_option())  # type: ignore[attr-defined]
        made = group.command(name, cls=command_with(more, prefix_of(words)))(run)
        name_variables(prefix_of(words), made.params)
        complete_names(group.name, name, made.params)
        return made

    return decorate


def document_of(found: Showable) -> str:
    """The JSON document of a result; an object says by which schema it is."""
    told = found.to_json()
    if isinstance(told, dict):
        told = {"schema_version": SCHEMA_VERSION, **told}
    return json_text(told)


def json_text(value: Any) -> str:
    """A value that is spelled as JSON, in lines; control characters are there as JSON has them."""
    return visible_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def with_options(function: Callable[..., Result], *options: Any) -> Callable[..., Result]:
    """A command's function with click's arguments and options, shown in this order."""
    for option in reversed(options):
        function = option(function)
    return function


PRECISIONS = click.Choice(["float32", "bfloat16", "int8"])
PRECISION = (
    "In what the backbone computes; bfloat16 is faster where the processor has it, int8 after "
    "`extract --precision int8` calibrated it."
)
precision_option = click.option(
    "--precision", type=PRECISIONS, default="float32", show_default=True, help=PRECISION
)
"""Of every command that names features by backbone and dataset."""
on_error_option = click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What to do about a sample that cannot be read.",
)
"""Of every command that reads samples."""
views_option = click.option(
    "--views",
    type=WHOLE,
    default=0,
    show_default=True,
    help="Number of augmented views of each picture in the train split, in addition to "
    "the picture.",
)
WINDOWS_HELP = "Of a dataset of windows, what stands for a sample: of its windows the features'"


def windows_option(*ways: str) -> Any:
    """`--windows`: in which of these ways the rows of a sample's windows are taken together."""
    words = {"mean": "mean", "max": "largest", "each": "or each window is one"}
    told = ", ".join(words[way] for way in ways)
    return click.option(
        "--windows",
        type=click.Choice(ways),
        help=f"{WINDOWS_HELP} {told}. Default: {ways[0]}.",
    )


folds_option = click.option(
    "--folds", type=FOLDS, default=5, show_default=True, help="Number of folds."
)
ignore_weights_option = click.option(
    "--ignore-weights",
    is_flag=True,
    help="Count all samples alike, though the dataset has weights of them.",
)
limit_option = click.option(
    "--limit",
    type=NUMBER,
    default=20_000,
    show_default=True,
    help="Use at most this many samples, chosen by seed.",
)
shots_option = click.option(
    "--shots", type=NUMBER, help="Train on only this many samples of each class (few-shot)."
)
"""Of the commands that try heads by cross-validation."""
STAR = (
    "* not significantly worse than the best (Hsu's comparison with the best, step-down max-T, "
    "95 %)"
)
"""What the star means, wherever candidates are compared; see `heads.evaluation.best`."""


def draws_text(repeats: int, draws: int) -> str:
    """What a score of few-shot heads is the mean of, and what its third line says."""
    if repeats < 2:
        return (
            f" One repeat: {draws:,} draws of training samples hardly tell how much heads differ, "
            "so the intervals are wide and none is called worse; more repeats tell more."
        )
    return (
        f" Scores are means over {draws:,} draws of the training samples; ± is the standard "
        "deviation between draws. One repeat cannot tell how much heads differ by what they are "
        "trained on; with more the intervals hold it, and may be wider."
    )


def majority_text(targets: Any) -> str:
    """The chance level: how often the most frequent class is right; of class numbers, (n,)."""
    import numpy as np

    from headstart.heads.evaluation.intervals import share_text

    if targets.ndim != 1:
        return ""
    share = float(np.bincount(targets.astype(int)).max()) / len(targets)
    return f" Always naming the most frequent class gives accuracy {share_text(share)}."


def table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> FittedTable:
    """A table that fits the terminal; a cell that is a tuple has a line for each of its parts.

    A column whose name begins with `>` is set to the right and never folded; with `=` it is never
    folded; with `~` only as the last resort; with `?` it is left out where there is no room.
    """
    made = tuple(tuple(tuple(_cell(value).split("\n")) for value in row) for row in rows)
    named = tuple(Column.of(column) for column in columns)
    return FittedTable(None if title is None else visible(title), named, made)


def explain_words(out: Any, rows: Sequence[Sequence[Any]]) -> None:
    """Print a line for each word in a table's cells that is no everyday one."""
    for term in terms_in(" ".join(str(cell) for row in rows for cell in row)):
        out.print(text(f"{term.name}: {term.text}"))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, tuple):
        return "\n".join(map(_cell, value))
    return visible(str(value))


def score_cell(metrics: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """A score with its 95 % interval below it; None where there is no such score."""
    from headstart.heads.evaluation.intervals import interval_of, score_text

    value = metrics.get(name)
    if value is None:
        return None
    interval = interval_of(metrics, name)
    ends = [score_text(name, end) for end in interval or ()]
    return score_text(name, value), range_text(*ends) if ends else "no interval"


def share_cell(score: ClassShare | None) -> tuple[str, str] | None:
    """A share with its interval below it."""
    from headstart.heads.evaluation.intervals import share_text

    if score is None:
        return None
    value, low, high = score
    if low is None or high is None:
        return share_text(value), "no interval"
    return share_text(value), range_text(share_text(low), share_text(high))


def range_text(low: str, high: str) -> str:
    """From one number to another, as short as can be read: a dash before a sign is no dash."""
    is_short = not low.startswith("-") and high[0] not in "<>-"
    return f"{low}-{high}" if is_short else f"{low} to {high}"


def text(line: str) -> str:
    """A line, whatever it holds: its control characters are shown, and one is one."""
    return visible(in_number(line))


@contextlib.contextmanager
def progress_bar(
    what: str, unit: str, above: Callable[[], Any] | None = None, *, after: float = 0.0
) -> Iterator[Callable[[int, int], None]]:
    """Progress on standard error with rate and time left; gives a function of (done, total).

    A bar on a terminal, with what `above` gives above it; elsewhere a line from time to time. With
    `after` nothing is shown of what takes fewer seconds.
    """
    if not sys.stderr.isatty() or is_json() or said.is_quiet():
        yield _lines(what, unit, after=after)  # which says nothing where nothing is to be said
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    class Watched(Progress):
        def get_renderables(self) -> Iterator[Any]:
            if above is not None:
                yield above()
            yield from super().get_renderables()

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, table_column=Column(max_width=40)),  # it gives way to the numbers
        MofNCompleteColumn(),
        TextColumn("{task.fields[estimate]}", markup=False),
    )
    pace, begun = Pace(), time.monotonic()
    with Watched(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(visible(what), total=None, visible=not after, estimate="")

        def update(done: int, total: int) -> None:
            pace.see(done)
            told = estimate_text(pace, unit, total)
            is_shown = time.monotonic() - begun >= after
            progress.update(task, completed=done, total=total, visible=is_shown, estimate=told)

        yield update


def _lines(
    what: str, unit: str, every: float = 10.0, after: float = 0.0
) -> Callable[[int, int], None]:
    """A function of (done, total) that prints a line every so many seconds, with `after` the first
    after so many."""
    printed, pace = time.monotonic() + (after - every if after else 0), Pace()

    def update(done: int, total: int) -> None:
        nonlocal printed
        pace.see(done)
        now = time.monotonic()
        if now - printed >= every and done:
            printed = now
            told = estimate_text(pace, unit, total)
            note(f"{what}: {done:,} of {total:,}{told and f', {told}'}")

    return update
