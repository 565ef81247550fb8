"""`ws.search`: settings of heads that Optuna chooses, one after the other, on the same folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import Crossed, cross
from headstart.heads.kind import HeadKind
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.mlp import MLP
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.kinds.one_layer import SVM, Prototype, Ridge
from headstart.jobs.heads.cross_validation import CrossValidation, choose, load
from headstart.jobs.heads.sweep import Sweep, Watch, keep, unwatched
from headstart.progress import Progress, silent

TRIALS = 50
BATCHES = (32, 64, 128, 256)


def _linear(trial: Any) -> HeadKind:
    return Linear((trial.suggest_float("linear_strength", 1e-5, 10, log=True),))


def _mlp(trial: Any) -> HeadKind:
    layers = trial.suggest_int("layers", 1, 2)
    hidden = [trial.suggest_int(f"width_{n}", 16, 512, log=True) for n in range(1, layers + 1)]
    return MLP(
        hidden=tuple(hidden),
        dropout=trial.suggest_float("dropout", 0.0, 0.7),
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        batch_size=trial.suggest_categorical("batch_size", BATCHES),
        epochs=trial.suggest_int("epochs", 3, 60, log=True),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
    )


SPACES: dict[str, Callable[[Any], HeadKind]] = {
    "linear": _linear,
    "mlp": _mlp,
    "neighbours": lambda trial: Neighbours(trial.suggest_int("neighbours", 1, 50, log=True)),
    "prototype": lambda trial: Prototype(),
    "ridge": lambda trial: Ridge((trial.suggest_float("penalty", 1.0, 1e6, log=True),)),
    "svm": lambda trial: SVM((trial.suggest_float("svm_strength", 1e-6, 1.0, log=True),)),
}
"""From which settings are chosen, by kind; numbers that matter by their ratio as logarithms."""


def search(
    context: Context,
    dataset: str,
    references: Sequence[str],
    kinds: Sequence[str],
    *,
    trials: int = TRIALS,
    precision: str = "float32",
    trying: CrossValidation | None = None,
    progress: Progress = silent,
    watch: Watch = unwatched,
    jobs: int | None = None,
) -> Sweep:
    """See `Workspace.search`."""
    optuna = _optuna()
    trying = trying or CrossValidation()
    if trials < 1 or not kinds:
        raise HeadError(
            f"the search has {trials} trials and {len(kinds)} kinds", hint="Give 1 or more."
        )
    for kind in kinds:
        if kind not in SPACES:
            raise HeadError(f"no kind {kind!r}", hint=f"The kinds are {', '.join(SPACES)}.")
    started = time.monotonic()
    chosen = choose(context, dataset, references, precision)
    by_name = {
        f"{one.backbone.label}@{one.cut.name}": one
        for one in load(context, dataset, chosen, precision, trying)
    }
    found: list[tuple[str, Crossed]] = []

    def objective(trial: Any) -> float:
        name = trial.suggest_categorical("features", list(by_name))
        kind = SPACES[trial.suggest_categorical("kind", list(kinds))](trial)
        one = by_name[name]
        targets = one.labelled.targets
        (crossed,) = cross(
            [kind],
            one.features,
            targets,
            one.folds,
            groups=one.labelled.groups,
            seed=trying.seed,
            jobs=jobs,
        )
        found.append((name, crossed))
        watch(name, crossed)
        progress(len(found), trials)
        return crossed.log_loss

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=trying.seed))
    progress(0, trials)
    study.optimize(objective, n_trials=trials)
    fitted = trials * trying.folds * trying.repeats
    return keep(context, dataset, found, fitted, started, trying)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise HeadError("optuna is not installed", hint="pip install 'headstart[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
