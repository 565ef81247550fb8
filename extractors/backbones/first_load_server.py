"""The process in which models that are not trusted are loaded; see `safety.forkserver`, its parent.

It loads TensorFlow once, and carries out each request in a fork of itself that it confines first.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError, first_line
from headstart.extractors.backbones.first_load_tasks import TASKS, prepare
from headstart.extractors.safety.confinement import Limits, confine, end_with_parent

IDLE_SECONDS = 300
LARGEST_ANSWER = 16 << 20


def serve() -> None:
    """Answer requests until whoever asks is gone."""
    out = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    prepare()
    gc.freeze()  # else a child that collects copies the memory of all that was loaded
    buffer = b""
    while True:
        ready, _, _ = select.select([0], [], [], IDLE_SECONDS)
        content = os.read(0, 1 << 16) if ready else b""
        if not content:
            return
        *lines, buffer = (buffer + content).split(b"\n")
        for line in lines:
            request = json.loads(line)
            prepare(request)
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
    try:
        return TASKS[request["task"]](request)
    except HeadstartError as error:
        if _is_for_memory(error):
            return {"killed": "memory"}
        return {"error": [type(error).__name__, error.message, error.hint]}
    except MemoryError:
        return {"killed": "memory"}
    except Exception as error:  # libraries raise whatever they like
        return {"killed": "memory"} if _is_for_memory(error) else {"failed": first_line(error)}


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
