"""Shards from outside, read first in a process of their own with limits.

What a shard's chunks unpack to stands nowhere before they are unpacked, and HDF5 and its filters
are libraries in C that may crash, hang, or take any memory for what is made to harm. The process
gets the very bytes over a pipe that are read here afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from headstart.errors import HeadstartError, ShardDamaged, first_line
from headstart.extractors.safety.confinement import Limits, confine, private_bytes
from headstart.storage.shards.shard import LARGEST_FOREIGN, read_foreign_shard

SECONDS = 30
"""Of the processor, for one shard; one of 64 MiB takes less than one."""
BYTES_A_SECOND = 8 << 20
"""Bytes of a shard for which there is a second more."""
LENGTH = struct.Struct("<Q")
LONGEST_ANSWER = 1 << 16
FOR_ALL = Limits(memory=1 << 40, seconds=1 << 20, file_bytes=1 << 20)
"""What the process may take for all shards together; it writes no file."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""A process with more threads, which NumPy starts, cannot be confined; see `confine`."""
GRACE = 5.0
"""Seconds for a process to end that answers no more."""
_COMMAND = [sys.executable, "-P", "-m", __name__]


class ShardsApart:
    """The process; it is started when the first shard is checked, and ends with `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: TemporaryDirectory[str] | None = None

    def check(self, place: str, content: bytes) -> None:
        """Have a shard read there.

        Args:
            place: where it comes from, for messages.
            content: its bytes.

        Raises:
            ShardDamaged: it is no whole shard, or to read it takes more than the limits.
        """
        process = self._process = self._process or self._started()
        answer = b""
        with suppress(OSError):  # it is gone, and then there is no answer
            stdin, stdout = _pipes(process)
            stdin.write(LENGTH.pack(len(content)))
            stdin.write(content)
            stdin.flush()
            answer = stdout.readline(LONGEST_ANSWER)
        if not answer.endswith(b"\n"):
            raise self._ended(place, process, _seconds(len(content)))
        if problem := json.loads(answer):
            raise ShardDamaged(f"the shard {place} is refused: {problem}")

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            scratch.cleanup()

    def _started(self) -> subprocess.Popen[bytes]:
        self._scratch = TemporaryDirectory(prefix="headstart-")
        return subprocess.Popen(
            [*_COMMAND, self._scratch.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )

    def _ended(self, place: str, process: subprocess.Popen[bytes], seconds: int) -> ShardDamaged:
        """What is said of a shard in which the process ended, or gave too long an answer."""
        code = None
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(GRACE)
        self.close()
        limits = f"within {seconds} s of the processor and {LARGEST_FOREIGN >> 30} GiB"
        if code is None or code >= 0:
            return ShardDamaged(
                f"the shard {place} was not read {limits}: the process that reads shards ended "
                f"with {'no answer' if code is None else f'exit code {code}'}",
                hint="Nothing of it was kept; it may be the machine: try again.",
            )
        return ShardDamaged(
            f"the shard {place} cannot be read {limits} ({_signal(-code)})",
            hint="It is damaged or made to harm; nothing of it was kept.",
        )


def _seconds(size: int) -> int:
    """Of the processor, for a shard of so many bytes."""
    return SECONDS + size // BYTES_A_SECOND


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


# What follows runs in that process.


def _serve(scratch: Path) -> None:
    """Read one shard after the other, until nobody asks any more."""
    if sys.platform == "linux":
        confine(scratch, FOR_ALL)
    base = private_bytes()
    while len(head := sys.stdin.buffer.read(LENGTH.size)) == LENGTH.size:
        (size,) = LENGTH.unpack(head)
        _limit(base + 2 * size + LARGEST_FOREIGN, _seconds(size))
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


def _limit(memory: int, more_seconds: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + more_seconds
    limits: dict[str, Any] = {"RLIMIT_DATA": memory, "RLIMIT_CPU": seconds}
    for name, value in limits.items():
        kind = getattr(resource, name)
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
