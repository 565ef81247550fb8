"""Extractions and trainings in SQL, with their counts, times and versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, insert, select

from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.registry.entities import Run
from headstart.registry.selection.age import Age, Pruned
from headstart.values.calls import machine
from headstart.values.showable import Results, Showable

EXTRACT = "extract"


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
            if run.kind == EXTRACT and run.counts.get("computed"):
                facts = {name: run.counts.get(name) for name in ("samples", "computed", "reused")}
                facts |= {"dataset": run.dataset, "status": run.status}
                record(connection, EXTRACT, "features", run.subject, after=facts)

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

    def prune(
        self,
        *,
        keep: int | None = None,
        older: str | datetime | None = None,
        apply: bool = False,
    ) -> Pruned:
        """Forget old extractions; says which those are, and removes nothing, without `apply`. What
        `headstart stats` says is of those that are left. Other runs stay: they say how often test
        samples were looked at, what was verified, converted and removed.

        Args:
            keep: how many of the newest stay in any case.
            older: those of after that stay, too: a moment, or such as `90d`.
            apply: remove them.

        Raises:
            InvalidValue: neither `keep` nor `older` is given, or one cannot be that.
        """
        age, runs = Age.read(keep, older), t.runs.c
        query = select(runs.id, runs.created_at).where(runs.kind == EXTRACT)
        with self._database.writing() if apply else self._database.reading() as connection:
            rows = connection.execute(query.order_by(runs.id.desc())).all()
            old = age.old(rows, lambda row: row.created_at)
            if apply and old:
                before = None if age.before is None else age.before.isoformat()
                facts = {"runs": len(old), "kept": age.keep, "from_before": before}
                record(connection, "prune", "runs", EXTRACT, before=facts)
                for row in old:
                    connection.execute(delete(t.runs).where(runs.id == row.id))
        return Pruned("run", tuple(str(row.id) for row in old), is_applied=apply)
