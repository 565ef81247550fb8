"""Extraction: run the trunk once for every sample that has no row yet, and commit the rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import (
    BackboneError,
    FeatureError,
    HeadstartError,
    LeaseLost,
    NonFiniteFeatures,
    SampleUnreadable,
    first_line,
)
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.lint import lint_batch, lint_cuts
from headstart.extractors.cache.feature_cache import FeatureCache, Rows, encoding_of
from headstart.extractors.engines.selection import PROBE_SAMPLES, Chosen
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.augmentation import view_of
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.blocks import Writer, claimed_samples
from headstart.extractors.run.local_executor import Task, Worker, probe
from headstart.extractors.run.report import Report
from headstart.extractors.run.settings import Settings
from headstart.extractors.run.space import refuse_full_disk, row_bytes
from headstart.extractors.run.watchdog import Guard, Watchdog
from headstart.progress import Progress
from headstart.registry.entities import Backbone, Failure, FeatureSet
from headstart.registry.features import FeatureRepository
from headstart.registry.leases import Claimed, Lease
from headstart.storage.encoding import Encoding
from headstart.storage.keys import feature_key
from headstart.storage.manifest import Manifest, Sample

LINTED = 8
"""Samples that are looked at for doubtful preprocessing."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds between two looks at what other processes have committed."""


def keys_of(backbone: Backbone, cuts: Sequence[Cut]) -> dict[str, str]:
    """The feature key of each cut, by the cut's name."""
    view = view_of(backbone.preprocessing)
    return {
        cut.name: feature_key(
            cut.fingerprint, backbone.preprocessing_fingerprint, cut.precision, view
        )
        for cut in cuts
    }


class Extraction:
    """One run over one dataset for some cuts of one backbone.

    Args:
        backbone: the backbone.
        cuts: where to cut; all of them are computed in one forward pass.
        manifest: the dataset.
        preprocessing: the backbone's.
        choose: gives the engine for some of the cuts, from a function that prepares some samples,
            the number of samples, and what guards the steps; called only if something has to be
            computed.
        open_reader: gives a function from a sample to its raw content; likewise.
        open_lease: gives a lease under which samples are claimed; likewise.
        repository: where feature sets and failures are registered.
        cache: where rows are found and committed.
        versions: library versions, recorded with every shard.
        settings: how to run.
        progress: called with (samples done, samples to do).
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        cuts: Sequence[Cut],
        dataset: str,
        manifest: Manifest,
        preprocessing: Preprocessing,
        choose: Callable[[Sequence[Cut], Callable[[], Batch | None], int, Guard], Chosen],
        open_reader: Callable[[], Callable[[Sample], Any]],
        open_lease: Callable[[], Lease],
        repository: FeatureRepository,
        cache: FeatureCache,
        versions: dict[str, str],
        settings: Settings,
        progress: Progress,
    ) -> None:
        self._backbone = backbone
        self._cuts = {cut.name: cut for cut in cuts}
        self._manifest = manifest
        self._choose = choose
        self._open_reader = open_reader
        self._repository = repository
        self._cache = cache
        self._versions = versions
        self._settings = settings
        self._progress = progress
        self._preprocessing = preprocessing
        self._open_lease = open_lease
        self._watchdog = Watchdog(settings.stall_seconds)
        self._engines: dict[tuple[str, ...], Chosen] = {}
        self._encodings: dict[str, Encoding] = {}
        self._total = 0
        self._is_linted = False
        self._first: dict[str, Sample] = {}
        for sample in manifest.samples:
            self._first.setdefault(sample.digest, sample)
        self.report = Report(
            backbone=backbone.label,
            dataset=dataset,
            cuts=list(self._cuts),
            feature_keys=keys_of(backbone, cuts),
            samples=len(manifest.samples),
            unique=manifest.unique,
            precision=settings.precision,
            warnings=lint_cuts(backbone, cuts),
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
        unreadable: dict[str, str] = {}
        try:
            with self._cache.hold(*self.report.feature_keys.values()):
                self._run(unreadable)
        finally:
            self._cache.save()
            self._list_skipped(unreadable)
            self.report.quarantined = self._cache.quarantined
            self.report.seconds = round(time.monotonic() - started, 3)
        self.report.reused = self.report.unique - self.report.computed - self.report.skipped
        return self.report

    def _run(self, unreadable: dict[str, str]) -> None:
        self._encodings = self._find_encodings()
        missing = self._still_missing(self._first, unreadable)
        self._total = len(missing)
        if missing:
            self._foresee(missing)
        wait = FIRST_WAIT
        while missing:
            try:
                with self._open_lease() as lease:
                    is_busy = self._compute(lease, missing, unreadable)
            except LeaseLost:
                is_busy = True  # others have what this process had; see what is left to do
            if is_busy:
                wait = FIRST_WAIT
            else:
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                self._progress(self._total - len(missing), self._total)
            missing = self._still_missing(missing, unreadable)

    def _still_missing(
        self, digests: Iterable[str], unreadable: dict[str, str]
    ) -> dict[str, tuple[str, ...]]:
        """Sample digest to the cuts that have no row for it, in the dataset's order.

        Those known to be unreadable are left out, and put into `unreadable`.
        """
        wanted = [digest for digest in digests if digest not in unreadable]
        missing: dict[str, list[str]] = {}
        for cut, key in self.report.feature_keys.items():
            present = self._cache.open_index(key, fresh=True).find(wanted).present
            for number in np.flatnonzero(~present):
                missing.setdefault(wanted[number], []).append(cut)
        if missing:
            unreadable.update(self._known_unreadable(missing))
        return {
            digest: tuple(missing[digest])
            for digest in wanted
            if digest in missing and digest not in unreadable
        }

    def _find_encodings(self) -> dict[str, Encoding]:
        """How the rows of those cuts lie that have a feature set already.

        Raises:
            FeatureError: that is not what was asked for.
        """
        found = {}
        for cut, key in self.report.feature_keys.items():
            feature_set = self._repository.find_set(key)
            if feature_set is not None:
                found[cut] = encoding_of(feature_set)
                self._refuse_another(cut, found[cut])
        return found

    def _refuse_another(self, cut: str, encoding: Encoding) -> None:
        for name in ("storage", "compression"):
            asked, has = getattr(self._settings, name), getattr(encoding, name)
            if asked not in (None, has):
                raise FeatureError(
                    f"features from {cut!r} are stored with {name} {has}, not {asked}",
                    hint=f"Leave --{name} out, or remove them first: `headstart features gc "
                    f"--set {self.report.feature_keys[cut][:12]} --apply`.",
                )

    def _foresee(self, missing: dict[str, tuple[str, ...]]) -> None:
        """Refuse to begin what the disk cannot hold, as far as shapes are known."""
        needed = 0.0
        for cut, chosen in self._cuts.items():
            rows = sum(cut in cuts for cuts in missing.values())
            known = self._encodings.get(cut)
            size = row_bytes(chosen, known.storage if known else self._settings.storage)
            needed += 0 if math.isnan(size) else rows * size
        refuse_full_disk(needed, len(missing), self._cache.folder)

    def _known_unreadable(self, missing: Iterable[str]) -> dict[str, str]:
        """Those of the missing samples that could not be read before, with the reason."""
        known = self._repository.find_failures(self._backbone.preprocessing_fingerprint)
        found = {digest: known[digest] for digest in missing if digest in known}
        if found and self._settings.on_error == "fail":
            digest, reason = next(iter(found.items()))
            raise self._unreadable(self._first[digest], reason)
        return found

    def _compute(
        self, lease: Lease, missing: dict[str, tuple[str, ...]], unreadable: dict[str, str]
    ) -> bool:
        """One pass for each set of cuts that samples miss; usually there is one such set.

        Returns:
            Whether there was anything to do that others were not doing already.
        """
        done = self._total - len(missing)
        is_busy = False
        for cuts in dict.fromkeys(missing.values()):
            samples = [self._first[digest] for digest, miss in missing.items() if miss == cuts]
            for finished in self._pass(lease, cuts, samples, unreadable):
                is_busy = True
                done += finished
                self._progress(done, self._total)
        return is_busy

    def _pass(
        self,
        lease: Lease,
        cuts: tuple[str, ...],
        samples: list[Sample],
        unreadable: dict[str, str],
    ) -> Iterator[int]:
        """Run one trunk over samples; yields how many more are finished."""
        keys = [self.report.feature_keys[cut] for cut in cuts]
        coming = claimed_samples(lease, keys, samples, lambda wanted: self._is_there(keys, wanted))
        first = next(coming, None)
        if first is None:
            return
        read = self._open_reader()
        chosen = self._engine_for(cuts, samples, read)
        worker = Worker(
            self._preprocessing,
            chosen.engine,
            self._settings,
            self._is_sequence(cuts),
            self._watchdog,
        )
        versions = {**self._versions, **chosen.versions}

        def commit(digests: list[str], outputs: list[np.ndarray]) -> None:
            parts = [
                Rows(self._feature_set(cut, output), digests, output)
                for cut, output in zip(cuts, outputs, strict=True)
            ]
            claimed = Claimed(lease.token, tuple(keys), tuple(digests))
            self._cache.commit(parts, chosen.engine.name, versions, claimed)
            self.report.computed += len(digests)

        with Writer(len(cuts), commit, self._is_due, self._watchdog) as writer:
            tasks = worker.run(chain([first], coming), read)
            try:
                for task in tasks:
                    yield self._finish(task, cuts, writer, unreadable, chosen)
            finally:  # also at Ctrl-C and at errors: what is computed is kept
                for task in tasks.stop():
                    self._keep(task, cuts, writer)

    def _engine_for(
        self, cuts: tuple[str, ...], samples: Sequence[Sample], read: Callable[[Sample], Any]
    ) -> Chosen:
        if cuts not in self._engines:
            self._engines[cuts] = self._choose(
                [self._cuts[cut] for cut in cuts],
                lambda: probe(self._preprocessing, read, samples, self._watchdog),
                len(samples),
                self._watchdog.guard(samples[:PROBE_SAMPLES]),
            )
        chosen = self._engines[cuts]
        self.report.engine, self.report.engine_reason = chosen.engine.name, chosen.why
        self.report.check = chosen.facts
        self.report.warnings += [w for w in chosen.warnings if w not in self.report.warnings]
        return chosen

    def _is_sequence(self, cuts: tuple[str, ...]) -> bool:
        """Whether sequences may be cut short before they go in: features have one size anyway."""
        is_open = any(None in tensor["shape"] for tensor in self._backbone.inputs)
        return is_open and all(None not in self._cuts[cut].shape for cut in cuts)

    def _is_there(self, keys: Sequence[str], digests: list[str]) -> np.ndarray:
        there = np.ones(len(digests), bool)
        for key in keys:
            there &= self._cache.open_index(key, fresh=True).find(digests).present
        return there

    def _finish(
        self,
        task: Task,
        cuts: tuple[str, ...],
        writer: Writer,
        unreadable: dict[str, str],
        chosen: Chosen,
    ) -> int:
        """Take over what a worker has done; gives the number of samples that are finished."""
        for sample, error in task.unreadable:
            self._record_unreadable(sample, error, unreadable)
        if not task.samples:
            return len(task.unreadable)
        if not self._is_linted:
            self._is_linted = True
            inputs = self._preprocessing.finish(batches.take(task.inputs, slice(0, LINTED)))
            self.report.warnings += lint_batch(chosen.arriving, self._preprocessing, inputs)
        if task.error is not None:
            raise BackboneError(
                f"backbone {self._backbone.label!r} cannot run on a batch of shape "
                f"{batches.shapes(task.inputs)} and dtype {batches.dtypes(task.inputs)} "
                f"({first_line(task.error)})",
                hint="Check that the preprocessing fits the backbone's input.",
            ) from task.error
        good = self._keep(task, cuts, writer)
        if not good.all():
            self._raise_not_storable(task, cuts, int(np.argmin(good)))
        return len(task.samples) + len(task.unreadable)

    def _keep(self, task: Task, cuts: tuple[str, ...], writer: Writer) -> np.ndarray:
        """Hand the good rows to the writer; gives which those are."""
        good = np.ones(len(task.outputs[0]) if task.outputs else 0, bool)
        for cut, output in zip(cuts, task.outputs, strict=False):
            good &= self._storable(cut, output)
        digests = [sample.digest for sample, fits in zip(task.samples, good, strict=False) if fits]
        writer.add(digests, [output[good] for output in task.outputs])
        return good

    def _storable(self, cut: str, output: np.ndarray) -> np.ndarray:
        """Which rows are finite and within the range of the numbers stored: bool, (rows,)."""
        if cut not in self._encodings:
            settings = self._settings
            self._encodings[cut] = Encoding.choose(
                output.dtype.name, settings.storage, settings.compression
            )
        finite = np.isfinite(output).reshape(len(output), -1).all(axis=1)
        return finite & self._encodings[cut].fits(output)

    def _raise_not_storable(self, task: Task, cuts: tuple[str, ...], row: int) -> None:
        sample = task.samples[row]
        cut, output = next(
            (cut, output[row])
            for cut, output in zip(cuts, task.outputs, strict=True)
            if not self._storable(cut, output)[row]
        )
        if np.isfinite(output).all():
            raise FeatureError(
                f"the feature of sample {sample.id!r} ({_place(sample)}) at {cut!r} holds "
                f"{np.abs(output).max():.6g}, more than float16 can",
                hint="Store as bfloat16 or float32; the good rows were kept.",
            )
        raise NonFiniteFeatures(
            f"backbone {self._backbone.label!r} gives NaN or infinity at {cut!r} for sample "
            f"{sample.id!r} ({_place(sample)})",
            hint="Look at the sample's values and at the preprocessing "
            "(`headstart backbone show`); the good rows were kept.",
        )

    def _record_unreadable(
        self, sample: Sample, error: SampleUnreadable, unreadable: dict[str, str]
    ) -> None:
        if self._settings.on_error == "fail":
            raise self._unreadable(sample, error.message, error.hint) from error
        unreadable[sample.digest] = error.message
        failure = Failure(sample.digest, self._backbone.preprocessing_fingerprint, error.message)
        if isinstance(error.__cause__, OSError) and error.__cause__.errno is not None:
            return  # the disk's fault, not the content's: it is tried again next time
        self._repository.record_failures([failure])

    def _unreadable(self, sample: Sample, reason: str, hint: str | None = None) -> HeadstartError:
        return SampleUnreadable(
            f"sample {sample.id!r} of dataset {self.report.dataset!r} cannot be read: {reason} "
            f"({_place(sample)})",
            hint=hint or "Mend or remove it, or go on without it: --on-error skip.",
        )

    def _list_skipped(self, unreadable: dict[str, str]) -> None:
        self.report.skipped = len(unreadable)
        self.report.skipped_samples = [
            {"id": sample.id, "reason": unreadable[sample.digest]}
            for sample in self._manifest.samples
            if sample.digest in unreadable
        ]

    def _feature_set(self, cut: str, features: np.ndarray) -> FeatureSet:
        """The registered feature set of a cut, made at its first rows."""
        chosen, encoding = self._cuts[cut], self._encodings[cut]
        found = self._repository.ensure_set(
            FeatureSet(
                key=self.report.feature_keys[cut],
                backbone=self._backbone.label,
                cut=cut,
                cut_fingerprint=chosen.point.fingerprint,
                trunk_fingerprint=chosen.fingerprint,
                preprocessing=self._backbone.preprocessing,
                preprocessing_fingerprint=self._backbone.preprocessing_fingerprint,
                precision=chosen.precision,
                view=view_of(self._backbone.preprocessing),
                shape=features.shape[1:],
                dtype=encoding.dtype,
                storage=encoding.storage,
                compression=encoding.compression,
            )
        )
        if encoding_of(found) != encoding:  # another process made it first
            self._refuse_another(cut, encoding_of(found))
            self._encodings[cut] = encoding_of(found)
        return found

    def _is_due(self, size: int, since: float) -> bool:
        """Whether rows of that many bytes, the first computed at `since`, should be committed."""
        waited = time.monotonic() - since
        return size >= self._settings.commit_bytes or waited >= self._settings.commit_seconds


def _place(sample: Sample) -> str:
    if isinstance(sample.location, int):
        return f"row {sample.location}"
    return str(Path(sample.location))
