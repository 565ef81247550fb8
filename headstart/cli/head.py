"""`head`: list, show, reproduce; the rest is in files of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headstart.cli import models, plots, sweep
from headstart.cli.heads import care, compare, predict, train, travel
from headstart.cli.heads.shown import VOID_LEGEND, by_class, shown
from headstart.cli.names import tags as tag_commands
from headstart.cli.names.called import names_in
from headstart.cli.names.chosen import empty_text, list_options, selection_of
from headstart.cli.names.tags import tags_text
from headstart.cli.output import (
    Call,
    Result,
    command,
    score_cell,
    table,
    text,
    with_options,
)
from headstart.registry.selection.words import ALL

if TYPE_CHECKING:
    from headstart.cli.names.tags import Tags


def register(cli: click.Group) -> None:
    group = click.Group("head", help="Light models trained on cached features.")
    train.register(group)
    sweep.register(group)
    compare.register(group)
    care.register(group)
    travel.register(group)
    command(group, "list")(list_options(_list))
    tag_commands.register(group, _tag)
    alias = with_options(_alias, click.argument("alias"), click.argument("name"))
    command(group, "alias")(alias)
    every = click.option("--all", "every", is_flag=True, help="Show the scores of every class.")
    command(group, "show")(with_options(_show, click.argument("name"), every))
    command(group, "reproduce")(click.argument("name")(_reproduce))
    models.register(group)
    predict.register(group)
    plots.register_heads(group)
    cli.add_command(group)


def _list(call: Call, filters: tuple[str, ...], sort: str | None, limit: int | None) -> Result:
    """List the trained heads."""
    from headstart.registry import listing

    selection = selection_of(filters, sort, limit)
    rows = listing.heads(call.config, selection)
    scores = [
        column
        for column, name in SCORES.items()
        if any(row["metrics"].get(name) is not None for row in rows)
    ] or list(ALWAYS)
    columns = ("name, kind", "backbone@cut", "dataset", *scores, "=?trained")
    names = names_in(rows, are_all=selection == ALL)
    cells = [_listed(*pair, scores) for pair in zip(names, rows, strict=True)]
    none = "No heads yet. Train one with `headstart head train NAME BACKBONE DATASET`."
    empty = text(empty_text(selection, none))

    def show(out: Any) -> None:
        out.print(table(None, columns, cells) if rows else empty)
        if rows:
            out.print(LIST_LEGEND)
        if any(row["void"] for row in rows):
            out.print(VOID_LEGEND)

    return Result(rows, show)


SCORES = {
    ">accuracy": "accuracy",
    ">?macro F1": "macro_f1",
    ">R2": "r2",
    ">pinball loss": "pinball_loss",
    ">Poisson deviance": "poisson_deviance",
}
ALWAYS = (">accuracy", ">?macro F1")
LIST_LEGEND = (
    "Below each score its 95 % interval, of so many held-out samples, or groups, as were tested."
)


def _listed(called: str, row: dict[str, Any], scores: list[str]) -> tuple[Any, ...]:
    """The cells of one head."""
    from headstart.heads.evaluation.intervals import groups_text

    groups, predicts = groups_text(row["metrics"]).strip(), row["metrics"].get("predicts")
    return (
        (called, row["kind"], *(filter(None, [predicts, tags_text(row["tags"])]))),
        f"{row['backbone']}@{row['cut']}",
        (
            row["dataset"],
            f"{row['metrics']['n_test']:,} tested",
            *([groups] if groups else []),
            *(["void: dealt again"] if row["void"] else []),
        ),
        *(score_cell(row["metrics"], SCORES[column]) for column in scores),
        row["created_at"][:10],
    )


def _show(call: Call, name: str, every: bool) -> Result:
    """Show a head: what it came from, its scores, those of each class, and its confusion
    matrix.

    If there are many classes, the ten with the lowest F1 are shown; --all shows all.
    """
    head = call.open().heads.get(name)
    return shown(head, by_class(head.metrics, head.record.classes, every=every))


def _alias(call: Call, alias: str, name: str) -> Result:
    """Make ALIAS, such as production, another name of head NAME, or move it there."""
    return shown(call.open().heads.alias(alias, name))


def _tag(call: Call, name: str, tags: Tags) -> Result:
    return shown(call.open().heads.tag(name, tags))


def _reproduce(call: Call, name: str) -> Result:
    """Train a head again from the cache and compare scores and weights."""
    head = call.open().heads.get(name)
    found = head.reproduce()
    rows = [
        (what.replace("_", " "), f"{head.metrics[what]:.4f}", f"{found.metrics[what]:.4f}")
        for what, value in head.metrics.items()
        if isinstance(value, float)
    ]
    agrees = "The metrics agree" if found.agrees else "The metrics do not agree"
    line = f"{agrees}; the weights differ by at most {found.max_abs_diff:.1g}."

    def show(out: Any) -> None:
        out.print(table(None, ("", ">then", ">now"), rows))
        out.print(text(line))

    told = f"head {head.record.label!r} scores otherwise when it is trained again"
    return Result(found, show, failed="" if found.agrees else told)
