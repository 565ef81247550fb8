"""What is known of an engine for a trunk, and which of several is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.extractors.engines.engine import Engine
from headstart.extractors.engines.provider import EngineProvider
from headstart.extractors.engines.providers import PROVIDERS, REFERENCE
from headstart.extractors.engines.race import PER_SECOND, REFERENCE_PACE, Pace

PACE_PRECISION = "float32"
"""In which `pace` is kept: how fast an engine is in one precision says nothing of another."""


@dataclass(frozen=True)
class Known:
    """What is known of an engine for a trunk.

    Attributes:
        provider: of the engine.
        facts: `problem`, why it cannot be used, or None; `check`, see `Chosen.facts`; `arriving`,
            see `lint`; `pace`, where it was timed elsewhere, in float32; and what the provider has
            to know.
        engine: checked here; None where there is a problem.
        is_new: it was found out just now, not taken from what was kept.
    """

    provider: type[EngineProvider]
    facts: dict[str, Any]
    engine: Engine | None = None
    is_new: bool = False

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
    def pace(self) -> Pace:
        """Beside the reference, here or where the trunk was converted.

        Where only the clock was looked at, as it once was, that is all that is known.
        """
        if "pace" in self.facts:
            return Pace(*self.facts["pace"])
        check = self.check
        own, other = (check.get(PER_SECOND.format(name)) for name in (self.name, REFERENCE))
        timed = own / other if own and other else None
        return Pace(check.get("wall_ratio", timed), check.get("cpu_ratio"))

    @property
    def why(self) -> str:
        """What speaks for it, in words: how fast it is by the processor's time, which a load on the
        machine does not change."""
        ratio = self.check.get("cpu_ratio")
        ahead = "" if ratio is None else f"{ratio:.1f}x {REFERENCE}, "
        words = f"{ahead}relative error {self.check['relative_error']:.1g}"
        if accuracy := self.check.get("accuracy"):  # of a calibration
            words += f", a linear head {accuracy['int8']:.1%} right, {accuracy['float32']:.1%} in "
            words += PACE_PRECISION
        return words


def fastest(usable: Sequence[Known]) -> Known | None:
    """The engine that is taken of several that are right; None for the reference.

    The preferred one, unless another is ahead beyond doubt.
    """
    contenders: list[tuple[int, Pace, Known | None]]
    contenders = [(one.provider.preference, one.pace, one) for one in usable]
    contenders.append((PROVIDERS[REFERENCE].preference, REFERENCE_PACE, None))
    contenders.sort(key=lambda contender: -contender[0])
    _, best, taken = contenders[0]
    for _, pace, one in contenders[1:]:
        if pace.beats(best):
            best, taken = pace, one
    return taken
