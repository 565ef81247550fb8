"""`head`: train, look, predict, attach."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli import sweep
from headstart.cli.output import (
    Call,
    Result,
    command,
    precision_option,
    table,
    text,
)

if TYPE_CHECKING:
    from headstart.head import Head

LARGEST_CONFUSION = 12
NAMES = ("linear", "mlp", "prototype", "ridge", "svm")
LISTS = {"strengths": float, "penalties": float, "hidden": int}
"""Settings that are numbers with commas."""


def register(cli: click.Group) -> None:
    group = click.Group("head", help="Light models trained on cached features.")
    command(group, "train")(_with_train_options(_train))
    sweep.register(group)
    command(group, "list")(_list)
    command(group, "show")(click.argument("name")(_show))
    command(group, "reproduce")(click.argument("name")(_reproduce))
    output = click.option(
        "--output",
        "-o",
        type=click.Path(path_type=Path),
        required=True,
        help="NAME.keras, NAME.onnx, NAME.tflite, or a folder for a SavedModel.",
    )
    pixels = click.option(
        "--pixels", is_flag=True, help="Scale pixels inside the model: uint8 goes in."
    )
    command(group, "attach")(click.argument("name")(output(pixels(_attach))))
    finetune = (
        click.argument("name"),
        click.option("--from", "start", required=True, metavar="CUT", help="Train from here up."),
        output,
        click.option("--learning-rate", type=float, help="Of Adam; 0.0001 without it."),
        click.option("--epochs", type=int, help="At most so many passes; 10 without it."),
        click.option("--batch-size", type=int, help="Samples a step; 32 without it."),
        click.option("--batch-norm", is_flag=True, help="Train batch norms' scales as well."),
    )
    function = _finetune
    for option in reversed(finetune):
        function = option(function)
    command(group, "finetune")(function)
    file = click.argument("file", type=click.Path(path_type=Path), metavar="FILE.png|FILE.svg")
    command(group, "plot")(click.argument("name")(file(_plot)))
    paths = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
    on_error = click.option(
        "--on-error", type=click.Choice(["fail", "skip"]), default="fail", show_default=True
    )
    command(group, "predict")(click.argument("name")(paths(on_error(_predict))))
    cli.add_command(group)


def _with_train_options(function: Any) -> Any:
    options = (
        click.argument("name"),
        click.argument("backbone", metavar="BACKBONE[@CUT]"),
        click.argument("dataset"),
        click.option("--kind", type=click.Choice(NAMES), default="linear", show_default=True),
        click.option("--seed", type=int, default=0, show_default=True),
        precision_option,
        click.option("--strengths", help="linear, svm: candidates for C, such as 0.01,0.1,1."),
        click.option("--penalties", help="ridge: candidates for alpha, such as 100,1000."),
        click.option("--hidden", help="mlp: widths of the hidden layers, such as 128 or 256,64."),
        click.option("--dropout", type=float, help="mlp: share of units dropped in training."),
        click.option("--epochs", type=int, help="mlp: at most so many passes."),
        click.option("--batch-size", type=int, help="mlp: samples a step."),
        click.option("--learning-rate", type=float, help="mlp: of Adam."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _train(
    call: Call,
    name: str,
    backbone: str,
    dataset: str,
    kind: str,
    seed: int,
    precision: str,
    **options: Any,
) -> Result:
    """Train head NAME on the features of DATASET; what is missing is extracted first."""
    from headstart.cli.extract import extract_missing

    settings = _kind(kind, {key: value for key, value in options.items() if value is not None})
    workspace = call.open()
    features = extract_missing(workspace, backbone, dataset, precision)
    return _shown(workspace.heads.train(name, features, settings, seed=seed))


def _kind(kind: str, options: dict[str, Any]) -> Any:
    from headstart.heads.every_kind import KINDS

    made = KINDS[kind]
    allowed = {field.name for field in dataclasses.fields(made)}
    for option in options.keys() - allowed:
        raise click.UsageError(f"--{option.replace('_', '-')} is not for a head of kind {kind}.")
    for name, type_ in LISTS.items():
        if name in options:
            options[name] = _numbers(options[name], type_, f"--{name}")
    return made(**options)


def _numbers(value: str, type_: type, option: str) -> tuple[Any, ...]:
    try:
        return tuple(type_(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.UsageError(f"{option} takes numbers with commas, received {value!r}.") from None


def _list(call: Call) -> Result:
    """List the trained heads."""
    from headstart.registry import listing

    rows = listing.heads(call.config)
    columns = ("name", "kind", "backbone@cut", "dataset", ">accuracy", ">macro F1", "trained")
    cells = [
        (
            row["name"] if row["version"] == 1 else f"{row['name']}:{row['version']}",
            row["kind"],
            f"{row['backbone']}@{row['cut']}",
            row["dataset"],
            f"{row['metrics']['accuracy']:.3f}",
            f"{row['metrics']['macro_f1']:.3f}",
            row["created_at"][:10],
        )
        for row in rows
    ]
    empty = "No heads yet. Train one with `headstart head train NAME BACKBONE DATASET`."
    return Result(rows, lambda out: out.print(table(None, columns, cells) if rows else empty))


def _show(call: Call, name: str) -> Result:
    """Show a head: what it came from, its metrics, its confusion matrix."""
    return _shown(call.open().heads.get(name))


def _reproduce(call: Call, name: str) -> Result:
    """Train a head again from the cache, and compare."""
    head = call.open().heads.get(name)
    found = head.reproduce()
    rows = [
        (what.replace("_", " "), f"{head.metrics[what]:.4f}", f"{found['metrics'][what]:.4f}")
        for what in ("accuracy", "macro_f1", "log_loss")
    ]
    agrees = "The metrics agree" if found["agrees"] else "The metrics do not agree"
    line = f"{agrees}; the weights differ by at most {found['max_abs_diff']:.1g}."

    def show(out: Any) -> None:
        out.print(table(None, ("", ">then", ">now"), rows))
        out.print(text(line))

    return Result(found, show)


def _attach(call: Call, name: str, output: Path, pixels: bool) -> Result:
    """Save trunk and head as one model, loaded again and checked on real samples."""
    head = call.open().heads.get(name)
    model, difference = head.attach_checked(output, pixels=pixels)
    data = {
        "file": str(output),
        "classes": list(head.record.classes),
        "max_abs_diff": difference,
        "parameters": model.count_params(),
    }
    line = f"Saved {output}; it gives the cached path's probabilities within {difference:.1g}."
    return Result(data, lambda out: out.print(text(line), soft_wrap=True))


def _finetune(call: Call, name: str, start: str, output: Path, **options: Any) -> Result:
    """Train the layers above a cut together with the head, from that cut's cached features.

    What lies below the cut is never run again. The whole model is saved, checked like `attach`.
    """
    from headstart.cli.extract import extract_missing
    from headstart.heads.finetuning import FineTuning

    workspace = call.open()
    head = workspace.heads.get(name)
    _, cut = head.origin()
    reference = f"{head.record.backbone}@{start}"
    extract_missing(workspace, reference, head.record.dataset, cut.precision)
    given = {key: value for key, value in options.items() if value is not None}
    tuned = head.finetune(start, output, FineTuning(**given))
    rows = [
        (
            what,
            f"{metrics['accuracy']:.3f}",
            f"{metrics['macro_f1']:.3f}",
            f"{metrics['log_loss']:.3f}",
        )
        for what, metrics in (("the head alone", head.metrics), ("fine-tuned", tuned.metrics))
    ]
    data = {
        "file": str(output),
        "from": start,
        "metrics": tuned.metrics,
        "history": tuned.history,
        "seconds": tuned.seconds,
        "max_abs_diff": tuned.difference,
    }
    line = (
        f"Trained {len(tuned.history['loss'])} epochs from {start} in {tuned.seconds:.1f} s. Saved "
        f"{output}; it gives what was trained within {tuned.difference:.1g}."
    )

    def show(out: Any) -> None:
        out.print(table(None, ("", ">accuracy", ">macro F1", ">log loss"), rows))
        out.print(text(line), soft_wrap=True)

    return Result(data, show)


def _plot(call: Call, name: str, file: Path) -> Result:
    """Draw what a head confuses on its test split, and how far it can be believed."""
    from headstart.plots.judgements import draw_head

    head = call.open().heads.get(name)
    record, (probabilities, targets) = head.record, head.held_out()
    title = (
        f"{record.name}: {record.kind} on {record.backbone}@{record.cut}, {record.dataset}; "
        f"accuracy {head.metrics['accuracy']:.3f} on {len(targets):,} held-out samples"
    )
    draw_head(probabilities, targets, record.classes, title, file)
    return Result({"file": str(file)}, lambda out: out.print(text(f"Drew {file}.")))


def _predict(call: Call, name: str, paths: tuple[Path, ...], on_error: str) -> Result:
    """Print class and probability of files, of the images in folders, of the rows of arrays."""
    predictions = call.open().heads.get(name).predict(paths, on_error)
    rows = [(p.name, p.label, f"{p.probability:.3f}") for p in predictions]
    return Result(
        [vars(prediction) for prediction in predictions],
        lambda out: out.print(table(None, ("file", "class", ">probability"), rows)),
    )


def _shown(head: Head) -> Result:
    record, metrics = head.record, head.metrics
    rows = [
        ("head", f"{record.name}, version {record.version}, {record.kind}"),
        ("backbone", f"{record.backbone}@{record.cut}"),
        ("dataset", f"{record.dataset}, {record.dataset_digest[:12]}"),
        ("feature key", record.feature_key[:12]),
        ("accuracy", f"{metrics['accuracy']:.3f} on {metrics['n_test']:,} held-out samples"),
        ("macro F1", f"{metrics['macro_f1']:.3f}"),
        ("log loss", f"{metrics['log_loss']:.3f}"),
        ("trained on", f"{metrics['n_train']:,}, validated on {metrics['n_validation']:,}"),
        ("seed", record.seed),
    ]
    data = {**vars(record)}
    del data["id"], data["backbone_id"]

    def show(out: Any) -> None:
        out.print(table(None, ("what", ""), rows))
        if len(record.classes) <= LARGEST_CONFUSION:
            out.print(_confusion(head))

    return Result(data, show)


def _confusion(head: Head) -> Any:
    """The confusion matrix as a table; columns are numbered to fit."""
    classes = head.record.classes
    columns = ("truth", *(f">{number}" for number in range(1, len(classes) + 1)))
    rows = [
        (f"{number} {label}", *(count or "·" for count in counts))
        for number, (label, counts) in enumerate(
            zip(classes, head.metrics["confusion"], strict=True), start=1
        )
    ]
    return table("Confusion on the held-out split (columns: guessed class)", columns, rows)
