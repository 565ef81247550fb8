"""What a process may no longer do: the limits under which a model that is not trusted is loaded.

Each protection is asked of the system by itself, and the list of those it gave is returned: on
another system, an older kernel or inside a container some are missing, and the others still hold.
Landlock: https://docs.kernel.org/userspace-api/landlock.html (system calls 444 to 446 everywhere);
namespaces: user_namespaces(7), network_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
BENEATH = 1
"""A rule about a folder and all below it."""
READING = 0b1100
"""The bits of reading files and folders: reading stays free, see docs/design/first-load.md."""
FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many bits of access to files each version of Landlock knows; the last for all later ones."""
CLOCK = 5
"""Seconds of the clock for one of the processor: other programs may have the machine meanwhile."""
WRITE_FILE = 1 << 1
TCP = 0b11
SCOPES = 0b11
"""Abstract sockets and signals: none to processes outside."""
NEW_USER, NEW_NETWORK, NEW_IPC = 0x10000000, 0x40000000, 0x08000000
SET_PARENT_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES = 1, 38


@dataclass(frozen=True)
class Limits:
    """How much one load may take.

    Attributes:
        memory: bytes, besides what the process has already.
        seconds: of all processors together.
        file_bytes: that one file may have which it writes.
    """

    memory: int
    seconds: int
    file_bytes: int

    @property
    def clock_seconds(self) -> int:
        return CLOCK * self.seconds

    def to_json(self) -> dict[str, int]:
        return asdict(self)


def confine(scratch: Path, limits: Limits) -> list[str]:
    """Limit this process for good; it must be a fork with no thread but this one.

    Args:
        scratch: the only folder in which it may write; HOME and TMPDIR lie in it.
        limits: what it may take.

    Returns:
        The protections that the system gave, of those in `PROTECTIONS`.
    """
    _move_home(scratch)
    given: dict[str, Callable[[], bool]] = {
        "memory, processor time and file size": lambda: _limit(limits),
        "no network": _leave_network,
        "writes only in its own folder, starts no program": lambda: _bind_to(scratch),
    }
    return [name for name in PROTECTIONS if given[name]()]


PROTECTIONS = (
    "memory, processor time and file size",
    "no network",
    "writes only in its own folder, starts no program",
)


def offered() -> list[str]:
    """The protections that this system gives, found out in a process that ends."""
    if sys.platform != "linux":
        return []
    command = [sys.executable, "-P", "-m", __name__]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [name for name in PROTECTIONS if name in ran.stdout.splitlines()]


def _move_home(scratch: Path) -> None:
    for name, variables in {
        "home": ("HOME", "XDG_CACHE_HOME", "KERAS_HOME"),
        "tmp": ("TMPDIR",),
    }.items():
        (scratch / name).mkdir(exist_ok=True)
        for variable in variables:
            os.environ[variable] = str(scratch / name)
    tempfile.tempdir = None


def _limit(limits: Limits) -> bool:
    try:
        import resource
    except ImportError:  # not on Windows
        return False
    memory = private_bytes() + limits.memory
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; here it says which limit
    return True


def private_bytes() -> int:
    """What counts against RLIMIT_DATA already: TensorFlow's own."""
    with suppress(OSError), Path("/proc/self/status").open(encoding="ascii") as status:
        for line in status:
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return 1 << 30


def _leave_network() -> bool:
    """Move to a network without interfaces, in a user namespace, which needs no privilege."""
    user, group = os.getuid(), os.getgid()
    if _libc().unshare(NEW_USER | NEW_NETWORK | NEW_IPC) != 0:
        return False
    with suppress(OSError):  # the same names for the same users, for whoever asks
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def _bind_to(scratch: Path) -> bool:
    """Landlock: nothing is written, made, removed or run but in one folder."""
    libc = _libc()
    version = libc.syscall(CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    files = ((1 << FILE_BITS.get(version, 16)) - 1) & ~READING
    rules = _Ruleset(files, TCP, SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    execute = 1
    allowed = [(scratch, files & ~execute), (Path(os.devnull), WRITE_FILE)]
    done = all(_allow(libc, ruleset, path, access) for path, access in allowed)
    done = done and libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    done = done and libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _allow(libc: Any, ruleset: int, path: Path, access: int) -> bool:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(access, place)
        return libc.syscall(ADD_RULE, ruleset, BENEATH, ctypes.byref(rule), 0) == 0
    finally:
        os.close(place)


def end_with_parent() -> None:
    """Have the system end this process when the one that forked it ends (Linux alone)."""
    if sys.platform == "linux":
        _libc().prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
        if os.fork() == 0:  # who is confined cannot tidy up
            sys.stdout.write("\n".join(confine(Path(folder), Limits(1 << 30, 60, 1 << 20))))
            sys.stdout.flush()
            os._exit(0)
        os.wait()
