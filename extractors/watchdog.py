"""A watchdog: where a step of a run takes for ever, the run is ended, and the step is named.

A thread cannot be killed. So whatever may hang, engines and decoders above all, is run by daemon
threads that note what they do, while the thread that began the run waits for them here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from headstart.errors import Stalled
from headstart.extractors.daemons import Daemons, give_up
from headstart.storage.manifest import Sample

T = TypeVar("T")
Guard = Callable[[str, Callable[[], Any]], Any]
"""Runs a function that does what is said, under a watchdog; gives what it gives."""


def unguarded(_doing: str, function: Callable[[], Any]) -> Any:
    return function()


TICK = 1.0
PATIENCE = 10
"""A step may take ten times as long as the longest before it: slow machines are not cut off."""
NAMED = 3


class Watchdog:
    """Waits for threads, as long as each of their steps ends in time.

    Its clock stands still while nobody waits, and while the process is stopped: only what was
    seen to last counts.

    Args:
        seconds: how long a step may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tick = min(TICK, seconds / 10)
        self.clock = 0.0
        self._longest = 0.0
        self._steps: dict[int, Step] = {}
        self._own = threading.local()

    @contextmanager
    def watched(self) -> Iterator[Step]:
        """For one thread's work: gives what it notes its steps in."""
        step = Step(self)
        self._steps[id(step)] = self._own.step = step
        try:
            yield step
        finally:
            self._own.step = None
            self.saw(step.age)
            self._steps.pop(id(step), None)

    def run(self, job: Callable[[Step], T]) -> T:
        """What a job gives that notes its steps; it runs in a thread of its own.

        In a thread that is watched already it runs there, and the step that it is a part of begins
        anew after it: whoever waits for that thread waits for the job.

        Raises:
            Stalled: a step takes too long.
        """

        own: Step | None = getattr(self._own, "step", None)
        if own is not None:
            with own.resumed():
                return job(own)

        def watched() -> T:
            with self.watched() as step:
                return job(step)

        thread = Daemons(1)
        try:
            return self.wait(thread.submit(copy_context().run, watched))
        finally:
            thread.shutdown(wait=False)

    def guard(self, samples: Sequence[Sample]) -> Guard:
        """Runs functions that are one step each, which is about these samples."""

        def call(doing: str, function: Callable[[], Any]) -> Any:
            def job(step: Step) -> Any:
                step.begin(doing, samples)
                return function()

            return self.run(job)

        return call

    def wait(self, future: Future[T]) -> T:
        """What a future gives, or raises.

        Raises:
            Stalled: a step of some thread takes too long.
        """
        self.await_end(future)
        return future.result()

    def await_end(self, future: Future[T]) -> None:
        """Wait until a future has a result, or an exception.

        Raises:
            Stalled: a step of some thread takes too long.
        """
        while not future.done():
            began = time.monotonic()
            wait([future], timeout=self._tick)
            self.clock += min(time.monotonic() - began, 2 * self._tick)
            if not future.done():
                self._look()

    def saw(self, seconds: float) -> None:
        """A step has ended that took so long."""
        self._longest = max(self._longest, seconds)

    def _look(self) -> None:
        limit = max(self._seconds, PATIENCE * self._longest)
        ages = {step: step.age for step in list(self._steps.values())}
        if not any(age >= limit for age in ages.values()):
            return
        stuck = [step for step, age in ages.items() if age >= limit / 2]
        for step in stuck:  # its time begins anew: the last commit is waited for after this
            step.told = self.clock
            give_up(step.thread)
        raise Stalled(
            f"{'; '.join(map(str, stuck[:NAMED]))}: not done after "
            f"{limit:,.0f} s; the run was ended, and what was computed before is kept",
            hint="The same command continues from there. Fix or leave out what is named, or give "
            "it longer: --stall-seconds; --debug shows where it hangs.",
        )


class Step:
    """What one thread is doing; only that thread changes what it is."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._now: tuple[str, Sequence[Sample], float] | None = None
        self.thread = threading.current_thread()
        self.told = 0.0  # when it was last found stuck, which the thread that waits notes

    def begin(self, doing: str, samples: Sequence[Sample] = ()) -> None:
        """A step begins, and the one before it has ended."""
        self._watchdog.saw(self.age)
        self._now = (doing, samples, self._watchdog.clock)

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Other steps come in between; then it begins anew what it did."""
        before = self._now
        try:
            yield
        finally:
            self.begin(*(before or ("", ()))[:2])

    @property
    def age(self) -> float:
        """Seconds since it began, or was found stuck; 0 before the first."""
        now = self._now
        return 0.0 if now is None else self._watchdog.clock - max(now[2], self.told)

    def __str__(self) -> str:
        doing, samples, _ = self._now or ("", (), 0.0)
        names = ", ".join(f"{sample.id!r} ({sample.location})" for sample in samples[:NAMED])
        more = f" and {len(samples) - NAMED:,} more" if len(samples) > NAMED else ""
        return f"{doing} {names}{more}".rstrip()
