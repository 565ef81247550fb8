"""A process that looks into model files, a fork each, within the limits of `inspection`.

`headstart` begins an interpreter for each look, which takes longer than a case may. Here one is
forked off before TensorFlow is loaded, so that the limit on memory means what it does there.
"""

import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from headstart.extractors.safety import inspection


class Inspector:
    """Stands in for `subprocess` in `inspection`."""

    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self):
        here, there = socket.socketpair()
        if os.fork() == 0:
            here.close()
            serve(there)
        there.close()
        self._stream = here.makefile("rw")
        here.close()  # of the two ends that are one, the stream's is left

    def run(self, command, *, timeout, **_more):
        """As `subprocess.run` of the module; gives what it wrote."""
        module = command.index("-m")
        assert command[module + 1] == inspection.__name__
        request = {"arguments": command[module + 2 :], "timeout": timeout}
        self._stream.write(json.dumps(request) + "\n")
        self._stream.flush()
        answer = json.loads(self._stream.readline())
        if answer is None:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, 0, answer)

    def close(self):
        self._stream.close()


def serve(there):
    """Until the other end is closed, by everybody."""
    stream = there.makefile("rw")
    for line in stream:
        stream.write(json.dumps(looked(**json.loads(line))) + "\n")
        stream.flush()
    os._exit(0)


def looked(arguments, timeout):
    """What a child writes; None if it takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        look(arguments, writing)
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


def look(arguments, writing):
    sys.stderr = io.StringIO()
    try:
        inspection._limit()
        given = [argument for argument in arguments if argument != "--weights"]
        seen = [vars(inspection._inspect(Path(p), "--weights" in arguments)) for p in given]
        with os.fdopen(writing, "w") as out:
            out.write(json.dumps(seen))
    finally:
        os._exit(0)
