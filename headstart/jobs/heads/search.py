"""`ws.search`: settings of heads that Optuna chooses, one after the other, on the same folds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import (
    Said,
    Unit,
    cross,
    cross_elsewhere,
    try_fold,
)
from headstart.heads.kind import HeadKind
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.trials.by_task import check_kinds, usual_kinds
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.jobs.backbones.masks import refuse_lost_masks
from headstart.jobs.heads.cross_validation import (
    Candidate,
    CrossValidation,
    Features,
    choose,
    load,
)
from headstart.jobs.heads.sweep import Sweep, Watch, keep, unwatched
from headstart.jobs.heads.trials import By, Field, TrialExecutor, processes_of
from headstart.origins.blocks import Blocks
from headstart.progress import Progress, silent

TRIALS = 50


def search(
    context: Context,
    features: Features,
    kinds: str | Sequence[str] | None = None,
    *,
    trials: int = TRIALS,
    trying: CrossValidation | None = None,
    progress: Progress = silent,
    watch: Watch = unwatched,
    by: By = None,
) -> Sweep:
    """See `Workspace.search`."""
    optuna = _optuna()
    trying = trying or CrossValidation()
    kinds = usual_kinds(trying.task) if kinds is None else kinds
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if trials < 1 or not kinds:
        raise HeadError(
            f"the search has {trials} trials and {len(kinds)} kinds", hint="Give 1 or more."
        )
    for kind in kinds:
        if kind not in KINDS:
            raise HeadError(f"no kind {kind!r}", hint=f"The kinds are {', '.join(KINDS)}.")
    check_kinds(trying.task, [KINDS[kind]() for kind in kinds])
    started = time.monotonic()
    chosen = choose(context, features)
    refuse_lost_masks(context, [KINDS[kind]() for kind in kinds], chosen)
    by_name = {one.name: one for one in load(context, features, chosen, trying)}
    field, places = Field(features, tuple(chosen), trying), list(by_name)
    found: list[tuple[Blocks, OutOfFold]] = []

    def objective(trial: Any) -> float:
        name = trial.suggest_categorical("features", list(by_name))
        kind = KINDS[trial.suggest_categorical("kind", list(kinds))].suggest(trial)
        one = by_name[name]
        how: dict[str, Any] = {"task": trying.task, "seed": trying.seed}
        if isinstance(by, TrialExecutor):
            tries = partial(_elsewhere, by, field, places.index(name))
            (crossed,) = cross_elsewhere(tries, [kind], one.rows, one.folds, **how)
        else:
            (crossed,) = cross([kind], one.rows, one.folds, jobs=processes_of(by), **how)
        found.append((one.blocks, crossed))
        watch(name, crossed)
        progress(len(found), trials)
        best_first, _ = crossed.order(trying.objective)
        return best_first

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=trying.seed))
    progress(0, trials)
    study.optimize(objective, n_trials=trials)
    fitted = trials * trying.folds * trying.times
    return keep(context, features.dataset, found, fitted, started, trying)


def _elsewhere(
    executor: TrialExecutor, field: Field, place: int, units: Sequence[Unit]
) -> Iterator[Said]:
    """The folds of a setting, side by side: the settings follow one from the other."""
    attempts = [
        (place, partial(_try_fold, kind=kind, number=number, trying=field.trying))
        for kind, number in units
    ]
    return (said for _, said in executor.run(field, attempts)) if attempts else iter(())


def _try_fold(one: Candidate, kind: HeadKind, number: int, trying: CrossValidation) -> Said:
    return try_fold(kind, number, one.rows, one.folds, trying.task, trying.seed)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise HeadError("optuna is not installed", hint="pip install 'headstart[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
