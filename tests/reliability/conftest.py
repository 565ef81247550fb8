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


class Zygote:
    """Forks extractions; see zygote.py."""

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
        self.child = None

    def start(self, arguments, die=None, user=None) -> int:
        """Begin a command; gives its process id."""
        request = {"arguments": [str(a) for a in arguments], "die": die, "user": user}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        self.child = int(self.process.stdout.readline())
        return self.child

    def wait(self) -> int:
        """Its status as `os.waitpid` gives it."""
        status = int(self.process.stdout.readline())
        self.child = None
        return status

    def clear(self):
        """Kill what a failed test has left, frozen or not: the next one begins with nothing."""
        if self.child is not None:
            with suppress(ProcessLookupError):  # it has ended, and nobody has asked how
                os.kill(self.child, signal.SIGKILL)
            self.wait()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="session")
def first_zygote():
    running = Zygote()
    yield running
    running.end()


@pytest.fixture(scope="session")
def more_zygotes():
    running = [Zygote() for _ in range(3)]
    yield running
    for each in running:
        each.end()


@pytest.fixture
def zygote(first_zygote):
    yield first_zygote
    first_zygote.clear()


@pytest.fixture
def zygotes(zygote, more_zygotes):
    """Four of them, for four extractions at once."""
    yield [zygote, *more_zygotes]
    for each in more_zygotes:
        each.clear()
