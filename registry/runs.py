"""Extractions and trainings in SQL, with their counts, times and versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert, select

from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.database import Database
from headstart.registry.entities import Run
from headstart.registry.outages import outlasting
from headstart.values.calls import machine
from headstart.values.showable import Results, Showable


@outlasting
class RunRepository(Showable):
    def __init__(self, database: Database) -> None:
        self._database = database

    def _facts(self) -> Results[Run]:
        return self.find_latest()

    def _line(self) -> str:
        return ""

    def add(self, run: Run) -> None:
        """Write a run down, with what it ran on among its versions."""
        values = asdict(run)
        values["versions"] = {**machine(), **run.versions}
        del values["id"], values["created_at"]
        with self._database.writing() as connection:
            connection.execute(insert(t.runs).values(**values))
            if run.kind == "extract" and run.counts.get("computed"):
                facts = {name: run.counts.get(name) for name in ("samples", "computed", "reused")}
                facts |= {"dataset": run.dataset, "status": run.status}
                record(connection, "extract", "features", run.subject, after=facts)

    def find_latest(
        self, kind: str | None = None, subject: str | None = None, limit: int = 20
    ) -> Results[Run]:
        """The last runs, the newest first; of one kind and one subject if they are given."""
        query = select(t.runs).order_by(t.runs.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(t.runs.c.kind == kind)
        if subject is not None:
            query = query.where(t.runs.c.subject == subject)
        with self._database.reading() as connection:
            return Results(Run(**row._mapping) for row in connection.execute(query))

    def find_kinds(self, kinds: Sequence[str]) -> Results[Run]:
        """All runs of some kinds that are done, the oldest first."""
        query = select(t.runs).where(t.runs.c.kind.in_(kinds), t.runs.c.status == "done")
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(t.runs.c.id))
            return Results(Run(**row._mapping) for row in rows)
