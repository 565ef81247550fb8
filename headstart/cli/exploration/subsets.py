"""`features outliers`, `cover` and `cluster`: samples worth a look, without any label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headstart.cli.exploration.limits import limit_option, seed_option
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
from headstart.cli.parameters import NUMBER, OutputFile


def register(group: click.Group) -> None:
    command(group, "outliers")(with_common_options(_outliers, _count(20, "How many.")))
    command(group, "cover")(
        with_common_options(
            _cover,
            _count(20, "How many."),
            click.option(
                "--beside-labelled",
                is_flag=True,
                help="Samples that have a label count as taken already.",
            ),
            click.option(
                "--output",
                "-o",
                type=OutputFile(),
                metavar="FILE.csv",
                help="Write them, to be labelled and given to `dataset correct`.",
            ),
        )
    )
    command(group, "cluster")(
        with_common_options(
            _cluster,
            _count(10, "How many clusters."),
            click.option(
                "--output",
                "-o",
                type=OutputFile(),
                metavar="FILE.csv",
                help="Write the cluster of each sample, and how far it is from the centre.",
            ),
        )
    )


def _count(default: int, words: str) -> Any:
    number = NUMBER
    return click.option("--n", "count", type=number, default=default, show_default=True, help=words)


def with_common_options(function: Any, *options: Any) -> Any:
    """A command of a backbone and a dataset, with options that all of them have."""
    backbone = click.argument("backbone", metavar="BACKBONE[@CUT]")
    common = (precision_option, on_error_option, limit_option, seed_option)
    return with_options(function, backbone, click.argument("dataset"), *options, *common)


def opened(call: Call, backbone: str, dataset: str, precision: str, on_error: str) -> Any:
    """The workspace, in which the features are."""
    from headstart.cli.extract import extract_missing

    workspace = call.open(backbone, dataset)
    extract_missing(workspace, backbone, dataset, precision, on_error=on_error)
    return workspace


def _outliers(
    call: Call,
    backbone: str,
    dataset: str,
    count: int,
    precision: str,
    on_error: str,
    limit: int,
    seed: int,
) -> Result:
    """The samples of DATASET that are unlike all others: broken files, other subjects, rare cases.

    distance: 1 - cosine to the tenth nearest other sample. Labels are not needed.
    """
    workspace = opened(call, backbone, dataset, precision, on_error)
    found = workspace.outliers(
        backbone, dataset, count, precision=precision, limit=limit, seed=seed
    )
    rows = [
        (
            one.sample.id,
            one.sample.split,
            one.sample.label,
            f"{one.distance:.3f}",
            f"{one.share:.2%}",
        )
        for one in found
    ]
    columns = ("sample", "=split", "label", ">distance", ">as far or further")
    return Result(found, lambda out: out.print(table(None, columns, rows)))


def _cover(
    call: Call,
    backbone: str,
    dataset: str,
    count: int,
    beside_labelled: bool,
    output: Path | None,
    precision: str,
    on_error: str,
    limit: int,
    seed: int,
) -> Result:
    """A few samples of DATASET to which all others are near (k-center): label these first.

    Each is the sample furthest from those before it, so that the first ten of a hundred are as good
    a choice of ten. With --output, fill in new_label and give the file to `dataset correct`.
    """
    from headstart.jobs.datasets.suspects import NEXT, check_target, write_rows

    if output is not None:
        check_target(output)
    workspace = opened(call, backbone, dataset, precision, on_error)
    found = workspace.cover(
        backbone,
        dataset,
        count,
        beside_labelled=beside_labelled,
        precision=precision,
        limit=limit,
        seed=seed,
    )
    named = [{"id": one.id, "split": one.split, "label": one.label} for one in found.samples]
    if output is not None:
        write_rows(output, NEXT, named)
    rows = [(number, *one.values()) for number, one in enumerate(named, start=1)]

    def show(out: Any) -> None:
        out.print(table(None, (">", "sample", "=split", "label"), rows))
        beside = f", in addition to {found.labelled:,} with a label" if found.labelled else ""
        line = f"{len(rows):,} of {found.looked_at:,} samples{beside}"
        out.print(text(f"{line}; the furthest of the others is {found.radius:.3f} away."))
        if output is not None:
            out.print(text(f"Wrote {output}, {len(rows):,} samples to label."), soft_wrap=True)

    return Result(found, show)


def _cluster(
    call: Call,
    backbone: str,
    dataset: str,
    count: int,
    output: Path | None,
    precision: str,
    on_error: str,
    limit: int,
    seed: int,
) -> Result:
    """The samples of DATASET in groups that lie together (k-means), without any label.

    spread: how far its samples are from the centre on average, 1 - cosine; label: the most frequent
    one of those that have a label.
    """
    from headstart.jobs.datasets.suspects import check_target, write_rows

    if output is not None:
        check_target(output)
    workspace = opened(call, backbone, dataset, precision, on_error)
    found = workspace.cluster(backbone, dataset, count, precision=precision, limit=limit, seed=seed)
    if output is not None:
        write_rows(output, ("id", "cluster", "distance"), found.rows())
    rows = [
        (
            one.number,
            f"{one.size:,}",
            f"{one.spread:.3f}",
            None if one.share is None else f"{one.label} ({one.share:.0%})",
            ", ".join(one.central),
        )
        for one in found.clusters
    ]

    def show(out: Any) -> None:
        columns = (">cluster", ">samples", ">spread", "label", "nearest to its centre")
        out.print(table(None, columns, rows))
        if output is not None:
            out.print(text(f"Wrote {output}, {len(found.samples):,} samples."), soft_wrap=True)

    return Result(found, show)
