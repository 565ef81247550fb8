"""What workers of a job compute a second, beside one process that does it all.

Models are loaded once by each process, which says nothing of a long job: the rate is that between
a fifth of the samples and the last. Each run has a copy of one workspace in which the engine is
compiled and no features are. How long the whole command took stands beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from material import emoji
from timing import Section

import headstart as hs
from headstart.extractors.runtime import THREADS_OF
from headstart.registry import listing

HEADSTART = [sys.executable, "-c", "from headstart.cli import main; main()"]
EXTRACT = ("extract", "lite0", "emoji", "--commit-seconds", "0.5")
FIRST = 0.2
"""Of the samples, those before the rate is taken."""
COLUMNS = ("what", ">cores", ">samples/s", ">of one process", ">whole command")


@dataclass(frozen=True)
class Run:
    """How fast one was: samples a second once it was at it, and seconds of the whole command."""

    rate: float
    seconds: float


def section(folder: Path, repeats: int) -> Section:
    """One process, workers and actors of Ray, in turn."""
    prepared = hs.init(folder / "prepared")
    emoji(prepared, folder)
    prepared.compile("lite0", "emoji")
    prepared.database.close()
    ways: dict[tuple[str, int], Callable[[Path], list[subprocess.Popen[bytes]]]] = {
        ("one process", 1): lambda root: [_start(root, *EXTRACT, cores=1)],
        ("one process", 2): lambda root: [_start(root, *EXTRACT, cores=2)],
        ("1 worker", 1): lambda root: _workers(root, 1),
        ("2 workers of a core each", 2): lambda root: _workers(root, 2),
        ("Ray, 2 actors of a core each", 2): lambda root: [_start(root, *EXTRACT, *RAY)],
    }
    runs = {way: list[Run]() for way in ways}
    for number in range(repeats):
        for way, start in ways.items():
            root = folder / f"{number}-{'-'.join(map(str, way)).replace(' ', '-')}"
            shutil.copytree(prepared.config.root, root)
            runs[way].append(_timed(root, start))
            shutil.rmtree(root)
    alone = {cores: _rate(runs["one process", cores]) for cores in (1, 2)}
    rows = [_row(*way, runs[way], alone[way[1]]) for way in ways]
    return Section("Workers", NOTE, COLUMNS, rows)


NOTE = (
    "EfficientNet-Lite0 on 1,895 emoji, commits every half second. Samples a second from a fifth "
    "of them on; beside those of one process with as many cores. Whole commands load the engine "
    "and, with Ray, start a cluster of their own."
)
RAY = ("--executor", "ray", "--workers", "2", "--cores", "1")


def _row(what: str, cores: int, runs: list[Run], alone: float) -> tuple[str, ...]:
    rates = [run.rate for run in runs]
    spread = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    whole = f"{median([run.seconds for run in runs]):,.1f} s"
    return what, str(cores), spread, f"{median(rates) / alone:.2f}x", whole


def _rate(runs: list[Run]) -> float:
    return median([run.rate for run in runs])


def _workers(root: Path, count: int) -> list[subprocess.Popen[bytes]]:
    workspace = hs.open(root)
    workspace.jobs.add("lite0", "emoji", commit_seconds=0.5)
    workspace.database.close()
    return [_start(root, "worker", "--cores", "1", cores=1) for _ in range(count)]


def _start(root: Path, *given: str, cores: int | None = None) -> subprocess.Popen[bytes]:
    threads = {} if cores is None else dict.fromkeys(THREADS_OF, str(cores))
    return subprocess.Popen(
        [*HEADSTART, "--workspace", str(root), *given],
        env={**os.environ, **threads},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _timed(root: Path, start: Callable[[Path], list[subprocess.Popen[bytes]]]) -> Run:
    workspace = hs.open(root)
    total = workspace.datasets.get("emoji").unique
    started = time.perf_counter()
    processes = start(root)
    seen: list[tuple[float, int]] = []
    while any(one.poll() is None for one in processes):
        rows = sum(one["rows"] for one in listing.features(workspace.config))
        if rows and (not seen or rows > seen[-1][1]):
            seen.append((time.perf_counter(), rows))
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    if any(one.returncode for one in processes) or not seen:
        raise RuntimeError(f"a run in {root.name} failed")
    since, before = next(one for one in seen if one[1] >= FIRST * total)
    until, after = seen[-1]
    return Run((after - before) / (until - since), seconds)
