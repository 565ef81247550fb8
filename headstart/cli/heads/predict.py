"""`head predict`: what a head says of files, folders and arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    on_error_option,
    progress_bar,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import NUMBER, OutputFile
from headstart.errors import HeadError
from headstart.values.said import CLASS, LABELS, NUMBERS

if TYPE_CHECKING:
    from headstart.catalog.head import Head
    from headstart.jobs.heads.predict import Predictions

PREDICT_OPTIONS = (
    click.argument("name"),
    click.argument("paths", nargs=-1, required=True, type=click.Path()),
    click.option(
        "--output",
        "-o",
        type=OutputFile(),
        metavar="FILE",
        help="Write the probabilities of all classes to a .csv, .jsonl or .parquet file.",
    ),
    click.option(
        "--top",
        type=NUMBER,
        metavar="K",
        help="Show the K most probable classes of each sample.",
    ),
    click.option(
        "--unsure",
        type=click.Choice(("reject", "set")),
        help="set: for each sample the classes of which one is right; yes, no or unknown for each "
        "of several labels; of numbers the interval that holds the right one. reject: name no "
        "class if there are several, no labels if the sample is unlike all that the head knows.",
    ),
    click.option(
        "--level",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="With --unsure: share of the sets that hold the right class, of the intervals that "
        "hold the right number, of answers that are not wrong; of several labels rejected: of "
        "samples like the head's own that are not. Default: 0.9.",
    ),
    click.option(
        "--novelty",
        is_flag=True,
        help="Also tell how new each sample is, 0 to 1: near 1 if it is unlike all that the "
        "head knows.",
    ),
    click.option(
        "--tta",
        type=NUMBER,
        metavar="K",
        help="Mean of the probabilities of each picture and of K augmented views of it.",
    ),
    on_error_option,
    click.option(
        "--root",
        type=click.Path(),
        metavar="DIR",
        help="Read no file outside of DIR, even if a table or a link names one.",
    ),
)


def register(group: click.Group) -> None:
    command(group, "predict")(with_options(_predict, *PREDICT_OPTIONS))


def _predict(
    call: Call,
    name: str,
    paths: tuple[Path, ...],
    output: Path | None,
    top: int | None,
    unsure: str | None,
    level: float | None,
    novelty: bool,
    tta: int | None,
    on_error: str,
    root: Path | None,
) -> Result:
    """Print the class and its probability for files, the images in folders, or the rows of
    arrays.

    --output writes them to a file while they are computed, however many there are. How good the
    head is on held-out samples is printed on standard error.
    """
    from headstart.heads.evaluation.provenance import trust_text
    from headstart.jobs.heads.prediction_files import check_target

    if level is not None and unsure is None:
        raise HeadError(
            "--level is of sets and intervals", hint="Say --unsure set or --unsure reject as well."
        )
    level = 0.9 if level is None else level
    if output is not None:
        check_target(output)
    head = call.open().heads.get(name)
    check_top(head, top, output)
    trust = trust_text(head.record)
    warn_of_void(head, name)
    asked: dict[str, Any] = {"unsure": unsure, "level": level, "novelty": novelty, "tta": tta or 0}
    predictions = head.predict_each(paths, on_error, root, **asked)
    if predictions.sets is not None:
        note(f"{predictions.sets.to_text()}.")
    if predictions.novelty is not None:
        note(f"{predictions.novelty.to_text()}.")
    if tta:
        note(f"probabilities are means over each picture and {tta} augmented views of it.")
    if output is not None:
        return _written(predictions, output, trust)
    return _predicted(head, predictions, trust, top)


def warn_of_void(head: Head, name: str) -> None:
    """Say on standard error that the head's scores say nothing of it any more, if that is so."""
    if head.is_void:
        note(
            f"warning: {head.record.dataset} was dealt to other splits since {name} was trained: "
            "its scores no longer count; train it again"
        )


def _written(predictions: Predictions, output: Path, trust: str) -> Result:
    """What is predicted, in a file."""
    from headstart.jobs.heads.prediction_files import write
    from headstart.jobs.outcomes import Written

    with progress_bar("predicting", "samples") as progress:
        written = write(predictions, output, progress)
    note(f"{trust}.")
    facts = {"rows": written, "skipped": predictions.skipped, "trust": trust}
    line = f"{written:,} predictions in {output}{_skipped(len(predictions.skipped))}."
    return Result(Written(output, facts), lambda out: out.print(text(line), soft_wrap=True))


def _predicted(head: Head, predictions: Predictions, trust: str, top: int | None) -> Result:
    """What is predicted, on screen."""
    from headstart.heads.evaluation.provenance import overconfident_text

    with progress_bar("predicting", "samples") as progress:
        found = predictions.gather(progress)
    note(f"{trust}.")
    if line := overconfident_text(head.record, [one.probability for one in found]):
        note(f"warning: {line}.")
    found.tops = top or 0
    columns, cells_of = SHOWN[predictions.says] if top is None else likeliest(top)
    if predictions.has_sets:
        what = {CLASS: "one of", LABELS: "unknown", NUMBERS: "interval"}[predictions.says]
        columns, cells_of = (*columns, what), with_set(cells_of)
    if predictions.has_novelty:
        columns, cells_of = (*columns, ">novelty"), with_novelty(cells_of)
    if predictions.has_splits:
        columns = ("split", *columns)
    splits = [(one.split,) if predictions.has_splits else () for one in found]
    rows = [
        line
        for one, split in zip(found, splits, strict=True)
        for line in a_row_each((one.name, *split, *cells_of(one)))
    ]

    def show(out: Any) -> None:
        out.print(table(None, ("file", *columns), rows))
        if predictions.skipped:
            out.print(text(f"{len(predictions.skipped):,} could not be read and were left out."))

    return Result(found, show)


def check_top(head: Any, top: int | None, output: Path | None) -> None:
    """See that the likeliest classes can be told.

    Raises:
        click.UsageError: the head says numbers, or a file has the probabilities of all classes.
    """
    if top is None:
        return
    if output is not None:
        raise click.UsageError("--output has the probabilities of all classes; leave --top out.")
    if not head.record.classes:
        raise click.UsageError(f"head {head.record.name} gives numbers; --top is of classes.")


def likeliest(count: int) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Columns and cells of the likeliest classes, a row each."""
    from headstart.heads.evaluation.intervals import share_text

    def cells(one: Any) -> tuple[Any, ...]:
        pairs = one.top(count)
        return tuple(said(label) for label, _ in pairs), tuple(share_text(p) for _, p in pairs)

    return ("class", ">probability"), cells


def a_row_each(cells: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """A row for each of the values of cells that have several, so that one that is folded has its
    own beside it; what is said once stands in the first."""
    count = max([1, *(len(cell) for cell in cells if isinstance(cell, tuple))])
    parts = [cell if isinstance(cell, tuple) else (cell, *[""] * (count - 1)) for cell in cells]
    return list(zip(*parts, strict=True))


def with_set(cells_of: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], tuple[Any, ...]]:
    """Cells with those of the classes of which one is right, or of intervals."""
    return lambda one: (*cells_of(one), one.unsure_text)


def with_novelty(cells_of: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], tuple[Any, ...]]:
    """Cells with that of how new a sample is."""
    from headstart.heads.evaluation.intervals import share_text

    return lambda one: (*cells_of(one), share_text(one.novelty))


def _class_cells(one: Any) -> tuple[str | None, str]:
    from headstart.heads.evaluation.intervals import share_text

    return None if one.label is None else said(one.label), share_text(one.probability)


def _label_cells(one: Any) -> tuple[str | None, str]:
    """The labels that are said, and the probability of each; of none the most probable one, and of
    what is rejected nothing."""
    from headstart.heads.evaluation.intervals import share_text
    from headstart.heads.tasks import SAID_FROM

    if one.label is None:
        return None, "rejected: unlike what the head knows"
    shares = one.by_class()
    told = {name: share for name, share in shares.items() if share >= SAID_FROM}
    if told:
        return one.label, ", ".join(f"{name} {share_text(told[name])}" for name in told)
    most = max(shares, key=lambda name: shares[name])
    return None, f"none; at most {most} {share_text(shares[most])}"


SHOWN: dict[str, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    CLASS: (("class", ">probability"), _class_cells),
    LABELS: (("labels", "probability of each"), _label_cells),
    NUMBERS: ((">number",), lambda one: (said(one.label),)),
}
"""Columns and cells of predictions, by what they say."""


def said(label: Any) -> str:
    return f"{label:.6g}" if isinstance(label, float) else str(label)


def _skipped(count: int) -> str:
    return f"; {count:,} could not be read and were left out" if count else ""
