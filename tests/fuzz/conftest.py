"""Processes that carry out what is hostile, and what must be left of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import clean_environment

MEGABYTES = 1536
KEPT = {"zoo", "input", "work", "temporary", "log", "errors", "detail"}
"""What a case has in its folder; a canary would be more."""


class Zygote:
    """A process that forks cases; see zygote.py. It is started when it is first asked."""

    def __init__(self, place):
        self.place = place
        self.process = None
        self.megabytes = 0

    def ask(self, request):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", Path(__file__).with_name("zygote.py")],
                env=clean_environment(CUDA_VISIBLE_DEVICES="-1"),
                cwd=self.place,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self.process.stdout.readline() == "ready\n"
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer["outcome"] == "hung":  # what it shares with its children may be in disorder
            self.end()
        return answer

    def touched(self, folder, answer):
        """What a case left that it may not have, in its folder or where models are loaded apart."""
        found = [path.name for path in folder.iterdir() if path.name not in KEPT]
        if not answer["outcome"].startswith(("hung", "killed")):
            found += [p.name for name in ("work", "temporary") for p in folder.glob(f"{name}/*")]
        return sorted(found + [path.name for path in self.place.iterdir()])

    def end(self):
        process, self.process = self.process, None
        if process is not None:
            process.stdin.close()
            self.megabytes = max(self.megabytes, int(process.stdout.readline()))
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="package")
def zygotes(tmp_path_factory):
    """For all tests of this folder that one process has: each takes seconds to start."""
    made = [Zygote(tmp_path_factory.mktemp("zygote")) for _ in range(2)]
    yield made
    for zygote in made:
        zygote.end()
    peak = max(zygote.megabytes for zygote in made)
    sys.__stdout__.write(f"\nhostile files: {peak} MB at the most, in any process\n")
    assert peak < MEGABYTES
