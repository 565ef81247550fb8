"""Which engine runs a trunk: the preferred one here that gives TensorFlow's features."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from headstart.errors import (
    BackboneError,
    HeadstartError,
    first_line,
)
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.lint import Arriving, find_arriving
from headstart.extractors.difference import relative_error
from headstart.extractors.engines.chosen import Chosen, Finishing
from headstart.extractors.engines.compiled import CompiledStore
from headstart.extractors.engines.conversions import Conversions, KeptTrunk
from headstart.extractors.engines.engine import INT8, kind_of
from headstart.extractors.engines.int8.calibrations import Calibrations
from headstart.extractors.engines.int8.choice import find_quantized
from headstart.extractors.engines.kept import NO_SAMPLES, KeptEngines
from headstart.extractors.engines.known import PACE_PRECISION, Known, fastest
from headstart.extractors.engines.parity import allowed_of
from headstart.extractors.engines.provider import Converted, EngineProvider, Trunk, compiling
from headstart.extractors.engines.providers import PROVIDERS, REFERENCE, others
from headstart.extractors.engines.race import PER_SECOND
from headstart.extractors.engines.seeded import kept_samples
from headstart.extractors.engines.trial import Request, Tried, too_far, try_engine
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.watchdog import Guard, unguarded
from headstart.registry.entities import Backbone

if TYPE_CHECKING:
    from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine

PROBE_SAMPLES = 8
CONFIRMATIONS = 3
"""How often an engine that lost against TensorFlow is timed again."""
WORTH = 1.0
"""Seconds that TensorFlow would take: below that no other engine is looked for."""


class Chooser:
    """Chooses an engine for one backbone and its pipeline.

    Args:
        backbone: the backbone.
        pipeline: its preprocessing.
        build: gives a TensorFlow engine for some cuts in a precision; loads the model.
        graph: gives the backbone's graph; loads the model.
        store: where what was found out on this processor is kept.
        conversions: where converted trunks are kept.
        calibrations: where those in int8 are.
    """

    def __init__(
        self,
        backbone: Backbone,
        pipeline: Preprocessing,
        build: Callable[[Sequence[Cut], str], Any],
        graph: Callable[[], Any],
        store: CompiledStore,
        conversions: Conversions,
        calibrations: Calibrations,
    ) -> None:
        self._backbone = backbone
        self._pipeline = pipeline
        self._build = build
        self._graph = graph
        self._kept = KeptEngines(backbone, pipeline, store, conversions, calibrations)
        self._calibrations = calibrations
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
            precision: one of `PRECISIONS`, in int8 a calibration's.
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
        self._kept.notes.clear()
        self._kept.keeping.clear()
        chosen = self._choose(wanted, run)
        warnings = (*self._kept.notes, *chosen.warnings)
        return replace(chosen, warnings=warnings, keeping=tuple(self._kept.keeping))

    def find_converted(
        self, provider: type[EngineProvider], cuts: Sequence[Cut]
    ) -> KeptTrunk | None:
        """What is kept of a trunk in float32 for an engine; None if nothing is."""
        return self._kept.find_converted(provider, cuts)

    def _choose(self, wanted: str, run: Request) -> Chosen:
        if kind_of(run.precision) == INT8:
            known = find_quantized(self._backbone, self._calibrations, self._kept, wanted, run)
            return self._decide(known.name, run, [known])
        if wanted == REFERENCE:
            return self._reference_chosen(run, "as asked for")
        candidates = _here(wanted)
        if isinstance(candidates, str):
            return self._reference_chosen(run, candidates)
        found = {one: self._kept.find(one, run) for one in candidates}
        unknown = [one for one, known in found.items() if known is None]
        problem = self._look_at_reference(wanted, run) if unknown else None
        if problem is not None and len(unknown) == len(found):
            return self._reference_chosen(run, problem)
        if problem is None:
            found |= {one: self._find_out(one, run) for one in unknown}
        return self._decide(wanted, run, [known for known in found.values() if known is not None])

    def convert_ahead(
        self, cuts: Sequence[Cut], say: Callable[[str], None], guard: Guard = unguarded
    ) -> None:
        """Convert a trunk before anybody asks for it, and keep it: its model is loaded just now.

        It is checked on seeded samples. What cannot be converted so is left to the first
        extraction, which looks again, by real samples.

        Args:
            cuts: where to cut.
            say: told what is done, and what came of it.
            guard: runs what could take for ever.

        Raises:
            Exception: of any kind, where the trunk or samples for it cannot be made.
        """
        candidates = _here("auto")
        for one in candidates if not isinstance(candidates, str) else ():
            run = Request("float32", cuts, self._seeded, sys.maxsize, None, guard)
            if compiling(one) is None or self._kept.find(one, run) is not None:
                continue
            named = f"{self._backbone.label}@{','.join(cut.name for cut in cuts)}"
            say(f"converting {named} for {one.name} …")
            began = time.monotonic()
            tried = self._try(one, run)
            if tried.problem:
                say(f"{one.name} {tried.problem}: the first extraction looks again")
                continue
            self._keep(one, run, tried, began)
            error = tried.facts["relative_error"]
            seconds = time.monotonic() - began
            say(f"{named} converted for {one.name} in {seconds:.1f} s, relative error {error:.1g}")

        self._kept.settle(guard)
        for note in self._kept.notes:
            say(f"warning: {note}")

    def _look_at_reference(self, wanted: str, run: Request) -> str | None:
        """Why no other engine than TensorFlow is looked for, or None."""
        if run.batch is None:
            return "there is no sample to check another with"
        reference = self._reference(run.cuts)
        try:
            per_second = run.speed(reference, self._pipeline.finish(run.batch))
        except (ValueError, TypeError, RuntimeError, ArithmeticError):
            return "the first samples do not fit"  # as their task will say in full
        is_new = not self._kept.notes  # what was kept and is damaged is made anew in any case
        if wanted == "auto" and is_new and run.samples < WORTH * per_second:
            return "fast enough for so few samples"
        return None

    def _decide(self, wanted: str, run: Request, known: Sequence[Known]) -> Chosen:
        """The preferred one of those that are right, unless another is faster beyond doubt."""
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
        best = fastest(usable) if wanted == "auto" else usable[0]
        if best is None and any(_in_doubt(one, run) for one in usable) and run.batch is not None:
            usable = [self._raced_again(one, run) if _in_doubt(one, run) else one for one in usable]
            best = fastest(usable)
        if best is None:
            found = self._reference_chosen(run, _slower(usable))
            return replace(found, warnings=_instead("TensorFlow", problems))
        assert best.engine is not None  # it has no problem
        given = best.facts["arriving"]
        arriving = None if given is None else Arriving(**given)
        warnings = (*_instead(best.name, problems), *best.provider.caveats(run.precision))
        return Chosen(best.engine, best.why, best.check, arriving, warnings)

    def _raced_again(self, known: Known, run: Request) -> Known:
        """An engine that lost against the reference: that is loaded now, so both are timed once
        more, and no moment's noise decides for ever."""
        self._kept.settle(run.guard)  # it takes no time from them, and what is changed is there
        assert known.engine is not None  # it has no problem
        finished = self._pipeline.finish(run.batch)
        raced = run.race(known.engine, self._reference(run.cuts), finished)
        facts = {name: value for name, value in known.facts.items() if name != "pace"}
        facts["check"] = {**known.check, **raced.to_json(known.name, REFERENCE)}
        facts["confirmations"] = facts.get("confirmations", 0) + 1
        self._kept.keep_facts(known.provider, run, facts)
        return replace(known, facts=facts, is_new=True)

    def _find_out(self, provider: type[EngineProvider], run: Request) -> Known:
        """Convert the trunk, compare it with TensorFlow's features, and time both; keep that."""
        began = time.monotonic()
        return self._keep(provider, run, self._try(provider, run), began)

    def _try(self, provider: type[EngineProvider], run: Request) -> Tried:
        def tried() -> Tried:
            reference, finished = self._reference(run.cuts), self._pipeline.finish(run.batch)
            trunk = self._trunk(reference, run.cuts)
            return try_engine(provider, trunk, reference, finished, run)

        return run.guard(f"converting it for {provider.name}, to run", tried)

    def _keep(
        self, provider: type[EngineProvider], run: Request, tried: Tried, began: float
    ) -> Known:
        """Keep what came of trying, for this processor and, where it may, for every other."""
        made = tried.converted
        facts: dict[str, Any] = {
            "problem": tried.problem,
            "arriving": self._find_arriving(self._pipeline.finish(run.batch)),
            "check": dict(tried.facts),
        }
        if made is None:
            self._kept.keep_problem(provider, run, facts)
            return Known(provider, facts)
        facts = {**made.facts, **facts}
        if compiling(provider):
            seconds = time.monotonic() - began
            if why := self._keep_converted(provider, run, made, facts, seconds):
                facts[NO_SAMPLES] = why
        self._kept.keep_compiled(provider, run, facts, made)
        return Known(provider, facts, made.engine, is_new=True)

    def _keep_converted(
        self,
        provider: type[EngineProvider],
        run: Request,
        made: Converted,
        facts: dict[str, Any],
        seconds: float,
    ) -> str | None:
        """With seeded samples, where such can be made: real ones are not ours to keep.

        Returns:
            Why there is nothing to keep, in words; None if there is.
        """
        if not made.files:
            return "it has no files for every processor"
        try:
            samples = self._seeded()
            features = run.run(self._reference(run.cuts), self._pipeline.finish(samples))
            error = relative_error(run.run(made.engine, samples), features)
        except (HeadstartError, ValueError, TypeError, RuntimeError, ArithmeticError) as problem:
            return first_line(problem)[:200]
        if not error <= allowed_of(run.precision):
            return f"on seeded samples it {too_far(error, run.precision)}"
        known = {name: facts[name] for name in (*made.facts, "arriving")}
        if run.precision == PACE_PRECISION:
            known["pace"] = [facts["check"]["wall_ratio"], facts["check"]["cpu_ratio"]]
        references = samples, features
        try:
            self._kept.keep_converted(provider, run.cuts, made.files, references, known, seconds)
        except ValueError as problem:
            return first_line(problem)[:200]
        return None

    def _seeded(self) -> Batch:
        return kept_samples(self._graph(), self._pipeline)

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
            if not error <= allowed_of(run.precision):
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

    @property
    def _is_image(self) -> bool:
        return len(self._backbone.inputs) == 1 and len(self._backbone.inputs[0]["shape"]) == 3

    def _find_arriving(self, finished: Batch) -> dict[str, Any] | None:
        if isinstance(finished, dict):
            return None
        arriving = find_arriving(self._graph(), finished.shape[1:])
        return None if arriving is None else asdict(arriving)


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


def _in_doubt(known: Known, run: Request) -> bool:
    """Whether an engine that lost is timed again: not for ever, and not for few samples."""
    is_timed_out = known.facts.get("confirmations", 0) >= CONFIRMATIONS
    per_second = known.check.get(PER_SECOND.format(REFERENCE), 0.0)
    is_worth = run.samples >= WORTH * per_second
    return not known.is_new and known.engine is not None and is_worth and not is_timed_out


def _instead(name: str, problems: Sequence[str]) -> tuple[str, ...]:
    """A warning that others could not run it."""
    return (f"{name} runs this: {'; '.join(problems)}",) if problems else ()


def _slower(usable: Sequence[Known]) -> str:
    """Why the reference is taken, in words: it beat them all, so all were timed."""
    best = max(usable, key=lambda one: one.pace.cpu or 0.0)
    return f"{1 / max(best.pace.cpu or 0.0, 1e-9):.1f}x {best.name}"
