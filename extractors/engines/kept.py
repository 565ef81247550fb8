"""What is kept of a backbone's engines, by which one is made without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from headstart.errors import ArtifactDamaged, Stalled, StorageError, first_line
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.difference import relative_error
from headstart.extractors.engines.background import Keeping
from headstart.extractors.engines.compiled import Compiled, CompiledStore
from headstart.extractors.engines.conversions import (
    Conversions,
    KeptTrunk,
    TrunkIdentity,
    made_of,
)
from headstart.extractors.engines.engine import INT8, Engine, kind_of
from headstart.extractors.engines.int8.calibrations import Calibrations
from headstart.extractors.engines.known import PACE_PRECISION, Known
from headstart.extractors.engines.parity import allowed_of
from headstart.extractors.engines.provider import Converted, EngineProvider, compiling
from headstart.extractors.engines.providers import REFERENCE
from headstart.extractors.engines.trial import Request, too_far
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import cores
from headstart.extractors.watchdog import Guard
from headstart.registry.entities import Backbone
from headstart.values.installed import version_of

TRIED_AGAIN = 2
"""Samples on which an engine is tried whenever it is loaded; all when it is compiled."""
NO_SAMPLES = "no_samples"
"""In the facts: why no samples are kept with the trunk, so that it is compared with TensorFlow when
it is converted, and never again."""
CONVERTERS = ("tensorflow", "keras")
"""What a trunk is converted by, besides the engine's own library."""


class KeptEngines:
    """What is kept of the engines of one backbone.

    Args:
        backbone: the backbone.
        pipeline: its preprocessing.
        store: where what was found out on this processor is kept.
        conversions: where converted trunks are kept.
        calibrations: where those in int8 are.

    Attributes:
        notes: what a user should know: what was kept and is not taken, what could not be kept.
        keeping: what is being kept for the next process.
        why: why what was kept was not taken at last.
    """

    def __init__(
        self,
        backbone: Backbone,
        pipeline: Preprocessing,
        store: CompiledStore,
        conversions: Conversions,
        calibrations: Calibrations,
    ) -> None:
        self._backbone = backbone
        self._pipeline = pipeline
        self._store = store
        self._conversions = conversions
        self._calibrations = calibrations
        self.notes: list[str] = []
        self.keeping: list[Keeping] = []
        self.why = ""

    def find(self, provider: type[EngineProvider], run: Request) -> Known | None:
        """What is known of an engine; None if that has to be found out.

        An engine is run on the samples that were kept with its trunk, and is given only if its
        features are what TensorFlow gave for them.
        """
        try:
            kept = self._trunk_of(provider, run)
            return self._load(provider, run, kept) or self._compile(provider, run, kept)
        except ArtifactDamaged as error:
            self._note(provider, error.message)
            return None

    def find_converted(
        self, provider: type[EngineProvider], cuts: Sequence[Cut]
    ) -> KeptTrunk | None:
        """A trunk in float32, converted by what is here; None if it is not."""
        return self._conversions.find(self._identity(provider, cuts))

    def _trunk_of(self, provider: type[EngineProvider], run: Request) -> KeptTrunk | None:
        if kind_of(run.precision) != INT8:
            return self.find_converted(provider, run.cuts)
        found = self._calibrations.find(self._backbone, run.cuts[0], run.precision)
        return None if found is None else found.trunk

    def _load(
        self, provider: type[EngineProvider], run: Request, kept: KeptTrunk | None
    ) -> Known | None:
        """What was found out on this processor, the engine loaded and tried once more."""
        compiled = self._store.find(self._key(provider, run))
        if compiled is None or compiled.facts["problem"]:
            return None if compiled is None else Known(provider, compiled.facts)
        if kept is None and compiling(provider) and NO_SAMPLES not in compiled.facts:
            return None  # of a version that kept none: it is found out, and kept, once more
        try:
            engine = provider.load(compiled.model, compiled.facts, run.precision)
            error = 0.0 if kept is None else self._error(engine, run, kept, TRIED_AGAIN)
        except (Stalled, ArtifactDamaged):
            raise
        except Exception as problem:  # of a library, on a file that is whole: it is made again
            self._note(provider, first_line(problem)[:200])
            return None
        if not error <= allowed_of(run.precision):
            self._note(provider, f"it {too_far(error, run.precision)}")
            return None
        return Known(provider, compiled.facts, engine)

    def _compile(
        self, provider: type[EngineProvider], run: Request, kept: KeptTrunk | None
    ) -> Known | None:
        """The engine from a trunk that was converted before, compared with what TensorFlow gave."""
        compiles = compiling(provider)
        if kept is None or compiles is None:
            return None
        try:
            made = compiles.compile(kept.read(), kept.facts, run)
            error = self._error(made.engine, run, kept)
        except (Stalled, ArtifactDamaged):
            raise
        except Exception as problem:  # a library may fail in any way; TensorFlow is always there
            self._note(provider, first_line(problem)[:200])
            return None
        if not error <= allowed_of(run.precision):
            self._note(provider, f"it {too_far(error, run.precision)}")
            return None
        check: dict[str, Any] = {"samples": batches.length(kept.references[0])}
        check["relative_error"] = error
        if "verdict" in kept.facts:  # in int8, where `error` is of what int8 gave before
            check = {**kept.facts["verdict"], "again": error}
        facts = {**kept.facts, **made.facts, "problem": None, "check": check}
        if run.precision != PACE_PRECISION:
            facts.pop("pace", None)
        self.keep_compiled(provider, run, facts, made)
        return Known(provider, facts, made.engine)

    def _error(
        self, engine: Engine, run: Request, kept: KeptTrunk, samples: int | None = None
    ) -> float:
        """Of an engine, on the samples that were kept with the trunk."""
        batch, features = kept.references
        few = slice(0, samples)
        found = run.run(engine, batches.take(batch, few))
        return relative_error(found, [array[few] for array in features])

    def keep_problem(
        self, provider: type[EngineProvider], run: Request, facts: dict[str, Any]
    ) -> None:
        """Keep why an engine cannot be used."""
        self._store.keep(self._key(provider, run), Compiled(facts))

    def keep_compiled(
        self, provider: type[EngineProvider], run: Request, facts: dict[str, Any], made: Converted
    ) -> None:
        """Keep an engine for this processor, while it runs already; see `keeping`."""

        def keep() -> None:
            content = made.content if made.export is None else made.export()
            if content is not None:
                self._store.keep(self._key(provider, run), Compiled(facts, content))

        self.keeping.append(Keeping(keep))

    def settle(self, guard: Guard) -> None:
        """Wait for all that is being kept; what could not be is noted."""
        settled = [one.settle(guard) for one in self.keeping]
        self.notes += [note for note in settled if note is not None]
        self.keeping.clear()

    def keep_facts(
        self, provider: type[EngineProvider], run: Request, facts: dict[str, Any]
    ) -> None:
        """Change what is known of an engine that is kept for this processor."""
        key = self._key(provider, run)
        if (compiled := self._store.find(key)) is not None:
            self._store.keep(key, Compiled(facts, compiled.model))

    def keep_converted(
        self,
        provider: type[EngineProvider],
        cuts: Sequence[Cut],
        files: Mapping[str, bytes],
        references: tuple[Batch, Sequence[np.ndarray]],
        facts: Mapping[str, Any],
        seconds: float,
    ) -> None:
        """Keep a converted trunk for every processor; see `Conversions.keep`.

        Raises:
            ValueError: the samples cannot be kept.
        """
        with suppress(StorageError):  # it can always be converted again
            identity = self._identity(provider, cuts)
            self._conversions.keep(identity, files, references, facts, seconds)

    def _identity(self, provider: type[EngineProvider], cuts: Sequence[Cut]) -> TrunkIdentity:
        return TrunkIdentity(
            self._backbone.reference,
            [cut.point.fingerprint for cut in cuts],
            {**self._made_of(cuts), "engine": provider.name},
            {
                provider.name: provider.version(),
                **{name: version_of(name) for name in CONVERTERS},
            },
        )

    def _made_of(self, cuts: Sequence[Cut]) -> dict[str, Any]:
        return made_of(self._backbone, self._pipeline, cuts)

    def _key(self, provider: type[EngineProvider], run: Request) -> dict[str, Any]:
        return {
            **self._made_of(run.cuts),
            "precision": run.precision,
            "tolerance": allowed_of(run.precision),
            provider.name: provider.version(),
            REFERENCE: version_of("tensorflow"),
            "processor": provider.processor(),
            "cores": cores(),
            "call_size": run.call_size,
        }

    def _note(self, provider: type[EngineProvider], why: str) -> None:
        self.why = why
        self.notes.append(
            f"what was kept of the trunk for {provider.name} is not taken, and made again: {why}"
        )
