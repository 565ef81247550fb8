"""What a sample takes, by what is recorded of an extraction."""

from __future__ import annotations

from collections.abc import Mapping
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
    steady = counts.get(STEADY, {"samples": counts.get("computed") or 0, "seconds": seconds})
    if steady["samples"] < LEAST_COMPUTED or not steady["seconds"]:
        return None
    return steady["seconds"] / steady["samples"]
