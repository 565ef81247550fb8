"""Extraction: run the trunk once for every sample that has no row yet, and commit the rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np

from headstart.errors import BackboneError, LeaseLost, first_line
from headstart.extractors.backbones.lint import lint_batch
from headstart.extractors.cache.feature_cache import Rows
from headstart.extractors.engines.chosen import Chosen
from headstart.extractors.engines.selection import PROBE_SAMPLES
from headstart.extractors.preprocessing import batches
from headstart.extractors.run.finished import Finished
from headstart.extractors.run.in_view import InView, Opened, passes_of
from headstart.extractors.run.pace import Pace
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.read_ahead import ReadAhead
from headstart.extractors.run.report import Report
from headstart.extractors.run.space import refuse_full_disk, tell_of_size
from headstart.extractors.run.suspects import GIVEN_UP, TRIES, Column, Missing, Suspects
from headstart.extractors.run.worker import Task, Worker, probe
from headstart.extractors.run.writer import Writer, claimed_samples
from headstart.extractors.runtime import versions
from headstart.extractors.watchdog import Step, Watchdog
from headstart.progress import Progress
from headstart.registry.leases import Claimed, Lease
from headstart.storage.keys import unpack_digests
from headstart.storage.manifest import Sample
from headstart.values.logs import logger

log = logger(__name__)

LINTED = 8
"""Samples that are looked at for doubtful preprocessing."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds between two looks at what other processes have committed."""


class Extraction:
    """One run over one dataset for some cuts of one backbone.

    Args:
        plan: what to compute, and how.
        opened: what the plan names.
        progress: called with (samples done, samples to do).
        suspects: of the job that it is a part of, if it is.
        beside: plans of the same cuts in other views, of the same samples or some of them: each is
            decoded once for all views.
    """

    def __init__(
        self,
        plan: ExtractionPlan,
        opened: Opened,
        progress: Progress,
        suspects: Suspects | None = None,
        beside: Sequence[tuple[ExtractionPlan, Opened]] = (),
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
        self._pace = Pace()
        self._views = [InView(*one) for one in ((plan, opened), *beside)]
        self._wanted = self._views[0].wanted
        self._meant = [view.which_of(self._wanted) for view in self._views]
        self.report = self._views[0].report

    @property
    def reports(self) -> list[Report]:
        """What was done in each view."""
        return [view.report for view in self._views]

    @property
    def _keys(self) -> list[str]:
        return [key for view in self._views for key in view.keys.values()]

    @property
    def _computed(self) -> int:
        return sum(report.computed for report in self.reports)

    @property
    def _shares(self) -> list[float]:
        """Of the time, by the rows that each view had computed; all is the first one's where none
        had."""
        if not self._computed:
            return [1.0, *(0.0 for _ in self._views[1:])]
        return [report.computed / self._computed for report in self.reports]

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
        self._pace = Pace(started)
        try:
            with self._cache.hold(*self._keys):
                self._run()
        except BaseException:
            for keeping in (one for chosen in self._engines.values() for one in chosen.keeping):
                keeping.give_up()
            raise
        finally:
            self._cache.save()
            seconds = time.monotonic() - started
            for view, share in zip(self._views, self._shares, strict=True):
                view.end(self._cache.quarantined, seconds, self._pace, share)
        for report in self.reports:
            report.reused = report.unique - report.computed - report.skipped
        self._settle()
        return self.report

    def _settle(self) -> None:
        """Wait until the engines are kept, which after an error nobody does: they are a cache."""
        guard = self._watchdog.guard([])
        for chosen in self._engines.values():
            self._views[0].warn(chosen.settle(guard).warnings)

    def _run(self) -> None:
        for view in self._views:
            view.open()
        missing = self._still_missing(None)
        self._total = len(missing)
        what = f"{self.report.backbone}@{','.join(self._cuts)}", self.report.dataset
        log.info("%s of %s: %d of %d samples to compute", *what, self._total, self.report.unique)
        if missing:
            self._foresee(missing)
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

    def _foresee(self, missing: Missing) -> None:
        """Refuse to begin what the disk cannot hold, as far as shapes are known.

        Raises:
            StorageError: there is too little space.
        """
        rows = Counter(column for columns in missing.values() for column in columns)
        needed = sum(
            view.stored.bytes_of({cut: rows[number, cut] for cut in view.keys})
            for number, view in enumerate(self._views)
        )
        refuse_full_disk(needed, len(missing), self._cache.store)
        tell_of_size(needed, len(missing))

    def _prove(self, suspects: int) -> None:
        """Compute something that is there, unless this process has computed something already;
        under no lease, so that whatever ends it here is not counted.

        Raises:
            BackboneError: there is nothing, or it cannot be read here.
        """
        if self._computed:
            return
        there = np.ones(len(self._wanted), bool)
        for key in self._views[0].keys.values():
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

    def _still_missing(self, rows: np.ndarray | None) -> Missing:
        """Numbers of samples in `_wanted` to the columns that have no row for them, in their order.

        Those known to be unreadable are left out.

        Args:
            rows: the numbers that are looked at; all without them.
        """
        missing = Missing()
        asked = self._wanted if rows is None else self._wanted.take(rows)
        for number, view in enumerate(self._views):
            for cut, key in view.keys.items():
                lacking = self._cache.open_index(key, fresh=True).find_absent(asked.digest_blocks())
                own = lacking if rows is None else rows[lacking]
                for row in own[self._meant[number][own]].tolist():
                    missing[row] = (*missing.get(row, ()), (number, cut))
        numbers = np.array(sorted(missing), np.int64)
        digests = self._digests_of(numbers.tolist())
        given_up = self._suspects.given_up(digests)
        for view in self._views:
            view.unreadable.recall([one for one in digests if one not in view.unreadable])
            view.unreadable.give_up(given_up, GIVEN_UP)
        pairs = zip(numbers.tolist(), digests, strict=True)
        if not any(len(view.unreadable) for view in self._views):
            return {row: missing[row] for row, _ in pairs}
        left = {row: self._readable(missing[row], digest) for row, digest in pairs}
        return {row: columns for row, columns in left.items() if columns}

    def _readable(self, columns: tuple[Column, ...], digest: str) -> tuple[Column, ...]:
        return tuple(one for one in columns if digest not in self._views[one[0]].unreadable)

    def _compute(self, lease: Lease, missing: Missing) -> bool:
        """One pass for each set of columns that samples miss; usually there is one such set.

        Returns:
            Whether there was anything to do that others were not doing already.
        """
        is_busy = False
        for columns in dict.fromkeys(missing.values()):
            rows = [row for row, lacking in missing.items() if lacking == columns]
            samples = list(self._wanted.take(np.array(rows, np.int64)))
            passes = passes_of(columns)
            for cuts, numbers in passes:
                views = [self._views[number] for number in numbers]
                for finished in self._pass(lease, cuts, views, samples):
                    is_busy = True
                    # a sample is done when the last of its views are
                    self._done += finished if numbers is passes[-1][1] else 0
                    self._progress(self._done, self._total)
        return is_busy

    def _pass(
        self, lease: Lease, cuts: tuple[str, ...], views: list[InView], samples: list[Sample]
    ) -> Iterator[int]:
        """Run one trunk over samples in some views; yields how many more are finished."""
        keys = [view.keys[cut] for view in views for cut in cuts]
        done = Finished()
        is_there = partial(self._is_there, keys)
        coming = claimed_samples(lease, keys, samples, is_there, done)
        first = next(coming, None)
        if first is None:
            return
        chosen = self._engine_for(cuts, samples)
        for view in views:
            view.tell(chosen)
            if not self._computed:
                view.preprocessing.shortened.clear()  # of the samples that the choice was by
        worker = Worker(
            views[0].preprocessing,
            chosen.engine,
            self._settings,
            self._is_sequence(cuts),
            self._watchdog,
            [view.preprocessing for view in views[1:]],
            done,
        )
        versions = {**self._versions, **chosen.versions}

        def commit(digests: list[str], outputs: list[np.ndarray]) -> None:
            columns = [(view, cut) for view in views for cut in cuts]
            parts = [
                Rows(view.stored.feature_set(cut, output), digests, output)
                for (view, cut), output in zip(columns, outputs, strict=True)
            ]
            claimed = Claimed(lease.token, tuple(keys), tuple(digests))
            self._cache.commit(parts, chosen.engine.name, versions, claimed)
            log.debug("committed %d rows at %s", len(digests), ", ".join(cuts))
            for view in views:
                view.report.computed += len(digests)

        with Writer(len(keys), commit, self._is_due, self._watchdog) as writer:
            ahead = ReadAhead(self._opened.read)
            tasks = worker.run(ahead.over(chain([first], coming)), ahead.read)
            self._pace.begin_pass()
            try:
                for task in tasks:
                    finished = self._finish(task, cuts, views, writer, chosen)
                    self._pace.see(len(task.samples) * len(views))
                    yield finished
            finally:  # also at Ctrl-C and at errors: what is computed is kept
                for task in tasks.stop():
                    self._keep(task, cuts, views, writer)

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
        return self._engines[cuts]

    def _is_sequence(self, cuts: tuple[str, ...]) -> bool:
        """Whether sequences may be cut short before they go in: features have one size anyway."""
        is_open = any(None in tensor["shape"] for tensor in self._opened.backbone.inputs)
        return is_open and all(None not in self._cuts[cut].shape for cut in cuts)

    def _is_there(self, keys: Sequence[str], digests: list[str]) -> np.ndarray:
        there = np.ones(len(digests), bool)
        for key in keys:
            there &= self._cache.open_index(key, fresh=True).find(digests).present
        return there

    def _finish(
        self, task: Task, cuts: tuple[str, ...], views: list[InView], writer: Writer, chosen: Chosen
    ) -> int:
        """Take over what a worker has done; gives the number of samples that are finished."""
        for sample, error in task.unreadable:
            for view in views:
                view.unreadable.add(sample, error)
        if not task.samples:
            return len(task.unreadable)
        if not self._is_linted:
            self._is_linted = True
            self._lint(task, views[0], chosen)
        if task.error is not None:
            raise BackboneError(
                f"backbone {self._opened.backbone.label!r} cannot run on a batch of shape "
                f"{batches.shapes(task.inputs)} and dtype {batches.dtypes(task.inputs)} "
                f"({first_line(task.error)})",
                hint="Check that the preprocessing fits the backbone's input.",
            ) from task.error
        self._keep(task, cuts, views, writer)
        for view, outputs in zip(views, task.in_views(len(views)), strict=True):
            good = view.stored.which_fit(cuts, outputs)
            if not good.all():
                row = int(np.argmin(good))
                raise view.stored.refusal(task.samples[row], cuts, outputs, row)
        return len(task.samples) + len(task.unreadable)

    def _lint(self, task: Task, view: InView, chosen: Chosen) -> None:
        pipeline = view.preprocessing
        inputs = pipeline.finish(batches.take(task.inputs, slice(0, LINTED)))
        self.report.warnings += lint_batch(chosen.arriving, pipeline, inputs)

    def _keep(self, task: Task, cuts: tuple[str, ...], views: list[InView], writer: Writer) -> None:
        """Hand the rows that are good in every view to the writer."""
        if not task.outputs:
            return
        good = np.ones(len(task.samples), bool)
        for view, outputs in zip(views, task.in_views(len(views)), strict=True):
            good &= view.stored.which_fit(cuts, outputs)
        digests = [sample.digest for sample, fits in zip(task.samples, good, strict=False) if fits]
        writer.add(digests, [output[good] for output in task.outputs])

    def _is_due(self, size: int, since: float) -> bool:
        """Whether rows of that many bytes, the first computed at `since`, should be committed."""
        waited = time.monotonic() - since
        return size >= self._settings.commit_bytes or waited >= self._settings.commit_seconds
