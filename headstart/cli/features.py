"""`features`: what is in the cache, and whether it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headstart.cli import cache, plots
from headstart.cli.output import (
    Call,
    Result,
    command,
    precision_option,
    progress_bar,
    shape_text,
    size_text,
    table,
    text,
)


def register(cli: click.Group) -> None:
    group = click.Group("features", help="The feature cache.")
    command(group, "list")(_list)
    command(group, "show")(click.argument("key")(_show))
    rows = click.option("--rows", type=int, default=16, show_default=True)
    seed = click.option("--seed", type=int, default=0, show_default=True)
    backbone = click.argument("backbone", metavar="BACKBONE[@CUT]")
    full = click.option("--full", is_flag=True, help="Hash every shard as a whole.")
    dataset = click.argument("dataset")
    command(group, "verify")(backbone(dataset(rows(seed(full(precision_option(_verify)))))))
    path = click.argument("file", type=click.Path(path_type=Path))
    command(group, "export")(backbone(dataset(path(precision_option(_export)))))
    plots.register_features(group)
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
    from headstart.registry.features import FeatureRepository

    workspace = call.open()
    repository = FeatureRepository(workspace.context.database)
    found = repository.get_set(key)
    shards = repository.find_shards(found.id)
    savings = workspace.context.cache().measure(found)
    steps = Preprocessing.from_json(found.preprocessing).describe()
    engines = sorted({shard.engine for shard in shards})
    rows = [
        ("key", found.key),
        ("backbone", found.backbone),
        ("cut", found.cut),
        ("trunk", found.trunk_fingerprint),
        ("preprocessing", tuple(f"{n}. {step}" for n, step in enumerate(steps, start=1))),
        ("precision", found.precision),
        ("feature", f"{shape_text(found.shape)}, {found.dtype}"),
        ("stored", f"{found.storage}, compression {found.compression}"),
        ("rows", sum(shard.rows for shard in shards)),
        ("shards", f"{len(shards)}, {size_text(sum(shard.size for shard in shards))}"),
        ("engines", ", ".join(engines) or None),
        ("last used", str(found.used_at)[:16] if found.used_at else None),
    ]
    if savings is not None and savings.advice and found.compression == "none":
        rows.append(("advice", savings.advice))
    data: dict[str, Any] = {
        **vars(found),
        "rows": sum(shard.rows for shard in shards),
        "shards": [vars(shard) for shard in shards],
        "savings": vars(savings) if savings else None,
    }
    return Result(data, lambda out: out.print(table(None, ("what", ""), rows)))


def _export(call: Call, backbone: str, dataset: str, file: Path, precision: str) -> Result:
    """Write a dataset's features into FILE: .npz, .npy (labels in a .csv beside it) or .h5."""
    view = call.open().features(backbone, dataset, precision)
    with progress_bar("exporting", "rows") as progress:
        view.export(file, progress)
    size = file.stat().st_size
    data = {"file": str(file), "rows": len(view), "size": size, "feature_key": view.key}
    line = f"{len(view):,} rows of {shape_text(view.shape[1:])} in {file}, {size_text(size)}"
    return Result(data, lambda out: out.print(text(line), soft_wrap=True))


def _verify(
    call: Call, backbone: str, dataset: str, rows: int, seed: int, full: bool, precision: str
) -> Result:
    """Compute some rows again through the real model, and check the shards.

    Shards whose files were touched are hashed; all of them with --full.
    """
    with progress_bar("hashing", "rows") as progress:
        data = call.open().verify(
            backbone, dataset, rows, seed, full=full, precision=precision, progress=progress
        )

    def show(out: Any) -> None:
        differ = (
            ""
            if not data["rows"]
            else f", largest difference {data['max_abs_diff']:.2g}\nrelative error "
            f"{data['max_relative_error']:.2g} ({data['tolerance']:.2g} allowed)"
        )
        out.print(
            f"{data['rows']} rows computed again{differ}; {data['corrupt']} damaged shards put "
            "aside.",
            soft_wrap=True,
        )

    failed = (
        ""
        if data["ok"]
        else f"cached rows are not what the model gives: relative error "
        f"{data['max_relative_error']:.2g}, allowed {data['tolerance']:.2g}. Remove them with "
        f"`headstart features gc --set {data['feature_key'][:12]} --apply` and extract again."
    )
    return Result(data, show, failed)
