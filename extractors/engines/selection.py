"""Which engine runs a trunk: the fastest one here that gives TensorFlow's features."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import BackboneError
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.lint import Arriving, find_arriving
from headstart.extractors.difference import relative_error
from headstart.extractors.engines.compiled import Compiled, CompiledStore
from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.parity import TOLERANCES
from headstart.extractors.engines.provider import Converted, EngineProvider, Trunk
from headstart.extractors.engines.providers import PROVIDERS, REFERENCE, others
from headstart.extractors.engines.trial import Request, too_far, try_engine
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import cores
from headstart.extractors.watchdog import Guard, unguarded
from headstart.registry.entities import Backbone
from headstart.values.showable import Showable

if TYPE_CHECKING:
    from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine

PROBE_SAMPLES = 8
WORTH = 1.0
"""Seconds that TensorFlow would take: below that no other engine is looked for."""
PER_SECOND = "{}_per_second"
"""In the facts of a check: samples a second of an engine."""


@dataclass(frozen=True)
class Chosen(Showable):
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

    def _facts(self) -> dict[str, Any]:
        return {"engine": self.engine.name, "engine_reason": self.why, "check": self.facts}

    def _line(self) -> str:
        return f"{self.engine.name}: {self.why}"

    @property
    def versions(self) -> dict[str, str]:
        """Of the engine's library, where it is none that every shard names anyway."""
        name = self.engine.name
        return {} if name == REFERENCE else {name: PROVIDERS[name].version()}


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
        run = Request(precision, cuts, probe, samples, call_size, guard)
        if wanted == REFERENCE:
            return self._reference_chosen(run, "as asked for")
        candidates = _here(wanted)
        if isinstance(candidates, str):
            return self._reference_chosen(run, candidates)
        found = {one: self._find_known(one, run) for one in candidates}
        unknown = [one for one, known in found.items() if known is None]
        problem = self._look_at_reference(wanted, run) if unknown else None
        if problem is not None and len(unknown) == len(found):
            return self._reference_chosen(run, problem)
        if problem is None:
            found |= {one: self._find_out(one, run) for one in unknown}
        return self._decide(wanted, run, [known for known in found.values() if known is not None])

    def _look_at_reference(self, wanted: str, run: Request) -> str | None:
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

    def _decide(self, wanted: str, run: Request, known: Sequence[_Known]) -> Chosen:
        """The fastest of those that are right; of equally fast ones the first."""
        usable = [one for one in known if not one.problem]
        if not usable and wanted != "auto":
            (only,) = known
            raise BackboneError(
                f"the engine {only.name} cannot run {self._backbone.label!r}: {only.problem}",
                hint=f"Use --engine auto or {REFERENCE}.",
            )
        problems = [f"{one.name} {one.problem}" for one in known if one.problem]
        if not usable:
            found = self._reference_chosen(run, "; ".join(problems))
            return replace(found, warnings=_instead("TensorFlow", problems))
        best = max(usable, key=lambda one: one.ratio)
        if best.ratio < 1 and wanted == "auto":
            found = self._reference_chosen(run, f"{1 / best.ratio:.1f}x {best.name}")
            return replace(found, warnings=_instead("TensorFlow", problems))
        engine = best.open(run.precision)
        why = f"{best.ratio:.1f}x {REFERENCE}, relative error {best.check['relative_error']:.1g}"
        given = best.facts["arriving"]
        arriving = None if given is None else Arriving(**given)
        warnings = (*_instead(best.name, problems), *best.provider.caveats(run.precision))
        return Chosen(engine, why, best.check, arriving, warnings)

    def _find_known(self, provider: type[EngineProvider], run: Request) -> _Known | None:
        """What was found out of an engine before; None if that has to be done again."""
        known = self._store.find(self._key(provider, run))
        return None if known is None else _Known(provider, known.facts, known.model)

    def _find_out(self, provider: type[EngineProvider], run: Request) -> _Known:
        """Convert the trunk, compare it with TensorFlow's features, and time both; keep that."""
        reference, finished = self._reference(run.cuts), self._pipeline.finish(run.batch)
        trunk = self._trunk(reference, run.cuts)
        tried = try_engine(provider, trunk, reference, finished, run)
        facts: dict[str, Any] = {
            "problem": tried.problem,
            "arriving": self._find_arriving(finished),
            "check": dict(tried.facts),
        }
        made = tried.converted
        if made is not None:
            speed = self._speed_of_reference(run)
            facts["check"][PER_SECOND.format(REFERENCE)] = speed
            facts = {**made.facts, **facts}
        content = b"" if made is None else made.content
        if content is not None:
            self._store.keep(self._key(provider, run), Compiled(facts, content))
        return _Known(provider, facts, content, made)

    def _trunk(self, reference: TensorFlowEngine, cuts: Sequence[Cut]) -> Trunk:
        arithmetic = None
        if self._pipeline.arithmetic:
            channels = self._backbone.inputs[0]["shape"][-1] or 3
            arithmetic = Affine.of(self._pipeline.arithmetic, channels)
        return Trunk(
            reference.function,
            reference.names,
            reference.limits,
            arithmetic,
            lambda precision: self._built(cuts, precision),
        )

    def _reference_chosen(self, run: Request, why: str) -> Chosen:
        """TensorFlow, after its bfloat16 was compared with its float32."""
        engine = self._built(run.cuts, run.precision)
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
                    f"{self._backbone.label!r} in {run.precision} {too_far(error, run.precision)}",
                    hint="Use --precision float32.",
                )
        found = None if finished is None else self._find_arriving(finished)
        arriving = None if found is None else Arriving(**found)
        return Chosen(Finishing(engine, self._pipeline), why, facts, arriving)

    def _built(self, cuts: Sequence[Cut], precision: str) -> TensorFlowEngine:
        return self._reference(cuts) if precision == "float32" else self._build(cuts, precision)

    def _reference(self, cuts: Sequence[Cut]) -> TensorFlowEngine:
        names = tuple(cut.name for cut in cuts)
        if names not in self._references:
            self._references[names] = self._build(cuts, "float32")
        return self._references[names]

    def _speed_of_reference(self, run: Request) -> float:
        finished = self._pipeline.finish(run.batch)
        try:
            return run.speed(self._built(run.cuts, run.precision), finished)
        except BackboneError:  # a frozen graph, which TensorFlow runs in float32 only
            return run.speed(self._reference(run.cuts), finished)

    @property
    def _is_image(self) -> bool:
        return len(self._backbone.inputs) == 1 and len(self._backbone.inputs[0]["shape"]) == 3

    def _find_arriving(self, finished: Batch) -> dict[str, Any] | None:
        if isinstance(finished, dict):
            return None
        arriving = find_arriving(self._graph(), finished.shape[1:])
        return None if arriving is None else asdict(arriving)

    def _key(self, provider: type[EngineProvider], run: Request) -> dict[str, Any]:
        return {
            "cuts": [cut.fingerprint for cut in run.cuts],
            "inputs": [tensor["name"] for tensor in self._backbone.inputs],
            "size": self._pipeline.output_size,
            "arithmetic": list(self._pipeline.arithmetic),
            "precision": run.precision,
            "tolerance": TOLERANCES[run.precision],
            provider.name: provider.version(),
            REFERENCE: importlib.metadata.version("tensorflow"),
            "processor": provider.processor(),
            "cores": cores(),
            "call_size": run.call_size,
        }


@dataclass(frozen=True)
class _Known:
    """What is known of an engine for a trunk; `made` where it was found out just now."""

    provider: type[EngineProvider]
    facts: dict[str, Any]
    content: bytes | None
    made: Converted | None = None

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def problem(self) -> str | None:
        return self.facts["problem"]

    @property
    def check(self) -> dict[str, Any]:
        return self.facts["check"]

    @property
    def ratio(self) -> float:
        """Of its speed to that of the reference."""
        own, other = (self.check[PER_SECOND.format(name)] for name in (self.name, REFERENCE))
        return own / other

    def open(self, precision: str) -> Engine:
        """The engine: made again of what is kept, so that a run is the same the next time."""
        if self.content is None:
            assert self.made is not None  # what is not kept was made in this process
            return self.made.engine
        return self.provider.load(self.content, self.facts, precision)


def _here(wanted: str) -> list[type[EngineProvider]] | str:
    """The engines that may run a trunk besides the reference, or why there are none.

    Raises:
        BackboneError: the engine that was asked for is not here.
    """
    if wanted != "auto":
        provider = PROVIDERS[wanted]
        if problem := provider.problem():
            raise BackboneError(f"the engine {wanted} {problem}", hint=provider.install)
        return [provider]
    problems = {provider: provider.problem() for provider in others()}
    candidates = [provider for provider, problem in problems.items() if not problem]
    if not candidates:
        return "; ".join(f"{provider.name} {problem}" for provider, problem in problems.items())
    if not PROVIDERS[REFERENCE].on_gpu():
        return candidates
    return [provider for provider in candidates if provider.on_gpu()] or "there is a GPU"


def _instead(name: str, problems: Sequence[str]) -> tuple[str, ...]:
    """A warning that others could not run it."""
    return (f"{name} runs this: {'; '.join(problems)}",) if problems else ()
