"""A process that has TensorFlow loaded and forks a confined child for each model to load.

Loading TensorFlow takes seconds, a fork does not. There is one server a process that asks, from
the first need on; it ends when that process does (its end of the pipe closes, however it dies), or
when it has been idle for some minutes. Requests and answers are lines of JSON.

A request is `{"task": …, "scratch": …, "limits": …, …}`; what its task does is in
`tasks`, beside this file. The answer is what the task gives, or `error` (type, message, hint of an
error of ours), `failed` (another error in a line), or `killed` (the signal, or `late`).
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.errors import BackboneError, HeadstartError, first_line
from headstart.extractors.backbones.safety.confinement import Limits, confine, end_with_parent

IDLE_SECONDS = 300
STARTING_SECONDS = 60
"""What loading TensorFlow may take, where each load gets a new process."""
LARGEST_ANSWER = 16 << 20
HAS_FORK = sys.platform == "linux"
"""Elsewhere a process that loaded TensorFlow is not safely forked: each load gets a new one."""
COMMAND = [sys.executable, "-P", "-W", "ignore", "-m", __name__]

SECRET = re.compile(
    r"PASS|_PWD$|SECRET|TOKEN|CREDENTIAL|AUTH|CONNECTION_STRING|DATABASE_URL|_PAT$|_KEY(_|$)|^PG",
    re.IGNORECASE,
)
"""Names of variables that a process which loads a stranger's model has no need of."""
WITH_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")
"""A URL that brings a password, in a variable of any name."""


class ForkServer:
    """The client's end. One a process: it is not shared over a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[str] | None = None
        self._owner = 0
        atexit.register(self.close)

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have a request carried out, and give its answer.

        Raises:
            BackboneError: the server cannot be started.
        """
        if not HAS_FORK:
            return _run_alone(request)
        with self._lock:
            for _ in range(2):  # it may have gone, idle
                try:
                    answer = self._ask(self._started(), request)
                except BaseException:  # interrupted: a later request is not to get this answer
                    self.close()
                    raise
                if answer is not None:
                    return answer
                self.close()
        raise BackboneError(
            "the process that loads models apart has ended unexpectedly",
            hint="See whether there is memory left, and run it again.",
        )

    def warm(self) -> None:
        """Start the server, if it is not there, and don't wait for it."""
        if HAS_FORK:
            with self._lock:
                self._started()

    def _started(self) -> subprocess.Popen[str]:
        if self._server is not None and self._owner != os.getpid():
            self._leave(self._server)
            self._server = None
        if self._server is None:
            self._owner = os.getpid()
            self._server = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=_environment(),
                start_new_session=True,  # whoever interrupts ends it in his own time
            )
        return self._server

    @staticmethod
    def _leave(server: subprocess.Popen[str]) -> None:
        """Let go of the server of the process that this one was forked from."""
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()
        server.returncode = 0  # not ours to wait for

    def _ask(self, server: subprocess.Popen[str], request: dict[str, Any]) -> Any:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """End the server; a next request starts another."""
        server, self._server = self._server, None
        if server is None or self._owner != os.getpid():
            return
        server.kill()  # it holds nothing; its children end with it
        server.communicate()


def _run_alone(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request in a new process, where there is no fork."""
    seconds = Limits(**request["limits"]).clock_seconds + STARTING_SECONDS
    try:
        ran = subprocess.run(
            [*COMMAND, "--once"],
            input=json.dumps(request) + "\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"killed": "late"}
    try:
        answer = json.loads(ran.stdout)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    if ran.returncode < 0:  # a signal, as subprocess gives it
        return {"killed": -ran.returncode}
    return {"failed": f"the process that loaded it ended with the code {ran.returncode}"}


def _environment() -> dict[str, str]:
    """Of the process that loads models: no graphics card, and nothing that others must not learn.

    Messages of a model come back.
    """
    safe = {
        name: value
        for name, value in os.environ.items()
        if not (SECRET.search(name) or WITH_PASSWORD.search(value))
    }
    return {**safe, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


# What follows runs in the server and its children.


def serve() -> None:
    """Answer requests until whoever asks is gone."""
    from headstart.extractors.backbones.safety import tasks

    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    tasks.prepare()
    buffer = b""
    while True:
        ready, _, _ = select.select([0], [], [], IDLE_SECONDS)
        content = os.read(0, 1 << 16) if ready else b""
        if not content:
            return
        *lines, buffer = (buffer + content).split(b"\n")
        for line in lines:
            request = json.loads(line)
            tasks.prepare(request)
            os.write(out, json.dumps(_in_a_fork(request, out)).encode() + b"\n")


def _in_a_fork(request: dict[str, Any], out: int) -> dict[str, Any]:
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.setpgid(0, 0)
        end_with_parent()
        os.close(read)
        os.close(out)
        _carry_out(request, write)
    with suppress(OSError):
        os.setpgid(process, process)  # whoever is first
    os.close(write)
    deadline = time.monotonic() + Limits(**request["limits"]).clock_seconds
    content, is_late = _collected(read, deadline)
    os.close(read)
    with suppress(ProcessLookupError):  # it has answered or is to end, and all that it forked too
        os.killpg(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if is_late:
        return {"killed": "late"}
    if os.WIFSIGNALED(status) and not content:
        return {"killed": os.WTERMSIG(status)}
    try:
        answer = json.loads(content or b"")
    except ValueError:
        return {"killed": 0}
    return answer if isinstance(answer, dict) else {"killed": 0}


def _collected(read: int, deadline: float) -> tuple[bytes | None, bool]:
    """What the child writes until it ends; None if it is to be ended, and whether it is late."""
    content = b""
    while True:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([read, 0], [], [], max(0.0, left))
        if not ready:
            return None, True
        if read in ready:
            part = os.read(read, 1 << 16)
            if not part:
                return content, False
            content += part
            if len(content) > LARGEST_ANSWER:
                return None, False
        elif _is_gone():
            return None, False


def _is_gone() -> bool:
    """Whether nobody waits for the answer any more: asked only while no request may come."""
    return not os.read(0, 1)


def _carry_out(request: dict[str, Any], write: int) -> None:
    """In the child: confine it, do the task, answer, and end."""
    answer: dict[str, Any]
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        given = confine(Path(request["scratch"]), Limits(**request["limits"]))
        answer = {**_answer(request), "protections": given}
    except BaseException as error:  # whatever it is, the child ends here
        answer = {"failed": first_line(error)}
    with os.fdopen(write, "wb") as out, suppress(BaseException):
        out.write(json.dumps(answer).encode())
        out.flush()
    os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from headstart.extractors.backbones.safety import tasks

    try:
        return tasks.TASKS[request["task"]](request)
    except HeadstartError as error:
        if _is_for_memory(error):
            return {"killed": "memory"}
        return {"error": [type(error).__name__, error.message, error.hint]}
    except MemoryError:
        return {"killed": "memory"}
    except Exception as error:  # libraries raise whatever they like
        return {"failed": first_line(error)}


def _is_for_memory(error: BaseException | None) -> bool:
    """Whether an error came of memory that was not given, as Python or TensorFlow says it."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return True
        error = error.__cause__ or error.__context__
    return False


def once() -> None:
    """Answer one request, unconfined, and end."""
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    request = json.loads(sys.stdin.readline())
    with os.fdopen(out, "w", encoding="ascii") as answer:
        answer.write(json.dumps(_answer(request)))


if __name__ == "__main__":
    once() if "--once" in sys.argv[1:] else serve()
