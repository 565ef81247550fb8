"""Hostile files by the hundred: accepted and right, or refused in one clear line; nothing else.

Each case is a file of the corpus, changed at random, in a process of its own with limits on memory
and time, and a canary that must not appear. Cases are the same for the same `FUZZ_SEED`.
"""

import collections
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import headstart as hs
from conftest import clean_environment

SEED = os.environ.get("FUZZ_SEED", "0")
SHARES = {
    "saved_model": 65,
    "keras": 55,
    "h5": 40,
    "bundle": 40,
    "arrays": 45,
    "preset": 15,
    "picture": 40,
}
"""Of 300 cases."""
KEPT = {"zoo", "input", "work", "temporary", "log", "errors", "detail"}


class Zygotes(threading.local):
    """A process that forks cases for each thread; see zygote.py."""

    def __init__(self):
        self.process = None

    def ask(self, request):
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", Path(__file__).with_name("zygote.py")],
                env=clean_environment(CUDA_VISIBLE_DEVICES="-1"),
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

    def end(self):
        process, self.process = self.process, None
        if process is not None:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def cases(count):
    return [
        (kind, number)
        for kind, share in SHARES.items()
        for number in range(round(count * share / sum(SHARES.values())))
    ]


def one(zygotes, template, root, kind, number):
    folder = root / f"{kind}-{number}"
    folder.mkdir()
    shutil.copytree(template, folder / "zoo")
    request = {"kind": kind, "seed": SEED, "number": number, "folder": str(folder)}
    answer = {**request, **zygotes.ask(request)}
    touched = sorted(path.name for path in folder.iterdir() if path.name not in KEPT)
    left = [p.name for name in ("work", "temporary") for p in folder.glob(f"{name}/*")]
    if touched or (left and not answer["outcome"].startswith(("hung", "killed"))):
        answer["outcome"] = f"touched {', '.join(touched + left)}"
    if answer["outcome"] in ("accepted", "refused"):
        shutil.rmtree(folder)
    return answer


def share(zygotes, template, root, wanted):
    try:
        return [one(zygotes, template, root, kind, number) for kind, number in wanted]
    finally:
        zygotes.end()


def described(failures):
    lines = []
    for failure in failures[:40]:
        detail = Path(failure["folder"]) / "detail"
        said = detail.read_text().strip().splitlines()[-1:] if detail.exists() else []
        lines.append(f"{failure['outcome']}: {failure['folder']} {' '.join(said)[:300]}")
    return "\n".join(lines)


def outcomes(answers):
    return collections.Counter(answer["outcome"] for answer in answers)


def summary(answers):
    peak = max(answer["megabytes"] for answer in answers)
    lines = [
        f"\nfuzz, seed {SEED}: {len(answers)} cases, {dict(outcomes(answers))}, peak {peak} MB"
    ]
    for kind in SHARES:
        found = outcomes(answer for answer in answers if answer["kind"] == kind)
        lines.append(f"  {kind}: {dict(found)}")
    return "\n".join(lines) + "\n"


PARTS = 6
"""Of the 300, so that the processes that run the tests share them."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("count", "processes", "part", "of"),
    [
        *((300, 1, part, PARTS) for part in range(PARTS)),
        pytest.param(10_000, 2, 0, 1, marks=pytest.mark.slow),
    ],
)
def test_hostile_files_are_accepted_and_right_or_refused_in_one_line(
    count, processes, part, of, tmp_path, capsys
):
    hs.init(tmp_path / "template")
    wanted, zygotes = cases(count)[part::of], Zygotes()
    with ThreadPoolExecutor(processes) as pool:
        parts = [wanted[start::processes] for start in range(processes)]
        run = pool.map(lambda part: share(zygotes, tmp_path / "template", tmp_path, part), parts)
        answers = [answer for part in run for answer in part]
    counts = outcomes(answers)
    with capsys.disabled():
        sys.stdout.write(summary(answers))
    failures = [a for a in answers if a["outcome"] not in ("accepted", "refused")]
    assert not failures, described(failures)
    assert len(answers) == len(wanted)
    assert counts["refused"] > len(wanted) / 4 and counts["accepted"] > len(wanted) / 20
