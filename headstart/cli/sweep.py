"""`head sweep`: many heads on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.heads import kept_sweeps
from headstart.cli.heads.kept_sweeps import BELOW, cells_of, columns_with
from headstart.cli.heads.task_options import OBJECTIVES, taken_task, task_options
from headstart.cli.heads.winner import (
    check_confirm,
    confirmed,
    confirmed_text,
    ensemble_text,
    simplest_text,
    winner_text,
)
from headstart.cli.names.tags import tag_option
from headstart.cli.output import (
    STAR,
    Call,
    Print,
    Result,
    command,
    draws_text,
    explain_words,
    folds_option,
    ignore_weights_option,
    limit_option,
    majority_text,
    on_error_option,
    precision_option,
    progress_bar,
    shots_option,
    table,
    text,
    windows_option,
    with_options,
)
from headstart.cli.parameters import SEED
from headstart.cli.workspace.executors import Asked, options_of_trials
from headstart.registry.selection.words import tags_in_words

if TYPE_CHECKING:
    from headstart.heads.trials.out_of_fold import OutOfFold
    from headstart.jobs.heads.sweep import Sweep
    from headstart.workspace import Workspace

SHOWN = 20
WATCHED = 5
"""The best so far, on a terminal."""
ONCE = (
    " Folds were tried once, which does not tell how alike their heads are: a loss is taken to be "
    "known as well as that of one fold, and its interval is wide; --repeats 5 makes it narrower."
)


def register(group: click.Group) -> None:
    made = with_options(
        _sweep,
        click.argument("dataset"),
        click.argument("backbones", nargs=-1, metavar="[BACKBONE[@CUT,CUT]]..."),
        click.option(
            "--search",
            type=int,
            metavar="N",
            help="Try N settings that Optuna chooses, instead of a grid (extra search).",
        ),
        precision_option,
        on_error_option,
        folds_option,
        click.option(
            "--repeats",
            type=int,
            help="How often to deal the folds again; each is scored by itself. Default: 1, with "
            "--shots 5.",
        ),
        task_options,
        click.option(
            "--objective",
            type=click.Choice(OBJECTIVES),
            metavar="SCORE",
            help="The score that chooses the best and compares the others with it: accuracy (the "
            "default) or log_loss; multi-label: log_loss or exact; regression: r2 or "
            "mean_absolute_error, with --loss its own.",
        ),
        click.option(
            "--one-se",
            is_flag=True,
            help="Name the simplest setting within one standard error of the best.",
        ),
        click.option(
            "--confirm",
            metavar="NAME",
            help="Train the chosen setting as head NAME, scored once on the test split.",
        ),
        click.option(
            "--ensemble",
            metavar="NAME",
            help="Train several of the heads as one, as head NAME, scored once on the test split.",
        ),
        limit_option,
        shots_option,
        windows_option("mean", "max"),
        ignore_weights_option,
        click.option(
            "--seed", type=SEED, default=0, show_default=True, help="Seed of all random choices."
        ),
        tag_option,
        *options_of_trials,
    )
    command(group, "sweep", more=_settings)(made)
    kept_sweeps.register(group)


def _sweep(
    call: Call,
    dataset: str,
    backbones: tuple[str, ...],
    kinds: str | None,
    search: int | None,
    precision: str,
    on_error: str,
    folds: int,
    repeats: int | None,
    objective: str | None,
    one_se: bool,
    confirm: str | None,
    ensemble: str | None,
    limit: int,
    shots: int | None,
    windows: str | None,
    ignore_weights: bool,
    seed: int,
    tags: tuple[str, ...],
    **grid: Any,
) -> Result:
    """Try many heads on cached features of DATASET by cross-validation. The test split is not
    used.

    The best of many heads was also lucky, so its score is shown as measured and corrected for
    the choice. Backbones that you name are extracted first. Without BACKBONE, all cached
    features are tried.
    """
    from headstart.cli.extract import check_extracts, extract_missing
    from headstart.heads.trials.objective import columns_of
    from headstart.jobs.heads.cross_validation import CrossValidation

    asked, tagged = Asked.of(grid), tags_in_words(tags)
    task = taken_task(grid)
    check_extracts(backbones, on_error)
    tried = _Tried.of(kinds, search, task, grid)
    if ensemble is not None and ignore_weights:
        raise click.UsageError("--ensemble is of heads that count samples by their weights.")
    tried.check(grid)
    workspace = call.open(*((dataset, *backbones) if backbones else ()))
    for option, wanted in (("--confirm", confirm), ("--ensemble", ensemble)):
        if wanted is not None:
            check_confirm(workspace, wanted, dataset, shots, option)
    by = asked.to_extract(workspace.context)
    for backbone in backbones:
        extract_missing(workspace, backbone, dataset, precision, on_error=on_error, executor=by)
    how_tried = folds, repeats, limit, seed, shots, windows, objective or "", task, ignore_weights
    how: dict[str, Any] = {"precision": precision, "trying": CrossValidation(*how_tried)}
    how |= {"tags": tagged, "executor": asked.to_try(workspace.context)}
    sweep = tried.run(workspace, dataset, backbones, how)
    sweep, lines = _made_of(workspace, sweep, confirm, ensemble, precision, one_se=one_se)
    return Result(sweep, _shown(sweep, columns_of(task), lines))


@dataclass(frozen=True)
class _Tried:
    """What is tried.

    Attributes:
        names: of kinds.
        heads: all combinations of the settings that were given.
        search: how many settings are searched; None where a grid is tried.
    """

    names: list[str]
    heads: list[Any]
    search: int | None

    @staticmethod
    def of(kinds: str | None, search: int | None, task: Any, grid: dict[str, Any]) -> _Tried:
        """What options name; without kinds the task's own."""
        names = [task.default_kind.kind] if kinds is None else names_of(kinds)
        return _Tried(names, settings_of(names, grid), search)

    def check(self, grid: dict[str, Any]) -> None:
        """See that a search has no settings to go by.

        Raises:
            click.UsageError: it has.
        """
        if self.search is not None and any(value is not None for value in grid.values()):
            raise click.UsageError("--search chooses the settings; leave theirs out.")

    def run(
        self, workspace: Workspace, dataset: str, backbones: Sequence[str], how: dict[str, Any]
    ) -> Sweep:
        """Try it, with the best so far above the bar."""
        from headstart.heads.trials.objective import columns_of

        trying = how["trying"]
        leaders = _Leaders(columns_of(trying.task), trying.objective)
        how = {**how, "watch": leaders.see}
        if self.search is None:
            with progress_bar("fitting", "heads", leaders.table) as progress:
                return workspace.sweep(dataset, backbones, self.heads, progress=progress, **how)
        how["trials"] = self.search
        with progress_bar("searching", "settings", leaders.table) as progress:
            return workspace.search(dataset, backbones, self.names, progress=progress, **how)


def _made_of(
    workspace: Workspace,
    sweep: Sweep,
    confirm: str | None,
    ensemble: str | None,
    precision: str,
    *,
    one_se: bool,
) -> tuple[Sweep, list[str]]:
    """The sweep with the heads that are made of it, and what is said of them."""
    from headstart.heads.kinds.words import setting_words

    chosen, lines = sweep.trials[0], list[str]()
    if one_se:
        chosen = sweep.simplest
        lines.append(simplest_text(sweep, setting_words(chosen.crossed.settings)))
    if confirm is not None:
        head = confirmed(workspace, sweep, chosen, confirm, precision)
        lines.append(confirmed_text(head))
        sweep = replace(sweep, confirmed=head.record)
    if ensemble is not None:
        head = workspace.heads.train_ensemble(ensemble, sweep)
        lines.append(ensemble_text(head))
        sweep = replace(sweep, ensemble=head.record)
    return sweep, lines


class _Leaders:
    """The best settings so far, above the bar of a terminal.

    Args:
        scores: that have a column.
        objective: what is best by.
    """

    def __init__(self, scores: Sequence[str], objective: str) -> None:
        self._scores, self._objective = scores, objective
        self._found: list[tuple[tuple[float, float], tuple[Any, ...]]] = []

    def see(self, name: str, crossed: OutOfFold) -> None:
        cells = cells_of(name, crossed.settings, crossed.metrics(), self._scores)
        self._found.append((crossed.order(self._objective), cells))
        self._found.sort(key=lambda pair: pair[0])
        del self._found[WATCHED:]

    def table(self) -> Any:
        columns = columns_with(self._scores)[1:]
        return table(None, columns, [cells for _, cells in self._found]) if self._found else ""


def _shown(sweep: Sweep, scores: Sequence[str], more: Sequence[str]) -> Print:
    """What was tried, with a column for each of some scores, and what was said besides."""
    rows = [
        (
            "" if trial.is_worse else "*",
            *cells_of(trial.features, trial.crossed.settings, trial.metrics, scores),
        )
        for trial in sweep.trials[:SHOWN]
    ]
    lines = [scores_text(sweep.best_scores, scores), winner_text(sweep.winner), *more]

    def show(out: Any) -> None:
        out.print(table(None, columns_with(scores), rows))
        out.print(text(legend_text(sweep, len(rows))))
        for line in filter(None, lines):
            out.print(text(line))
        explain_words(out, rows)

    return show


def legend_text(sweep: Sweep, shown: int) -> str:
    """What was tried, how many settings of it are shown, and how sure their scores are."""
    trying, level = sweep.trying, sum(not trial.is_worse for trial in sweep.trials)
    legend = (
        f"{sweep.heads:,} heads in {sweep.seconds:.1f} s; {len(sweep.trials):,} settings, the "
        f"first {shown} of them shown. {STAR}: {level:,} of all. Kept as sweep {sweep.id}. "
        f"{BELOW}, of {sweep.samples:,} samples.{majority_text(sweep.trials[0].crossed.targets)}"
    )
    if trying.times > 1 or trying.shots is not None:
        return legend + draws_text(trying.times, trying.times * trying.folds)
    return legend + ONCE


def scores_text(metrics: dict[str, Any] | None, shown: Sequence[str]) -> str:
    """The scores of the first setting for which there is no column, each with its interval."""
    from headstart.heads.evaluation.intervals import interval_text, score_text
    from headstart.heads.evaluation.provenance import scores_in, words_of

    if metrics is None:
        return ""
    told = [
        f"{words_of(name)} {score_text(name, metrics[name])} ({interval_text(metrics, name)})"
        for name in scores_in(metrics)
        if name not in shown
    ]
    if not told:
        return ""
    return f"The first, 95 % intervals in brackets: {', '.join(told)}."


def _settings() -> list[click.Parameter]:
    """Of `head sweep`: the kinds, and what each declares."""
    from headstart.heads.kinds.every_kind import KINDS, declared

    kinds = click.Option(
        ["--kinds"],
        help=f"Which, with commas: {', '.join(KINDS)}. Default: linear; regression: ridge.",
    )
    settings = [
        click.Option(
            [one.flag, one.name],
            help=f"{', '.join(of)}, to try: {one.help}{LISTED if one.takes == 'list' else ''}",
        )
        for one, of in declared().values()
    ]
    return [kinds, *settings]


LISTED = " An x between those of one head: 64,256x64."


def names_of(kinds: str) -> list[str]:
    """Kinds with commas between them, doubles left out."""
    from headstart.heads.kinds.every_kind import KINDS

    names = [name.strip() for name in kinds.split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            raise click.UsageError(f"no kind {name!r}; the kinds are {', '.join(KINDS)}.")
    return list(dict.fromkeys(names))


def settings_of(names: Sequence[str], texts: dict[str, str | None]) -> list[Any]:
    """The heads of a grid: every combination of the values that are given.

    Raises:
        click.UsageError: a value cannot be read, or no kind has such a setting.
    """
    from headstart.heads.kinds.every_kind import KINDS, setting_of

    given = {name: text for name, text in texts.items() if text is not None}
    found: list[Any] = []
    for kind in names:
        known = {name: setting_of(kind, name) for name in given}
        try:
            values = {name: one.read_each(given[name]) for name, one in known.items() if one}
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        found += KINDS[kind].grid(values)
    for name in given:
        if all(setting_of(kind, name) is None for kind in names):
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is not for heads of kind {' or '.join(names)}.")
    return found
