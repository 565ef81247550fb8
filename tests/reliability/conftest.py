"""Processes that fork extractions; see zygote.py."""

import json
import subprocess
import sys
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

    def start(self, arguments, die=None) -> int:
        """Begin a command; gives its process id."""
        request = {"arguments": [str(a) for a in arguments], "die": die}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self) -> int:
        """Its status as `os.waitpid` gives it."""
        return int(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="session")
def zygote():
    running = Zygote()
    yield running
    running.end()


@pytest.fixture(scope="session")
def zygotes(zygote):
    """Four of them, for four extractions at once."""
    more = [Zygote() for _ in range(3)]
    yield [zygote, *more]
    for running in more:
        running.end()
