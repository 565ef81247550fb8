"""`prune`: heads, sweeps and runs that are old."""

from __future__ import annotations

from typing import Any

import click

from headstart.cli.output import Call, Result, command, text, with_options
from headstart.cli.parameters import WHOLE

SHOWN = 20
"""Of what is old, on screen."""


def register(cli: click.Group) -> None:
    command(cli, "prune")(
        with_options(
            _prune,
            click.argument("what", type=click.Choice(["heads", "sweeps", "runs"])),
            click.argument("head", required=False, metavar="[HEAD]"),
            click.option(
                "--keep",
                type=WHOLE,
                metavar="N",
                help="The newest N stay; of each head its versions.",
            ),
            click.option(
                "--older", metavar="WHEN", help="Only from before a date, a time, or such as 90d."
            ),
            click.option("--apply", is_flag=True, help="Remove them; without it they are listed."),
        )
    )


def _prune(
    call: Call, what: str, head: str | None, keep: int | None, older: str | None, apply: bool
) -> Result:
    """List old versions of heads, sweeps or extractions, and with --apply forget them.

    Heads with an alias, those that others were fine-tuned from and the latest version of each stay.
    """
    if head is not None and what != "heads":
        raise click.UsageError(f"{what} have no names.")
    if keep is None and older is None:
        raise click.UsageError("Say what is old: --keep N, --older WHEN, or both.")
    workspace = call.open()
    named: dict[str, Any] = {"name": head} if what == "heads" else {}
    found = getattr(workspace, what).prune(**named, keep=keep, older=older, apply=apply)

    def show(out: Any) -> None:
        for one in found.removed[:SHOWN]:
            out.print(text(f"{found.kind} {one}"))
        if len(found.removed) > SHOWN:
            out.print(text(f"and {len(found.removed) - SHOWN:,} more; --json lists all"))
        for one in found.spared:
            out.print(text(f"stays: {one}"), soft_wrap=True)
        count = f"{len(found.removed):,} {what}"
        done = f"{count} are removed." if apply else f"{count} are old; --apply removes them."
        out.print(text(done))

    return Result(found, show)
