"""A process that looks into model files, a fork each, within the limits of `inspection`.

`headstart` begins an interpreter for each look, which takes a fifth of a second of the processor.
This one does so once: it has no TensorFlow loaded, so that the limit on memory means what it does
there, and each look is a process of its own as well. What a real command does, is tested by those
tests that start one, and by tests/extractors/safety/test_look_apart.py.
"""

import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

from headstart.extractors.safety import inspection


class Inspector:
    """Stands in for `subprocess` in `inspection`."""

    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, *, forks=False):
        """Args:
        forks: whether processes that are forked off this one ask, too, never two at a time.
        """
        self._lock = threading.Lock()
        self._owner = None if forks else os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._python = sys.executable

    def run(self, command, *, timeout, **more):
        """As `subprocess.run`, of the module; gives what it wrote."""
        expected = [self._python, "-P", "-m", inspection.__name__]
        if command[:4] != expected or self._owner not in (None, os.getpid()):
            return subprocess.run(command, timeout=timeout, **more)
        with self._lock:
            self._process.stdin.write(json.dumps([command[4:], timeout, str(Path.cwd())]) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        if answer is None:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, 0, answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def serve():
    """Until nobody asks any more."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(looked(*json.loads(line))) + "\n")
        sys.stdout.flush()


def looked(arguments, timeout, folder):
    """What a child writes; None if it takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        look(arguments, writing, folder)
    os.close(writing)
    handle, parts = os.pidfd_open(child), []
    while select.select([reading], [], [], timeout)[0] and (part := os.read(reading, 1 << 20)):
        parts.append(part)
    os.close(reading)
    is_late = not select.select([handle], [], [], timeout)[0]
    if is_late:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(handle)
    return None if is_late else b"".join(parts).decode()


def look(arguments, writing, folder):
    sys.stderr = io.StringIO()
    try:
        os.chdir(folder)
        inspection._limit()
        given = [argument for argument in arguments if argument != "--weights"]
        seen = [vars(inspection._inspect(Path(p), "--weights" in arguments)) for p in given]
        with os.fdopen(writing, "w") as out:
            out.write(json.dumps(seen))
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve()
