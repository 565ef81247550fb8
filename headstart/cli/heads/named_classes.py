"""`head train --classes FILE`: the names of classes, for kinds of heads that are made of them."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from headstart.errors import HeadError

LARGEST = 1 << 24
"""Bytes of such a file."""


def with_classes(kind: Any, path: str) -> Any:
    """A kind that says one of the classes that a file names, a line each.

    Raises:
        click.UsageError: heads of the kind are not made of names alone.
        HeadError: the file cannot be read.
        InvalidHeadSetting: it has fewer than two names, or one twice.
    """
    if "classes" not in [one.name for one in fields(kind)]:
        raise click.UsageError(f"--classes is not for a head of kind {kind.kind}: zeroshot has it.")
    return replace(kind, classes=names_in(Path(path)))


def names_in(path: Path) -> tuple[str, ...]:
    """The lines of a file that are not empty."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise HeadError(
                f"{path} is larger than {LARGEST:,} bytes", hint="Name a list of names."
            )
        lines = re.split(r"\r\n|\r|\n", content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise HeadError(
            f"the class names in {path} cannot be read: {error}",
            hint="Name a text file in UTF-8 with a name a line.",
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise HeadError(f"{path} has no class name", hint="Write one a line.")
    return names
