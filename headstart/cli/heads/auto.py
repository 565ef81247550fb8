"""`auto`: from a dataset to a checked head in a given time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.heads.task_options import NAMES as OF_TASK
from headstart.cli.heads.task_options import taken_task, task_options
from headstart.cli.models import MODEL
from headstart.cli.output import (
    Call,
    Result,
    command,
    explain_words,
    folds_option,
    limit_option,
    on_error_option,
    precision_option,
    progress_bar,
    score_cell,
    table,
    text,
    with_options,
)
from headstart.cli.pace import SECONDS
from headstart.cli.parameters import SEED, OutputFile
from headstart.cli.sweep import names_of

if TYPE_CHECKING:
    from headstart.jobs.auto.found import Attempt, Auto

SHOWN = 12
"""Attempts that are printed, the best on all samples first; all of them with --json and on the
page."""
INTERRUPTED = 130


def register(cli: click.Group) -> None:
    made = with_options(
        _auto,
        click.argument("dataset"),
        click.argument("backbones", nargs=-1, metavar="[BACKBONE[@CUT,CUT]]..."),
        click.option(
            "--minutes",
            type=float,
            default=5.0,
            show_default=True,
            help="How long it may take. Where the features of all samples take longer, as many are "
            "taken as there is time for.",
        ),
        click.option("--name", help="Name of the head. Default: that of the dataset."),
        click.option(
            "--output",
            "-o",
            type=MODEL,
            metavar="FILE.keras|DIR|FILE.onnx|FILE.tflite",
            help="Save the chosen head attached to its backbone, checked.",
        ),
        click.option(
            "--page",
            type=OutputFile(),
            metavar="FILE.html",
            help="Write what was tried, what was left out and why.",
        ),
        click.option(
            "--kinds",
            default="",
            help="Kinds of heads to try after the default, with commas. Default: all.",
        ),
        click.option(
            "--download",
            is_flag=True,
            help="Also try backbones of the zoo whose weights have to be downloaded.",
        ),
        precision_option,
        on_error_option,
        task_options,
        folds_option,
        limit_option,
        click.option(
            "--seed", type=SEED, default=0, show_default=True, help="Seed of all random choices."
        ),
    )
    command(cli, "auto")(made)


def _auto(
    call: Call,
    dataset: str,
    backbones: tuple[str, ...],
    page: Path | None,
    kinds: str,
    **given: Any,
) -> Result:
    """Find a head for DATASET in a given time, and check it.

    Without --task, labels that look like numbers are numbers, and those joined by | are several.
    A linear head (of numbers a ridge head) on the cheapest backbone comes first. Then backbones,
    layers and kinds of heads are tried, on few samples first. The default is kept unless something
    else is better beyond chance. The chosen head is scored once on the test split, which takes no
    part in the choice.

    Without BACKBONE, the registered backbones are tried, then those of the zoo whose weights are
    installed here. Ctrl-C ends the search: what was best so far is trained.
    """
    if page is not None:
        from headstart.plots.auto_pages import check_target

        check_target(page)
    if given["task"] is None and (given["loss"] or given["quantile"]):
        given["task"] = "regression"
    is_told = any(given[option] is not None for option in OF_TASK)
    task = taken_task(given)
    given["task"] = task if is_told else None
    workspace = call.open(dataset, *backbones)
    doing = ""

    def watch(what: str) -> None:
        nonlocal doing
        doing = what

    with progress_bar("searching", SECONDS, lambda: text(doing)) as progress:
        how = {**given, "kinds": names_of(kinds), "progress": progress, "watch": watch}
        how["overwrite"] = True  # or somebody said no to `--force`
        found = workspace.auto(dataset, backbones, **how)
    if page is not None:
        from headstart.plots.auto_pages import write_page

        found = write_page(found, page)
    status = INTERRUPTED if found.interrupted else 0
    return Result(found, lambda out: _show(out, found), status=status)


def _show(out: Any, found: Auto) -> None:
    from headstart.heads.evaluation.provenance import scored_text, words_of
    from headstart.heads.trials.objective import ascending
    from headstart.plots.auto_pages import answer_text, tested_text, time_text

    def order(one: Attempt) -> tuple[float, ...]:
        return -one.rows, *(ascending(name, value) for name, value in one.scores.items())

    best, score = sorted(found.tried, key=order)[:SHOWN], found.objective
    rows = [
        (one.features, one.head, one.rows, score_cell(_scores(one), score), f"{one.seconds:.1f}")
        for one in best
    ]
    columns = ("features", "head", ">samples", f">{words_of(score)}", ">seconds")
    out.print(table(None, columns, rows))
    of_all = f"{len(rows)} of {len(found.tried):,} attempts"
    out.print(text(f"{of_all}; below each {words_of(score)} its 95 %."))
    for why, what in left_out(found):
        out.print(text(f"Left out: {what}: {why}"))
    if found.taken is not None:
        out.print(text(f"{found.taken.text}."))
    out.print(text(time_text(found)))
    out.print(text(f"{answer_text(found)} {found.why[0].upper()}{found.why[1:]}."))
    out.print(text(f"It has {scored_text(found.head)}. {tested_text(found)}"))
    for what, file in (("model", found.file), ("page", found.page)):
        if file is not None:
            out.print(text(f"Wrote the {what} into {file}."), soft_wrap=True)
    explain_words(out, rows)


def left_out(found: Auto) -> list[tuple[str, str]]:
    """Why something was left out, and what: all that was for one reason together."""
    by_reason = dict[str, list[str]]()
    for one in found.dropped:
        by_reason.setdefault(one.why, []).append(one.what)
    return [(why, ", ".join(what)) for why, what in by_reason.items()]


def _scores(one: Attempt) -> dict[str, Any]:
    """As a head's metrics."""
    return {**one.scores, "intervals": one.intervals}
