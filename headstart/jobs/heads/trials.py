"""The seam where heads are tried: in this process without anything of it, or elsewhere.

What is tried is a function of one kind of features (`Candidate`), made of plain data: whoever runs
it loads the features from the cache itself. Rankings, sweeps and searches have it so; what comes of
it is bit by bit what this process would give, as folds and heads are made by seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from headstart.jobs.heads.cross_validation import Candidate, CrossValidation, Features
from headstart.origins.blocks import Blocks


@dataclass(frozen=True)
class Field:
    """On what heads are tried; to be sent.

    Attributes:
        features: what was asked for.
        chosen: backbones and cuts that it came to, some of them joined; each is a candidate, by
            its place.
        trying: on which folds.
    """

    features: Features
    chosen: tuple[Blocks, ...]
    trying: CrossValidation


Attempt = tuple[int, Callable[[Candidate], Any]]
"""The place of a candidate, and a picklable function of it."""


@runtime_checkable
class TrialExecutor(Protocol):
    """Runs attempts elsewhere, several at a time.

    Who calls: one thread, once at a time. Errors of an attempt are raised as they are, and end the
    others; an attempt whose process died is made again, some times.
    """

    def run(self, field: Field, attempts: Sequence[Attempt]) -> Iterator[tuple[int, Any]]:
        """The place of an attempt, and what it gave, as they are done."""
        ...


By = int | TrialExecutor | None
"""Who tries heads: so many processes of this one, as many as there are cores, or others."""


def processes_of(by: By) -> int | None:
    """How many processes, where it is this one that tries them."""
    return by if isinstance(by, int) else None
