"""What a job of many workers takes, as docs/scaling.md has it; `simulate.py` is held against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.extractors.run.writer import BLOCK_SECONDS, FIRST_BLOCK, LARGEST_BLOCK
from headstart.jobs.features.worker import LOOK_SECONDS
from headstart.registry.leases import RENEWALS
from headstart.storage.shards.digests import HEAD


@dataclass(frozen=True)
class Farm:
    """A job and who does it.

    Attributes:
        samples: different ones.
        workers: processes.
        on_one: of them on one machine; a death is noticed there at once.
        rate: samples a second of a worker.
        row_bytes: of the features of a sample.
        load: seconds until a process computes.
        mtbf: mean seconds between two deaths of a worker.
        restart: seconds until another one takes its place.
        freezes: mean seconds between two freezes of a worker.
        frozen: seconds that one lasts.
        poison: samples that end whoever computes them.
        lease: `lease_seconds`.
        commit: `commit_seconds`.
        commit_bytes: likewise.
        seed: of all that is random.
    """

    samples: int = 20_000
    workers: int = 64
    on_one: int = 1
    rate: float = 50.0
    row_bytes: int = 5120
    load: float = 10.0
    mtbf: float = math.inf
    restart: float = 30.0
    freezes: float = math.inf
    frozen: float = 120.0
    poison: int = 0
    lease: float = 60.0
    commit: float = 10.0
    commit_bytes: int = 32 << 20
    seed: int = 0


def block_of(rate: float) -> int:
    """Samples that a worker of some rate claims at a time: doubled until they take long enough."""
    size = FIRST_BLOCK
    while size / rate < BLOCK_SECONDS and size < LARGEST_BLOCK:
        size *= 2
    return size


def expected(farm: Farm) -> dict[str, float]:
    """The model: what a job takes, as docs/scaling.md has it."""
    block = block_of(farm.rate)
    shard = min(farm.commit_bytes / farm.row_bytes, farm.rate * farm.commit)
    lost = shard / 2 / farm.rate  # seconds of computing that a death costs, beside the start
    alive = farm.mtbf / (farm.mtbf + farm.restart + farm.load + lost) if farm.mtbf < math.inf else 1
    seconds = farm.load + farm.samples / (farm.workers * farm.rate * alive)
    # Who runs into what another has done begins again somewhere in what is missing, which halves
    # the largest gap each time, down to the first block; it has claimed one block in vain then.
    passes = farm.workers * max(1.0, math.log2(farm.samples / farm.workers / FIRST_BLOCK))
    return {
        "seconds": seconds,
        "claims": farm.samples / block + passes,
        "claimed": farm.samples + block * passes,
        "commits": farm.samples / shard + passes / 3,  # of three one ends with rows of its own
        "renewals": farm.workers * (seconds - farm.load) * RENEWALS / farm.lease,
        "deaths": farm.workers * seconds * alive / farm.mtbf,
    }


WRITE, READ, ROW, NAME = 4.5e-3, 2.8e-3, 42e-6, 0.74e-6
"""Seconds of a PostgreSQL 18 server's processor: for a transaction that writes, one that reads, a
sample that is claimed and given back, and the name of a shard that is fetched (measured)."""
LOG_BYTES, SHARD_ROW, INDEX_ROW, CLAIM_ROW = 744, 717, 36, 400
"""Of the server's log a sample; of a row of `shards` with its indexes; of a sample in a machine's
index; of a claim with its indexes (measured)."""


def forecast(farm: Farm) -> dict[str, float]:
    """What the model says of the database, the store and the machines of a job."""
    found = expected(farm)
    looks = farm.workers * found["seconds"] / LOOK_SECONDS
    names = found["claims"] * found["commits"] / 2
    writes = found["claims"] + found["commits"] + found["renewals"]
    reads = looks + 2 * found["claims"]
    digests = farm.samples * 32 + found["commits"] * HEAD
    server = writes * WRITE + reads * READ + farm.samples * ROW + names * NAME
    return {
        **found,
        "server seconds": server,
        "server cores": server / found["seconds"],
        "log bytes": farm.samples * LOG_BYTES,
        "PUTs": found["commits"],
        "stored bytes": farm.samples * (farm.row_bytes + 32),
        "shard rows bytes": found["commits"] * SHARD_ROW,
        "claim rows": farm.workers * (block_of(farm.rate) + farm.rate * farm.commit),
        "index bytes a machine": farm.samples * INDEX_ROW,
        "read bytes a machine": digests * (1 - 1 / farm.workers),
    }


FORECASTS = (
    Farm(samples=1_000_000, workers=8, rate=200.0, mtbf=86400.0),
    Farm(samples=10_000_000, workers=64, rate=200.0, mtbf=86400.0),
    Farm(samples=100_000_000, workers=64, rate=200.0, mtbf=86400.0),
    Farm(samples=100_000_000, workers=64, rate=2000.0, mtbf=86400.0),
)
