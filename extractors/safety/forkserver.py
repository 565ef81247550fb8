"""A process that has TensorFlow loaded and forks a confined child for each model to load.

Loading TensorFlow takes seconds, a fork does not. There is one server a process that asks, from
the first need on; it ends when that process does (its end of the pipe closes, however it dies), or
when it has been idle for some minutes. Requests and answers are lines of JSON.

A request is `{"task": …, "scratch": …, "limits": …, …}`; what its task does is in
`first_load_tasks`, in the folder above. The answer is what the task gives, or `error` (type,
message, hint of an error of ours), `failed` (another error in a line), or `killed` (the signal, or
`late`).
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from typing import Any

from headstart.errors import BackboneError
from headstart.extractors.safety.confinement import Limits

STARTING_SECONDS = 60
"""What loading TensorFlow may take, where each load gets a new process."""
HAS_FORK = sys.platform == "linux"
"""Elsewhere a process that loaded TensorFlow is not safely forked: each load gets a new one."""
CHILD = "headstart.extractors.backbones.first_load_server"
"""By its name: it is run, not imported, and knows how models are loaded."""
COMMAND = [sys.executable, "-P", "-W", "ignore", "-m", CHILD]

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
