"""Who computes what: samples are claimed under a lease that its holder renews.

All times are the database's, so that machines need not agree. A lease whose holder is not heard
of runs out; whoever then wants its samples takes the whole lease away, and what its holder
commits later is refused. A lease granted in the future (the clock was set back) has run out too.

What a job's worker had claimed when it ended without a word may be what ended it: those samples
are counted in `attempts`, up to two for what was claimed with others, and further only for what
was claimed alone. So none can have three tries but one that a worker died of, or with.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from headstart.errors import LeaseLost, RegistryError
from headstart.registry import tables as t
from headstart.registry.database import Database, insert_into

AT_ONCE = 500
"""Digests in one statement; SQLite takes 32,766 parameters."""
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


@dataclass(frozen=True)
class Holder:
    """Who computes samples of some feature sets now.

    Attributes:
        host: name of the machine.
        process: its number there; None of one of before schema 0007.
        seconds: since it has the lease.
        heard: seconds since it was heard of.
        claimed: samples that it has claimed and not committed.
        committed: samples that it has committed under this lease.
    """

    host: str
    process: int | None
    seconds: float
    heard: float
    claimed: int
    committed: int


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
            self._database.outlast(self._end)
        except RegistryError:
            if kind is None:  # else the reason is under way already; the lease runs out by itself
                raise

    def claim(self, keys: Sequence[str], wanted: Iterator[str], limit: int) -> Claimed:
        """Claim samples that nobody else computes.

        Args:
            keys: feature keys; a sample is claimed for all of them.
            wanted: sample digests; as many are taken out as it takes, those that others have
                claimed are passed by.
            limit: how many to claim at most.

        Raises:
            LeaseLost: others took this lease over.
        """
        taken_out: list[str] = []  # also by an attempt that ended with the database's going away

        def each() -> Iterator[str]:
            yield from tuple(taken_out)
            for digest in wanted:
                taken_out.append(digest)
                yield digest

        return self._database.outlast(lambda: self._claim(keys, each(), limit))

    def _claim(self, keys: Sequence[str], wanted: Iterator[str], limit: int) -> Claimed:
        with self._database.writing() as connection:
            _take_over(connection, self._signs, self.token)
            if not self._renew(connection):
                raise _lost()
            taken = self._taken_by_others(connection, keys)
            chosen = tuple(islice((d for d in wanted if d not in taken), limit))
            rows = [
                {"feature_key": key, "digest": digest, "lease": self.token}
                for key in keys
                for digest in chosen
            ]
            if rows:
                connection.execute(insert(t.claims), rows)
        return Claimed(self.token, tuple(keys), chosen)

    def _taken_by_others(self, connection: Connection, keys: Sequence[str]) -> set[str]:
        """What the other leases have claimed; its own it does not ask for again."""
        others = select(t.leases.c.token).where(t.leases.c.token != self.token)
        tokens = connection.execute(others).scalars().all()
        if not tokens:
            return set()
        claims = t.claims.c
        query = select(claims.digest).where(claims.lease.in_(tokens), claims.feature_key.in_(keys))
        return set(connection.execute(query).scalars())

    def give_back(self, claimed: Claimed) -> None:
        """Others may compute these now."""

        def attempt() -> None:
            with self._database.writing() as connection:
                give_back(connection, claimed)

        self._database.outlast(attempt)

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

    def _end(self) -> None:
        with self._database.writing() as connection:  # its claims go with it
            connection.execute(delete(t.leases).where(t.leases.c.token == self.token))

    def _renew(self, connection: Connection) -> bool:
        now = clock(connection)
        statement = update(t.leases).where(t.leases.c.token == self.token)
        found = connection.execute(statement.values(granted_at=now, expires_at=now + self._seconds))
        return found.rowcount == 1

    def _keep_renewing(self) -> None:
        while not self._stop.wait(self._seconds / 4):
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


def find_holders(database: Database, keys: Sequence[str]) -> list[Holder]:
    """Who has claimed samples for any of these feature keys; not those whose lease has run out."""
    leases, claims = t.leases.c, t.claims.c
    query = (
        select(t.leases, func.count(claims.digest.distinct()).label("claimed"))
        .join(t.claims, claims.lease == leases.token)
        .where(claims.feature_key.in_(keys))
        .group_by(*t.leases.c)
        .order_by(leases.owner, leases.process)
    )

    def attempt() -> list[Holder]:
        with database.reading() as connection:
            now = clock(connection)
            return [
                Holder(
                    host=row.owner,
                    process=row.process,
                    seconds=now - (row.granted_at if row.begun_at is None else row.begun_at),
                    heard=now - row.granted_at,
                    claimed=row.claimed,
                    committed=row.committed,
                )
                for row in connection.execute(query)
                if row.expires_at >= now
            ]

    return database.outlast(attempt)


def end_dead(database: Database, signs: Signs) -> None:
    """Take away the leases that have run out, or whose holder on this machine is dead, as every
    claim does."""

    def attempt() -> None:
        with database.writing() as connection:
            _take_over(connection, signs)

    database.outlast(attempt)


def _take_over(connection: Connection, signs: Signs, own: str = "") -> None:
    """Take away the leases of others that have run out, or whose holder on this machine is dead;
    their claims go with them."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.exec_driver_sql("LOCK TABLE claims IN SHARE ROW EXCLUSIVE MODE")
    now = clock(connection)
    leases = t.leases.c
    has_run_out = or_(leases.expires_at < now, leases.granted_at > now + SLACK)
    run_out = select(leases.token).where(has_run_out, leases.token != own)
    gone = list(connection.execute(run_out).scalars())
    ours = select(leases.token).where(leases.owner == socket.gethostname()[:200])
    for token in connection.execute(ours).scalars().all():
        if token not in (own, *gone) and signs.is_dead(token):
            gone.append(token)
            signs.end(token)
    for token in gone:
        _count_tries(connection, token)
        connection.execute(delete(t.leases).where(leases.token == token))


def _count_tries(connection: Connection, token: str) -> None:
    """Count what a worker had claimed that ended without a word, before its lease is taken away."""
    job = connection.execute(select(t.leases.c.job).where(t.leases.c.token == token)).scalar()
    known = select(t.jobs.c.id).where(t.jobs.c.id == job)
    if job is None or connection.execute(known).first() is None:
        return
    held = select(t.claims.c.digest).where(t.claims.c.lease == token).distinct()
    digests = connection.execute(held).scalars().all()
    tries = t.attempts.c.tries
    more = tries + 1 if len(digests) == 1 else case((tries < TOGETHER, tries + 1), else_=tries)
    rows = [{"job": job, "digest": digest, "tries": 1} for digest in digests]
    if rows:
        counted = insert_into(connection, t.attempts).on_conflict_do_update(
            index_elements=[t.attempts.c.job, t.attempts.c.digest], set_={"tries": more}
        )
        connection.execute(counted, rows)


def clock(connection: Connection) -> float:
    """The database's clock, in seconds since 1970."""
    if connection.dialect.name == "postgresql":
        query = "SELECT extract(epoch FROM clock_timestamp())"
    else:
        query = "SELECT (julianday('now') - 2440587.5) * 86400.0"
    return float(connection.exec_driver_sql(query).scalar_one())


def _lost() -> LeaseLost:
    return LeaseLost(
        "another process took over samples that this one had claimed, as it was not heard of for "
        "too long",
        hint="Nothing is lost: run it again; what was committed is kept.",
    )
