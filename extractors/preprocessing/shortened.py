"""What steps leave out of samples that are longer than a backbone takes: counted, to be said."""

from __future__ import annotations

from collections.abc import Callable

LEAST = 0.005
"""Share of a sample below which nothing worth a word is left out: the last window's rounding."""


class Shortened:
    """Counts, by step, the samples that were cut short, and how much of them is left out.

    Any thread may add; one asks when all are done.
    """

    def __init__(self) -> None:
        self._shares: dict[str, list[float]] = {}

    def teller(self, step: str) -> Callable[[float], None]:
        """What a step calls with the share of each sample, 0 to 1, that it leaves out."""
        return self._shares.setdefault(step, []).append

    def clear(self) -> None:
        """Count from here on."""
        for shares in self._shares.values():
            shares.clear()

    def lines(self) -> list[str]:
        """A line for each step that left something out."""
        return [
            _line(step, shares)
            for step, shares in self._shares.items()
            if any(share > LEAST for share in shares)
        ]


def _line(step: str, shares: list[float]) -> str:
    cut = [share for share in shares if share > LEAST]
    return (
        f"{len(cut):,} of {len(shares):,} samples are longer than the step {step!r} takes: "
        f"{sum(cut) / len(cut):.0%} of each is left out, on average"
    )
