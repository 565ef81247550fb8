"""`head compare`: two heads on the same test samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import Call, Result, command, note, range_text, table, text, with_options

if TYPE_CHECKING:
    from headstart.jobs.heads.compare import Difference

COLUMNS = ("score", ">A", ">B", ">B less A")
NAMED = 5
"""Samples that are named on screen; all are in the JSON."""


def register(group: click.Group) -> None:
    heads = (click.argument(name, metavar=name.upper()) for name in ("one", "other"))
    command(group, "compare")(with_options(_compare, *heads))


def _compare(call: Call, one: str, other: str) -> Result:
    """Compare two heads of one dataset on the same test samples.

    Shows which samples OTHER fixed and which it broke, and how much each score changed.
    """
    from headstart.heads.evaluation.intervals import score_text, share_text
    from headstart.heads.evaluation.provenance import words_of

    found = call.open().heads.compare(one, other)
    rows = [
        (
            words_of(difference.name),
            *(
                (score_text(difference.name, score), _ends(difference.name, ends))
                for score, ends in zip(difference.scores, difference.intervals, strict=True)
            ),
            (f"{difference.difference:+.3f}", _gain(difference.interval)),
        )
        for difference in found.differences
    ]
    lines = [f"A: {found.heads[0]}, B: {found.heads[1]}."]
    if found.fixed is not None and found.broken is not None:
        line = f"B fixed {_named(found.fixed)} and broke {_named(found.broken)}."
        if found.p_value is not None:
            line += f" McNemar's mid-p that both are as good: {share_text(found.p_value)}."
        lines.append(line)
    if found.warning:
        note(f"warning: {found.warning}.")
    drawn = f", in {found.groups:,} groups that are drawn together" if found.groups else ""
    lines.append(
        f"On {found.samples:,} test samples that both were judged on{drawn}. Below each score its "
        "95 % interval; that of a difference is of pairs of samples, and is found by:"
    )
    lines += _procedures(found.differences)

    def show(out: Any) -> None:
        out.print(table(None, COLUMNS, rows))
        for line in lines:
            out.print(text(line))

    return Result(found, show)


def _procedures(differences: Sequence[Difference]) -> list[str]:
    """By what the intervals were found, each with the scores that have it."""
    from headstart.heads.evaluation.provenance import words_of

    scores: dict[str, list[str]] = {}
    for one in differences:
        scores.setdefault(one.procedure, []).append(words_of(one.name))
    return [f"- {', '.join(names)}: {procedure}" for procedure, names in scores.items()]


def _ends(name: str, ends: Sequence[float] | None) -> str:
    from headstart.heads.evaluation.intervals import score_text

    return range_text(*(score_text(name, end) for end in ends)) if ends else "no interval"


def _gain(ends: Sequence[float] | None) -> str:
    return " to ".join(f"{end:+.3f}" for end in ends) if ends else "no interval"


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")
    return f"{len(ids):,} samples ({shown})" if ids else "none"
