"""Long work of other packages, which tell nobody how far they are, is broken off when it is asked
to end."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import RLock, Thread
from typing import Generic, TypeVar

from headstart.progress import UNDIVIDED, Progress, silent

LOOK_SECONDS = 0.5
AGAIN_SECONDS = 5.0
"""A step of a t-SNE, which is waited for, is shorter."""

Found = TypeVar("Found")


def unless_ended(progress: Progress, compute: Callable[[], Found]) -> Found:
    """Compute something while a progress, which raises to end its task, is asked again and again.

    It is computed in a thread of its own, and there alone it is broken off: whatever moment that
    meets, the thread that waits here goes on with what the progress raised.

    For code alone that holds nothing which others wait for (no transaction, no import, no lock but
    in a `with`, such as numba's as it compiles): it is left between any two of its steps, but
    within none that is `UNDIVIDED`, as each read of `LazyRows` is. What C code does in one call is
    done to its end, and waited for: of a t-SNE a step of its descent, three seconds at its largest.

    Raises:
        Exception: as the progress or the computation raised it.
    """
    if progress is silent:
        return compute()
    computation = _Computation(compute)
    computation.start()
    try:
        while not computation.is_over_within(LOOK_SECONDS):
            progress(0, 1)
    except BaseException:
        computation.break_off()
        raise
    return computation.found()


class _Computation(Generic[Found]):
    def __init__(self, compute: Callable[[], Found]) -> None:
        self._compute = compute
        self._lock = RLock()  # whom it meets as it takes it for a read takes it again at the end
        self._context = copy_context()
        self._context.run(UNDIVIDED.set, self._lock)
        self._is_asked = self._is_running = False
        self._found: list[Found] = []
        self._met: BaseException | None = None
        self._thread = Thread(target=self._run, name="headstart-computation", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_over_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def break_off(self) -> None:
        """End it, and wait for that.

        `PyThreadState_SetAsyncExc` is what Python has for this. It is asked for under the lock: not
        within a read, and only between the two times that the thread takes it itself. Before and
        behind these it would meet the insides of a thread, and a number of a thread that ended may
        be another's.
        """
        while self._thread.is_alive():  # again where a callback of the collector swallowed it
            with self._lock:
                self._is_asked = True
                if self._is_running and (thread := self._thread.ident) is not None:
                    asked = ctypes.py_object(SystemExit)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), asked)
            self._thread.join(AGAIN_SECONDS)

    def found(self) -> Found:
        if self._met is not None:
            raise self._met
        return self._found[0]

    def _run(self) -> None:
        with suppress(SystemExit):  # by which it was asked to end, just as it ended by itself
            with self._lock:
                self._is_running = not self._is_asked
            if self._is_running:
                try:
                    self._found.append(self._context.run(self._compute))
                except BaseException as error:  # raised where it is waited for
                    self._met = error
            with self._lock:
                self._is_running = False
