"""An engine that was chosen, and what it is handed to extractions with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.extractors.backbones.lint import Arriving
from headstart.extractors.engines.background import Keeping
from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.providers import PROVIDERS, REFERENCE
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.watchdog import Guard
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Chosen(Showable):
    """An engine that was checked.

    Attributes:
        engine: takes batches as `Preprocessing.pixels` gives them.
        why: why this one, in words.
        facts: of the check, JSON values: `relative_error`, `samples`, and where it was timed on
            this processor samples a second of each engine, `wall_ratio` and `cpu_ratio`.
        arriving: see `lint`; what the first batch is looked at with.
        warnings: what a user should know.
        keeping: what is being kept for the next process; empty where nothing is under way.
    """

    engine: Engine
    why: str
    facts: dict[str, Any] = field(default_factory=dict)
    arriving: Arriving | None = None
    warnings: tuple[str, ...] = ()
    keeping: tuple[Keeping, ...] = field(default=(), compare=False, repr=False)

    def settle(self, guard: Guard) -> Chosen:
        """Wait until it is kept for the next process; why it is not is a further warning.

        Args:
            guard: ends the wait where that takes for ever.
        """
        notes = [one.settle(guard) for one in self.keeping]
        problems = tuple(note for note in notes if note is not None)
        return replace(self, warnings=(*self.warnings, *problems), keeping=())

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
