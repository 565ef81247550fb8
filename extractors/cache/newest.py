"""What was kept and then made again: of each place the newest stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from headstart.registry.entities import Run
from headstart.registry.runs import RunRepository

EVERY = 1 << 30


class Placed(Protocol):
    @property
    def place(self) -> tuple[Any, ...]:
        """What a newer one stands in the place of: one of the dataset as it was."""
        ...


K = TypeVar("K", bound=Placed)


def newest_of(runs: RunRepository, kind: str, of_run: Callable[[Run], K]) -> list[K]:
    """All that are kept of a kind, the newest first; of those of one place the newest alone."""
    found: dict[tuple[Any, ...], K] = {}
    for run in runs.find_latest(kind, limit=EVERY):
        kept = of_run(run)
        found.setdefault(kept.place, kept)
    return list(found.values())
