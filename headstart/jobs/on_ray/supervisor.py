"""Keeps the workers of one job going, for as long as there is something to do.

It is told by nobody that the job is done: it looks whether the job is open, and its workers leave
when the ledger lacks nothing. A worker whose process died, or that is not heard of, is replaced: on
which sample it died, those that come after it find in the ledger (`extractors/run/suspects.py`),
which gives that up after three tries. Only workers that die without anything to show for it, one
after the other, are not replaced any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from headstart.context import Context
from headstart.errors import DatabaseGone
from headstart.extractors.run.report import Report
from headstart.jobs.features.job_progress import as_it_is
from headstart.jobs.on_ray.brief import Said, Status
from headstart.registry.jobs import Job

FRUITLESS = 3
"""Times in a row that a worker dies with nothing committed, given up or tried once more."""
LEAVE_SECONDS = 30.0
"""So long workers have to leave a job that is closed; a look at it comes with every task."""


class Gone(Exception):
    """A worker is no more; says why."""


class Handle(Protocol):
    """A worker, somewhere."""

    def ask(self) -> Said | None:
        """What it last said; None before it has said anything, while it waits for room.

        Raises:
            Gone: it died, or has not been heard of for too long.
        """
        ...

    def kill(self) -> None:
        """End it, if it is there."""
        ...


@dataclass
class _Place:
    """One of the workers, and those that took its place.

    Attributes:
        number: of it.
        handle: of who has it now; None where nobody will any more.
        said: what that one last said.
        fruitless: how many died in a row with nothing to show for it.
        mark: what there was to show when the last died.
    """

    number: int
    handle: Handle | None
    said: Said | None = None
    fruitless: int = 0
    mark: tuple[int, ...] = ()


@dataclass
class Supervisor:
    """Of one job.

    Args:
        context: of the workspace.
        job: its number.
        workers: how many.
        launch: starts a worker; it may be called at any time.
    """

    context: Context
    job: int
    workers: int
    launch: Callable[[], Handle]
    _notes: list[str] = field(default_factory=list)
    _reports: list[Report] = field(default_factory=list)
    _closed: float | None = None

    def __post_init__(self) -> None:
        self._places = [_Place(number, self.launch()) for number in range(self.workers)]

    @property
    def is_over(self) -> bool:
        """Whether nobody works any more, and nobody will."""
        return all(place.handle is None for place in self._places)

    def status(self) -> Status:
        """How it is."""
        there = [place for place in self._places if place.handle is not None]
        working = sum(place.said is not None for place in there)
        return Status(
            waiting=len(there) - working,
            working=working,
            is_over=self.is_over,
            notes=tuple(self._notes),
            reports=tuple(self._reports),
        )

    def look(self) -> None:
        """Ask all workers, and do what is to be done; to be called every second or so."""
        try:
            job = self.context.jobs.get(self.job)
        except DatabaseGone as error:  # the workers wait as long, and then are replaced
            self._note(str(error))
            return
        for place in self._places:
            if place.handle is not None:
                self._look_at(place, place.handle, job)
        self._end_if_closed(job)

    def _look_at(self, place: _Place, handle: Handle, job: Job) -> None:
        try:
            place.said = handle.ask() or place.said
        except Gone as gone:
            self._replace(place, str(gone), job)
            return
        if place.said is None or not place.said.has_left:
            return
        handle.kill()
        self._reports += place.said.reports
        if place.said.is_lost:
            self._replace(place, str(place.said.error), job)
            return
        if place.said.error is not None and job.is_open:
            self._note(f"a worker on {place.said.host} left: {place.said.error}")
        place.handle = None

    def _replace(self, place: _Place, reason: str, job: Job) -> None:
        """Put another one in the place of a worker that is no more, unless that is of no use."""
        assert place.handle is not None
        place.handle.kill()
        place.handle = None
        if not job.is_open:
            return
        where = "" if place.said is None else f" on {place.said.host}"
        mark = self._mark(job)
        place.fruitless = place.fruitless + 1 if mark == place.mark else 1
        place.mark, place.said = mark, None
        if place.fruitless >= FRUITLESS:
            told = f"{place.fruitless} workers in a row died with nothing done, the last{where}"
            self._note(f"{told}: {reason}")
            self.context.jobs.note(
                self.job, f"{told}: {reason}", as_it_is(self.context, job).counts
            )
            return
        self._note(f"a worker{where} died, another takes its place: {reason}")
        place.handle = self.launch()

    def _mark(self, job: Job) -> tuple[int, ...]:
        """What changes whenever workers get any further, be it with samples that end them."""
        found = as_it_is(self.context, job)
        tries = self.context.jobs.find_tries(self.job)
        return found.committed, found.failed, sum(tries.values())

    def _end_if_closed(self, job: Job) -> None:
        """Of a job that is closed, workers leave by themselves; those that wait never begin."""
        if job.is_open:
            self._closed = None
            return
        self._closed = self._closed or time.monotonic()
        is_late = time.monotonic() - self._closed > LEAVE_SECONDS
        for place in self._places:
            if place.handle is not None and (place.said is None or is_late):
                place.handle.kill()
                place.handle = None

    def _note(self, told: str) -> None:
        if told not in self._notes[-self.workers :]:
            self._notes.append(told)


def supervise(supervisor: Supervisor, seconds: float, pause: Callable[[float], None]) -> None:
    """Look every so many seconds, until it is over."""
    nap = partial(pause, seconds)
    while not supervisor.is_over:
        supervisor.look()
        nap()
