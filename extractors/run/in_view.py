"""One view of a run's backbone: what is wanted in it, where its rows go, what was done for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.lint import lint_cuts
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.engines.chosen import Chosen
from headstart.extractors.engines.selection import Chooser
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.pace import Pace
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.extractors.run.stored_rows import StoredRows
from headstart.extractors.run.suspects import Column
from headstart.extractors.run.unreadable import Unreadable
from headstart.registry.database import Database
from headstart.registry.entities import Backbone
from headstart.registry.features import FeatureRepository
from headstart.storage.columns.finder import ABSENT, DigestFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.locks import LifeSigns
from headstart.storage.manifest import Manifest, Sample


@dataclass(frozen=True)
class Opened:
    """What a plan names, opened where it is run.

    Attributes:
        backbone: the backbone, in the plan's augmentation.
        cuts: where it is cut.
        manifest: the samples.
        preprocessing: the backbone's.
        chooser: finds the engine; only if something has to be computed.
        read: gives a sample's raw content; called by several threads.
        database: under whose leases samples are claimed.
        signs: by which others on this machine see at once that this process is gone.
        repository: where feature sets and failures are registered.
        cache: where rows are found and committed.
    """

    backbone: Backbone
    cuts: Sequence[Cut]
    manifest: Manifest
    preprocessing: Preprocessing
    chooser: Chooser
    read: Callable[[Sample], Any]
    database: Database
    signs: LifeSigns
    repository: FeatureRepository
    cache: FeatureCache


class InView:
    """A plan with what it names, and what was done for it.

    Args:
        plan: of this view.
        opened: what it names.

    Attributes:
        keys: feature key of each cut.
        wanted: the samples that it is of, each content once.
        unreadable: those that cannot be read.
        report: what was done.
        stored: where rows go, once it is open.
    """

    stored: StoredRows

    def __init__(self, plan: ExtractionPlan, opened: Opened) -> None:
        self._plan, self._opened = plan, opened
        self.preprocessing, self.keys = opened.preprocessing, plan.feature_keys
        self.wanted = opened.manifest.columns.different
        self.unreadable = Unreadable(
            opened.backbone, plan.dataset, plan.settings.on_error, opened.repository
        )
        self.report = Report(
            backbone=opened.backbone.label,
            dataset=plan.dataset,
            cuts=[cut.name for cut in opened.cuts],
            feature_keys=plan.feature_keys,
            samples=len(opened.manifest.samples),
            unique=len(self.wanted),
            precision=plan.settings.precision,
            warnings=lint_cuts(opened.backbone, opened.cuts),
        )

    def open(self) -> None:
        """Look at where rows go, while the feature sets are held.

        Raises:
            FeatureError: they are stored otherwise than was asked for.
        """
        cuts = {cut.name: cut for cut in self._opened.cuts}
        where = self._plan.settings, self._opened.repository
        self.stored = StoredRows(self._opened.backbone, cuts, self.keys, *where)

    def which_of(self, samples: SampleColumns) -> np.ndarray:
        """Which of some samples are wanted, bool, (n,)."""
        if samples is self.wanted:
            return np.ones(len(samples), bool)
        return DigestFinder(self.wanted).find(samples.digests) != ABSENT

    def tell(self, chosen: Chosen) -> None:
        """Write down by which engine rows are computed."""
        report = self.report
        report.engine, report.engine_reason = chosen.engine.name, chosen.why
        report.check = chosen.facts
        self.warn(chosen.warnings)

    def warn(self, warnings: Sequence[str]) -> None:
        """Write down what is doubtful, each once."""
        self.report.warnings += [one for one in warnings if one not in self.report.warnings]

    def end(self, quarantined: int, seconds: float, pace: Pace, share: float) -> None:
        """Write down how it ended, and this view's share of the time."""
        report = self.report
        report.warnings += self.preprocessing.shortened.lines()
        report.skipped = len(self.unreadable)
        report.skipped_samples = self.unreadable.listed(self._opened.manifest.columns)
        report.quarantined = quarantined
        report.seconds = round(share * seconds, 3)
        report.start_seconds = round(share * pace.start, 3)
        report.steady_samples = round(share * pace.samples)
        report.steady_seconds = round(share * pace.seconds, 6)


def passes_of(columns: Sequence[Column]) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Cuts, and the views in which just these are missing: what is computed in one pass."""
    cuts: dict[int, tuple[str, ...]] = {}
    for view, cut in columns:
        cuts[view] = (*cuts.get(view, ()), cut)
    views: dict[tuple[str, ...], tuple[int, ...]] = {}
    for view, own in cuts.items():
        views[own] = (*views.get(own, ()), view)
    return list(views.items())
