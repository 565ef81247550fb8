"""`ws.search`: settings of heads that Optuna chooses, one after the other, on the same folds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import Crossed, cross
from headstart.heads.kinds.every_kind import KINDS
from headstart.jobs.heads.cross_validation import (
    CrossValidation,
    Features,
    choose,
    load,
    precisions_of,
)
from headstart.jobs.heads.sweep import Sweep, Watch, keep, unwatched
from headstart.progress import Progress, silent

TRIALS = 50


def search(
    context: Context,
    features: Features,
    kinds: str | Sequence[str],
    *,
    trials: int = TRIALS,
    trying: CrossValidation | None = None,
    progress: Progress = silent,
    watch: Watch = unwatched,
    jobs: int | None = None,
) -> Sweep:
    """See `Workspace.search`."""
    optuna = _optuna()
    trying = trying or CrossValidation()
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if trials < 1 or not kinds:
        raise HeadError(
            f"the search has {trials} trials and {len(kinds)} kinds", hint="Give 1 or more."
        )
    for kind in kinds:
        if kind not in KINDS:
            raise HeadError(f"no kind {kind!r}", hint=f"The kinds are {', '.join(KINDS)}.")
    started = time.monotonic()
    chosen = choose(context, features)
    by_name = {one.name: one for one in load(context, features, chosen, trying)}
    found: list[tuple[str, Crossed]] = []

    def objective(trial: Any) -> float:
        name = trial.suggest_categorical("features", list(by_name))
        kind = KINDS[trial.suggest_categorical("kind", list(kinds))].suggest(trial)
        one = by_name[name]
        (crossed,) = cross([kind], one.rows, one.folds, seed=trying.seed, jobs=jobs)
        found.append((name, crossed))
        watch(name, crossed)
        progress(len(found), trials)
        best_first, _ = crossed.order(trying.objective)
        return best_first

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=trying.seed))
    progress(0, trials)
    study.optimize(objective, n_trials=trials)
    fitted = trials * trying.folds * trying.times
    return keep(context, features.dataset, found, fitted, started, trying, precisions_of(chosen))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise HeadError("optuna is not installed", hint="pip install 'headstart[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
