"""Extraction: run the trunk once for every sample that has no row yet, and commit the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from headstart.errors import BackboneError, LeaseLost, first_line
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.lint import lint_batch, lint_cuts
from headstart.extractors.cache.feature_cache import FeatureCache, Rows
from headstart.extractors.engines.chosen import Chosen
from headstart.extractors.engines.selection import PROBE_SAMPLES, Chooser
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.read_ahead import ReadAhead
from headstart.extractors.run.report import Report
from headstart.extractors.run.stored_rows import StoredRows
from headstart.extractors.run.suspects import GIVEN_UP, TRIES, Suspects
from headstart.extractors.run.unreadable import Unreadable
from headstart.extractors.run.worker import Task, Worker, probe
from headstart.extractors.run.writer import Writer, claimed_samples
from headstart.extractors.runtime import versions
from headstart.extractors.watchdog import Step, Watchdog
from headstart.progress import Progress
from headstart.registry.database import Database
from headstart.registry.entities import Backbone
from headstart.registry.features import FeatureRepository
from headstart.registry.leases import Claimed, Lease
from headstart.storage.keys import unpack_digests
from headstart.storage.locks import LifeSigns
from headstart.storage.manifest import Manifest, Sample
from headstart.values.logs import logger

log = logger(__name__)

LINTED = 8
"""Samples that are looked at for doubtful preprocessing."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds between two looks at what other processes have committed."""


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


class Extraction:
    """One run over one dataset for some cuts of one backbone.

    Args:
        plan: what to compute, and how.
        opened: what the plan names.
        progress: called with (samples done, samples to do).
        suspects: of the job that it is a part of, if it is.
    """

    def __init__(
        self,
        plan: ExtractionPlan,
        opened: Opened,
        progress: Progress,
        suspects: Suspects | None = None,
    ) -> None:
        self._suspects = suspects or Suspects()
        self._settings = plan.settings
        self._opened = opened
        self._cache = opened.cache
        self._progress = progress
        self._cuts = {cut.name: cut for cut in opened.cuts}
        self._versions = versions()
        self._watchdog = Watchdog(plan.settings.stall_seconds)
        self._engines: dict[tuple[str, ...], Chosen] = {}
        self._done = self._total = 0
        self._is_linted = False
        self._wanted = opened.manifest.columns.different
        self._unreadable = Unreadable(
            opened.backbone, plan.dataset, plan.settings.on_error, opened.repository
        )
        self.report = Report(
            backbone=opened.backbone.label,
            dataset=plan.dataset,
            cuts=list(self._cuts),
            feature_keys=plan.feature_keys,
            samples=len(opened.manifest.samples),
            unique=len(self._wanted),
            precision=plan.settings.precision,
            warnings=lint_cuts(opened.backbone, opened.cuts),
        )

    def run(self) -> Report:
        """Compute and commit what is missing; what was committed stays, whatever happens.

        Samples that other processes are computing are waited for; if one of those dies, they are
        taken over when its lease has run out.

        Raises:
            SampleUnreadable: a sample cannot be decoded and `on_error` is `fail`.
            NonFiniteFeatures: the trunk gave NaN or infinity; the sample is named.
            SampleChanged: a file is no longer what the manifest says.
            StorageError: the disk is full, or will be.
            Stalled: a sample is not decoded, or the engine not done, in `stall_seconds`.
        """
        started = time.monotonic()
        try:
            with self._cache.hold(*self.report.feature_keys.values()):
                self._run()
        except BaseException:
            for keeping in (one for chosen in self._engines.values() for one in chosen.keeping):
                keeping.give_up()
            raise
        finally:
            self._cache.save()
            self.report.warnings += self._opened.preprocessing.shortened.lines()
            self.report.skipped = len(self._unreadable)
            self.report.skipped_samples = self._unreadable.listed(self._opened.manifest.columns)
            self.report.quarantined = self._cache.quarantined
            self.report.seconds = round(time.monotonic() - started, 3)
        self.report.reused = self.report.unique - self.report.computed - self.report.skipped
        self._settle()
        return self.report

    def _settle(self) -> None:
        """Wait until the engines are kept, which after an error nobody does: they are a cache."""
        guard = self._watchdog.guard([])
        for chosen in self._engines.values():
            self._warn(chosen.settle(guard).warnings)

    def _warn(self, warnings: Sequence[str]) -> None:
        self.report.warnings += [one for one in warnings if one not in self.report.warnings]

    def _run(self) -> None:
        self._stored = StoredRows(
            self._opened.backbone,
            self._cuts,
            self.report.feature_keys,
            self._settings,
            self._opened.repository,
        )
        missing = self._still_missing(None)
        self._total = len(missing)
        what = f"{self.report.backbone}@{','.join(self._cuts)}", self.report.dataset
        log.info("%s of %s: %d of %d samples to compute", *what, self._total, self.report.unique)
        if missing:
            self._stored.foresee(missing, self._cache)
        wait = FIRST_WAIT
        while missing:
            self._done, is_busy = self._total - len(missing), False
            try:
                for part in self._suspects.parts(missing, self._digests_of, self._prove):
                    with self._open_lease() as lease:
                        is_busy |= self._compute(lease, part)
            except LeaseLost:
                is_busy = True  # others have what this process had; see what is left to do
            if is_busy:
                wait = FIRST_WAIT
            else:
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                self._progress(self._total - len(missing), self._total)
            missing = self._still_missing(np.array([*missing], np.int64))

    def _prove(self, suspects: int) -> None:
        """Compute something that is there, unless this process has computed something already;
        under no lease, so that whatever ends it here is not counted.

        Raises:
            BackboneError: there is nothing, or it cannot be read here.
        """
        if self.report.computed:
            return
        there = np.ones(len(self._wanted), bool)
        for key in self.report.feature_keys.values():
            there &= self._cache.open_index(key).find_blocks(self._wanted.digest_blocks()).present
        known = list(self._wanted.take(np.flatnonzero(there)[:PROBE_SAMPLES]))
        batch = probe(self._opened.preprocessing, self._opened.read, known, self._watchdog)
        if batch is None:
            what = "can be read here" if known else "has been computed anywhere"
            raise BackboneError(
                f"{suspects:,} samples have ended {TRIES - 1} workers each, and none of the others "
                f"{what}: it may be the machine, and no sample is given up for that",
                hint="See what the workers ended with; start one where the backbone runs, or with "
                "more memory.",
            )
        cuts = tuple(self._cuts)
        engine = self._engine_for(cuts, known).engine

        def run(step: Step) -> None:
            step.begin(f"the engine {engine.name} on", known)
            engine.run(batch)

        self._watchdog.run(run)

    def _open_lease(self) -> Lease:
        opened = self._opened
        seconds, job = self._settings.lease_seconds, self._suspects.job
        return Lease(opened.database, seconds, opened.signs, job)

    def _digests_of(self, rows: Iterable[int]) -> list[str]:
        return unpack_digests(self._wanted.take(np.array([*rows], np.int64)).digests)

    def _still_missing(self, rows: np.ndarray | None) -> dict[int, tuple[str, ...]]:
        """Numbers of samples in `_wanted` to the cuts that have no row for them, in their order.

        Those known to be unreadable are left out.

        Args:
            rows: the numbers that are looked at; all without them.
        """
        missing = dict[int, tuple[str, ...]]()
        asked = self._wanted if rows is None else self._wanted.take(rows)
        for cut, key in self.report.feature_keys.items():
            index = self._cache.open_index(key, fresh=True)
            lacking = index.find_absent(asked.digest_blocks())
            for row in (lacking if rows is None else rows[lacking]).tolist():
                missing[row] = (*missing.get(row, ()), cut)
        numbers = np.array(sorted(missing), np.int64)
        digests = self._digests_of(numbers.tolist())
        self._unreadable.recall([one for one in digests if one not in self._unreadable])
        self._unreadable.give_up(self._suspects.given_up(digests), GIVEN_UP)
        return {
            row: missing[row]
            for row, digest in zip(numbers.tolist(), digests, strict=True)
            if digest not in self._unreadable
        }

    def _compute(self, lease: Lease, missing: dict[int, tuple[str, ...]]) -> bool:
        """One pass for each set of cuts that samples miss; usually there is one such set.

        Returns:
            Whether there was anything to do that others were not doing already.
        """
        is_busy = False
        for cuts in dict.fromkeys(missing.values()):
            rows = [row for row, lacking in missing.items() if lacking == cuts]
            samples = list(self._wanted.take(np.array(rows, np.int64)))
            for finished in self._pass(lease, cuts, samples):
                is_busy = True
                self._done += finished
                self._progress(self._done, self._total)
        return is_busy

    def _pass(self, lease: Lease, cuts: tuple[str, ...], samples: list[Sample]) -> Iterator[int]:
        """Run one trunk over samples; yields how many more are finished."""
        keys = [self.report.feature_keys[cut] for cut in cuts]
        coming = claimed_samples(lease, keys, samples, lambda wanted: self._is_there(keys, wanted))
        first = next(coming, None)
        if first is None:
            return
        chosen = self._engine_for(cuts, samples)
        if not self.report.computed:
            self._opened.preprocessing.shortened.clear()  # of the samples that the choice was by
        worker = Worker(
            self._opened.preprocessing,
            chosen.engine,
            self._settings,
            self._is_sequence(cuts),
            self._watchdog,
        )
        versions = {**self._versions, **chosen.versions}

        def commit(digests: list[str], outputs: list[np.ndarray]) -> None:
            parts = [
                Rows(self._stored.feature_set(cut, output), digests, output)
                for cut, output in zip(cuts, outputs, strict=True)
            ]
            claimed = Claimed(lease.token, tuple(keys), tuple(digests))
            self._cache.commit(parts, chosen.engine.name, versions, claimed)
            log.debug("committed %d rows at %s", len(digests), ", ".join(cuts))
            self.report.computed += len(digests)

        with Writer(len(cuts), commit, self._is_due, self._watchdog) as writer:
            ahead = ReadAhead(self._opened.read)
            tasks = worker.run(ahead.over(chain([first], coming)), ahead.read)
            try:
                for task in tasks:
                    yield self._finish(task, cuts, writer, chosen)
            finally:  # also at Ctrl-C and at errors: what is computed is kept
                for task in tasks.stop():
                    self._keep(task, cuts, writer)

    def _engine_for(self, cuts: tuple[str, ...], samples: Sequence[Sample]) -> Chosen:
        if cuts not in self._engines:
            settings, opened = self._settings, self._opened
            self._engines[cuts] = opened.chooser.choose(
                settings.engine,
                settings.precision,
                [self._cuts[cut] for cut in cuts],
                lambda: probe(opened.preprocessing, opened.read, samples, self._watchdog),
                len(samples),
                settings.batch_size,
                self._watchdog.guard(samples[:PROBE_SAMPLES]),
            )
            log.info("%s: %s", self._engines[cuts].engine.name, self._engines[cuts].why)
        chosen = self._engines[cuts]
        self.report.engine, self.report.engine_reason = chosen.engine.name, chosen.why
        self.report.check = chosen.facts
        self._warn(chosen.warnings)
        return chosen

    def _is_sequence(self, cuts: tuple[str, ...]) -> bool:
        """Whether sequences may be cut short before they go in: features have one size anyway."""
        is_open = any(None in tensor["shape"] for tensor in self._opened.backbone.inputs)
        return is_open and all(None not in self._cuts[cut].shape for cut in cuts)

    def _is_there(self, keys: Sequence[str], digests: list[str]) -> np.ndarray:
        there = np.ones(len(digests), bool)
        for key in keys:
            there &= self._cache.open_index(key, fresh=True).find(digests).present
        return there

    def _finish(self, task: Task, cuts: tuple[str, ...], writer: Writer, chosen: Chosen) -> int:
        """Take over what a worker has done; gives the number of samples that are finished."""
        for sample, error in task.unreadable:
            self._unreadable.add(sample, error)
        if not task.samples:
            return len(task.unreadable)
        if not self._is_linted:
            self._is_linted = True
            self._lint(task, chosen)
        if task.error is not None:
            raise BackboneError(
                f"backbone {self._opened.backbone.label!r} cannot run on a batch of shape "
                f"{batches.shapes(task.inputs)} and dtype {batches.dtypes(task.inputs)} "
                f"({first_line(task.error)})",
                hint="Check that the preprocessing fits the backbone's input.",
            ) from task.error
        good = self._keep(task, cuts, writer)
        if not good.all():
            row = int(np.argmin(good))
            raise self._stored.refusal(task.samples[row], cuts, task.outputs, row)
        return len(task.samples) + len(task.unreadable)

    def _lint(self, task: Task, chosen: Chosen) -> None:
        pipeline = self._opened.preprocessing
        inputs = pipeline.finish(batches.take(task.inputs, slice(0, LINTED)))
        self.report.warnings += lint_batch(chosen.arriving, pipeline, inputs)

    def _keep(self, task: Task, cuts: tuple[str, ...], writer: Writer) -> np.ndarray:
        """Hand the good rows to the writer; gives which those are."""
        good = self._stored.which_fit(cuts, task.outputs)
        digests = [sample.digest for sample, fits in zip(task.samples, good, strict=False) if fits]
        writer.add(digests, [output[good] for output in task.outputs])
        return good

    def _is_due(self, size: int, since: float) -> bool:
        """Whether rows of that many bytes, the first computed at `since`, should be committed."""
        waited = time.monotonic() - since
        return size >= self._settings.commit_bytes or waited >= self._settings.commit_seconds
