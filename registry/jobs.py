"""Jobs: extractions, and other long work, that were planned and are done by workers, wherever
those are."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from headstart.errors import NotFound, StillInUse
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.registry.datasets import keep
from headstart.registry.leases import Signs, clock, has_run_out
from headstart.registry.numbers import is_held, next_number
from headstart.values.calls import host_name, user_name
from headstart.values.showable import Results, Showable

EXTRACT = "extract"
"""The kind of a job whose plan is an `ExtractionPlan`; other kinds: `headstart.jobs.tasks`."""
QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
"""`running` is never stored: it is what the ledger shows of a queued job."""
UNFINISHED = (QUEUED, FAILED, CANCELLED)
"""What may be gone on with, so that its manifest is kept."""

NAMED = 5


@dataclass(frozen=True)
class Job(Showable):
    """Something that workers do.

    Attributes:
        kind: `extract`, or one of `headstart.jobs.tasks`.
        subject: the backbone and its cuts, as somebody asked for them; or the task in words.
        dataset: its name.
        dataset_digest: of the manifest, which no worker looks at the dataset for.
        plan: the `ExtractionPlan`, as JSON has it; or the task's arguments.
        versions: of what computes and decodes, where it was planned; a worker has the same. None of
            a task: whoever can do its plan may.
        state: `queued`, `done`, `failed` or `cancelled`, as it was last written; whether samples
            are being computed is in `ws.jobs.progress`.
        counts: of samples, when a worker last ended; or of steps.
        error: why the last worker that failed did.
        result: what a task gave.
        user: who planned it.
        host: where.
        created_at: when, in UTC.
        updated_at: when it was last opened or closed, in UTC.
        id: its number.
    """

    kind: str
    subject: str
    dataset: str
    dataset_digest: str
    plan: dict[str, Any]
    versions: dict[str, str]
    state: str = QUEUED
    counts: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    result: dict[str, Any] | None = None
    user: str = field(default_factory=user_name)
    host: str = field(default_factory=host_name)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    id: int = 0

    @property
    def is_task(self) -> bool:
        """Whether it is no extraction: one worker does it as a whole."""
        return self.kind != EXTRACT

    @property
    def is_open(self) -> bool:
        """Whether workers may work at it."""
        return self.state == QUEUED

    def _line(self) -> str:
        return f"{self.id}, {self.subject!r} on {self.dataset!r}, {self.state}"


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
        is_lost: it died on this machine, or was not heard of for longer than its lease.
    """

    host: str
    process: int | None
    seconds: float
    heard: float
    claimed: int
    committed: int
    is_lost: bool = False


@outlasting
class JobRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: Job, *, once: bool = False) -> Job:
        """Write down a new job; gives it with its number.

        Args:
            job: that is new.
            once: give the very same one instead, if it is open already, whoever adds it just now.

        Raises:
            NotFound: its dataset was removed meanwhile.
        """
        values = asdict(job)
        for name in ("id", "created_at", "updated_at"):
            del values[name]
        with self._database.writing() as connection:
            if not keep(connection, job.dataset):
                raise NotFound(
                    f"no dataset {job.dataset!r} is registered",
                    hint="Somebody removed it just now.",
                )
            if once and (same := _find_same(connection, job)) is not None:
                return same
            number = next_number(connection, t.jobs)
            # Who adds one at the same time waited there until this could be seen.
            if once and (same := _find_same(connection, job)) is not None:
                return same
            connection.execute(insert(t.jobs).values(id=number, **values))
            facts = {"kind": job.kind, "subject": job.subject, "dataset": job.dataset}
            facts |= {} if job.is_open else {"state": job.state}
            record(connection, "add", "job", str(number), after=facts)
            row = connection.execute(select(t.jobs).where(t.jobs.c.id == number)).one()
            return _to_job(row)

    def get(self, number: int) -> Job:
        """The job of that number.

        Raises:
            NotFound: there is none.
        """
        if not is_held(number, "job"):
            raise _not_found(number)
        with self._database.reading() as connection:
            row = connection.execute(select(t.jobs).where(t.jobs.c.id == number)).first()
        if row is None:
            raise _not_found(number)
        return _to_job(row)

    def find_all(self, states: Sequence[str] = STATES, limit: int | None = None) -> Results[Job]:
        """Jobs, the newest first."""
        query = select(t.jobs).where(t.jobs.c.state.in_(states)).order_by(t.jobs.c.id.desc())
        with self._database.reading() as connection:
            return Results(_to_job(row) for row in connection.execute(query.limit(limit)))

    def find_like(
        self, kind: str, dataset: str, plan: dict[str, Any], states: Sequence[str] = STATES
    ) -> Job | None:
        """The newest of a kind on a dataset with that very plan, whatever the dataset was then."""
        with self._database.reading() as connection:
            found = _find_like(connection, kind, dataset, plan, states)
            return next(found, None)

    def find_documents(self) -> set[str]:
        """sha256 of the files that results of jobs are in."""
        with self._database.reading() as connection:
            found = connection.execute(select(t.jobs.c.result)).scalars()
            return {one["document"] for one in found if one and "document" in one}

    def find_open(self) -> Results[Job]:
        """Those that workers may work at, the oldest first."""
        return Results(reversed(self.find_all((QUEUED,))))

    def change(
        self,
        number: int,
        state: str,
        action: str,
        *,
        out_of: Sequence[str],
        error: str | None = None,
        counts: dict[str, int] | None = None,
        result: dict[str, Any] | None = None,
        as_of: datetime | None = None,
    ) -> bool:
        """Write another state, and an event of it.

        Args:
            number: of the job.
            state: that it is in now.
            action: what was done, for the event.
            out_of: the states in which it may be; in another one nothing is changed.
            error: why, if something failed.
            counts: of its samples; as they were without.
            result: what it gave; as it was without.
            as_of: its `updated_at` when it was looked at; if that is another one by now, somebody
                opened or closed it since, and nothing is changed.

        Returns:
            Whether it was changed: of several that say the same, one is first.
        """
        more: dict[str, Any] = {} if counts is None else {"counts": counts}
        more |= {} if result is None else {"result": result}
        with self._database.writing() as connection:
            chosen = [t.jobs.c.id == number, t.jobs.c.state.in_(out_of)]
            if as_of is not None:
                chosen.append(t.jobs.c.updated_at == as_of)
            was = connection.execute(select(t.jobs.c.state).where(*chosen)).scalar()
            statement = update(t.jobs).where(*chosen).values(state=state, error=error, **more)
            if connection.execute(statement).rowcount != 1:
                return False
            facts = {"state": state} | ({} if error is None else {"error": error})
            record(connection, action, "job", str(number), before={"state": was}, after=facts)
            return True

    def note(self, number: int, error: str | None, counts: dict[str, int]) -> None:
        """Write what a worker that ended says; it is no other job for that, nor opened again."""
        statement = update(t.jobs).where(t.jobs.c.id == number)
        values = {"error": error, "counts": counts, "updated_at": t.jobs.c.updated_at}
        with self._database.writing() as connection:
            connection.execute(statement.values(values))

    def remove(self, number: int) -> Job:
        """Forget a job that nobody may work at, and what was counted of its samples.

        Raises:
            NotFound: there is none of that number.
            StillInUse: workers may work at it.
        """
        chosen = t.jobs.c.id == number
        with self._database.writing() as connection:
            row = connection.execute(select(t.jobs).where(chosen).with_for_update()).first()
            if row is None:
                raise _not_found(number)
            job = _to_job(row)
            if job.is_open:
                raise StillInUse(
                    f"job {number} is {job.state}",
                    hint=f"`headstart job cancel {number}` ends it first.",
                )
            facts = {"subject": job.subject, "dataset": job.dataset, "state": job.state}
            record(connection, "remove", "job", str(number), before=facts)
            connection.execute(delete(t.jobs).where(chosen))
            return job

    def find_tries(self, number: int) -> dict[str, int]:
        """How often something ended workers that had claimed a sample, by its digest; only those
        there are any of. See `registry.leases`."""
        attempts = t.attempts.c
        query = select(attempts.digest, attempts.tries).where(attempts.job == number)
        with self._database.reading() as connection:
            return {row.digest: row.tries for row in connection.execute(query)}

    def forget_tries(self, number: int) -> None:
        """Begin to count anew."""
        job = select(t.jobs.c.id).where(t.jobs.c.id == number)
        with self._database.writing() as connection:
            # Before its attempts, as who counts them does; those are in no order here.
            connection.execute(job.with_for_update(key_share=True))
            connection.execute(delete(t.attempts).where(t.attempts.c.job == number))


def _find_like(
    connection: Connection, kind: str, dataset: str, plan: dict[str, Any], states: Sequence[str]
) -> Iterator[Job]:
    """See `JobRepository.find_like`, the newest first."""
    query = select(t.jobs).where(
        t.jobs.c.kind == kind, t.jobs.c.dataset == dataset, t.jobs.c.state.in_(states)
    )
    rows = connection.execute(query.order_by(t.jobs.c.id.desc()))
    return (_to_job(row) for row in rows if row.plan == plan)


def _find_same(connection: Connection, job: Job) -> Job | None:
    """One that is open, for the dataset as it is for this one."""
    found = _find_like(connection, job.kind, job.dataset, job.plan, (QUEUED,))
    return next((one for one in found if one.dataset_digest == job.dataset_digest), None)


def name_queued(connection: Connection, *, dataset: str = "", backbone: str = "") -> str:
    """The open jobs on a dataset, or of a backbone (`NAME:VERSION`), in words; empty for none."""
    query = select(t.jobs.c.id, t.jobs.c.dataset, t.jobs.c.plan).where(t.jobs.c.state == QUEUED)
    numbers = [
        str(row.id)
        for row in connection.execute(query.order_by(t.jobs.c.id))
        if dataset in ("", row.dataset) and backbone in ("", *_backbones_of(row.plan))
    ]
    if len(numbers) < 2:
        return f"job {numbers[0]} is queued" if numbers else ""
    more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
    return f"jobs {', '.join(numbers[:NAMED])}{more} are queued"


def _backbones_of(plan: Mapping[str, Any]) -> tuple[Any, Any]:
    """The backbone of a job, and that by which its head takes texts, `NAME:VERSION`."""
    head = plan.get("head")
    texts = head.get("text_backbone") if isinstance(head, dict) else None
    return plan.get("backbone"), str(texts).partition("@")[0] if texts else None


def key_of_task(number: int) -> str:
    """What a worker claims that does a job as a whole, in place of a feature key and a sample."""
    return f"job {number}"


def find_holders(
    database: Database, keys: Sequence[str], signs: Signs | None = None
) -> list[Holder]:
    """Who has claimed samples for any of these feature keys.

    Args:
        database: whose clock counts.
        keys: feature keys.
        signs: by which it is seen at once that one on this machine is dead.

    Returns:
        The living and the lost, whose lease has run out, or who died on this machine: what they had
        claimed is taken over by whoever comes next.
    """
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
            now, here = clock(connection), socket.gethostname()[:200]
            return [
                Holder(
                    host=row.owner,
                    process=row.process,
                    seconds=now - (row.granted_at if row.begun_at is None else row.begun_at),
                    heard=now - row.granted_at,
                    claimed=row.claimed,
                    committed=row.committed,
                    is_lost=has_run_out(row.granted_at, row.expires_at, now)
                    or (signs is not None and row.owner == here and signs.is_dead(row.token)),
                )
                for row in connection.execute(query)
            ]

    return database.outlast(attempt)


def _not_found(number: int) -> NotFound:
    return NotFound(f"there is no job {number}", hint="See `headstart job list`.")


def _to_job(row: Row[Any]) -> Job:
    return Job(**row._mapping)
