"""A trunk is calibrated for int8, once: by the first dataset that wants it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.backbone_model import chooser_of, pipeline_of
from headstart.context import Context
from headstart.errors import BackboneError, HeadstartError, first_line
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.datasets import reader_of
from headstart.extractors.engines.engine import INT8, Engine
from headstart.extractors.engines.int8.calibrations import Calibration, precision_of, subject_of
from headstart.extractors.engines.int8.choice import check_engine
from headstart.extractors.engines.provider import QuantizingProvider, quantizing
from headstart.extractors.engines.providers import others
from headstart.extractors.engines.selection import Chooser
from headstart.extractors.preprocessing.batches import Batch, length
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.plan import one_cut_only
from headstart.extractors.run.settings import Settings
from headstart.extractors.run.worker import Worker, probe
from headstart.extractors.watchdog import Guard, Step, Watchdog
from headstart.jobs.features.verdict import check_loss, loses, verdict_of
from headstart.notices import tell, warn
from headstart.registry.entities import Backbone, Dataset, Run
from headstart.storage.locks import Turn
from headstart.storage.manifest import Manifest, Sample

SAMPLES = 300
"""By which a trunk is calibrated at most, as NNCF has it; half of the dataset where it is small."""
PROBED = 1000
"""On which it is then compared with float32; others than those."""
SAMPLE_BYTES, PROBE_BYTES = 512 << 20, 256 << 20
"""Of samples that are in memory at once, and of features in float32: fewer are taken if large."""
FLOAT = 4


@dataclass(frozen=True)
class _Job:
    """What is calibrated, and by what."""

    context: Context
    backbone: Backbone
    cut: Cut
    dataset: Dataset
    manifest: Manifest
    settings: Settings

    @property
    def label(self) -> str:
        return f"{self.backbone.label}@{self.cut.name}"


def calibrated(
    context: Context,
    backbone: Backbone,
    cuts: Sequence[Cut],
    dataset: Dataset,
    manifest: Manifest,
    settings: Settings,
) -> list[Cut]:
    """Cuts in the precision that their features are in: in int8 that of a calibration, made if
    there is none; all others as they are.

    Raises:
        BackboneError: there are several cuts, no engine for it, or it loses too much accuracy.
    """
    if settings.precision != INT8:
        return list(cuts)
    if len(cuts) > 1:
        raise one_cut_only(len(cuts))
    check_engine(settings.engine)
    job = _Job(context, backbone, replace(cuts[0], precision=INT8), dataset, manifest, settings)
    before = context.calibrations.find(backbone, job.cut)
    found = _find(job)
    if found is None:
        with Turn(context.config.locks, f"{INT8}-{subject_of(backbone, job.cut)[:32]}"):
            found = _find(job) or _calibrate(job)
    check_loss(job.label, found.dataset, found.verdict, settings.max_loss)
    _let_mean(job, found, before)
    return [replace(job.cut, precision=found.precision)]


def _find(job: _Job) -> Calibration | None:
    """The calibration to go by, that which `int8` means first, then the newest; one that is refused
    is made anew by another dataset."""
    known = job.context.calibrations
    meant = known.find(job.backbone, job.cut)
    for found in [*([] if meant is None else [meant]), *known.find_all(job.backbone, job.cut)]:
        is_own = found.dataset == job.dataset.name
        if found.is_there and (is_own or not loses(found.verdict, job.settings.max_loss)):
            return found
    return None


def _let_mean(job: _Job, found: Calibration, before: Calibration | None) -> None:
    """Let `int8` mean a calibration that was not refused, and say so if it meant another."""
    known = job.context.calibrations
    meant = known.find(job.backbone, job.cut)
    if meant is None or meant.precision != found.precision:
        known.choose(job.backbone, job.cut, found.precision)
    if before is not None and before.precision != found.precision:
        warn(
            f"int8 of {job.label} means {found.precision} from now on, calibrated by "
            f"{found.dataset}; it meant {before.precision}, calibrated by {before.dataset}, whose "
            "features stay by that name and do not compare with those of now"
        )


def _calibrate(job: _Job) -> Calibration:
    provider = _provider(job.settings.engine)
    began = time.monotonic()
    by, tried = _samples(job)
    tell(
        f"{job.label} is calibrated for int8 by {len(by):,} samples of {job.dataset.name}, once "
        "for all datasets"
    )
    watchdog = Watchdog(job.settings.stall_seconds)
    pipeline, read = pipeline_of(job.context, job.backbone), reader_of(job.dataset)
    batch = probe(pipeline, read, by, watchdog, len(by))
    if batch is None:
        raise BackboneError(
            f"no sample of dataset {job.dataset.name!r} can be read to calibrate {job.label!r} by",
            hint="Calibrate by another dataset: extract that in int8 first.",
        )
    maker = _Maker(job, provider, chooser_of(job.context, job.backbone), watchdog)
    whole = maker.whole(batch)
    files = maker.quantized(batch)
    quantized = maker.compiled(files)
    verdict = _verdict(_Both(whole, quantized), pipeline, read, tried, job, watchdog)
    maker.keep(files, quantized, verdict, length(batch), time.monotonic() - began)
    found = _find(job)
    assert found is not None  # it was just kept, and is of this dataset
    return found


def _provider(wanted: str) -> type[QuantizingProvider]:
    """The engine that quantizes.

    Raises:
        BackboneError: none that may is here.
    """
    able = [one for one in map(quantizing, others()) if one is not None]
    chosen = [one for one in able if wanted in ("auto", one.name)]
    if not chosen:
        raise BackboneError(
            f"the engine {wanted} does not compute in int8",
            hint=f"Use --engine {able[0].name}." if able else "Use --precision bfloat16.",
        )
    provider = chosen[0]
    if problem := provider.problem():
        raise BackboneError(f"the engine {provider.name} {problem}", hint=provider.install)
    if problem := provider.quantizer_problem():
        raise BackboneError(
            f"int8 has to be calibrated: {problem}", hint=provider.quantizer_install
        )
    return provider


def _samples(job: _Job) -> tuple[list[Sample], list[Sample]]:
    """By which to calibrate, and on which to try it: different contents, spread evenly over the
    dataset, whose first samples are often all of one class."""
    columns = job.manifest.columns
    rows = columns.first_rows
    size = max(1, int(np.prod([n or 1 for n in job.backbone.inputs[0]["shape"]])))
    most = min(SAMPLES, max(1, SAMPLE_BYTES // size))
    chosen = _spread(rows, min(most, (len(rows) + 1) // 2))
    rest = np.setdiff1d(rows, chosen)
    width = max(1, int(np.prod([n or 1 for n in job.cut.shape])))
    tried = _spread(rest, min(PROBED, max(1, PROBE_BYTES // (FLOAT * width))))
    return list(columns.take(chosen)), list(columns.take(tried if len(tried) else chosen))


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return rows[np.unique(places)]


@dataclass(frozen=True)
class _Trial:
    """See `Trial` of engines: nothing is timed."""

    precision: str
    guard: Guard
    call_size: int | None = None

    def time(self, engine: Engine, least: int = 1) -> float:
        raise AssertionError("a trunk in int8 is not timed")


class _Maker:
    """Makes a trunk in int8, step by step."""

    def __init__(
        self,
        job: _Job,
        provider: type[QuantizingProvider],
        chooser: Chooser,
        watchdog: Watchdog,
    ) -> None:
        self._job = job
        self._provider = provider
        self._chooser = chooser
        self._watchdog = watchdog
        self._guard = watchdog.guard([])
        self._cuts = [replace(job.cut, precision="float32")]

    def whole(self, batch: Batch) -> Engine:
        """The trunk in float32, compared with TensorFlow; converted now if it is not yet."""
        given = batch if isinstance(batch, dict) else {"": batch}
        few = {name: array[:8] for name, array in given.items()}
        chosen = self._chooser.choose(
            self._provider.name,
            "float32",
            self._cuts,
            lambda: few if isinstance(batch, dict) else few[""],
            sys.maxsize,
            guard=self._guard,
        )
        return chosen.settle(self._guard).engine

    @property
    def _trunk(self) -> Any:
        found = self._chooser.find_converted(self._provider, self._cuts)
        if found is None:
            raise BackboneError(
                f"{self._job.label!r} has no trunk converted for {self._provider.name} that could "
                "be quantized",
                hint="Use --precision float32 or bfloat16.",
            )
        return found

    def quantized(self, batch: Batch) -> dict[str, bytes]:
        """The files of the trunk in int8; sample by sample a step for the watchdog."""
        trunk, doing = self._trunk, f"calibrating {self._job.label} on"

        def make(step: Step) -> dict[str, bytes]:
            step.begin(doing)
            return self._provider.quantize(
                trunk.read(), trunk.facts, batch, lambda: step.begin(doing)
            )

        try:
            return self._watchdog.run(make)
        except HeadstartError:
            raise
        except Exception as error:  # a library may fail in any way
            raise BackboneError(
                f"{self._job.label!r} cannot be quantized ({first_line(error)[:200]})",
                hint="Use --precision float32 or bfloat16.",
            ) from error

    def compiled(self, files: dict[str, bytes]) -> Engine:
        trial = _Trial(precision_of(files), self._guard)
        return self._provider.compile(files, self._trunk.facts, trial).engine

    def keep(
        self,
        files: dict[str, bytes],
        engine: Engine,
        verdict: dict[str, Any],
        samples: int,
        seconds: float,
    ) -> None:
        """Keep it with what it gives for the samples that its trunk in float32 is kept with."""
        trunk, job = self._trunk, self._job
        given, _ = trunk.references
        facts = {name: fact for name, fact in trunk.facts.items() if name != "pace"}
        facts |= {"call_size": engine.call_size, "precision": INT8, "verdict": verdict}
        counts = {
            "precision": engine.precision,
            "engine": self._provider.name,
            "samples": samples,
            "verdict": verdict,
            "refused": loses(verdict, job.settings.max_loss),
            "facts": facts,
        }
        versions = dict(self._provider.quantizer_versions())
        run = Run("", "", job.dataset.name, "done", counts, round(seconds, 3), versions)
        references = given, self._guard("the engine in int8 on", lambda: engine.run(given))
        job.context.calibrations.keep(job.backbone, job.cut, run, files, references)


class _Both:
    """Two engines as one, which gives the features of both."""

    name = precision = "both"

    def __init__(self, one: Engine, other: Engine) -> None:
        self._engines = one, other
        self.lanes = min(one.lanes, other.lanes)
        self.call_size = max(one.call_size, other.call_size)

    def run(self, batch: Batch) -> list[np.ndarray]:
        return [output for engine in self._engines for output in engine.run(batch)]


def _verdict(
    both: _Both,
    pipeline: Preprocessing,
    read: Callable[[Sample], Any],
    samples: Sequence[Sample],
    job: _Job,
    watchdog: Watchdog,
) -> dict[str, Any]:
    """How features in int8 compare with those in float32, on samples that can be read."""
    worker = Worker(pipeline, both, job.settings, False, watchdog)
    tasks = worker.run(samples, read)
    done: list[Sample] = []
    whole: list[np.ndarray] = []
    quantized: list[np.ndarray] = []
    try:
        for task in tasks:
            if task.error is not None:
                raise task.error
            if task.samples:
                done += task.samples
                whole += [row.ravel() for row in task.outputs[0]]
                quantized += [row.ravel() for row in task.outputs[1]]
    finally:
        tasks.stop()
    if not done:
        raise BackboneError(
            f"no sample of dataset {job.dataset.name!r} can be read to try {job.label!r} on",
            hint="Calibrate by another dataset: extract that in int8 first.",
        )
    labels, groups = [one.label for one in done], [one.group for one in done]
    return verdict_of(_rows(whole), _rows(quantized), labels, groups)


def _rows(features: Sequence[np.ndarray]) -> np.ndarray:
    """As a table; features of open sizes are filled up with zeros."""
    widest = max(len(one) for one in features)
    return np.stack([np.pad(one, (0, widest - len(one))) for one in features])
