"""`similar`: what in a dataset is most like a picture, a text, or a sample of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headstart.cli.exploration.limits import limit_option, seed_option
from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    on_error_option,
    precision_option,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import NUMBER


def register(cli: click.Group) -> None:
    made = with_options(
        _similar,
        click.argument("sample", metavar="FILE|TEXT|ID"),
        click.argument("dataset", required=False),
        click.option(
            "--backbone",
            "-b",
            metavar="BACKBONE[@CUT]",
            help="By whose features; the only backbone there is without it.",
        ),
        click.option(
            "--n",
            "count",
            type=NUMBER,
            default=10,
            show_default=True,
            help="How many matches.",
        ),
        precision_option,
        limit_option,
        seed_option,
        on_error_option,
    )
    command(cli, "similar")(made)


def _similar(
    call: Call,
    sample: str,
    dataset: str | None,
    backbone: str | None,
    count: int,
    precision: str,
    limit: int,
    seed: int,
    on_error: str,
) -> Result:
    """What in DATASET is most similar to a file, a text, or one of its own samples (its ID), by the
    cosine of their features. What is missing in the cache is extracted first.

    DATASET and --backbone may be left out where there is only one.
    """
    from headstart.cli.extract import extract_missing
    from headstart.jobs.exploration.looked_at import rows_named

    workspace = call.open(*[one for one in (backbone, dataset) if one is not None])
    by = backbone or _only(workspace.backbones, "backbone", "--backbone NAME")
    among = dataset or _only(workspace.datasets, "dataset", "DATASET")
    view = extract_missing(workspace, by, among, precision, on_error=on_error)
    is_own = bool(rows_named(view.samples, [sample]))
    if is_own and Path(sample).exists():
        note(f"{sample} is the sample of {among} of that name; ./{sample} is the file.")
    given = {"ids": sample} if is_own else {"samples": sample}
    found = workspace.similar(
        by, among, count=count, precision=precision, limit=limit, seed=seed, **given
    )
    rows = [
        (match.sample.id, match.sample.split, match.sample.label, f"{match.similarity:.3f}")
        for one in found
        for match in one.matches
    ]

    def show(out: Any) -> None:
        told = found[0]
        out.print(text(f"Of {told.samples:,} samples of {told.dataset}, by {told.backbone}:"))
        out.print(table(None, ("sample", "=split", "label", ">similarity"), rows))

    return Result(found, show)


def _only(collection: Any, what: str, how: str) -> str:
    """The name of the only thing of a kind.

    Raises:
        click.UsageError: there are several, or none.
    """
    names = sorted({str(one.name) for one in collection.list()})
    if len(names) == 1:
        return names[0]
    there = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise click.UsageError(
        f"There are {len(names)} {what}s ({there}): name one by {how}."
        if names
        else f"There is no {what} yet: `headstart {what} add`."
    )
