"""Extraction: run the trunk once for every sample that has no row yet, and commit the rows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import (
    BackboneError,
    HeadstartError,
    NonFiniteFeatures,
    SampleUnreadable,
    first_line,
)
from headstart.extractors import batches
from headstart.extractors.batches import Batch, Prepared
from headstart.extractors.cache import FeatureCache, Rows
from headstart.extractors.cuts import Cut
from headstart.extractors.lint import lint_cuts
from headstart.extractors.preprocessing import Preprocessing
from headstart.registry.entities import Backbone, Failure, FeatureSet
from headstart.registry.features import FeatureRepository
from headstart.storage.keys import feature_key
from headstart.storage.manifest import Manifest, Sample

PRECISION = "float32"
VIEW = 0
DECODING_THREADS = 2
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """How to extract; nothing here changes a feature.

    Attributes:
        batch_size: samples a call of the trunk.
        on_error: `fail` at the first sample that cannot be read, or `skip` and record it.
        commit_seconds: at the latest after so long, what was computed is committed.
        commit_bytes: and as soon as it is so large.
    """

    batch_size: int = 32
    on_error: str = "fail"
    commit_seconds: float = 10.0
    commit_bytes: int = 32 << 20

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise BackboneError(f"batch_size is {self.batch_size}", hint="Give 1 or more.")
        if self.on_error not in ("fail", "skip"):
            raise BackboneError(f"on_error is {self.on_error!r}", hint="Give fail or skip.")


@dataclass
class Report:
    """What an extraction did.

    Attributes:
        samples: samples in the dataset.
        unique: different contents among them; `computed + reused + skipped` of them.
        computed: contents that went through the trunk in this run.
        reused: contents whose rows were all there.
        skipped: contents that could not be read.
        seconds: of the whole run.
        engine: what computed; `cache` when nothing was.
        feature_keys: feature key by cut.
        skipped_samples: id and reason of every sample left out.
        quarantined: damaged shards that were found and put aside.
        warnings: what is doubtful about the cuts and about what reaches the trunk.
    """

    backbone: str
    dataset: str
    cuts: list[str]
    feature_keys: dict[str, str]
    samples: int
    unique: int
    computed: int = 0
    reused: int = 0
    skipped: int = 0
    seconds: float = 0.0
    engine: str = "cache"
    skipped_samples: list[dict[str, str]] = field(default_factory=list)
    quarantined: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def feature_key(self) -> str:
        """The first cut's feature key."""
        return self.feature_keys[self.cuts[0]]

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "feature_key": self.feature_key}


def keys_of(backbone: Backbone, cuts: Sequence[Cut]) -> dict[str, str]:
    """The feature key of each cut, by the cut's name."""
    return {
        cut.name: feature_key(cut.fingerprint, backbone.preprocessing_fingerprint, PRECISION, VIEW)
        for cut in cuts
    }


class Extraction:
    """One run over one dataset for some cuts of one backbone.

    Args:
        backbone: the backbone.
        cuts: where to cut; all of them are computed in one forward pass.
        manifest: the dataset.
        preprocessing: the backbone's.
        lint: looks at the first batch that reaches the trunk; gives what is doubtful, in words.
        open_engine: loads the backbone and gives an engine for some of the cuts; called only if
            something has to be computed.
        open_reader: gives a function from a sample to its raw content; likewise.
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
        lint: Callable[[Batch], list[str]],
        open_engine: Callable[[Sequence[Cut]], Any],
        open_reader: Callable[[], Callable[[Sample], Any]],
        repository: FeatureRepository,
        cache: FeatureCache,
        versions: dict[str, str],
        settings: Settings,
        progress: Progress,
    ) -> None:
        self._backbone = backbone
        self._cuts = {cut.name: cut for cut in cuts}
        self._manifest = manifest
        self._open_engine = open_engine
        self._open_reader = open_reader
        self._repository = repository
        self._cache = cache
        self._versions = versions
        self._settings = settings
        self._progress = progress
        self._preprocessing = preprocessing
        self._lint: Callable[[Batch], list[str]] | None = lint
        self._first = {sample.digest: sample for sample in reversed(manifest.samples)}
        self.report = Report(
            backbone=backbone.label,
            dataset=dataset,
            cuts=list(self._cuts),
            feature_keys=keys_of(backbone, cuts),
            samples=len(manifest.samples),
            unique=manifest.unique,
            warnings=lint_cuts(backbone, cuts),
        )

    def run(self) -> Report:
        """Compute and commit what is missing; what was committed stays, whatever happens.

        Raises:
            SampleUnreadable: a sample cannot be decoded and `on_error` is `fail`.
            NonFiniteFeatures: the trunk gave NaN or infinity; the sample is named.
            SampleChanged: a file is no longer what the manifest says.
        """
        started = time.monotonic()
        try:
            missing = self._find_missing()
            unreadable = self._known_unreadable(missing)
            for digest in unreadable:
                missing.pop(digest)
            self.report.reused = self.report.unique - len(missing) - len(unreadable)
            self._compute(missing, unreadable)
            self._list_skipped(unreadable)
        finally:
            self.report.quarantined = self._cache.quarantined
            self.report.seconds = round(time.monotonic() - started, 3)
        return self.report

    def _find_missing(self) -> dict[str, tuple[str, ...]]:
        """Sample digest to the cuts that have no row for it, in the dataset's order."""
        digests = list(dict.fromkeys(sample.digest for sample in self._manifest.samples))
        missing: dict[str, list[str]] = {}
        for cut, key in self.report.feature_keys.items():
            present = self._cache.open_index(key).find(digests).present
            for number in np.flatnonzero(~present):
                missing.setdefault(digests[number], []).append(cut)
        return {digest: tuple(missing[digest]) for digest in digests if digest in missing}

    def _known_unreadable(self, missing: Iterable[str]) -> dict[str, str]:
        """Those of the missing samples that could not be read before, with the reason."""
        known = self._repository.find_failures(self._backbone.preprocessing_fingerprint)
        found = {digest: known[digest] for digest in missing if digest in known}
        if found and self._settings.on_error == "fail":
            digest, reason = next(iter(found.items()))
            raise self._unreadable(self._first[digest], reason)
        return found

    def _compute(self, missing: dict[str, tuple[str, ...]], unreadable: dict[str, str]) -> None:
        """One pass for each set of cuts that samples miss; usually there is one such set."""
        done = 0
        for cuts in dict.fromkeys(missing.values()):
            samples = [self._first[digest] for digest, miss in missing.items() if miss == cuts]
            for finished in self._pass(cuts, samples, unreadable):
                done += finished
                self._progress(done, len(missing))

    def _pass(
        self, cuts: tuple[str, ...], samples: list[Sample], unreadable: dict[str, str]
    ) -> Iterator[int]:
        """Run one trunk over samples; yields how many more are finished."""
        engine = self._open_engine([self._cuts[cut] for cut in cuts])
        self.report.engine = engine.name
        writer = _Writer(self, cuts, engine.name)
        read = self._open_reader()
        batch: list[tuple[Sample, Prepared]] = []
        try:
            for sample, prepared in _prefetched(self._prepare(read), samples, self._ahead):
                if isinstance(prepared, SampleUnreadable):
                    self._record_unreadable(sample, prepared, unreadable)
                    yield 1
                    continue
                batch.append((sample, prepared))
                if len(batch) == self._settings.batch_size:
                    self._run_batch(engine, batch, cuts, writer)
                    yield len(batch)
                    batch = []
            if batch:
                self._run_batch(engine, batch, cuts, writer)
                yield len(batch)
        finally:  # also at Ctrl-C and at errors: what is computed is kept
            writer.commit()

    @property
    def _ahead(self) -> int:
        return 2 * self._settings.batch_size + DECODING_THREADS

    def _prepare(self, read: Callable[[Sample], Any]) -> Callable[[Sample], Any]:
        def prepare(sample: Sample) -> Prepared | SampleUnreadable:
            try:
                return self._preprocessing.prepare(read(sample))
            except SampleUnreadable as error:
                return error

        return prepare

    def _run_batch(
        self,
        engine: Any,
        batch: list[tuple[Sample, Prepared]],
        cuts: tuple[str, ...],
        writer: _Writer,
    ) -> None:
        inputs = batches.stack(
            [prepared for _, prepared in batch], [repr(sample.id) for sample, _ in batch]
        )
        if self._lint is not None:
            self.report.warnings += self._lint(inputs)
            self._lint = None
        try:
            outputs = engine.run(inputs)
        except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
            raise BackboneError(
                f"backbone {self._backbone.label!r} cannot run on a batch of shape "
                f"{batches.shapes(inputs)} and dtype {batches.dtypes(inputs)} "
                f"({first_line(error)})",
                hint="Check that the preprocessing fits the backbone's input.",
            ) from error
        finite = np.ones(len(batch), bool)
        for output in outputs:
            finite &= np.isfinite(output).reshape(len(batch), -1).all(axis=1)
        digests = [sample.digest for sample, _ in batch]
        writer.add(
            [digest for digest, good in zip(digests, finite, strict=True) if good],
            [output[finite] for output in outputs],
        )
        self.report.computed += int(finite.sum())
        if not finite.all():
            self._raise_not_finite(batch, outputs, cuts, int(np.argmin(finite)))

    def _raise_not_finite(
        self, batch: list[Any], outputs: list[np.ndarray], cuts: tuple[str, ...], row: int
    ) -> None:
        sample = batch[row][0]
        cut = next(
            cut
            for cut, output in zip(cuts, outputs, strict=True)
            if not np.isfinite(output[row]).all()
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

    def feature_set(self, cut: str, features: np.ndarray) -> FeatureSet:
        """The registered feature set of a cut, made at its first rows."""
        chosen = self._cuts[cut]
        return self._repository.ensure_set(
            FeatureSet(
                key=self.report.feature_keys[cut],
                backbone=self._backbone.label,
                cut=cut,
                cut_fingerprint=chosen.point.fingerprint,
                trunk_fingerprint=chosen.fingerprint,
                preprocessing=self._backbone.preprocessing,
                preprocessing_fingerprint=self._backbone.preprocessing_fingerprint,
                precision=PRECISION,
                view=VIEW,
                shape=features.shape[1:],
                dtype=str(features.dtype),
            )
        )

    def commit(self, parts: list[Rows], engine: str) -> None:
        self._cache.commit(parts, engine, self._versions)

    def is_due(self, size: int, since: float) -> bool:
        """Whether rows of that many bytes, the first computed at `since`, should be committed."""
        waited = time.monotonic() - since
        return size >= self._settings.commit_bytes or waited >= self._settings.commit_seconds


class _Writer:
    """Gathers rows of all cuts of a pass and commits them from time to time."""

    def __init__(self, extraction: Extraction, cuts: Sequence[str], engine: str) -> None:
        self._extraction = extraction
        self._cuts = cuts
        self._engine = engine
        self._digests: list[str] = []
        self._features: list[list[np.ndarray]] = [[] for _ in cuts]
        self._since = time.monotonic()

    def add(self, digests: list[str], outputs: list[np.ndarray]) -> None:
        if not digests:
            return
        self._digests += digests
        for gathered, output in zip(self._features, outputs, strict=True):
            gathered.append(output)
        size = sum(part.nbytes for gathered in self._features for part in gathered)
        if self._extraction.is_due(size, self._since):
            self.commit()

    def commit(self) -> None:
        if self._digests:
            parts = []
            for cut, gathered in zip(self._cuts, self._features, strict=True):
                features = np.concatenate(gathered)
                feature_set = self._extraction.feature_set(cut, features)
                parts.append(Rows(feature_set, self._digests, features))
            self._extraction.commit(parts, self._engine)
        self._digests = []
        self._features = [[] for _ in self._cuts]
        self._since = time.monotonic()


def _prefetched(
    prepare: Callable[[Sample], Any], samples: Sequence[Sample], ahead: int
) -> Iterator[tuple[Sample, Any]]:
    """Samples with what `prepare` gives, in order, prepared by threads a bounded way ahead."""
    pool = ThreadPoolExecutor(DECODING_THREADS)
    try:
        coming = iter(samples)
        waiting: deque[tuple[Sample, Future[Any]]] = deque(
            (sample, pool.submit(prepare, sample)) for sample in islice(coming, ahead)
        )
        while waiting:
            sample, future = waiting.popleft()
            prepared = future.result()
            following = next(coming, None)
            if following is not None:
                waiting.append((following, pool.submit(prepare, following)))
            yield sample, prepared
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _place(sample: Sample) -> str:
    if isinstance(sample.location, int):
        return f"row {sample.location}"
    return str(Path(sample.location))
