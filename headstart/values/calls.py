"""Who is at work, and by which command or call: what is written down beside a change."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from headstart.database_urls import without_passwords
from headstart.visible import visible

LONGEST = 2000
"""Letters of a call that are kept."""
_CALL: ContextVar[Callable[[], str] | None] = ContextVar("_CALL", default=None)


@contextmanager
def called_as(in_words: Callable[[], str]) -> Iterator[None]:
    """What is changed within it is changed by this call; the outermost counts."""
    if _CALL.get() is not None:
        yield
        return
    token = _CALL.set(in_words)
    try:
        yield
    finally:
        _CALL.reset(token)


def call_in_words() -> str:
    """The command line or the call of Python that is running, without passwords."""
    in_words = _CALL.get()
    told = "" if in_words is None else visible(without_passwords(in_words()))
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


def user_name() -> str:
    """The user's name; the number where the system knows no name for it, as in containers."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError, AttributeError):  # by version of Python and system
        import psutil

        uids = getattr(psutil.Process(), "uids", None)  # not every system numbers its users
        return "unknown" if uids is None else f"uid {uids().real}"


@functools.cache
def machine() -> dict[str, str]:
    """On what this process runs: the system, the processor, and OpenVINO where it is installed."""
    import importlib.metadata
    import platform

    found = {"system": platform.platform(), "processor": _processor()}
    with suppress(importlib.metadata.PackageNotFoundError):
        found["openvino"] = importlib.metadata.version("openvino")
    return found


def _processor() -> str:
    """As the system calls it; its kind of instructions where it has no name for it."""
    import platform

    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n"):
            name, colon, value = line.partition(":")
            if colon and name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def host_name() -> str:
    import socket

    return socket.gethostname()
