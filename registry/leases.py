"""Who computes what: samples are claimed under a lease that its holder renews.

All times are the database's, so that machines need not agree. A lease whose holder is not heard
of runs out; whoever then wants its samples takes the whole lease away, and what its holder
commits later is refused. A lease granted in the future (the clock was set back) has run out too.

What a job's worker had claimed when it died, hung or met an error of nobody's may be what ended
it: those samples are counted in `attempts`, up to two for what was claimed with others, and
further only for what was claimed alone. So none can have three tries but one that a worker died
of, or with.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

from sqlalchemy import Connection, case, delete, insert, or_, select, update

from headstart.errors import HeadstartError, LeaseLost, RegistryError, Stalled
from headstart.registry import tables as t
from headstart.registry.database import Database, insert_into

LARGEST_WINDOW = 16_000
"""So many samples are looked at to find free ones where others have claimed all before."""
AT_ONCE = 500
"""Digests in one statement; SQLite takes 32,766 parameters."""
FEWEST = 500
"""Samples that are looked at at least where others have claimed all of a block."""
RENEWALS = 4
"""Times that a lease is renewed before it would have run out."""
TOGETHER = 2
"""More tries than that only count for a sample that was claimed alone."""
SLACK = 1.0
"""Seconds that a lease may seem granted in the future; clocks of one database hardly jitter."""


@dataclass(frozen=True)
class Claimed:
    """Samples claimed under a lease: `digests` for each of `keys`, the feature keys."""

    lease: str
    keys: tuple[str, ...]
    digests: tuple[str, ...]


class Signs(Protocol):
    """By which processes on one machine see whether the other's holder still lives."""

    def show(self, name: str) -> None: ...

    def is_dead(self, name: str) -> bool: ...

    def end(self, name: str) -> None: ...


class Lease:
    """A lease that is renewed by a thread until it is released; use it as a context.

    Args:
        database: whose clock and tables count.
        seconds: after so long without a renewal it has run out.
        signs: by which a holder on this machine that was killed is noticed at once.
        job: the job that it works at, if it is a worker.
    """

    def __init__(
        self, database: Database, seconds: float, signs: Signs, job: int | None = None
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._signs = signs
        self._job = job
        self._stop = threading.Event()
        self._looks_at = -math.inf
        self.token = ""

    def __enter__(self) -> Lease:
        self.token = secrets.token_hex(16)
        self._signs.show(self.token)
        self._database.outlast(self._grant)
        self._thread = threading.Thread(target=self._keep_renewing, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._signs.end(self.token)
        try:
            self._database.outlast(partial(self._end, was_ended=_may_be_of_a_sample(kind)))
        except RegistryError:
            if kind is None:  # else the reason is under way already; the lease runs out by itself
                raise

    def claim(self, keys: Sequence[str], wanted: deque[str], limit: int) -> Claimed:
        """Claim samples that nobody else computes.

        What it costs depends on how many samples are looked at, and not on how many there are, how
        many others have, or how many others there are: see docs/scaling.md.

        Args:
            keys: feature keys; a sample is claimed for all of them.
            wanted: sample digests; as many are taken out at its left as it takes, those that others
                have claimed are passed by.
            limit: how many to claim at most.

        Raises:
            LeaseLost: others took this lease over.
        """
        chosen: list[str] = []
        window = limit
        if self._has_to_look():
            self._end_dead()
        while wanted and len(chosen) < limit:
            seen = list(islice(wanted, max(window, limit - len(chosen))))
            passed, won = self._database.outlast(
                partial(self._claim, keys, seen, limit - len(chosen), len(seen) > limit)
            )
            for _ in range(passed):
                wanted.popleft()
            chosen += won
            if len(won) < passed and self._end_dead():
                had = set(won)
                wanted.extendleft(one for one in reversed(seen[:passed]) if one not in had)
            window = min(LARGEST_WINDOW, window if won else 4 * max(window, FEWEST))
        return Claimed(self.token, tuple(keys), tuple(chosen))

    def _claim(
        self, keys: Sequence[str], seen: list[str], limit: int, looks: bool
    ) -> tuple[int, list[str]]:
        """Claim the first samples of some that are free; gives how many were looked at, and those.

        It is one transaction that locks in one order, so that no two wait for each other: the
        lease, then claims by their digests. What others have is found out by trying; where all was
        taken before, by looking first (`looks`), for nobody wants more than `limit`.
        """
        with self._database.writing() as connection:
            if not self._renew(connection):
                raise _lost()
            taken = _taken(connection, keys, seen) if looks else set[str]()
            free = [(place, digest) for place, digest in enumerate(seen) if digest not in taken]
            free = free[:limit]
            won = _insert(connection, self.token, keys, [digest for _, digest in free])
        passed = free[-1][0] + 1 if len(free) == limit else len(seen)
        return passed, [digest for _, digest in free if digest in won]

    def _has_to_look(self) -> bool:
        """Whether it is time to see who of the others is dead: as often as a lease is renewed,
        for to look at all of them at each claim would cost the more the more there are."""
        now = time.monotonic()
        if now < self._looks_at:
            return False
        self._looks_at = now + self._seconds / RENEWALS
        return True

    def _end_dead(self) -> bool:
        return end_dead(self._database, self._signs, self.token)

    def give_back(self, claimed: Claimed) -> None:
        """Others may compute these now.

        Raises:
            LeaseLost: others took this lease over.
        """

        def attempt() -> None:
            with self._database.writing() as connection:
                self._lock(connection)  # before its claims, as who takes it over does
                give_back(connection, claimed)

        self._database.outlast(attempt)

    def _lock(self, connection: Connection) -> None:
        """Let nobody take this lease over until the transaction ends.

        Raises:
            LeaseLost: somebody has.
        """
        lease = select(t.leases.c.token).where(t.leases.c.token == self.token)
        if connection.execute(lease.with_for_update(read=True, key_share=True)).first() is None:
            raise _lost()

    def _grant(self) -> None:
        with self._database.writing() as connection:
            now = clock(connection)
            values = {
                "token": self.token,
                "owner": socket.gethostname()[:200],
                "granted_at": now,
                "expires_at": now + self._seconds,
                "job": self._job,
                "process": os.getpid(),
                "begun_at": now,
            }
            connection.execute(insert(t.leases).values(**values))

    def _end(self, was_ended: bool) -> None:
        own = t.leases.c.token == self.token
        with self._database.writing() as connection:  # its claims go with it
            if was_ended:
                connection.execute(select(t.leases.c.token).where(own).with_for_update())
                _count_tries(connection, self.token)
            connection.execute(delete(t.leases).where(own))

    def _renew(self, connection: Connection) -> bool:
        now = clock(connection)
        statement = update(t.leases).where(t.leases.c.token == self.token)
        found = connection.execute(statement.values(granted_at=now, expires_at=now + self._seconds))
        return found.rowcount == 1

    def _keep_renewing(self) -> None:
        while not self._stop.wait(self._seconds / RENEWALS):
            try:
                with self._database.writing() as connection:
                    self._renew(connection)
            except RegistryError:
                continue  # tried again; a commit finds out if it lasts too long


def give_back(connection: Connection, claimed: Claimed) -> None:
    """End claims, as part of a transaction.

    Raises:
        LeaseLost: some are no longer this lease's.
    """
    claims, ended = t.claims.c, 0
    for start in range(0, len(claimed.digests), AT_ONCE):
        part = claimed.digests[start : start + AT_ONCE]
        statement = delete(t.claims).where(
            # Joined with nothing, so that no index on leases is used: SQLite would go through all
            # claims of the lease for each part.
            claims.lease.concat("") == claimed.lease,
            claims.feature_key.in_(claimed.keys),
            claims.digest.in_(part),
        )
        ended += connection.execute(statement).rowcount
    if ended != len(claimed.keys) * len(claimed.digests):
        raise _lost()


def count_committed(connection: Connection, claimed: Claimed) -> None:
    """Write down how many samples a lease has brought, as part of the transaction that did."""
    leases = t.leases.c
    more = leases.committed + len(claimed.digests)
    statement = update(t.leases).where(leases.token == claimed.lease)
    connection.execute(statement.values(committed=more))


def end_dead(database: Database, signs: Signs, own: str = "") -> bool:
    """Take away the leases that have run out, or whose holder on this machine is dead, and their
    claims with them; each in a transaction of its own, as that locks another's lease.

    Returns:
        Whether there were any.
    """

    def look() -> list[str]:
        with database.reading() as connection:
            return _find_dead(connection, signs, own)

    dead = database.outlast(look)
    for token in dead:
        database.outlast(partial(_take_over, database, signs, token))
    return bool(dead)


def _find_dead(connection: Connection, signs: Signs, own: str) -> list[str]:
    """Tokens of leases that have run out, or whose holder on this machine is dead; those of living
    ones on other machines are not fetched."""
    leases, here, now = t.leases.c, socket.gethostname()[:200], clock(connection)
    is_over = or_(leases.expires_at < now, leases.granted_at > now + SLACK)
    query = select(leases.token, is_over.label("is_over")).where(
        leases.token != own, or_(is_over, leases.owner == here)
    )
    return [
        one.token for one in connection.execute(query) if one.is_over or signs.is_dead(one.token)
    ]


def has_run_out(granted_at: float, expires_at: float, now: float) -> bool:
    return expires_at < now or granted_at > now + SLACK


def _take_over(database: Database, signs: Signs, token: str) -> None:
    """Take one away, unless its holder was heard of meanwhile, or another took it."""
    leases = t.leases.c
    with database.writing() as connection:
        query = select(leases.owner, leases.granted_at, leases.expires_at)
        row = connection.execute(query.where(leases.token == token).with_for_update()).first()
        if row is None:
            return
        is_dead = row.owner == socket.gethostname()[:200] and signs.is_dead(token)
        if is_dead or has_run_out(row.granted_at, row.expires_at, clock(connection)):
            _count_tries(connection, token)
            connection.execute(delete(t.leases).where(leases.token == token))
    if is_dead:
        signs.end(token)


def _taken(connection: Connection, keys: Sequence[str], digests: Sequence[str]) -> set[str]:
    """Which of some samples are claimed for any of these keys."""
    claims, found = t.claims.c, set[str]()
    for start in range(0, len(digests), AT_ONCE):
        part = digests[start : start + AT_ONCE]
        query = select(claims.digest).where(claims.feature_key.in_(keys), claims.digest.in_(part))
        found.update(connection.execute(query).scalars())
    return found


def _insert(
    connection: Connection, token: str, keys: Sequence[str], digests: Sequence[str]
) -> set[str]:
    """Claim samples; gives those that were free at all keys: another may be faster."""
    rows = [
        {"feature_key": key, "digest": digest, "lease": token}
        for digest in sorted(digests)
        for key in sorted(keys)
    ]
    if not rows:
        return set()
    statement = insert_into(connection, t.claims).on_conflict_do_nothing()
    had = Counter(connection.execute(statement.returning(t.claims.c.digest), rows).scalars().all())
    half = [digest for digest, count in had.items() if count < len(keys)]
    for start in range(0, len(half), AT_ONCE):
        claims, part = t.claims.c, half[start : start + AT_ONCE]
        statement = delete(t.claims).where(claims.lease.concat("") == token)
        connection.execute(statement.where(claims.feature_key.in_(keys), claims.digest.in_(part)))
    return set(had).difference(half)


def _count_tries(connection: Connection, token: str) -> None:
    """Count what a worker had claimed that something ended, before its lease is taken away.

    The job is locked before its attempts, as `JobRepository.forget_tries` does.
    """
    job = connection.execute(select(t.leases.c.job).where(t.leases.c.token == token)).scalar()
    known = select(t.jobs.c.id).where(t.jobs.c.id == job)
    if job is None or connection.execute(known.with_for_update(key_share=True)).first() is None:
        return
    held = select(t.claims.c.digest).where(t.claims.c.lease == token).distinct()
    digests = sorted(connection.execute(held).scalars())
    tries = t.attempts.c.tries
    more = tries + 1 if len(digests) == 1 else case((tries < TOGETHER, tries + 1), else_=tries)
    rows = [{"job": job, "digest": digest, "tries": 1} for digest in digests]
    if rows:
        counted = insert_into(connection, t.attempts).on_conflict_do_update(
            index_elements=[t.attempts.c.job, t.attempts.c.digest], set_={"tries": more}
        )
        connection.execute(counted, rows)


def _may_be_of_a_sample(kind: type[BaseException] | None) -> bool:
    """Whether an error may come again with the same samples, and nobody has said which it is."""
    if kind is None or not issubclass(kind, Exception):  # Ctrl-C
        return False
    return issubclass(kind, Stalled) or not issubclass(kind, HeadstartError)


def clock(connection: Connection) -> float:
    """The database's clock, in seconds since 1970."""
    if connection.dialect.name == "postgresql":
        query = "SELECT extract(epoch FROM clock_timestamp())"
    else:
        query = "SELECT (julianday('now') - 2440587.5) * 86400.0"
    return float(connection.exec_driver_sql(query).scalar_one())


def _lost() -> LeaseLost:
    return LeaseLost(
        "another process took over samples that this one had claimed, because it was silent for "
        "too long",
        hint="Nothing is lost: run it again; what was committed is kept.",
    )
