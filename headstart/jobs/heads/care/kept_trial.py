"""A setting that a sweep tried, as it is kept: to train a head of it later."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from headstart.cached import features_of
from headstart.context import Context
from headstart.errors import FeaturesMissing, HeadError, InvalidHeadSetting, LayerNotFound, NotFound
from headstart.heads.kind import HeadKind
from headstart.heads.tasks import Task, task_of
from headstart.jobs.heads.sweep import BEHIND, kind_tried
from headstart.notices import tell, warn
from headstart.origins.blocks import blocks_of
from headstart.registry.entities import SweepRecord, TrialRecord
from headstart.registry.references import JOINED, parts_of
from headstart.values.options import taken
from headstart.values.showable import Showable


@dataclass(frozen=True)
class KeptTrial(Showable):
    """One row of a sweep.

    Attributes:
        features: `BACKBONE:VERSION@CUT`, joined by ` + `.
        dataset: that the sweep was on.
        kind: of the head, with the settings that were tried.
        seed: of the sweep.
        windows: what a sample was of its windows; None of a dataset without.
        precision: in which the features were, or are to be.
        task: what the labels mean.
        ignore_weights: whether all samples counted alike.
    """

    features: str
    dataset: str
    kind: HeadKind
    seed: int
    windows: str | None
    precision: str
    task: Task
    ignore_weights: bool = False

    @property
    def how(self) -> dict[str, Any]:
        """For `Heads.train`, beside the features and the kind."""
        names = ("seed", "task", "windows", "ignore_weights")
        return {name: getattr(self, name) for name in names}


def kept_trial(
    context: Context, sweep: int, row: int = 1, precision: str | None = None
) -> KeptTrial:
    """A row of a sweep; 1 is the best.

    Args:
        context: where.
        sweep: its number.
        row: of it.
        precision: of the features, in the place of that of the sweep.

    Raises:
        NotFound: there is no such sweep, or it has no such row.
        HeadError: it tried heads on few samples; or the features are other ones
            now.

    Warns:
        HeadstartWarning: the dataset is not what it was, or nothing tells the precision.
    """
    row = taken("row", row, "int", InvalidHeadSetting)
    kept = context.sweeps.get(sweep)
    trying: dict[str, Any] = kept.sweep.trying
    if not 1 <= row <= len(kept.trials):
        raise NotFound(
            f"sweep {sweep} has no row {row}",
            hint=f"It has 1 to {len(kept.trials)}, as `headstart head sweeps {sweep}` lists them.",
        )
    if trying.get("shots") is not None:
        raise HeadError(
            f"sweep {sweep} tried heads on {trying['shots']} samples per class",
            hint="A head is trained on all: sweep again without --shots.",
        )
    if context.datasets.get(kept.sweep.dataset).digest != kept.sweep.dataset_digest:
        warn(f"dataset {kept.sweep.dataset!r} has changed since sweep {sweep}")
    trial = kept.trials[row - 1]
    kind = kind_tried({"kind": trial.kind, **trial.settings})
    features = _reference_of(trial)
    if precision is None:
        _check_same(context, sweep, features, trial)
    return KeptTrial(
        features,
        kept.sweep.dataset,
        kind,
        trying.get("seed", 0),
        trying.get("windows"),
        precision or _precision_of(context, kept.sweep, features, trial),
        task_of(trying.get("task", {})),
        trying.get("ignore_weights", False),
    )


def _reference_of(trial: TrialRecord) -> str:
    """The features by names that stay: a name alone, of which sweeps of before have no more, was
    its first version's, and is by now the latest one's."""
    if known := trial.settings.get(BEHIND, {}).get("features"):
        return known
    each = (part.partition("@") for part in parts_of(trial.features))
    return JOINED.join(f"{name if ':' in name else f'{name}:1'}@{cut}" for name, _, cut in each)


def _check_same(context: Context, sweep: int, features: str, trial: TrialRecord) -> None:
    """See that features are those that the sweep tried.

    Raises:
        HeadError: they are not: the backbone was removed, and another one has its name.
    """
    behind = trial.settings.get(BEHIND, {})
    keys = behind.get("feature_keys")
    if keys and keys != [one.key for one in blocks_of(context, features, behind["precision"])]:
        raise HeadError(
            f"{features} is not what sweep {sweep} tried heads on: a backbone of that name, or its "
            "calibration for int8, is another one now",
            hint="Sweep again.",
        )


def _precision_of(context: Context, sweep: SweepRecord, features: str, trial: TrialRecord) -> str:
    """In which the features of a trial were. Sweeps of before do not say: the one in which they are
    cached, else float32, which is said."""
    if known := trial.settings.get(BEHIND, {}).get("precision"):
        return known
    cached = []
    for precision in sorted({one.precision for one in context.feature_sets.find_sets()}):
        with suppress(NotFound, LayerNotFound, FeaturesMissing):
            features_of(context, features, sweep.dataset, precision)
            cached.append(precision)
    if len(cached) == 1:
        return cached[0]
    tell(
        f"sweep {sweep.id} does not say in which precision its features were: float32 is taken, "
        "unless --precision says another (precision=)"
    )
    return "float32"
