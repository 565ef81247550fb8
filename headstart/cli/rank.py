"""`rank`: which backbone at which cut suits a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.heads.task_options import taken_task, task_options
from headstart.cli.output import (
    STAR,
    Call,
    Result,
    command,
    draws_text,
    explain_words,
    folds_option,
    ignore_weights_option,
    limit_option,
    majority_text,
    note,
    on_error_option,
    precision_option,
    progress_bar,
    score_cell,
    shots_option,
    size_text,
    table,
    text,
    windows_option,
    with_options,
)
from headstart.cli.parameters import SEED, OutputFile
from headstart.cli.workspace.detached import begun, detach_option, refuse_with_detach
from headstart.cli.workspace.executors import LOCAL, Asked, options_of_trials

if TYPE_CHECKING:
    from headstart.heads.evaluation.ranking import Rank
    from headstart.jobs.heads.cross_validation import CrossValidation
    from headstart.values.showable import Results


def register(cli: click.Group) -> None:
    made = with_options(
        _rank,
        click.argument("dataset"),
        click.argument("backbones", nargs=-1, metavar="[BACKBONE[@CUT,CUT]]..."),
        precision_option,
        on_error_option,
        folds_option,
        task_options,
        limit_option,
        shots_option,
        windows_option("mean", "max"),
        ignore_weights_option,
        click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the folds."),
        click.option(
            "--plot",
            type=OutputFile(),
            metavar="FILE.png|FILE.svg",
            help="Draw accuracy, or the score that ranks, over cost.",
        ),
        detach_option,
        *options_of_trials,
    )
    command(cli, "rank")(made)


_NO_H = "H is for classes alone."
_OF_OTHERS = f"linear: a ridge head. kNN: the mean, or the quantile, of 10 neighbours. {_NO_H}"


def _cell(crossed: Any, objective: str) -> tuple[str, ...]:
    """A score, its interval, and between draws of few samples the standard deviation."""
    if crossed is None:
        return ()
    lines = score_cell(crossed.metrics(), objective) or ()
    return lines if crossed.spread is None else (*lines, f"± {crossed.spread:.3f}")


def gain_text(rank: Any) -> str:
    """Whether joining features helps, and what it costs, in a line."""
    from headstart.heads.evaluation.provenance import words_of

    gain = rank.gain
    within, is_share = "no interval of a single group", gain.objective == "accuracy"
    times, digits = (100, 1) if is_share else (1, 3)
    if gain.interval is not None:
        low, high = (times * end for end in gain.interval)
        within = f"95 %: {low:+.{digits}f} to {high:+.{digits}f}"
    by = f"{times * gain.difference:+.{digits}f}"
    has = (
        f"has {by} points of accuracy compared with"
        if is_share
        else (f"is better by {by} in {words_of(gain.objective)} than")
    )
    time = "" if gain.seconds is None else f"{1000 * gain.seconds:.1f} ms and "
    says = "helps" if gain.helps else "is not shown to help"
    return (
        f"Joining {says}: {rank.name} {has} {gain.over} alone ({within}, paired), for "
        f"{time}{size_text(gain.size)} more per sample."
    )


def _rank(
    call: Call,
    dataset: str,
    backbones: tuple[str, ...],
    precision: str,
    on_error: str,
    folds: int,
    limit: int,
    shots: int | None,
    windows: str | None,
    ignore_weights: bool,
    seed: int,
    plot: Path | None,
    detach: bool,
    **given: Any,
) -> Result:
    """Rank backbones and cuts by how well their features tell the labels of DATASET.

    Backbones that you name are extracted first. Without BACKBONE, all cached features are
    ranked, except unpooled maps. The test split is not used.

    'BACKBONE@CUT + BACKBONE' in quotes joins features; it is ranked with each of them alone.
    """
    from headstart.cli.extract import check_extracts, extract_missing
    from headstart.jobs.heads.cross_validation import CrossValidation
    from headstart.plots.figures import check_target

    asked, task = Asked.of(given), taken_task(given)
    check_extracts(backbones, on_error)
    if plot is not None:
        check_target(plot)
    how: dict[str, Any] = {"shots": shots, "windows": windows, "task": task}
    how["ignore_weights"] = ignore_weights
    trying = CrossValidation(folds=folds, limit=limit, seed=seed, **how)
    workspace = call.open(*((dataset, *backbones) if backbones else ()))
    if detach:
        here = {"plot": plot, "on_error": on_error != "fail", "executor": asked.executor != LOCAL}
        refuse_with_detach(**here)
        return begun(workspace.jobs.rank(dataset, backbones, precision=precision, trying=trying))
    by = asked.to_extract(workspace.context)
    for backbone in backbones:
        extract_missing(workspace, backbone, dataset, precision, on_error=on_error, executor=by)
    with progress_bar("ranking", "cuts") as progress:
        ranks = workspace.rank(
            dataset,
            backbones,
            precision=precision,
            trying=trying,
            progress=progress,
            executor=asked.to_try(workspace.context),
        )
    if plot is not None:
        from headstart.plots.figures import save
        from headstart.plots.rankings import draw_ranking

        note(f"Drew {save(draw_ranking(ranks, dataset), plot)}.")
    return _ranked(ranks, trying)


def _ranked(ranks: Results[Rank], trying: CrossValidation) -> Result:
    """A ranking as a table, and what its columns are."""
    from headstart.heads.evaluation.provenance import words_of
    from headstart.heads.trials.by_task import is_plain

    columns = (
        "=",
        "features",
        ">linear",
        ">?kNN",
        ">?LogME",
        ">?H",
        ">?ms",
        ">?size",
    )
    rows = [
        (
            "" if rank.is_worse else "*",
            f"{rank.backbone}@{rank.cut}",
            *(_cell(one, rank.objective) for one in (rank.linear, rank.neighbours)),
            f"{rank.log_me:.3f}",
            "-" if rank.h_score is None else f"{rank.h_score:.2f}",
            None if rank.seconds is None else f"{1000 * rank.seconds:.1f}",
            size_text(rank.size),
        )
        for rank in ranks
    ]
    count = len(ranks[0].linear.targets)
    legend = (
        f"{trying.folds}-fold cross-validation on {count:,} samples of the train and validation "
        f"splits. Below each {words_of(trying.objective)} its 95 % interval; LogME and H have no "
        f"interval. {STAR}. ms: extraction time per sample.{majority_text(ranks[0].linear.targets)}"
    )
    if not is_plain(trying.task):
        legend += f" {_OF_OTHERS if trying.task.name == 'regression' else _NO_H}"
    if trying.shots is not None:
        legend += draws_text(trying.times, trying.times * trying.folds)
    gains = [gain_text(rank) for rank in ranks if rank.gain is not None]

    def show(out: object) -> None:
        out.print(table(None, columns, rows))  # type: ignore[attr-defined]
        out.print(text(legend))  # type: ignore[attr-defined]
        for line in gains:
            out.print(text(line))  # type: ignore[attr-defined]
        explain_words(out, [[column.lstrip(">?=") for column in columns]])

    return Result(ranks, show)
