"""Shards from outside, read first in a process of their own with limits.

What a shard's chunks unpack to stands nowhere before they are unpacked, and HDF5 and its filters
are libraries in C that may crash, hang, or take any memory for what is made to harm. The process
gets the very bytes over a pipe that are read here afterwards.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

from headstart.errors import HeadstartError, ShardDamaged, first_line
from headstart.extractors.safety.confinement import private_bytes
from headstart.storage.shards.shard import LARGEST_FOREIGN, read_foreign_shard

SECONDS = 30
"""Of the processor, for one shard; one of 64 MiB takes less than one."""
LENGTH = struct.Struct("<Q")
LONGEST_ANSWER = 1 << 16
_COMMAND = [sys.executable, "-P", "-m", __name__]


class ShardsApart:
    """The process; it is started when the first shard is checked, and ends with `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def check(self, place: str, content: bytes) -> None:
        """Have a shard read there.

        Args:
            place: where it comes from, for messages.
            content: its bytes.

        Raises:
            ShardDamaged: it is no whole shard, or to read it takes more than the limits.
        """
        process = self._process = self._process or _started()
        answer = b""
        with suppress(OSError):  # it is gone, and then there is no answer
            stdin, stdout = _pipes(process)
            stdin.write(LENGTH.pack(len(content)))
            stdin.write(content)
            stdin.flush()
            answer = stdout.readline(LONGEST_ANSWER)
        if not answer.endswith(b"\n"):
            self.close()
            raise ShardDamaged(
                f"the shard {place} cannot be read within {SECONDS} s of the processor and "
                f"{LARGEST_FOREIGN >> 30} GiB",
                hint="It is damaged or made to harm; nothing of it was kept.",
            )
        if problem := json.loads(answer):
            raise ShardDamaged(f"the shard {place} is refused: {problem}")

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


# What follows runs in that process.


def _serve() -> None:
    """Read one shard after the other, until nobody asks any more."""
    base = private_bytes()
    while len(head := sys.stdin.buffer.read(LENGTH.size)) == LENGTH.size:
        (size,) = LENGTH.unpack(head)
        _limit(base + 2 * size + LARGEST_FOREIGN)
        answer = _problem(sys.stdin.buffer.read(size))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _problem(content: bytes) -> str:
    """What is wrong with a shard; empty if nothing."""
    try:
        read_foreign_shard("", content)
    except HeadstartError as error:
        return error.message[:1000]
    except MemoryError:
        return "it takes more memory than a shard may"
    except Exception as error:  # what HDF5 raises
        return first_line(error)[:1000]
    return ""


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS
    limits: dict[str, Any] = {"RLIMIT_DATA": memory, "RLIMIT_CPU": seconds}
    for name, value in limits.items():
        kind = getattr(resource, name)
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    _serve()
