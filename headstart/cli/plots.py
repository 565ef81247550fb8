"""Commands to look: features as a map, a head's mistakes, a report, suspicious data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.heads.task_options import taken_task, task_options
from headstart.cli.output import (
    Call,
    Print,
    Result,
    command,
    folds_option,
    ignore_weights_option,
    limit_option,
    on_error_option,
    precision_option,
    progress_bar,
    table,
    text,
    windows_option,
    with_options,
)
from headstart.cli.parameters import SEED, OutputFile
from headstart.cli.workspace.detached import begun, detach_option, refuse_with_detach

if TYPE_CHECKING:
    from headstart.jobs.datasets.audit import Audit

SHOWN = 15
"""Suspects and pairs that are printed of each; all of them with --json."""
MARGIN = (
    "margin: the probability of the label minus that of the class it looks like, by heads that "
    "were not trained on the sample. Look at the lowest first; some are right, but rare."
)
OFF = (
    "margin: by how many robust standard deviations the number is off from what heads predict that "
    "were not trained on the sample, below 0. Look at the lowest first; some are right, but rare."
)
PICTURES = ("confusion", "curve", "mistakes")

_picture = click.argument("file", type=OutputFile(), metavar="FILE.png|FILE.svg")
_pictures = click.option(
    "--pictures",
    is_flag=True,
    help="Also compare the pictures themselves to find near duplicates.",
)
_seed = click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Seed of all random choices."
)


def register_features(group: click.Group) -> None:
    backbone = click.argument("backbone", metavar="BACKBONE[@CUT]")
    dataset = click.argument("dataset")
    plot = with_options(
        _plot_features,
        backbone,
        dataset,
        _picture,
        click.option(
            "--method",
            type=click.Choice(["tsne", "pca", "umap"]),
            default="tsne",
            show_default=True,
        ),
        click.option("--head", help="Mark what this head gets wrong with a cross."),
        click.option(
            "--limit",
            type=int,
            default=5000,
            show_default=True,
            help="Draw at most this many samples, chosen by seed.",
        ),
        _seed,
        precision_option,
        windows_option("mean", "max", "each"),
    )
    command(group, "plot")(plot)
    audit = with_options(
        _audit,
        backbone,
        dataset,
        precision_option,
        on_error_option,
        folds_option,
        limit_option,
        task_options,
        ignore_weights_option,
        _pictures,
        _seed,
        click.option(
            "--output",
            "-o",
            type=OutputFile(),
            metavar="FILE.csv",
            help="Write the suspects to a CSV file for `dataset correct`.",
        ),
        detach_option,
    )
    command(group, "audit")(audit)


def register_heads(group: click.Group) -> None:
    name = click.argument("name")
    show = click.option(
        "--show",
        type=click.Choice(PICTURES),
        default="confusion",
        show_default=True,
        help="confusion: confusion and calibration; of numbers what is predicted over what is "
        "given; of several labels the average precision of each. curve: the score over the number "
        "of training samples. mistakes: the surest ones; of numbers the largest misses.",
    )
    draws = click.option(
        "--draws",
        type=click.IntRange(2),
        help="curve: heads per point, each trained on newly drawn samples. Default: 5.",
    )
    command(group, "plot")(with_options(_plot_head, name, _picture, show, draws))
    file = click.argument("file", type=OutputFile(), metavar="FILE.html")
    command(group, "report")(with_options(_report, name, file, _seed))


def _plot_features(
    call: Call,
    backbone: str,
    dataset: str,
    file: Path,
    method: str,
    head: str | None,
    limit: int,
    seed: int,
    precision: str,
    windows: str | None,
) -> Result:
    """Draw the samples as a map. Samples with similar features are close together."""
    import numpy as np

    from headstart.cached import of_samples
    from headstart.heads.exploration.coordinates import shown_of
    from headstart.heads.labelled import some_rows
    from headstart.heads.rows import rows_of
    from headstart.jobs.heads.cross_validation import ROOM
    from headstart.jobs.outcomes import Written
    from headstart.plots.figures import check_target, save
    from headstart.plots.maps import draw_map

    check_target(file)
    workspace = call.open(backbone, dataset)
    judge = None if head is None else workspace.heads.get(head)
    if judge is not None and judge.windows:
        windows = windows or judge.windows["pooled"]
    view = of_samples(workspace.features(backbone, dataset, precision), windows)
    rows = some_rows(np.arange(len(view)), limit, seed)
    rows = shown_of(rows, method, seed)
    features, labels = rows_of(view, chosen=rows, room=ROOM), view.samples.take(rows).labels
    wrong = None
    if judge is not None:
        judge.need_classes()
        guesses = judge.judge.predict(view[rows])
        wrong = np.array([guess != label for guess, label in zip(guesses, labels, strict=True)])
    title = f"{dataset} as {backbone} sees it" + ("" if head is None else f"; x: {head} is wrong")
    save(draw_map(features, labels, title, method=method, seed=seed, wrong=wrong), file)
    drawn = Written.of(file, samples=len(rows))
    return Result(drawn, lambda out: out.print(text(f"Drew {len(rows):,} samples into {file}.")))


def _audit(
    call: Call,
    backbone: str,
    dataset: str,
    precision: str,
    on_error: str,
    folds: int,
    limit: int,
    pictures: bool,
    ignore_weights: bool,
    seed: int,
    output: Path | None,
    detach: bool,
    **given: Any,
) -> Result:
    """Find suspicious labels and near duplicates in DATASET from its cached features.

    Labels are judged by heads that were not trained on the sample (confident learning). Numbers
    (--task regression) are suspicious if they are far from what a ridge head predicts (3.5
    robust standard deviations), and the nearest neighbours agree. Near
    duplicates are much closer to each other than to what is around them. If they are in both
    train and test split, scores look better than they are; a group column keeps them together.

    --output writes the suspects to a file: fill in new_label or exclude, then run `dataset
    correct`. Rows that you leave alone change nothing.
    """
    from headstart.cli.extract import extract_missing
    from headstart.jobs.datasets.suspects import check_target, write_suspects
    from headstart.jobs.heads.cross_validation import CrossValidation

    if output is not None:
        check_target(output)
    task = taken_task(given)
    workspace = call.open(backbone, dataset)
    how: dict[str, Any] = {"precision": precision, "pictures": pictures}
    trying = {"folds": folds, "limit": limit, "seed": seed, "task": task}
    how["trying"] = CrossValidation(**trying, ignore_weights=ignore_weights)
    if detach:
        refuse_with_detach(output=output, on_error=on_error != "fail")
        return begun(workspace.jobs.audit(backbone, dataset, **how))
    extract_missing(workspace, backbone, dataset, precision, on_error=on_error)
    with progress_bar("judging", "steps") as progress:
        found = workspace.audit(backbone, dataset, progress=progress, **how)
    if output is not None:
        write_suspects(found.suspects or [], output)
    return Result(found, _audited(found, task.name == "regression", output))


def _audited(found: Audit, are_numbers: bool, output: Path | None) -> Print:
    """The first suspects and the nearest pairs, and the file that was written."""
    suspects = found.suspects or []

    def show(out: Any) -> None:
        if found.suspects is None:
            out.print("No labels to judge.")
        else:
            _print_suspects(out, suspects, found.samples, are_numbers)
        _print_twins(out, found, are_numbers)
        if output is not None:
            out.print(text(f"Wrote {output}, {len(suspects):,} suspects."), soft_wrap=True)

    return show


def _print_suspects(out: Any, suspects: Sequence[Any], samples: int, are_numbers: bool) -> None:
    rows = [
        (one.sample.id, one.sample.split, one.sample.label, one.guess, f"{one.margin:.3f}")
        for one in suspects[:SHOWN]
    ]
    columns = ("sample", "=split", "label", "predicted" if are_numbers else "looks like", ">margin")
    line = f"{len(suspects):,} of {samples:,} labels are worth a look"
    more = f", the first {len(rows)} shown" if len(rows) < len(suspects) else ""
    _print(out, f"{line}{more}", columns, rows)
    if rows:
        out.print(OFF if are_numbers else MARGIN)


def _print_twins(out: Any, found: Audit, are_numbers: bool) -> None:
    rows = [
        (
            pair.first.id,
            pair.second.id,
            f"{pair.first.split}, {pair.second.split}",
            f"{pair.distance:.3f}",
            pair.evidence,
            *([f"{pair.first.label}, {pair.second.label}"] if are_numbers else []),
        )
        for pair in found.twins[:SHOWN]
    ]
    columns = ("sample", "near duplicate", "=splits", ">distance", "by")
    columns += ("labels",) if are_numbers else ()
    leaks = f"; {len(found.leaks):,} across the border of the test split, first"
    line = f"{len(found.twins):,} near duplicates{leaks if rows else ''}"
    _print(out, line, columns, rows)


def _print(out: Any, line: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    out.print(text(f"{line}{':' if rows else '.'}"))
    if rows:
        out.print(table(None, columns, rows))


def _plot_head(call: Call, name: str, file: Path, show: str, draws: int | None) -> Result:
    """Draw what a head confuses, or predicts, its learning curve, or its surest mistakes on the
    test split."""
    from headstart.heads.evaluation.provenance import scored_text
    from headstart.heads.models.curves import DRAWS, band_text
    from headstart.jobs.outcomes import Written
    from headstart.plots.by_task import view_of
    from headstart.plots.curves import draw_learning_curve
    from headstart.plots.figures import check_target, save
    from headstart.plots.grids import draw_grid

    if draws is not None and show != "curve":
        raise click.UsageError("--draws is for --show curve.")
    check_target(file)
    head = call.open().heads.get(name)
    record = head.record
    what = f"{record.name}: {record.kind} on {record.backbone}@{record.cut}, {record.dataset}"
    facts: dict[str, Any] = {}
    if show == "curve":
        with progress_bar("fitting", "heads") as progress:
            points = head.learning_curve(progress, draws=draws or DRAWS)
        made = draw_learning_curve(points, what)
        facts |= {"points": points, "scored_on": band_text(points)}
    elif show == "mistakes":
        from headstart.plots.reports import mistakes

        seen, captions, total = mistakes(head)
        shown = f"all {total:,}" if total == len(seen) else f"the first {len(seen)} of {total:,}"
        made = draw_grid(seen, captions, f"{what}\n{shown} {view_of(head.task).by}")
        facts["mistakes"] = total
    else:
        _, draw = view_of(head.task).pictures[0]
        made = draw(head.held_out(), record, f"{what}\n{scored_text(record)}")
    save(made, file)
    lines = [f"Drew {file}.", *([f"{facts['scored_on']}."] if "scored_on" in facts else [])]

    def show_lines(out: Any) -> None:
        for line in lines:
            out.print(text(line), soft_wrap=True)

    return Result(Written.of(file, **facts), show_lines)


def _report(call: Call, name: str, file: Path, seed: int) -> Result:
    """Write everything about a head to one HTML file that needs no network."""
    from headstart.jobs.outcomes import Written
    from headstart.plots.reports import write_report

    head = call.open().heads.get(name)
    with progress_bar("reporting", "parts") as progress:
        write_report(head, file, seed=seed, progress=progress)
    line = f"Wrote {file}; open it in a browser."
    return Result(Written.of(file), lambda out: out.print(text(line), soft_wrap=True))
