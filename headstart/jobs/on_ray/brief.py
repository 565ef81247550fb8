"""What the processes of a job that are actors are told, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from headstart.config import Config, load_config
from headstart.context import Context
from headstart.errors import RegistryError, WorkspaceError, WorkspaceNotFound
from headstart.extractors.run.report import Report
from headstart.jobs import database
from headstart.storage.shard_store import ShardStore
from headstart.values.calls import host_name


@dataclass(frozen=True)
class Place:
    """Where the work is done for: what processes on other machines open.

    Attributes:
        root: the workspace's folder, the same on all machines.
        workspace: its UUID.
        host: of whom they were started by; where the database is SQLite, all are there.
        store: of shards, where the workspace was opened with one that is not its own.
    """

    root: Path
    workspace: str | None
    host: str
    store: ShardStore | None = field(default=None, compare=False)

    @classmethod
    def of(cls, context: Context) -> Place:
        """That of a workspace that is open here."""
        config = context.config
        return cls(config.root, config.id, host_name(), context.given_store)

    def open(self) -> Context:
        """The workspace, as it is on this machine.

        Raises:
            WorkspaceError: it is not to be seen here, or another one is.
            RegistryError: its database is SQLite, and this is another machine.
        """
        here = host_name()
        try:
            config = load_config(self.root)
        except WorkspaceNotFound as error:
            raise WorkspaceNotFound(
                f"{here} does not see the workspace's folder {self.root}",
                hint="Mount it at the same place on every node.",
            ) from error
        if config.id != self.workspace:
            raise WorkspaceError(
                f"{self.root} on {here} is another workspace ({config.id}) than on {self.host} "
                f"({self.workspace})",
                hint="Mount the same folder at the same place on every node.",
            )
        refuse_sqlite_between(config, [self.host, here])
        database.check(config)
        return Context(config, self.store)


@dataclass(frozen=True)
class Brief:
    """What a supervisor and its workers are told.

    Attributes:
        place: what they open.
        job: its number.
        workers: how many.
        cores: that each computes with.
        gpus: that each has.
    """

    place: Place
    job: int
    workers: int
    cores: int
    gpus: float = 0.0

    @property
    def name(self) -> str:
        """Of the supervisor."""
        return f"job-{self.job}"

    @property
    def namespace(self) -> str:
        """Of all actors of a workspace."""
        return f"headstart-{self.place.workspace or self.place.root}"


@dataclass(frozen=True)
class Said:
    """What a worker says when it is asked.

    Attributes:
        host: the name of its machine.
        process: its number there.
        has_left: it works no more.
        error: why, where it did not get to the end of the job.
        is_lost: the error is one after which a process is of no use, and another may be.
        reports: of what it did.
    """

    host: str
    process: int
    has_left: bool = False
    error: str | None = None
    is_lost: bool = False
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True)
class Status:
    """What a supervisor says when it is asked.

    Attributes:
        waiting: workers that have not begun, as there is no room for them.
        working: workers that are at it.
        is_over: nobody works any more, and nobody will.
        notes: what happened that somebody may want to know, in order.
        reports: of what the workers did that have left.
    """

    waiting: int
    working: int
    is_over: bool
    notes: tuple[str, ...]
    reports: tuple[Report, ...]


def refuse_sqlite_between(config: Config, hosts: list[str]) -> None:
    """See that machines can share the database.

    Raises:
        RegistryError: they are several, and it is SQLite, whose locks and log are one machine's.
    """
    if config.sqlite_file is not None and len(set(hosts)) > 1:
        raise RegistryError(
            f"the workspace's database is SQLite, which is for one machine, and this is about "
            f"{len(set(hosts))}: {', '.join(sorted(set(hosts))[:5])}",
            hint="Make a workspace on PostgreSQL: `headstart init --database-url-file FILE`.",
        )
