"""`features`: what is in the cache, and whether it is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli import cache, plots
from headstart.cli.exploration import drift, duplicates, subsets
from headstart.cli.exploration import map as maps
from headstart.cli.output import (
    Call,
    Result,
    command,
    limit_option,
    on_error_option,
    precision_option,
    progress_bar,
    shape_text,
    size_text,
    table,
    text,
    windows_option,
    with_options,
)
from headstart.cli.parameters import NUMBER, SEED, OutputFile
from headstart.visible import in_number

if TYPE_CHECKING:
    from headstart.jobs.features.verify import Verified


def register(cli: click.Group) -> None:
    group = click.Group("features", help="The feature cache.")
    command(group, "list")(_list)
    command(group, "show")(click.argument("key")(_show))
    rows = click.option("--rows", type=int, default=16, show_default=True)
    seed = click.option("--seed", type=SEED, default=0, show_default=True)
    backbone = click.argument("backbone", metavar="BACKBONE[@CUT]")
    full = click.option("--full", is_flag=True, help="Hash every shard as a whole.")
    dataset = click.argument("dataset")
    command(group, "verify")(backbone(dataset(rows(seed(full(precision_option(_verify)))))))
    path = click.argument("file", type=OutputFile(beside={".npy": (".csv",)}))
    windows = windows_option("each", "mean", "max")
    export = with_options(_export, backbone, dataset, path, precision_option, windows)
    command(group, "export")(export)
    command(group, "next")(
        with_options(
            _next,
            dataset,
            click.option(
                "--head", required=True, help="The head that says which samples it is unsure of."
            ),
            click.option(
                "--n",
                "count",
                type=NUMBER,
                default=20,
                show_default=True,
                help="How many.",
            ),
            limit_option,
            click.option(
                "--held-out",
                is_flag=True,
                help="Those of its test samples that it is least sure of, to look at labels.",
            ),
            click.option(
                "--seed", type=SEED, default=0, show_default=True, help="Seed of the draws."
            ),
            on_error_option,
            click.option(
                "--output",
                "-o",
                type=OutputFile(),
                metavar="FILE.csv",
                help="Write them to a CSV file for `dataset correct`.",
            ),
        )
    )
    plots.register_features(group)
    subsets.register(group)
    drift.register(group)
    duplicates.register(group)
    maps.register(group)
    cache.register(group)
    cli.add_command(group)


def _list(call: Call) -> Result:
    """List the feature sets."""
    from headstart.registry import listing

    rows = listing.features(call.config)
    columns = (
        "=key",
        "backbone",
        "cut",
        "=shape",
        "=precision",
        ">rows",
        ">?size",
        ">?shards",
    )
    cells = [
        (
            row["feature_key"][:12],
            row["backbone"],
            row["cut"] + (f", view {row['view']}" if row["view"] else ""),
            shape_text(row["shape"]),
            row["precision"],
            row["rows"],
            size_text(row["size"]),
            row["shards"],
        )
        for row in rows
    ]
    empty = "No features yet. Run `headstart extract BACKBONE DATASET`."
    return Result(rows, lambda out: out.print(table(None, columns, cells) if rows else empty))


def _show(call: Call, key: str) -> Result:
    """Show one feature set; KEY may be its first letters."""
    from headstart.extractors.preprocessing.pipeline import Preprocessing

    details = call.open().cache.details(key)
    found, savings = details.feature_set, details.savings
    steps = Preprocessing.from_json(found.preprocessing).describe()
    rows = [
        ("key", found.key),
        ("backbone", found.backbone),
        ("cut", found.cut),
        ("trunk", found.trunk_fingerprint),
        ("preprocessing", tuple(f"{n}. {step}" for n, step in enumerate(steps, start=1))),
        ("precision", found.precision),
        ("feature", f"{shape_text(found.shape)}, {found.dtype}"),
        ("stored", f"{found.storage}, compression {found.compression}"),
        ("rows", details.rows),
        ("shards", f"{len(details.shards)}, {size_text(details.size)}"),
        ("engines", ", ".join(details.engines) or None),
        ("last used", str(found.used_at)[:16] if found.used_at else None),
    ]
    if savings is not None and savings.advice and found.compression == "none":
        rows.append(("advice", savings.advice))
    return Result(details, lambda out: out.print(table(None, ("what", ""), rows)))


def _next(
    call: Call,
    dataset: str,
    head: str,
    count: int,
    limit: int,
    held_out: bool,
    seed: int,
    on_error: str,
    output: Path | None,
) -> Result:
    """Suggest which samples of DATASET to label next: a head is unsure of them, and they differ
    from each other (BADGE). Missing features are extracted first.

    With --output they are written to a file: fill in new_label, then run `dataset correct`.
    """
    from headstart.cli.extract import extract_missing
    from headstart.cli.heads.predict import said
    from headstart.heads.evaluation.intervals import share_text
    from headstart.jobs.datasets.suspects import NEXT, check_target, write_rows

    if output is not None:
        check_target(output)
    workspace = call.open(dataset)
    judge = workspace.heads.get(head)
    blocks = judge.blocks()
    extract_missing(workspace, blocks.reference, dataset, blocks.precision, on_error=on_error)
    if held_out:
        found = judge.least_sure(count, dataset)
    else:
        found = judge.label_next(dataset, count, limit=limit, seed=seed)
    if output is not None:
        write_rows(output, NEXT, (one.to_json() for one in found))
    rows = [
        (
            one.sample.id,
            one.sample.split,
            said(one.guess),
            None if one.probability != one.probability else share_text(one.probability),
        )
        for one in found
    ]

    def show(out: Any) -> None:
        out.print(table(None, ("sample", "=split", "guess", ">probability"), rows))
        if output is not None:
            out.print(text(f"Wrote {output}, {len(found):,} samples to label."), soft_wrap=True)

    return Result(found, show)


def _export(
    call: Call, backbone: str, dataset: str, file: Path, precision: str, windows: str | None
) -> Result:
    """Write a dataset's features to FILE: .npz, .npy (with the labels in a .csv of the same
    name) or .h5.
    """
    from headstart.cached import of_samples
    from headstart.jobs.outcomes import Written

    view = call.open().features(backbone, dataset, precision)
    view = view if windows is None else of_samples(view, windows)
    with progress_bar("exporting", "rows") as progress:
        view.export(file, progress)
    written = Written.of(file, rows=len(view), feature_key=view.key)
    told = f"{len(view):,} rows of {shape_text(view.shape[1:])}"
    line = f"{told} in {file}, {size_text(written.size)}"
    return Result(written, lambda out: out.print(text(line), soft_wrap=True))


def _verify(
    call: Call, backbone: str, dataset: str, rows: int, seed: int, full: bool, precision: str
) -> Result:
    """Compute some rows again with the real model, and check the shards.

    Shards whose files were touched are hashed; --full hashes all.
    """
    with progress_bar("hashing", "rows") as progress:
        found = call.open().verify(
            backbone, dataset, rows, seed, full=full, precision=precision, progress=progress
        )

    def show(out: Any) -> None:
        differ = (
            ""
            if not found.rows
            else f", largest difference {found.max_abs_diff:.2g}\nrelative error "
            f"{found.max_relative_error:.2g} ({found.tolerance:.2g} allowed)"
        )
        out.print(
            in_number(
                f"{found.rows:,} rows computed again{differ}; "
                f"{found.corrupt:,} damaged shards put aside."
            ),
            soft_wrap=True,
        )

    failed = "" if found.ok else _what_to_do(found, f"{backbone} {dataset}", precision)
    return Result(found, show, failed)


def _what_to_do(found: Verified, named: str, precision: str) -> str:
    """What is wrong with cached rows, and the command that mends it."""
    option = "" if precision == "float32" else f" --precision {precision}"
    again = f"`headstart extract {named}{option}`"
    error, allowed = found.max_relative_error, found.tolerance
    if error is not None and allowed is not None and not error <= allowed:
        return (
            f"cached rows are not what the model gives: relative error "
            f"{found.max_relative_error:.2g}, allowed {found.tolerance:.2g}. Remove them with "
            f"`headstart features gc --set {found.feature_key[:12]} --apply` and extract again."
        )
    if found.corrupt:
        return f"damaged shards were put aside: {found.corrupt}. Compute their rows with {again}."
    return f"no cached rows to compare. Compute them with {again}."
