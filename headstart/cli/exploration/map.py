"""`features map`: coordinates of samples, kept for the page."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    on_error_option,
    precision_option,
    text,
    with_options,
)
from headstart.cli.parameters import SEED


def register(group: click.Group) -> None:
    command(group, "map")(
        with_options(
            _map,
            click.argument("backbone", metavar="BACKBONE[@CUT]"),
            click.argument("dataset"),
            click.option(
                "--method",
                type=click.Choice(["pca", "tsne", "umap"]),
                default="pca",
                show_default=True,
                help="pca: seconds; tsne and umap: minutes, with clearer groups.",
            ),
            click.option("--seed", type=SEED, default=0, show_default=True, help="Of all chance."),
            precision_option,
            on_error_option,
        )
    )


def _map(
    call: Call,
    backbone: str,
    dataset: str,
    method: str,
    seed: int,
    precision: str,
    on_error: str,
) -> Result:
    """Give each sample of DATASET two coordinates, so that those with similar features lie near
    each other, and keep them: `headstart ui` shows them at once. What is missing in the cache is
    extracted first.

    `features plot` draws such a map into a file.
    """
    from headstart.cli.extract import extract_missing

    workspace = call.open(backbone, dataset)
    extract_missing(workspace, backbone, dataset, precision, on_error=on_error)
    found = workspace.map(backbone, dataset, method, seed=seed, precision=precision)
    kept = found.kept
    done = f"made in {kept.seconds:.1f} s" if found.is_new else "kept from before"

    def show(out: Any) -> None:
        line = f"{kept.samples:,} of {kept.total:,} samples of {kept.dataset} by {kept.backbone}"
        out.print(text(f"{line}: {kept.words}, {done}."), soft_wrap=True)
        out.print(text("Look at it: `headstart ui`, Map."))

    return Result(found, show)
