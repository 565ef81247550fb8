"""`head train --from-sweep` and `--ensemble`: a row of a sweep that is kept, or several."""

from __future__ import annotations

import click


def row_of_sweep(text: str, *, others: bool) -> tuple[int, int]:
    """The number of a sweep and of its row, from 1, in `ID` or `ID:ROW`.

    Args:
        text: what was given.
        others: whether features, kind or settings were given as well.

    Raises:
        click.UsageError: it is none, or they were: the row says all of that.
    """
    number, colon, row = text.partition(":")
    if not number.isdecimal() or (colon and not row.isdecimal()):
        raise click.UsageError(f"--from-sweep takes ID or ID:ROW, such as 3:2, received {text!r}.")
    if others:
        raise click.UsageError(
            "--from-sweep says backbone, dataset, kind, task and settings; leave theirs out."
        )
    return int(number), int(row) if colon else 1


def number_of_sweep(text: str, *, others: bool) -> int:
    """The number of a sweep whose heads become an ensemble.

    Args:
        text: what was given.
        others: whether features, kind or settings were given as well.

    Raises:
        click.UsageError: it is none, or they were: the sweep says all of that.
    """
    if not text.isdecimal():
        raise click.UsageError(f"--ensemble takes the number of a sweep, received {text!r}.")
    if others:
        raise click.UsageError("--ensemble takes everything from the sweep; leave the rest out.")
    return int(text)
