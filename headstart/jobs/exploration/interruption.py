"""Long work of other packages, which tell nobody how far they are, is broken off when it is asked
to end."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, get_ident

from headstart.errors import HeadstartError
from headstart.progress import Progress, silent

LOOK_SECONDS = 0.5


class _BrokenOff(BaseException):
    """Raised in the middle of what is computed; nothing that catches errors there may keep it."""


@contextmanager
def broken_off_by(progress: Progress) -> Iterator[None]:
    """Ask a progress, which raises to end its task, again and again while something is computed
    here, and raise what it raises.

    For code alone that holds nothing which others wait for (no lock, no transaction): it is left
    between any two of its steps, by `PyThreadState_SetAsyncExc`, which Python has for this. What C
    code does in one call is done to its end.

    Raises:
        HeadstartError: as the progress raised it.
    """
    if progress is silent:
        yield
        return
    watch = _Watch(progress, get_ident())
    watch.start()
    try:
        try:
            yield
        finally:
            watch.end()
    except _BrokenOff:  # also in the middle of `end`
        pass
    if watch.met is not None:
        raise watch.met


class _Watch:
    def __init__(self, progress: Progress, thread: int) -> None:
        self._progress = progress
        self._thread = thread
        self._is_over = Event()
        self._lock = Lock()
        self.met: HeadstartError | None = None

    def start(self) -> None:
        Thread(target=self._look, name="headstart-watch", daemon=True).start()

    def end(self) -> None:
        """Nothing is raised behind it."""
        with self._lock:
            self._is_over.set()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            try:
                self._progress(0, 1)
            except HeadstartError as error:
                self._break_off(error)
                return

    def _break_off(self, error: HeadstartError) -> None:
        with self._lock:
            if self._is_over.is_set():
                return
            self.met = error
            asked = ctypes.py_object(_BrokenOff)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), asked)
