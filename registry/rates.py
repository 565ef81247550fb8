"""What a sample takes, by what is recorded of an extraction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LEAST_COMPUTED = 16
"""Samples by which a time is told: of fewer it is chance."""
STEADY, START = "steady", "start_seconds"
"""Among the counts of a run: samples and seconds of all tasks but the first of each pass, and what
it took until the first was done. Runs of before they were counted have neither."""


def seconds_per_sample(counts: Mapping[str, Any], seconds: float) -> float | None:
    """Seconds that each further sample of an extraction took; None where it was too short to say.

    A model is loaded, perhaps converted, before the first sample: that is no cost of a sample. Of a
    run that does not tell its start, all of it is taken.

    Args:
        counts: of the run.
        seconds: of all of it.
    """
    steady = _steady(counts, seconds)
    if steady["samples"] < LEAST_COMPUTED or not steady["seconds"]:
        return None
    return steady["seconds"] / steady["samples"]


@dataclass(frozen=True)
class Cost:
    """What extractions of one kind take.

    Attributes:
        start: seconds until samples come; 0 where these are among those of a sample.
        each: seconds of a further sample.
        has_start: whether the start is among the seconds of a sample, as the runs were too short to
            tell the two apart, or are older than that: it is then the most that a sample takes.
    """

    start: float
    each: float
    has_start: bool

    def of(self, samples: int) -> float:
        """About how many seconds so many samples take."""
        return self.start + samples * self.each


def cost_of(runs: Iterable[tuple[Mapping[str, Any], float]]) -> Cost | None:
    """By the counts and the seconds of some extractions; None where they computed nothing. Where
    some tell their start apart, those that do not are left out."""
    told = [(counts, seconds) for counts, seconds in runs if counts.get("computed") and seconds]
    apart = [counts for counts, _ in told if STEADY in counts]
    samples = sum(counts[STEADY]["samples"] for counts in apart)
    if samples >= LEAST_COMPUTED and (spent := sum(c[STEADY]["seconds"] for c in apart)):
        starts = [counts.get(START, 0.0) for counts in apart]
        return Cost(sum(starts) / len(starts), spent / samples, has_start=False)
    if not told:
        return None
    computed = sum(counts["computed"] for counts, _ in told)
    return Cost(0.0, sum(seconds for _, seconds in told) / computed, has_start=True)


def _steady(counts: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
    return counts.get(STEADY, {"samples": counts.get("computed") or 0, "seconds": seconds})
