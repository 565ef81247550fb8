"""`features drift`: whether the samples of one dataset are like those of another."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.exploration.limits import seed_option
from headstart.cli.output import (
    Call,
    Result,
    command,
    on_error_option,
    precision_option,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import NUMBER

COLUMNS = ("class", ">told apart", ">95 % interval", ">samples", ">share here", ">share there")
SHOWN = 20


def register(group: click.Group) -> None:
    made = with_options(
        _drift,
        click.argument("backbone", metavar="BACKBONE[@CUT]"),
        click.argument("dataset"),
        click.argument("other"),
        precision_option,
        on_error_option,
        click.option(
            "--limit",
            type=NUMBER,
            default=5_000,
            show_default=True,
            help="Look at so many samples of each at most, chosen by seed.",
        ),
        seed_option,
    )
    command(group, "drift")(made)


def _drift(
    call: Call,
    backbone: str,
    dataset: str,
    other: str,
    precision: str,
    on_error: str,
    limit: int,
    seed: int,
) -> Result:
    """Compare the samples of DATASET with those of OTHER: can a head tell which are whose?

    A linear head is trained on half of the samples and tells the dataset of the others: half of
    them right if the datasets are alike. Of each class that both have labels of, the same.
    """
    from headstart.cli.extract import extract_missing

    workspace = call.open(backbone, dataset)
    for one in (dataset, other):
        extract_missing(workspace, backbone, one, precision, on_error=on_error)
    found = workspace.drift(backbone, dataset, other, precision=precision, limit=limit, seed=seed)
    rows = [
        (
            one.label,
            f"{one.accuracy:.3f}",
            _ends(one.interval),
            f"{one.tested_on:,}",
            f"{one.here:.1%}",
            f"{one.there:.1%}",
        )
        for one in found.classes[:SHOWN]
    ]

    def show(out: Any) -> None:
        out.print(text(f"{found.to_text()[0].upper()}{found.to_text()[1:]}."))
        if found.shared:
            out.print(text(f"{found.shared:,} contents are in both."))
        if rows:
            out.print(table(None, COLUMNS, rows))
        if len(found.classes) > len(rows):
            out.print(text(f"The first {len(rows)} of {len(found.classes):,} classes are shown."))
        if found.too_few:
            named = ", ".join(found.too_few[:SHOWN])
            out.print(
                text(f"Too few samples were tested of {len(found.too_few):,} classes: {named}.")
            )

    return Result(found, show)


def _ends(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
