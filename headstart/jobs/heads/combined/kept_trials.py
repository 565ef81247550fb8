"""What the heads of a sweep said of samples they were not trained on, at hand or said again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.kind import HeadKind
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.jobs.heads.care.kept_trial import kept_trial
from headstart.jobs.heads.cross_validation import CrossValidation, Features, find
from headstart.jobs.heads.sweep import Sweep
from headstart.origins.blocks import Blocks, blocks_of
from headstart.progress import Progress, silent

ROWS = 30
"""Settings of a kept sweep that are tried again, from the best down: what they said is not kept."""


@dataclass(frozen=True)
class OneTried:
    """A setting on one kind of features, and what came of it."""

    blocks: Blocks
    kind: HeadKind
    crossed: OutOfFold


@dataclass(frozen=True)
class Tried:
    """The settings of a sweep, from the best down.

    Attributes:
        dataset: its name.
        trying: on which folds.
        trials: the settings.
        number: of the sweep; None of one that was not kept.
    """

    dataset: str
    trying: CrossValidation
    trials: list[OneTried]
    number: int | None

    @property
    def seed(self) -> int:
        return self.trying.seed

    @property
    def windows(self) -> str | None:
        return self.trying.windows

    @staticmethod
    def of(sweep: Sweep) -> Tried:
        """Of a sweep that was just made."""
        trials = [OneTried(one.blocks, one.kind, one.crossed) for one in sweep.trials]
        return Tried(sweep.dataset, sweep.trying, trials, sweep.id)


def tried_again(context: Context, number: int, progress: Progress = silent) -> Tried:
    """The best settings of a sweep that is kept, tried again on its folds: by seeds, so that they
    say what they said.

    Raises:
        NotFound: there is no such sweep.
        HeadError: it tried heads on few samples, or its dataset has changed.
        FeaturesMissing: features are not cached any more.
    """
    kept = context.sweeps.get(number)
    known: dict[str, Any] = kept.sweep.trying
    trying = CrossValidation.of(known)
    rows = range(1, min(len(kept.trials), ROWS) + 1)
    if context.datasets.get(kept.sweep.dataset).digest != kept.sweep.dataset_digest:
        raise HeadError(
            f"dataset {kept.sweep.dataset!r} has changed since sweep {number}: which samples its "
            "heads were not trained on cannot be determined",
            hint="Sweep again: `headstart head sweep … --ensemble NAME`.",
        )
    settings = [kept_trial(context, number, row) for row in rows]
    names = list(dict.fromkeys((one.features, one.precision) for one in settings))
    chosen = [blocks_of(context, name, precision) for name, precision in names]
    found = find(context, Features(kept.sweep.dataset), chosen, trying)
    done, trials = 0, list[OneTried]()
    progress(0, len(settings))
    for (name, precision), place in zip(names, found, strict=True):
        own = [one.kind for one in settings if (one.features, one.precision) == (name, precision)]
        one = place.load()
        crossed = cross(own, one.rows, one.folds, task=trying.task, seed=trying.seed)
        each = zip(own, crossed, strict=True)
        trials += [OneTried(one.blocks, kind, result) for kind, result in each]
        done += len(own)
        progress(done, len(settings))
    trials.sort(key=lambda one: one.crossed.order(trying.objective))
    return Tried(kept.sweep.dataset, trying, trials, number)
