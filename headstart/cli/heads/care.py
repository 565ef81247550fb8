"""`head evaluate`, `retrain`, `remove`: looking after heads that are trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from headstart.cli.heads.shown import by_class, confusion, shown
from headstart.cli.output import (
    Call,
    Result,
    command,
    on_error_option,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import NUMBER


def register(group: click.Group) -> None:
    evaluate = with_options(
        _evaluate,
        click.argument("name"),
        click.argument("dataset"),
        click.option(
            "--split",
            type=click.Choice(("all", "train", "validation", "test")),
            help="Split of DATASET. Default: test for the head's own dataset, all for others.",
        ),
        click.option("--all", "every", is_flag=True, help="Show the scores of every class."),
        on_error_option,
    )
    command(group, "evaluate")(evaluate)
    retrain = with_options(
        _retrain,
        click.argument("name"),
        click.option("--as", "new", metavar="NEWNAME", help="Name of the new head. Default: NAME."),
        on_error_option,
    )
    command(group, "retrain")(retrain)
    remove = with_options(
        _remove,
        click.argument("name"),
        click.option(
            "--keep",
            type=NUMBER,
            metavar="N",
            help="Keep the latest N versions of NAME, and those in use; remove the others.",
        ),
        click.option("--force", is_flag=True, help="Remove it even if it is in use."),
    )
    command(group, "remove")(remove)


def _evaluate(
    call: Call, name: str, dataset: str, split: str | None, every: bool, on_error: str
) -> Result:
    """Score a head on the labelled samples of DATASET. Missing features are extracted first.

    Samples that the head was fitted on are left out and counted.
    """
    from headstart.cli.extract import extract_missing
    from headstart.jobs.datasets.named import dataset_named
    from headstart.jobs.heads.care.described import scores
    from headstart.jobs.heads.care.evaluate import check_evaluation

    workspace = call.open(dataset)
    head = workspace.heads.get(name)
    blocks = head.blocks()
    check_evaluation(head, dataset_named(head.context, dataset), split)
    extract_missing(workspace, blocks.reference, dataset, blocks.precision, on_error=on_error)
    found = head.evaluate(dataset, split)
    record = replace(head.record, metrics=found.metrics)
    rows = [
        ("head", f"{found.head}, trained on {record.dataset}"),
        ("dataset", f"{found.dataset}, {_split(found.split)}"),
        ("samples", found.samples),
        *_left_out(found),
        *scores(record),
    ]
    of = f"{_split(found.split)} of {found.dataset}"
    parts = [*by_class(found.metrics, found.classes, every=every, of=of)]
    if matrix := confusion(found.metrics, found.classes, of):
        parts.append(matrix)

    def show(out: Any) -> None:
        out.print(table(None, ("what", ""), rows))
        for part in parts:
            out.print(part)

    return Result(found, show)


def _retrain(call: Call, name: str, new: str | None, on_error: str) -> Result:
    """Train a head again, with its settings and seed, on its dataset as it is now.

    Missing features are extracted first. `head compare NAME:1 NAME:2` shows what changed.
    """
    from headstart.cli.extract import extract_missing

    workspace = call.open()
    head = workspace.heads.get(name)
    record, blocks = head.record, head.blocks()
    dataset = workspace.context.datasets.get(record.dataset)  # a name, and no source
    views = record.settings.get("views", 0)
    asked = (blocks.reference, dataset, blocks.precision, views)
    extract_missing(workspace, *asked, on_error=on_error)
    return shown(head.retrain(new))


def _split(name: str) -> str:
    return "all splits" if name == "all" else f"the {name} split"


def _left_out(found: Any) -> Iterator[tuple[str, str]]:
    if found.seen:
        yield "left out", f"{found.seen:,} samples, whose content it was fitted on"
    if found.unlabelled:
        yield "left out", f"{found.unlabelled:,} samples without a label"


def _remove(call: Call, name: str, keep: int | None, force: bool) -> Result:
    """Remove a head: its latest version, NAME:VERSION, or with --keep all but the latest ones.

    Refused while an alias or a fine-tuned head depends on it. `features gc --apply` frees its
    file; cached features stay.
    """
    gone = call.open().heads.remove(name, keep=keep, force=force)
    lines = [f"Removed head {', '.join(gone.removed)}." if gone.removed else "Nothing to remove."]
    lines += [f"Kept {one}." for one in gone.spared]

    def show(out: Any) -> None:
        for line in lines:
            out.print(text(line))

    return Result(gone, show)
