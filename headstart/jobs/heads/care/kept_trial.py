"""A setting that a sweep tried, as it is kept: to train a head of it later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.kind import HeadKind
from headstart.jobs.heads.sweep import kind_tried
from headstart.notices import warn
from headstart.values.options import taken
from headstart.values.showable import Showable


@dataclass(frozen=True)
class KeptTrial(Showable):
    """One row of a sweep.

    Attributes:
        features: `BACKBONE@CUT`.
        dataset: that the sweep was on.
        kind: of the head, with the settings that were tried.
        seed: of the sweep.
        windows: what a sample was of its windows; None of a dataset without.
    """

    features: str
    dataset: str
    kind: HeadKind
    seed: int
    windows: str | None


def kept_trial(context: Context, sweep: int, row: int = 1) -> KeptTrial:
    """A row of a sweep; 1 is the best.

    Raises:
        NotFound: there is no such sweep.
        HeadError: it has no such row, or tried heads on few samples.

    Warns:
        HeadstartWarning: the dataset is not what it was.
    """
    row = taken("row", row, "int", HeadError)
    kept = context.sweeps.get(sweep)
    trying: dict[str, Any] = kept.sweep.trying
    if not 1 <= row <= len(kept.trials):
        raise HeadError(
            f"sweep {sweep} has no row {row}",
            hint=f"It has 1 to {len(kept.trials)}, as `headstart head sweeps {sweep}` lists them.",
        )
    if trying.get("shots") is not None:
        raise HeadError(
            f"sweep {sweep} tried heads on {trying['shots']} samples a class",
            hint="A head is trained on all: sweep again without --shots.",
        )
    if context.datasets.get(kept.sweep.dataset).digest != kept.sweep.dataset_digest:
        warn(f"dataset {kept.sweep.dataset!r} has changed since sweep {sweep}")
    trial = kept.trials[row - 1]
    kind = kind_tried({"kind": trial.kind, **trial.settings})
    return KeptTrial(
        trial.features, kept.sweep.dataset, kind, trying.get("seed", 0), trying.get("windows")
    )
