"""`head sweeps`, `tag-sweep`: sweeps that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.heads.winner import winner_text
from headstart.cli.names import tags as tag_commands
from headstart.cli.names.chosen import empty_text, list_options
from headstart.cli.names.tags import tags_text
from headstart.cli.output import (
    STAR,
    Call,
    Result,
    command,
    draws_text,
    explain_words,
    score_cell,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import SWEEP
from headstart.registry.selection.words import Selection

if TYPE_CHECKING:
    from headstart.cli.names.tags import Tags
    from headstart.registry.entities import KeptSweep, TriedSweep
    from headstart.values.showable import Results

BELOW = "Below each score its 95 % interval"


def register(group: click.Group) -> None:
    number = click.argument("id_", type=SWEEP, required=False, metavar="[ID]")
    command(group, "sweeps")(with_options(_sweeps, number, list_options))
    tag_commands.register(group, _tag, "tag-sweep")


def columns_with(scores: Sequence[str]) -> tuple[str, ...]:
    """The columns of settings that were tried, with a column of each score."""
    from headstart.heads.evaluation.provenance import words_of

    return ("=", "features", "head", *(f">{words_of(name)}" for name in scores))


def cells_of(
    name: str, settings: dict[str, Any], metrics: dict[str, Any], scores: Sequence[str]
) -> tuple[Any, ...]:
    """The cells of a setting that was tried, with some scores."""
    from headstart.heads.kinds.words import setting_words

    first, *others = (score_cell(metrics, one) or () for one in scores)
    if metrics.get("spread") is not None:
        first = (*first, f"± {metrics['spread']:.3f}")
    return (name, setting_words(settings), first, *others)


def _too_narrow(trying: dict[str, Any], trial: Any) -> tuple[str, ...]:
    """The scores of a trial that was kept whose intervals take heads of folds for less alike than
    they may be: those of one run, of before; see `Outcomes.alike`."""
    is_told = "alike" in trial.settings.get("behind", {})
    if is_told or trying.get("repeats", 1) > 1 or trying.get("shots") is not None:
        return ()
    many = trying.get("folds", MANY_FOLDS) > MANY_FOLDS
    return ("accuracy", "log_loss") if many else ("log_loss",)


def _cells(trying: dict[str, Any], trial: Any) -> tuple[Any, ...]:
    """The same of a trial that was kept."""
    settings = {key: value for key, value in trial.settings.items() if key != "behind"}
    known = trial.intervals | dict.fromkeys(_too_narrow(trying, trial))
    spread = trial.settings.get("behind", {}).get("spread_between_draws")
    metrics = {**trial.scores, "intervals": known, "spread": spread}
    return cells_of(trial.features, {"kind": trial.kind, **settings}, metrics, [*trial.scores])


def _sweeps(
    call: Call, id_: int | None, filters: tuple[str, ...], sort: str | None, limit: int | None
) -> Result:
    """List all sweeps, or the trials of sweep ID."""
    workspace = call.open()
    if id_ is None:
        return _listed(workspace.sweeps.list(filters, sort, limit), Selection.read(filters))
    if filters or sort or limit:
        raise click.UsageError("--filter, --sort and --limit are for all sweeps, without an ID.")
    return _tried(workspace.sweeps.get(id_))


def _listed(found: Results[KeptSweep], selection: Selection) -> Result:
    from headstart.heads.evaluation.provenance import words_of

    rows = []
    for sweep, count, best in found:
        features, words, score, *_ = _cells(sweep.trying, best)
        name = next(iter(best.scores))
        score = score if name == "accuracy" else (words_of(name), *score)
        tested = best.settings.get("behind", {}).get("samples")
        counts = (count, sweep.heads, tested, score)
        made, tags = str(sweep.created_at)[:10], tags_text(sweep.tags)
        rows.append((sweep.id, sweep.dataset, *counts, f"{words} on {features}", made, tags))
    columns = (">id", "dataset", ">?settings", ">?heads", ">samples", ">best", "head", "=made")
    columns += ("?tags",) if any(sweep.tags for sweep, *_ in found) else ()
    rows = [row[: len(columns)] for row in rows]
    none = "No sweeps yet. Try heads with `headstart head sweep DATASET`."
    empty = text(empty_text(selection, none))
    return Result(found, lambda out: out.print(table(None, columns, rows) if rows else empty))


def _tag(call: Call, name: Any, tags: Tags) -> Result:
    return _tried(call.open().sweeps.tag(name, tags))


def _tried(kept: TriedSweep) -> Result:
    trials, trying = kept.trials, kept.sweep.trying
    rows = [("" if trial.is_worse else "*", *_cells(trying, trial)) for trial in trials]
    behind = trials[0].settings.get("behind", {})
    of = f", of {behind['samples']:,} samples" if behind else ""
    lines = [_kept_legend(trying), f"{BELOW}{of}."]
    if kept.sweep.tags:
        lines.append(f"Tags: {tags_text(kept.sweep.tags)}.")
    if narrow := _too_narrow(trying, trials[0]):
        lines.append(NARROW)
    if (winner := behind.get("winner")) and winner["objective"] not in narrow:
        lines.append(winner_text(winner))

    def show(out: Any) -> None:
        out.print(table(None, columns_with([*trials[0].scores]), rows))
        for line in filter(None, lines):
            out.print(text(line))
        explain_words(out, rows)

    return Result(kept, show)


def _kept_legend(trying: dict[str, Any]) -> str:
    """What the stars of a sweep that was kept are, and of what its scores are the mean: those of
    before an objective could be chosen were made otherwise."""
    if "objective" not in trying:
        return BEFORE
    times, folds = trying["repeats"], trying["folds"]
    return f"{STAR}.{draws_text(times, times * folds) if times > 1 or trying['shots'] else ''}"


MANY_FOLDS = 5
"""Of more, tried once, intervals of accuracies were too narrow."""
NARROW = (
    "Kept before it was known how alike heads of folds are that were tried once: what was too "
    "narrow for that has no interval here, and stars by it may call too many worse. The same "
    "sweep, made again, has both right."
)
BEFORE = (
    "* no worse than the first by McNemar's test of the two alone: made before comparisons with "
    "the best, which call fewer worse by mistake. Scores of repeats are an ensemble's."
)
