"""`head attach`, `finetune`, `predict`: what leaves the workspace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    on_error_option,
    progress_bar,
    score_cell,
    table,
    text,
    views_option,
    with_options,
)
from headstart.cli.parameters import NUMBER, OutputFile
from headstart.database_urls import without_passwords
from headstart.errors import HeadError

COLUMNS = ("", ">samples", ">accuracy", ">macro F1", ">log loss")
MODEL = OutputFile(beside={"*": (".json", ".md")})
SCORES = ("accuracy", "macro_f1", "log_loss")


def register(group: click.Group) -> None:
    name = click.argument("name")
    output = click.option(
        "--output",
        "-o",
        type=MODEL,
        required=True,
        help="NAME.keras, NAME.onnx, NAME.tflite, or a folder for a SavedModel.",
    )
    pixels = click.option(
        "--pixels/--preprocessed",
        default=None,
        help="What the model takes: uint8 pixels, scaled inside the model (the default for "
        "pictures), or what the preprocessing gives.",
    )
    labels = click.option(
        "--labels", is_flag=True, help="Also output the name of the class (.keras and SavedModel)."
    )
    command(group, "attach")(with_options(_attach, name, output, pixels, labels))
    finetune = with_options(
        _finetune,
        name,
        click.option(
            "--from", "start", required=True, metavar="CUT", help="Train the layers above this cut."
        ),
        click.option("--as", "new", metavar="NEWNAME", help="Name of the new head. Default: NAME."),
        click.option(
            "--output",
            "-o",
            type=MODEL,
            help="Also write the whole model, as `head attach` does.",
        ),
        click.option("--learning-rate", type=float, help="Learning rate of Adam. Default: 0.0001."),
        click.option("--epochs", type=int, help="Maximum number of passes. Default: 10."),
        click.option("--batch-size", type=int, help="Samples per step. Default: 32."),
        click.option(
            "--batch-norm", is_flag=True, help="Also train the scales and offsets of batch norms."
        ),
        on_error_option,
        views_option,
    )
    command(group, "finetune")(finetune)
    log = with_options(
        _log,
        name,
        click.option("--to", "uri", help="Address of the server. Default: $MLFLOW_TRACKING_URI."),
        click.option("--experiment", default="headstart", show_default=True, help="Its name."),
        click.option(
            "--model", is_flag=True, help="Also the attached model, for `mlflow models serve`."
        ),
    )
    command(group, "log")(log)
    predict = with_options(
        _predict,
        name,
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
            help="set: for each sample the classes of which one is right; reject: name no class "
            "if there are several.",
        ),
        click.option(
            "--level",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            help="With --unsure: share of the sets that hold the right class. Default: 0.9.",
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
    command(group, "predict")(predict)


def _attach(call: Call, name: str, output: Path, pixels: bool | None, labels: bool) -> Result:
    """Save trunk and head as one model, loaded again and checked on real samples."""
    head = call.open().heads.get(name)
    made = head.attach_checked(output, pixels=pixels, labels=labels)
    line = (
        f"Saved {output}; it takes {made.takes}, "
        f"and reproduces the cached features' probabilities within {made.difference:.1g}."
    )
    return Result(made, lambda out: out.print(text(line), soft_wrap=True))


def _finetune(
    call: Call,
    name: str,
    start: str,
    new: str | None,
    output: Path | None,
    on_error: str,
    views: int,
    **options: Any,
) -> Result:
    """Train the layers above a cut together with the head, from that cut's cached features.

    Layers below the cut do not run again. The result becomes the next version of NAME if it is
    better than the start, on samples that nothing was fitted on. --output also saves the whole
    model, checked as by `attach`.
    """
    from headstart.cli.extract import extract_missing
    from headstart.heads.models.finetune import FineTuning
    from headstart.jobs.heads.tuning import check_start

    workspace = call.open()
    head = workspace.heads.get(name)
    _, cut = head.origin()
    start = check_start(head, start).name  # before anything is extracted for it
    reference = f"{head.record.backbone}@{start}"
    dataset = workspace.context.datasets.get(head.record.dataset)  # a name, and no source
    extract_missing(workspace, reference, dataset, cut.precision, views, on_error=on_error)
    given = {key: value for key, value in options.items() if value is not None}
    tuned = head.finetune(start, output, FineTuning(**given, views=views), new)
    lines = [
        *tuned.verdict,
        f"Epochs were judged on {tuned.judged_on}.",
        f"The start is {tuned.start_is}.",
    ]
    saved = f"Saved {output}; it gives what was trained within {tuned.difference:.1g}."

    def show(out: Any) -> None:
        out.print(table(None, COLUMNS, _rows(head, tuned)))
        out.print(text(BELOW))
        for line in lines:
            out.print(text(line))
        if output is not None:
            out.print(text(saved), soft_wrap=True)

    return Result(tuned, show)


BELOW = "Below each score its 95 % interval."


def _rows(head: Any, tuned: Any) -> list[tuple[Any, ...]]:
    """Scores of start and result, on the samples that judged the epochs and on the test split;
    and those of the head that it came from, which may have seen the validation split."""
    result = "fine-tuned" if tuned.is_better else "kept: the start"
    judging = "held out" if tuned.is_held_out else "validation"
    pairs = [
        (f"start, {judging}", tuned.start["validation"]),
        (f"{result}, {judging}", tuned.validation),
        ("the head alone, test", head.metrics),
        ("start, test", tuned.start["test"]),
        (f"{result}, test", tuned.metrics),
    ]
    return [
        (
            what,
            scores.get("n", tuned.metrics["n_test"]),
            *(score_cell(scores, name) for name in SCORES),
        )
        for what, scores in pairs
    ]


def _log(call: Call, name: str, uri: str | None, experiment: str, model: bool) -> Result:
    """Write a head's settings, scores and lineage to MLflow."""
    from headstart.jobs.heads.log import log

    head = call.open().heads.get(name)
    server = uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http://", "https://")):
        note(without_passwords(f"logging {name} into {server}, experiment {experiment}"))
    done = log(head, uri, experiment, model=model)
    said = f"Logged as run {done.run}."
    if not done.is_new:
        added = "; its model is there now" if model else ""
        said = f"It was logged before, as {done.run}{added}."
    return Result(done, lambda out: out.print(text(said)))


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
    from headstart.heads.evaluation.provenance import overconfident_text, trust_text
    from headstart.jobs.heads.prediction_files import check_target, write
    from headstart.jobs.outcomes import Written

    if level is not None and unsure is None:
        raise HeadError("--level is of sets", hint="Say --unsure set or --unsure reject as well.")
    level = 0.9 if level is None else level
    if output is not None:
        check_target(output)
    head = call.open().heads.get(name)
    check_top(head, top, output)
    trust = trust_text(head.record)
    if head.is_void:
        note(
            f"warning: {head.record.dataset} was dealt to other splits since {name} was trained: "
            "its scores no longer count; train it again"
        )
    asked: dict[str, Any] = {"unsure": unsure, "level": level, "novelty": novelty, "tta": tta or 0}
    predictions = head.predict_each(paths, on_error, root, **asked)
    if unsure is not None:
        note(f"{head.conformal(level).to_text()}.")
    if predictions.novelty is not None:
        note(f"{predictions.novelty.to_text()}.")
    if tta:
        note(f"probabilities are means over each picture and {tta} augmented views of it.")
    with progress_bar("predicting", "samples") as progress:
        if output is not None:
            written = write(predictions, output, progress)
            note(f"{trust}.")
            facts = {"rows": written, "skipped": predictions.skipped, "trust": trust}
            data = Written(output, facts)
            line = f"{written:,} predictions in {output}{_skipped(len(predictions.skipped))}."
            return Result(data, lambda out: out.print(text(line), soft_wrap=True))
        found = predictions.gather(progress)
    note(f"{trust}.")
    if line := overconfident_text(head.record, [one.probability for one in found]):
        note(f"warning: {line}.")
    found.tops = top or 0
    columns, cells_of = SHOWN[predictions.says] if top is None else likeliest(top)
    if unsure is not None:
        what = "one of" if head.record.classes else "interval"
        columns, cells_of = (*columns, what), with_set(cells_of)
    if novelty:
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
    """The labels that are said, and the probability of each; of none the most probable one."""
    from headstart.heads.evaluation.intervals import share_text
    from headstart.heads.tasks import SAID_FROM

    shares = one.by_class()
    told = {name: share for name, share in shares.items() if share >= SAID_FROM}
    if told:
        return one.label, ", ".join(f"{name} {share_text(told[name])}" for name in told)
    most = max(shares, key=lambda name: shares[name])
    return None, f"none; at most {most} {share_text(shares[most])}"


SHOWN: dict[str, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    "class": (("class", ">probability"), _class_cells),
    "labels": (("labels", "probability of each"), _label_cells),
    "numbers": ((">number",), lambda one: (said(one.label),)),
}
"""Columns and cells of predictions, by what they say."""


def said(label: Any) -> str:
    return f"{label:.6g}" if isinstance(label, float) else str(label)


def _skipped(count: int) -> str:
    return f"; {count:,} could not be read and were left out" if count else ""
