"""`stats`: what the cache did."""

from __future__ import annotations

import click

from headstart.cli.output import Call, Result, command, size_text, table, text, with_options


def register(cli: click.Group) -> None:
    command(cli, "stats")(
        with_options(
            _stats,
            click.option(
                "--since", metavar="WHEN", help="A date, a time, or an age such as 7d or 12h."
            ),
            click.option(
                "--days", is_flag=True, help="Show figures by day instead of by backbone."
            ),
            click.option(
                "--prometheus", is_flag=True, help="Print the text format of Prometheus instead."
            ),
        )
    )


def _stats(call: Call, since: str | None, days: bool, prometheus: bool) -> Result:
    """Show what extractions computed, what the cache saved, and what each backbone costs."""
    from headstart.jobs import stats

    if prometheus and call.as_json:
        raise click.UsageError("Give --prometheus or --json, not both.")
    found = stats.stats(call.open().context, since)
    if prometheus:
        told = stats.prometheus(found)
        return Result(found, lambda out: out.print(told, end="", soft_wrap=True, markup=False))
    columns = ("~day" if days else "~backbone", ">runs", ">computed", ">reused", ">found there")
    columns += (">seconds", ">samples/s", ">seconds saved")
    rows = [
        (
            one.name,
            one.runs,
            one.computed,
            one.reused,
            None if one.hit_rate is None else f"{one.hit_rate:.0%}",
            f"{one.seconds:,.1f}",
            None if one.rate is None else f"{one.rate:,.1f}",
            None if one.saved_seconds is None else f"{one.saved_seconds:,.1f}",
        )
        for one in (found.days if days else found.backbones)
    ]
    line = (
        f"{found.trained:,} heads trained in {found.trained_seconds:,.1f} s; "
        f"{found.served_rows:,} rows ({size_text(found.served_bytes)}) came from the cache, which "
        f"holds {found.rows:,} rows of {found.sets:,} sets in {size_text(found.bytes)}. "
        "An extraction that finds all of its rows is not counted."
    )

    def show(out: object) -> None:
        if rows:
            out.print(table(None, columns, rows))  # type: ignore[attr-defined]
        out.print(text(line))  # type: ignore[attr-defined]

    return Result(found, show)
