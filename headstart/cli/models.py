"""`head attach`, `finetune`, `log`: what leaves the workspace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    on_error_option,
    score_cell,
    table,
    text,
    views_option,
    with_options,
)
from headstart.cli.parameters import OutputFile
from headstart.database_urls import without_passwords
from headstart.values.said import NUMBERS

MODEL = OutputFile(beside={"*": (".json", ".md")})
SCORES = {
    "classification": ("accuracy", "macro_f1", "log_loss"),
    "ordinal": ("accuracy", "steps_off", "log_loss"),
    "multi-label": ("exact", "macro_f1", "log_loss"),
    "regression": ("r2", "mean_absolute_error", "root_mean_squared_error"),
}
"""What is told of a fine-tuning, by the task; of numbers behind the loss that they are fitted by,
where that is not the squared error."""


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


def _attach(call: Call, name: str, output: Path, pixels: bool | None, labels: bool) -> Result:
    """Save trunk and head as one model, loaded again and checked on real samples."""
    head = call.open().heads.get(name)
    made = head.attach_checked(output, pixels=pixels, labels=labels, overwrite=True)
    what = "numbers" if head.task.says == NUMBERS else "probabilities"
    line = (
        f"Saved {output}; it takes {made.takes}, "
        f"and reproduces the cached features' {what} within {made.difference:.1g}."
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
    from headstart.heads.evaluation.provenance import words_of
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
    tuned = head.finetune(start, output, FineTuning(**given, views=views), new, overwrite=True)
    lines = [
        *tuned.verdict,
        f"Epochs were judged on {tuned.judged_on}.",
        f"The start is {tuned.start_is}.",
    ]
    saved = f"Saved {output}; it gives what was trained within {tuned.difference:.1g}."

    def show(out: Any) -> None:
        columns = ("", ">samples", *(f">{words_of(name)}" for name in _scores(head, tuned)))
        out.print(table(None, columns, _rows(head, tuned)))
        out.print(text(BELOW))
        for line in lines:
            out.print(text(line))
        if output is not None:
            out.print(text(saved), soft_wrap=True)

    return Result(tuned, show)


BELOW = "Below each score its 95 % interval."


def _scores(head: Any, tuned: Any) -> list[str]:
    own = [one for one in ("poisson_deviance", "pinball_loss") if one in tuned.metrics]
    return [*own, *SCORES[head.task.name]]


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
            *(score_cell(scores, name) for name in _scores(head, tuned)),
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
