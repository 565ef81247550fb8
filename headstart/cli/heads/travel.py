"""`head export|import`: one file that carries a head to another workspace."""

from __future__ import annotations

from pathlib import Path

import click

from headstart.cli.heads.shown import shown
from headstart.cli.output import Call, Result, command, size_text, text
from headstart.cli.parameters import OutputFile


def register(group: click.Group) -> None:
    target = click.argument("file", type=OutputFile())
    command(group, "export")(click.argument("name")(target(_export)))
    file = click.argument("file", type=click.Path(path_type=Path))
    name = click.option("--name", help="Register it under this name.")
    command(group, "import")(file(name(_import)))


def _export(call: Call, name: str, file: Path) -> Result:
    """Write head NAME with its weights and its record to FILE, a .zip. Its backbone travels
    with `backbone export`.
    """
    from headstart.jobs.outcomes import Written

    call.open().heads.get(name).export(file)
    written = Written.of(file)
    line = f"{name} in {file}, {size_text(written.size)}"
    return Result(written, lambda out: out.print(text(line), soft_wrap=True))


def _import(call: Call, file: Path, name: str | None) -> Result:
    """Register the head in FILE as the next version of its name, on the backbone here that
    gives its features.
    """
    return shown(call.open().heads.import_(file, name))
