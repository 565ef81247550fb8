"""How callers are told how far something is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Progress = Callable[[int, int], None]
"""Called with (done, all)."""


def silent(_done: int, _total: int) -> None:
    """The progress of callers who do not look."""


_WATCHING: ContextVar[Progress] = ContextVar("_WATCHING", default=silent)


@contextmanager
def watched(progress: Progress) -> Iterator[None]:
    """Within it, fits tell a progress how far they are: they lie behind seams, kinds of heads from
    anywhere, that know of none."""
    token = _WATCHING.set(progress)
    try:
        yield
    finally:
        _WATCHING.reset(token)


def watching() -> Progress:
    """What a fit is to call with (steps done, steps in all)."""
    return _WATCHING.get()


_ANYWHERE = nullcontext()
UNDIVIDED: ContextVar[AbstractContextManager[object]] = ContextVar("UNDIVIDED", default=_ANYWHERE)
"""What is entered for whatever is done to its end or not begun, where a computation may be broken
off between any two steps: a read that is left in the middle may hold h5py's lock for ever."""
