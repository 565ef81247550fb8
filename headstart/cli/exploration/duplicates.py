"""`features duplicates`: samples that are nearly the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headstart.cli.exploration.subsets import opened, with_common_options
from headstart.cli.output import Call, Result, command, progress_bar, table, text
from headstart.cli.parameters import OutputFile

SHOWN = 20


def register(group: click.Group) -> None:
    made = with_common_options(
        _duplicates,
        click.option(
            "--pictures",
            is_flag=True,
            help="Also compare the pictures themselves.",
        ),
        click.option(
            "--across",
            is_flag=True,
            help="Only pairs in different splits.",
        ),
        click.option(
            "--output",
            "-o",
            type=OutputFile(),
            metavar="FILE.csv",
            help="Write each sample that has a duplicate, with the group that it belongs to, for "
            "`dataset correct`.",
        ),
    )
    command(group, "duplicates")(made)


def _duplicates(
    call: Call,
    backbone: str,
    dataset: str,
    pictures: bool,
    across: bool,
    output: Path | None,
    precision: str,
    on_error: str,
    limit: int,
    seed: int,
) -> Result:
    """Find samples of DATASET that are nearly the same. Labels are not needed.

    Two samples are near duplicates if they are much closer to each other than to what is around
    them. Pairs across the border of the test split come first: scores look better than they are
    because of them.
    """
    from headstart.jobs.datasets.suspects import DUPLICATES, check_target, write_rows

    if output is not None:
        check_target(output)
    workspace = opened(call, backbone, dataset, precision, on_error)
    with progress_bar("comparing", "samples") as progress:
        found = workspace.duplicates(
            backbone,
            dataset,
            pictures=pictures,
            across=across,
            precision=precision,
            limit=limit,
            seed=seed,
            progress=progress,
        )
    if output is not None:
        write_rows(output, DUPLICATES, found.rows())
    rows = [
        (
            pair.first.id,
            pair.second.id,
            f"{pair.first.split}, {pair.second.split}",
            f"{pair.distance:.3f}",
            pair.evidence,
        )
        for pair in found.pairs[:SHOWN]
    ]
    line = (
        f"{len(found.pairs):,} pairs among {found.samples:,} samples: {len(found.across):,} in "
        f"different splits, {len(found.leaks):,} of them across the border of the test split"
    )
    more = f"; the first {len(rows)} are shown" if len(rows) < len(found.pairs) else ""

    def show(out: Any) -> None:
        if rows:
            out.print(table(None, ("sample", "near duplicate", "=splits", ">distance", "by"), rows))
        out.print(text(f"{line}{more}."))
        if output is not None:
            out.print(text(f"Wrote {output}, {len(found.rows()):,} samples."), soft_wrap=True)

    return Result(found, show)
