"""`demo`: the main job on real data, and what it costs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import Call, Result, command, note, progress_bar, table, text

if TYPE_CHECKING:
    from headstart.demo import DemoResult


def register(cli: click.Group) -> None:
    command(cli, "demo")(_demo)


def _demo(call: Call) -> Result:
    """Sort emoji by their pictures: extract, train, attach, predict.

    Runs in a workspace of its own, ./headstart-demo unless --workspace names another.
    """
    from headstart import demo

    root = call.workspace or Path("headstart-demo")
    with progress_bar("extracting", "pictures") as progress:
        result = demo.run(root, note, progress)
    return Result(result, lambda out: _show(result, root, out))


def _show(result: DemoResult, root: Path, out: Any) -> None:
    from headstart.demo import CREDIT

    out.print(_scores(result))
    out.print(_costs(result))
    out.print(_predictions(result))
    for line in (
        f"The attached model: {result.saved}",
        f"It equals the cached path within {result.max_abs_diff:.1g}. {CREDIT}",
        f"Look at all of it in a browser: headstart ui --workspace {shlex.quote(str(root))}",
    ):
        out.print(text(line), soft_wrap=True)


def _scores(result: DemoResult) -> Any:
    rows = [
        (row["head"], row["features"], f"{row['accuracy']:.3f}", f"{row['seconds']:.1f} s")
        for row in result.scores
    ]
    return table("Accuracy on held-out emoji", ("head", "on", ">accuracy", ">trained in"), rows)


def _costs(result: DemoResult) -> Any:
    from headstart.demo import CUTS, EPOCHS, HEADS

    first, second = result.first, result.second
    plain = result.epoch_seconds * HEADS * EPOCHS
    ours = first["seconds"] + HEADS * result.scores[0]["seconds"]
    rows = [
        (
            f"first extraction, {len(CUTS)} cuts: {first['computed']:,} computed",
            f"{first['seconds']:.1f} s",
        ),
        (
            f"second extraction: {second['computed']:,} computed, {second['reused']:,} reused",
            f"{second['seconds']:.2f} s",
        ),
        (
            "one epoch the plain way, frozen backbone inside model.fit (measured)",
            f"{result.epoch_seconds:.1f} s",
        ),
        (
            f"{HEADS} heads of {EPOCHS} epochs the plain way (that epoch x {HEADS * EPOCHS})",
            f"{plain:,.0f} s",
        ),
        (
            f"{HEADS} linear heads here: the first extraction + {HEADS} fits",
            f"{ours:,.0f} s, 1/{plain / ours:,.0f}",
        ),
    ]
    return table("What it costs", ("", ">time"), rows)


def _predictions(result: DemoResult) -> Any:
    rows = [
        (p["picture"], p["emoji"], p["truth"], p["label"], f"{p['probability']:.2f}")
        for p in result.predictions
    ]
    columns = ("picture", "emoji", "truth", "predicted", ">probability")
    return table("Predictions for held-out pictures", columns, rows)
