"""Threads that don't keep the interpreter from ending when one of them hangs."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")
NAME = "headstart-daemon"
HANGING = f"{NAME}-hanging"
_numbers = itertools.count()


class Daemons(Executor):
    """As a `ThreadPoolExecutor`, whose threads the interpreter waits for at its end; not for these.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name=f"{NAME}-{next(_numbers)}")
            for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put(_Job(future, lambda: fn(*args, **kwargs)))
        return future

    def give_up(self) -> None:
        """Nobody waits for these threads any more; see `are_hanging`."""
        for thread in self._threads:
            give_up(thread)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads when all jobs are done, with `cancel_futures` those under way only."""
        while cancel_futures:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                job.future.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            del job  # it holds samples and rows


class _Job:
    def __init__(self, future: Future[Any], call: Callable[[], Any]) -> None:
        self.future = future
        self._call = call

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._call()
        except BaseException as error:  # whoever waits for it is told
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


def are_left() -> bool:
    """Whether a thread of these is still there."""
    return any(thread.name.startswith(NAME) for thread in threading.enumerate())


def give_up(thread: threading.Thread) -> None:
    """A thread of these is not waited for any more: it may hang."""
    if thread.name.startswith(NAME):
        thread.name = HANGING


def are_hanging() -> bool:
    """Whether a thread that was given up is still there: with it no proper end is safe."""
    return any(thread.name == HANGING for thread in threading.enumerate())
