"""Trying an engine on some samples: is it right, and how fast is it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.errors import Stalled, first_line
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.daemons import Daemons
from headstart.extractors.difference import relative_error
from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.parity import allowed_of
from headstart.extractors.engines.provider import Converted, EngineProvider, Trunk
from headstart.extractors.engines.race import Race, race
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.watchdog import Guard

LONG_PROBE = 0.5
"""Seconds after which an engine is not timed again."""


@dataclass(frozen=True)
class Request:
    """What an engine is wanted for, and its first samples; see `Chooser.choose`."""

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
        return self.guard(f"the engine {engine.name} on", lambda: speed(engine, batch, least))

    def time(self, engine: Engine, least: int = 1) -> float:
        return self.speed(engine, self.batch, least)

    def race(self, engine: Engine, reference: Engine, finished: Batch) -> Race:
        """An engine on the samples beside the reference on the same, finished."""
        one = laps(engine, _repeated(self.batch, engine.call_size))
        other = laps(reference, _repeated(finished, engine.call_size))
        return self.guard(f"the engine {engine.name} on", lambda: race(one, other))


@dataclass(frozen=True)
class Tried:
    """What came of trying an engine.

    Attributes:
        problem: why it cannot be used; None if it can.
        facts: of the check, JSON values.
        converted: the trunk; None where there is a problem.
    """

    problem: str | None
    facts: dict[str, Any]
    converted: Converted | None = None


def try_engine(
    provider: type[EngineProvider], trunk: Trunk, reference: Engine, finished: Batch, run: Request
) -> Tried:
    """Convert a trunk, compare its features with those of the reference, and time both.

    Args:
        provider: of the engine.
        trunk: the trunk.
        reference: TensorFlow in float32.
        finished: the first samples as the reference takes them.
        run: what the engine is wanted for.

    Raises:
        Stalled: a step is not done in time.
    """
    facts: dict[str, Any] = {"samples": batches.length(run.batch)}
    try:
        converted = provider.convert(trunk, run)
        found = run.run(converted.engine, run.batch)
    except Stalled:
        raise
    except Exception as error:  # a converter may fail in any way; TensorFlow is always there
        return Tried(f"cannot convert it ({first_line(error)[:200]})", facts)
    error = relative_error(found, run.run(reference, finished))
    facts["relative_error"] = error
    if not error <= allowed_of(run.precision):
        return Tried(too_far(error, run.precision), facts)
    raced = run.race(converted.engine, reference, finished)
    facts |= raced.to_json(provider.name, reference.name)
    return Tried(None, facts, converted)


def too_far(error: float, precision: str) -> str:
    return f"gives other features (relative error {error:.2g}, allowed {allowed_of(precision):g})"


def laps(engine: Engine, batch: Batch) -> Callable[[], int]:
    """Runs a batch in every lane at once; gives how many samples those are."""

    def lap() -> int:
        with Daemons(engine.lanes) as pool:
            list(pool.map(engine.run, [batch] * engine.lanes))
        return batches.length(batch) * engine.lanes

    return lap


def speed(engine: Engine, batch: Batch, least: int = 1) -> float:
    """Samples a second with all lanes busy, after a call to warm up; the better of two if brief.

    Calls are of `least` samples, or of all there are.
    """
    batch = _repeated(batch, least)
    lap, count = laps(engine, batch), 0
    engine.run(batch)
    seconds: list[float] = []
    while len(seconds) < 2 and sum(seconds) < LONG_PROBE:
        started = time.perf_counter()
        count = lap()
        seconds.append(time.perf_counter() - started)
    return round(count / max(min(seconds), 1e-9), 2)


def _repeated(batch: Batch, least: int) -> Batch:
    """A batch, its samples over again until there are so many."""
    count = max(batches.length(batch), least)
    return batches.take(batch, np.arange(count) % batches.length(batch))
