"""`head`: train, look, predict, attach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    precision_option,
    progress_bar,
    table,
    text,
)

if TYPE_CHECKING:
    from headstart.head import Head

LARGEST_CONFUSION = 12


def register(cli: click.Group) -> None:
    group = click.Group("head", help="Light models trained on cached features.")
    command(group, "train")(_with_train_options(_train))
    command(group, "list")(_list)
    command(group, "show")(click.argument("name")(_show))
    output = click.option(
        "--output", "-o", type=click.Path(path_type=Path), required=True, help="NAME.keras"
    )
    command(group, "attach")(click.argument("name")(output(_attach)))
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
        click.option(
            "--kind", type=click.Choice(["linear", "mlp"]), default="linear", show_default=True
        ),
        click.option("--seed", type=int, default=0, show_default=True),
        precision_option,
        click.option("--strengths", help="linear: candidates for C, such as 0.01,0.1,1."),
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
    from headstart.cli.extract import describe
    from headstart.extractors.settings import Settings

    settings = _kind(kind, {key: value for key, value in options.items() if value is not None})
    workspace = call.open()
    with progress_bar("extracting", "samples") as progress:
        extraction = Settings(precision=precision)
        features = workspace.extract(backbone, dataset, settings=extraction, progress=progress)
    if features.report.computed:
        note(describe(features.report))
    return _shown(workspace.heads.train(name, features, settings, seed=seed))


def _kind(kind: str, options: dict[str, Any]) -> Any:
    from headstart.heads.linear import Linear
    from headstart.heads.mlp import MLP

    allowed = {"linear": {"strengths"}}.get(
        kind, {"hidden", "dropout", "epochs", "batch_size", "learning_rate"}
    )
    for option in options.keys() - allowed:
        raise click.UsageError(f"--{option.replace('_', '-')} is not for a head of kind {kind}.")
    if "strengths" in options:
        options["strengths"] = _numbers(options["strengths"], float, "--strengths")
    if "hidden" in options:
        options["hidden"] = _numbers(options["hidden"], int, "--hidden")
    return Linear(**options) if kind == "linear" else MLP(**options)


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


def _attach(call: Call, name: str, output: Path) -> Result:
    """Save trunk and head as one Keras model, after checking it on real samples."""
    head = call.open().heads.get(name)
    model, difference = head.attach_checked(output)
    data = {
        "file": str(output),
        "classes": list(head.record.classes),
        "max_abs_diff": difference,
        "parameters": model.count_params(),
    }
    line = f"Saved {output}; it gives the cached path's probabilities within {difference:.1g}."
    return Result(data, lambda out: out.print(text(line), soft_wrap=True))


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
