"""Which engine runs a trunk: the fastest one here that gives TensorFlow's features."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import BackboneError, Stalled, first_line
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.lint import Arriving, find_arriving
from headstart.extractors.engines import openvino_engine as openvino
from headstart.extractors.engines.compiled import Compiled, CompiledStore
from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.parity import TOLERANCES, relative_error
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.daemons import Daemons
from headstart.extractors.run.watchdog import Guard, unguarded
from headstart.extractors.runtime import cores
from headstart.registry.entities import Backbone

if TYPE_CHECKING:
    from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine

PROBE_SAMPLES = 8
WORTH = 1.0
"""Seconds that TensorFlow would take: below that no other engine is looked for."""
CALL_SIZE = 4
LONG_CALLS, SHORT_CALLS = (2,), (32, 256)
"""Samples a call of OpenVINO: convolutions like small calls, which stay in the caches, small models
like large ones. Images a second on two AVX-512 cores at 1, 2, 4, 8 samples a call, by
EfficientNet-Lite0: 210, 221, 191, 184 in float32 and 327, 354, 369, 339 in bfloat16. So the first
is tried, and then those that the time of its calls speaks for."""
LONG_CALL = 0.25
"""Seconds: a model so large is the same speed at any size, and every trial takes its time."""
LONG_PROBE = 0.5
"""Seconds after which an engine is not timed again."""
SHORT_CALL = 0.005
"""Seconds: a call so short is mostly overhead, so a larger one is tried."""
GPU_DEVICES = (Path("/dev/nvidia0"), Path("/dev/kfd"))


@dataclass(frozen=True)
class Chosen:
    """An engine that was checked.

    Attributes:
        engine: takes batches as `Preprocessing.pixels` gives them.
        why: why this one, in words.
        facts: of the check, JSON values: `relative_error`, `samples`, and samples a second of
            each engine that was tried.
        arriving: see `lint`; what the first batch is looked at with.
        warnings: what a user should know.
    """

    engine: Engine
    why: str
    facts: dict[str, Any] = field(default_factory=dict)
    arriving: Arriving | None = None
    warnings: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """Of the engine's library, where it is none that every shard names anyway."""
        name = self.engine.name
        return {} if name == "tensorflow" else {name: importlib.metadata.version(name)}


class Finishing:
    """An engine that takes finished batches, for batches that are not finished yet."""

    def __init__(self, engine: Engine, pipeline: Preprocessing) -> None:
        self._engine = engine
        self._pipeline = pipeline
        self.name, self.precision = engine.name, engine.precision
        self.lanes, self.call_size = engine.lanes, engine.call_size

    def run(self, batch: Batch) -> list[np.ndarray]:
        return self._engine.run(self._pipeline.finish(batch))


class Chooser:
    """Chooses an engine for one backbone and its pipeline.

    Args:
        backbone: the backbone.
        pipeline: its preprocessing.
        build: gives a TensorFlow engine for some cuts in a precision; loads the model.
        graph: gives the backbone's graph; loads the model.
        store: where what was found out is kept.
    """

    def __init__(
        self,
        backbone: Backbone,
        pipeline: Preprocessing,
        build: Callable[[Sequence[Cut], str], Any],
        graph: Callable[[], Any],
        store: CompiledStore,
    ) -> None:
        self._backbone = backbone
        self._pipeline = pipeline
        self._build = build
        self._graph = graph
        self._store = store
        self._references: dict[tuple[str, ...], TensorFlowEngine] = {}

    def choose(
        self,
        wanted: str,
        precision: str,
        cuts: Sequence[Cut],
        probe: Callable[[], Batch | None],
        samples: int,
        call_size: int | None = None,
        guard: Guard = unguarded,
    ) -> Chosen:
        """The engine for some cuts.

        Args:
            wanted: `auto`, or the name of an engine.
            precision: one of `PRECISIONS`.
            cuts: where to cut.
            probe: gives some real samples as `Preprocessing.pixels` leaves them; None where there
                are none. Called only if something has to be found out.
            samples: how many samples are to be run.
            call_size: samples a call; found out without it.
            guard: runs what could take for ever.

        Raises:
            BackboneError: the engine that was asked for is not installed, cannot run this trunk,
                or gives other features.
            Stalled: one of them is not done with the first samples in time.
        """
        run = _Request(precision, cuts, probe, samples, call_size, guard)
        if wanted == "tensorflow":
            return self._tensorflow(run, "as asked for")
        if not openvino.is_installed():
            if wanted == "openvino":
                raise BackboneError(
                    "the engine openvino is not installed", hint="pip install 'headstart[cpu]'"
                )
            return self._tensorflow(run, "openvino is not installed")
        if wanted == "auto" and _may_have_gpu():
            return self._tensorflow(run, "there is a GPU")
        key = self._key(run)
        known = self._store.find(key)
        if known is None:
            problem = self._look_at_reference(wanted, run)
            if problem is not None:
                return self._tensorflow(run, problem)
            known = self._find_out(run)
            self._store.keep(key, known)
        return self._decide(wanted, run, known)

    def _look_at_reference(self, wanted: str, run: _Request) -> str | None:
        """Why no other engine than TensorFlow is looked for, or None."""
        if run.batch is None:
            return "there is no sample to check another with"
        reference = self._reference(run.cuts)
        try:
            per_second = run.speed(reference, self._pipeline.finish(run.batch))
        except (ValueError, TypeError, RuntimeError, ArithmeticError):
            return "the first samples do not fit"  # as their task will say in full
        if wanted == "auto" and run.samples < WORTH * per_second:
            return "fast enough for so few samples"
        return None

    def _decide(self, wanted: str, run: _Request, known: Compiled) -> Chosen:
        check, problem = known.facts["check"], known.facts["problem"]
        if problem and wanted == "openvino":
            raise BackboneError(
                f"the engine openvino cannot run {self._backbone.label!r}: {problem}",
                hint="Use --engine auto or tensorflow.",
            )
        if problem:
            found = self._tensorflow(run, f"openvino {problem}")
            return replace(found, warnings=(f"TensorFlow runs this: openvino {problem}",))
        ratio = check["openvino_per_second"] / check["tensorflow_per_second"]
        if ratio < 1 and wanted == "auto":
            return self._tensorflow(run, f"{1 / ratio:.1f}x openvino")
        engine = openvino.OpenVINOEngine(
            openvino.load_compiled(known.model, run.precision),
            _signature(known.facts["signature"]),
            run.precision,
            known.facts["call_size"],
        )
        why = f"{ratio:.1f}x tensorflow, relative error {check['relative_error']:.1g}"
        given = known.facts["arriving"]
        arriving = None if given is None else Arriving(**given)
        return Chosen(engine, why, check, arriving, _not_so_precise(run.precision))

    def _find_out(self, run: _Request) -> Compiled:
        """Convert the trunk, compare it with TensorFlow's features, and time both."""
        assert run.batch is not None
        reference, finished = self._reference(run.cuts), self._pipeline.finish(run.batch)
        facts: dict[str, Any] = {
            "problem": None,
            "arriving": self._find_arriving(finished),
            "check": {"samples": batches.length(run.batch)},
        }
        try:
            best = self._compile(reference, run)
            found = run.run(best.engine, run.batch)
        except Stalled:
            raise
        except Exception as error:  # a converter may fail in any way; TensorFlow is always there
            facts["problem"] = f"cannot convert it ({first_line(error)[:200]})"
            return Compiled(facts)
        error = relative_error(found, run.run(reference, finished))
        facts["check"] |= {"relative_error": error, "openvino_per_second": best.per_second}
        if not error <= TOLERANCES[run.precision]:
            facts["problem"] = _too_far(error, run.precision)
            return Compiled(facts)
        facts["check"]["tensorflow_per_second"] = self._speed_of_tensorflow(run)
        facts["signature"] = asdict(best.signature)
        facts["call_size"] = best.engine.call_size
        return Compiled(facts, best.exported())

    def _compile(self, reference: TensorFlowEngine, run: _Request) -> _Candidate:
        assert run.batch is not None
        model, signature = openvino.convert(reference.function, reference.names, reference.limits)
        if self._pipeline.arithmetic:
            (image,) = signature.inputs
            channels = image.shape[-1] or 3
            openvino.with_arithmetic(model, Affine.of(self._pipeline.arithmetic, channels))
        return _fastest(model, signature, run)

    def _tensorflow(self, run: _Request, why: str) -> Chosen:
        """TensorFlow, after its bfloat16 was compared with its float32."""
        engine = self._build_for(run)
        if run.precision == "float32" and not self._is_image:
            return Chosen(Finishing(engine, self._pipeline), why)
        finished = None if run.batch is None else self._pipeline.finish(run.batch)
        facts: dict[str, Any] = {}
        if run.precision != "float32" and finished is not None:
            expected = run.run(self._reference(run.cuts), finished)
            error = relative_error(run.run(engine, finished), expected)
            facts = {"samples": batches.length(finished), "relative_error": error}
            if not error <= TOLERANCES[run.precision]:
                raise BackboneError(
                    f"{self._backbone.label!r} in {run.precision} {_too_far(error, run.precision)}",
                    hint="Use --precision float32.",
                )
        found = None if finished is None else self._find_arriving(finished)
        arriving = None if found is None else Arriving(**found)
        return Chosen(Finishing(engine, self._pipeline), why, facts, arriving)

    def _build_for(self, run: _Request) -> TensorFlowEngine:
        if run.precision == "float32":
            return self._reference(run.cuts)
        return self._build(run.cuts, run.precision)

    def _reference(self, cuts: Sequence[Cut]) -> TensorFlowEngine:
        names = tuple(cut.name for cut in cuts)
        if names not in self._references:
            self._references[names] = self._build(cuts, "float32")
        return self._references[names]

    def _speed_of_reference(self, run: _Request) -> float:
        return run.speed(self._reference(run.cuts), self._pipeline.finish(run.batch))

    def _speed_of_tensorflow(self, run: _Request) -> float:
        try:
            return run.speed(self._build_for(run), self._pipeline.finish(run.batch))
        except BackboneError:  # a frozen graph, which TensorFlow runs in float32 only
            return self._speed_of_reference(run)

    @property
    def _is_image(self) -> bool:
        return len(self._backbone.inputs) == 1 and len(self._backbone.inputs[0]["shape"]) == 3

    def _find_arriving(self, finished: Batch) -> dict[str, Any] | None:
        if isinstance(finished, dict):
            return None
        arriving = find_arriving(self._graph(), finished.shape[1:])
        return None if arriving is None else asdict(arriving)

    def _key(self, run: _Request) -> dict[str, Any]:
        return {
            "cuts": [cut.fingerprint for cut in run.cuts],
            "inputs": [tensor["name"] for tensor in self._backbone.inputs],
            "size": self._pipeline.output_size,
            "arithmetic": list(self._pipeline.arithmetic),
            "precision": run.precision,
            "tolerance": TOLERANCES[run.precision],
            "openvino": openvino.version(),
            "tensorflow": importlib.metadata.version("tensorflow"),
            "processor": openvino.processor(),
            "cores": cores(),
            "call_size": run.call_size,
        }


@dataclass(frozen=True)
class _Request:
    """What an engine is wanted for; see `Chooser.choose`."""

    precision: str
    cuts: Sequence[Cut]
    probe: Callable[[], Batch | None]
    samples: int
    call_size: int | None
    guard: Guard

    @cached_property
    def batch(self) -> Any:
        return self.probe()

    def run(self, engine: Engine, batch: Batch) -> list[np.ndarray]:
        return self.guard(f"the engine {engine.name} on", lambda: engine.run(batch))

    def speed(self, engine: Engine, batch: Batch, least: int = 1) -> float:
        return self.guard(f"the engine {engine.name} on", lambda: _speed(engine, batch, least))


@dataclass(frozen=True)
class _Candidate:
    engine: openvino.OpenVINOEngine
    compiled: Any
    signature: openvino.Signature
    per_second: float

    @property
    def seconds(self) -> float:
        """Of one call."""
        return self.engine.call_size * self.engine.lanes / self.per_second

    def exported(self) -> bytes:
        content = self.compiled.export_model()
        return content if isinstance(content, bytes) else content.getvalue()


def _fastest(model: Any, signature: openvino.Signature, run: _Request) -> _Candidate:
    """The model compiled for the size of calls that suits it."""

    def tried(call_size: int) -> _Candidate:
        compiled = run.guard(
            "compiling for openvino",
            lambda: openvino.compile_model(model.clone(), signature, run.precision, call_size),
        )
        engine = openvino.OpenVINOEngine(compiled, signature, run.precision, call_size)
        return _Candidate(engine, compiled, signature, run.speed(engine, run.batch, call_size))

    best = tried(run.call_size or CALL_SIZE)
    if run.call_size:
        return best
    if best.seconds > LONG_CALL:
        return best
    for call_size in SHORT_CALLS if best.seconds < SHORT_CALL else LONG_CALLS:
        best = max(best, tried(call_size), key=lambda candidate: candidate.per_second)
    return best


def _speed(engine: Engine, batch: Batch, least: int = 1) -> float:
    """Samples a second with all lanes busy, after a call to warm up; the better of two if brief.

    Calls are of `least` samples, or of all there are.
    """
    count = max(batches.length(batch), least)
    rows = np.arange(count) % batches.length(batch)
    batch = batches.take(batch, rows)
    engine.run(batch)
    seconds: list[float] = []
    with Daemons(engine.lanes) as pool:
        while len(seconds) < 2 and sum(seconds) < LONG_PROBE:
            started = time.perf_counter()
            list(pool.map(engine.run, [batch] * engine.lanes))
            seconds.append(time.perf_counter() - started)
    return round(count * engine.lanes / max(min(seconds), 1e-9), 2)


def _too_far(error: float, precision: str) -> str:
    return f"gives other features (relative error {error:.2g}, allowed {TOLERANCES[precision]:g})"


def _may_have_gpu() -> bool:
    """Whether TensorFlow computes on a GPU; asked only where there is a device of that kind."""
    if not any(device.exists() for device in GPU_DEVICES):
        return False
    from headstart.extractors.engines.tensorflow_engine import has_gpu

    return has_gpu()


def _not_so_precise(precision: str) -> tuple[str, ...]:
    """A warning where this processor computes otherwise than it was asked for."""
    if precision != "bfloat16" or openvino.has_bfloat16():
        return ()
    return ("this processor has no bfloat16: openvino computes in float32, no faster than there",)


def _signature(value: dict[str, Any]) -> openvino.Signature:
    def tensors(found: list[dict[str, Any]]) -> tuple[openvino.Tensor, ...]:
        return tuple(openvino.Tensor(t["name"], tuple(t["shape"]), t["dtype"]) for t in found)

    return openvino.Signature(
        tuple(value["names"]), tensors(value["inputs"]), tensors(value["outputs"]), value["limits"]
    )
