"""`backbone export|import`: one file that carries a backbone to another workspace."""

from __future__ import annotations

from pathlib import Path

import click

from headstart.cli.output import Call, Result, command, note, progress_bar, size_text, text
from headstart.cli.parameters import NUMBER, OutputFile


def register(group: click.Group) -> None:
    file = click.argument("file", type=click.Path(path_type=Path))
    features = click.option(
        "--features", is_flag=True, help="Include all features extracted with it."
    )
    target = click.argument("file", type=OutputFile())
    command(group, "export")(click.argument("name")(target(features(_export))))
    name = click.option("--name", help="Register it under this name.")
    trust = click.option("--trust", is_flag=True, help="Load the model even if it brings code.")
    max_bytes = click.option(
        "--max-model-bytes",
        type=NUMBER,
        metavar="N",
        help="Memory that an untrusted model may use. Default: a multiple of its file size.",
    )
    command(group, "import")(file(name(trust(max_bytes(_import)))))


def _export(call: Call, name: str, file: Path, features: bool) -> Result:
    """Write the backbone NAME with its preprocessing and cuts into FILE, a .zip."""
    from headstart.jobs.outcomes import Written

    with progress_bar("exporting", "bytes") as progress:
        call.open().backbones.export(name, file, features=features, progress=progress)
    written = Written.of(file)
    line = f"{name} in {file}, {size_text(written.size)}"
    return Result(written, lambda out: out.print(text(line)))


def _import(
    call: Call, file: Path, name: str | None, trust: bool, max_model_bytes: int | None
) -> Result:
    """Register the backbone in FILE, and the features in it."""
    with progress_bar("importing", "bytes") as progress:
        found = call.open(makes=True).backbones.import_(
            file,
            name,
            trust=trust,
            progress=progress,
            max_model_bytes=max_model_bytes,
            say=note,
        )
    backbone, rows = found
    for warning in backbone.warnings:
        note(f"warning: {warning}")
    line = f"{backbone.label} with {len(backbone.cuts)} cut points; {rows:,} rows of features"
    return Result(found, lambda out: out.print(text(line)))
