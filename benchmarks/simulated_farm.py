"""Workers of one job, simulated: the ledger's own code, with a clock and processes made for it."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from scaling_model import Farm
from sqlalchemy import event, insert

import headstart as hs
from headstart.errors import LeaseLost
from headstart.extractors.run import suspects as suspects_module
from headstart.extractors.run import writer as writer_module
from headstart.extractors.run.suspects import Column, Missing, Suspects
from headstart.registry import leases as leases_module
from headstart.registry import tables as t
from headstart.registry.entities import FeatureSet, Shard
from headstart.registry.jobs import Job
from headstart.registry.leases import RENEWALS, Claimed, Lease, end_dead
from headstart.storage.samples import Sample

KEY = "k" * 64
CUTS: tuple[Column, ...] = ((0, "cut"),)
TOKENS = itertools.count(1)
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""As in `extractors/run/extraction.py`."""
STEP = 0.25
"""Seconds of computing between two looks at what happened."""


@dataclass
class Happened:
    """What a job took.

    Attributes:
        seconds: from its start to its end.
        claims: transactions that claimed samples.
        claimed: samples, in all of them.
        commits: shards.
        renewals: of leases.
        writes: transactions that write.
        reads: transactions that only read.
        deaths: processes that ended at some time, or of a poison.
        freezes: processes that stood still.
        lost: samples that were computed and never committed.
        twice: samples that were committed more than once.
        given_up: samples.
        missing: samples without a row that were not given up.
    """

    seconds: float = 0.0
    claims: int = 0
    claimed: int = 0
    commits: int = 0
    renewals: int = 0
    writes: int = 0
    reads: int = 0
    deaths: int = 0
    freezes: int = 0
    lost: int = 0
    twice: int = 0
    given_up: int = 0
    missing: int = 0


class Killed(BaseException):
    """A process is no more; it cleans nothing up."""


class Signs:
    """What the processes of a machine see of each other."""

    def __init__(self) -> None:
        self.dead = set[str]()

    def show(self, name: str) -> None:
        pass

    def is_dead(self, name: str) -> bool:
        return name in self.dead

    def end(self, name: str) -> None:
        self.dead.discard(name)


class SimulatedLease(Lease):
    """A lease without a thread: the simulation renews it."""

    _signs: Signs

    def __enter__(self) -> SimulatedLease:
        self.token = f"{next(TOKENS):032x}"
        self._database.outlast(self._grant)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is not None and issubclass(kind, Killed | GeneratorExit):
            self._signs.dead.add(self.token)
            return
        self._database.outlast(partial(self._end, was_ended=False))

    def renew(self) -> bool:
        with self._database.writing() as connection:
            return self._renew(connection)


class Simulation:
    """One job, from its start to its end.

    Args:
        farm: what there is.
        folder: for the database; it is empty.
    """

    def __init__(self, farm: Farm, folder: Path) -> None:
        self.farm, self.happened, self.now = farm, Happened(), 0.0
        self.random = random.Random(farm.seed)
        self.samples = [_sample(row) for row in range(farm.samples)]
        self.count = np.zeros(farm.samples, np.int64)
        self.is_given_up = np.zeros(farm.samples, bool)
        self.poison = frozenset(self.random.sample(range(farm.samples), farm.poison))
        self.host, self._order = "", itertools.count()
        self._due: list[tuple[float, int, Any]] = []
        self.workspace = hs.init(folder / "zoo")
        self.database = self.workspace.database
        self.job, self.feature_set = _written_down(self.workspace)
        self.signs = [Signs() for _ in range(math.ceil(farm.workers / farm.on_one))]
        event.listen(self.database.engine, "begin", self._count)

    def run(self) -> Happened:
        with _instead(self):
            self.happened = Happened()
            for number in range(self.farm.workers):
                self.at(self.random.uniform(0, 1), SimulatedWorker(self, number).start)
            while self._due:
                self.now, _, call = heapq.heappop(self._due)
                call()
        done = self.happened
        done.twice = int((self.count > 1).sum())
        done.given_up = int(self.is_given_up.sum())
        done.missing = int(((self.count == 0) & ~self.is_given_up).sum())
        self.database.close()
        return done

    def at(self, time: float, call: Any) -> None:
        heapq.heappush(self._due, (time, next(self._order), call))

    def missing(self) -> np.ndarray:
        return np.flatnonzero((self.count == 0) & ~self.is_given_up)

    def _count(self, connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            self.happened.writes += 1
        else:
            self.happened.reads += 1


class SimulatedWorker:
    """One place in which a process runs, and another one after its death."""

    def __init__(self, world: Simulation, number: int) -> None:
        self._world, self._farm = world, world.farm
        machine = number // self._farm.on_one
        self._host, self._signs = f"machine-{machine}", world.signs[machine]
        self._life, self._awake_at, self._in_hand = 0, 0.0, 0
        self._lease: SimulatedLease | None = None

    def start(self) -> None:
        """A new process."""
        world, farm = self._world, self._farm
        self._life += 1
        self._steps = self._work()
        if math.isfinite(farm.mtbf):
            self._later(world.random.expovariate(1 / farm.mtbf), self._die)
        if math.isfinite(farm.freezes):
            self._later(world.random.expovariate(1 / farm.freezes), self._freeze)
        self._later(farm.load, self._step)

    def _later(self, seconds: float, call: Any) -> None:
        """After so long, unless this process has ended by then; not while it is frozen."""
        life, world = self._life, self._world

        def due() -> None:
            if life != self._life:
                return
            if world.now < self._awake_at:
                world.at(self._awake_at, due)
                return
            world.host = self._host
            call()

        world.at(world.now + seconds, due)

    def _step(self) -> None:
        try:
            self._later(next(self._steps), self._step)
        except StopIteration:
            self._life += 1
            self._world.happened.seconds = max(self._world.happened.seconds, self._world.now)
        except Killed:
            self._ended()

    def _die(self) -> None:
        self._steps.close()
        self._ended()

    def _ended(self) -> None:
        world = self._world
        world.happened.deaths += 1
        world.happened.lost += self._in_hand
        self._in_hand, self._lease, self._life = 0, None, self._life + 1
        world.at(world.now + self._farm.restart, self.start)

    def _freeze(self) -> None:
        self._world.happened.freezes += 1
        self._awake_at = self._world.now + self._farm.frozen
        self._later(self._world.random.expovariate(1 / self._farm.freezes), self._freeze)

    def _renew(self) -> None:
        if self._lease is not None:
            self._world.happened.renewals += 1
            self._lease.renew()
            self._later(self._farm.lease / RENEWALS, self._renew)

    def _work(self) -> Generator[float]:
        """What `Extraction` does; yields seconds that pass."""
        world, farm, wait = self._world, self._farm, FIRST_WAIT
        suspects = Suspects(world.job, self._find_tries)
        while True:
            missing = self._missing(suspects)
            if not missing:
                return
            is_busy = False
            try:
                for part in suspects.parts(missing, _digests_of, lambda _suspects: None):
                    lease = SimulatedLease(world.database, farm.lease, self._signs, world.job)
                    with lease:
                        self._lease = lease
                        self._later(farm.lease / RENEWALS, self._renew)
                        for _ in self._pass(lease, part):
                            is_busy = True
                            yield STEP
                    self._lease = None
            except LeaseLost:
                self._lease, is_busy = None, True
                world.happened.lost += self._in_hand
                self._in_hand = 0
            wait = FIRST_WAIT if is_busy else min(2 * wait, LONGEST_WAIT)
            if not is_busy:
                yield wait

    def _find_tries(self) -> dict[str, int]:
        end_dead(self._world.database, self._signs)
        return self._world.workspace.context.jobs.find_tries(self._world.job)

    def _missing(self, suspects: Suspects) -> Missing:
        world = self._world
        rows = world.missing()
        for digest in suspects.given_up([world.samples[row].digest for row in rows]):
            world.is_given_up[int(digest, 16)] = True
        return dict.fromkeys(world.missing().tolist(), CUTS)

    def _pass(self, lease: SimulatedLease, part: Missing) -> Iterator[None]:
        """Claims, computes and commits; a step of computing each time."""
        world, farm, rng = self._world, self._farm, self._world.random
        coming = writer_module.claimed_samples(
            lease,
            (KEY,),
            [world.samples[row] for row in part],
            self._are_there,
        )
        gathered, since = list[Sample](), world.now
        owed = rng.random()
        for sample in coming:
            if _row_of(sample) in world.poison:
                raise Killed
            gathered.append(sample)
            self._in_hand += 1
            owed += 1 / farm.rate
            while owed >= STEP:
                owed -= STEP
                yield
            size = len(gathered) * farm.row_bytes
            if size >= farm.commit_bytes or world.now - since >= farm.commit:
                self._commit(lease, gathered)
                gathered, since = [], world.now
        if gathered:
            self._commit(lease, gathered)
            yield

    def _commit(self, lease: SimulatedLease, gathered: Sequence[Sample]) -> None:
        world = self._world
        claimed = Claimed(lease.token, (KEY,), tuple(sample.digest for sample in gathered))
        name = f"{world.random.getrandbits(256):064x}"
        size = len(gathered) * self._farm.row_bytes
        shard = Shard(name, world.feature_set, name, len(gathered), size, name, "none", {})
        world.workspace.context.feature_sets.commit_shards([shard], claimed=claimed)
        world.happened.commits += 1
        world.count[[_row_of(sample) for sample in gathered]] += 1
        self._in_hand = 0

    def _are_there(self, digests: list[str]) -> np.ndarray:
        self._world.happened.claims += 1
        self._world.happened.claimed += len(digests)
        return self._world.count[[int(digest, 16) for digest in digests]] > 0


def _sample(row: int) -> Sample:
    return Sample(str(row), f"{row:064x}", None, "train", row)


def _row_of(sample: Sample) -> int:
    return int(sample.digest, 16)


def _digests_of(rows: Iterable[int]) -> list[str]:
    return [f"{row:064x}" for row in rows]


def _written_down(workspace: hs.Workspace) -> tuple[int, int]:
    """A job and a feature set; gives their numbers."""
    row = {"name": "d", "kind": "folder", "source": "/d", "options": {}, "digest": KEY,
           "manifest": "m", "samples": 1, "unique_samples": 1, "classes": []}  # fmt: skip
    with workspace.database.writing() as connection:
        connection.execute(insert(t.datasets).values(**row))
    job = workspace.context.jobs.add(Job("extract", "b", "d", KEY, {}, {}))
    made = workspace.context.feature_sets.ensure_set(
        FeatureSet(KEY, "cut", KEY, KEY, {}, KEY, "float32", 0, (1280,), "float32", "b")
    )
    assert made.id is not None
    return job.id, made.id


@contextmanager
def _instead(world: Simulation) -> Iterator[None]:
    """The clock, the name of the machine and chance, as the ledger's code sees them."""
    clock = SimpleNamespace(monotonic=lambda: world.now)
    host = SimpleNamespace(gethostname=lambda: world.host)
    chance = SimpleNamespace(randbelow=world.random.randrange)
    with ExitStack() as stack:
        for module, name, value in (
            (leases_module, "clock", lambda _connection: 1e9 + world.now),
            (leases_module, "time", clock),
            (leases_module, "socket", host),
            (writer_module, "time", clock),
            (suspects_module, "secrets", chance),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield
