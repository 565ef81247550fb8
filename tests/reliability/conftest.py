"""Processes that fork extractions; see zygote.py."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import clean_environment


class Forks:
    """The process that forks; see zygote.py."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("zygote.py")],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.process.stdout.readline()  # TensorFlow is loaded

    def ask(self, **request) -> int:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Zygote:
    """One extraction, or other command, after another."""

    def __init__(self, forks):
        self.forks, self.child = forks, None

    def start(
        self, arguments, die=None, user=None, powerless=False, said=None, environment=None
    ) -> int:
        """Begin a command; gives its process id. See `child` in zygote.py."""
        self.child = self.forks.ask(
            arguments=[str(a) for a in arguments],
            die=die,
            user=user,
            powerless=powerless,
            said=None if said is None else str(said),
            environment=environment or {},
        )
        return self.child

    def wait(self) -> int:
        """Its status as `os.waitpid` gives it."""
        child, self.child = self.child, None
        return self.forks.ask(wait=child)

    def clear(self):
        """Kill what a failed test has left, frozen or not: the next one begins with nothing."""
        if self.child is not None:
            with suppress(ProcessLookupError):  # it has ended, and nobody has asked how
                os.kill(self.child, signal.SIGKILL)
            self.wait()


@pytest.fixture(scope="session")
def forks():
    running = Forks()
    yield running
    running.end()


@pytest.fixture
def eight(forks):
    """Eight of them, for eight extractions at once."""
    zygotes = [Zygote(forks) for _ in range(8)]
    yield zygotes
    for each in zygotes:
        each.clear()


@pytest.fixture
def zygotes(eight):
    """Four of them."""
    return eight[:4]


@pytest.fixture
def zygote(zygotes):
    return zygotes[0]
