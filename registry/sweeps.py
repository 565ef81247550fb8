"""Sweeps and their trials in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from sqlalchemy import func, insert, select

from headstart.errors import NotFound
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.database import Database
from headstart.registry.entities import KeptSweep, SweepRecord, TrialRecord, TriedSweep
from headstart.registry.outages import outlasting
from headstart.values.showable import Results, Showable


@outlasting
class SweepRepository(Showable):
    def __init__(self, database: Database) -> None:
        self._database = database

    def _facts(self) -> Results[KeptSweep]:
        return self.find_all()

    def _line(self) -> str:
        return "find_all() lists the sweeps, get(ID) gives the trials of one"

    def add(self, sweep: SweepRecord, trials: Sequence[TrialRecord]) -> SweepRecord:
        """Keep a sweep and its trials, from the best down; gives it with its number."""
        values = asdict(sweep)
        del values["id"], values["created_at"]
        with self._database.writing() as connection:
            made = connection.execute(insert(t.sweeps).values(**values).returning(t.sweeps.c.id))
            id_ = made.scalar_one()
            rows = [
                {"sweep_id": id_, "place": place, **asdict(trial)}
                for place, trial in enumerate(trials, start=1)
            ]
            connection.execute(insert(t.trials), rows)
            facts = {"dataset": sweep.dataset, "dataset_digest": sweep.dataset_digest}
            record(connection, "add", "sweep", str(id_), after={**facts, "trials": len(rows)})
        return replace(sweep, id=id_)

    def find_all(self) -> Results[KeptSweep]:
        """The sweeps, the newest first: each with the number of its trials, and its best."""
        counts = select(t.trials.c.sweep_id, func.count().label("trials")).group_by(
            t.trials.c.sweep_id
        )
        with self._database.reading() as connection:
            number = {row.sweep_id: row.trials for row in connection.execute(counts)}
            best = {
                row.sweep_id: _to_trial(row)
                for row in connection.execute(select(t.trials).where(t.trials.c.place == 1))
            }
            found = connection.execute(select(t.sweeps).order_by(t.sweeps.c.id.desc()))
            return Results(
                KeptSweep(SweepRecord(**row._mapping), number[row.id], best[row.id])
                for row in found
            )

    def get(self, id_: int) -> TriedSweep:
        """A sweep and its trials, from the best down.

        Raises:
            NotFound: there is none of that number.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(t.sweeps).where(t.sweeps.c.id == id_)).one_or_none()
            if row is None:
                raise NotFound(f"no sweep {id_}", hint="See `headstart head sweeps`.")
            query = select(t.trials).where(t.trials.c.sweep_id == id_).order_by(t.trials.c.place)
            trials = Results(_to_trial(one) for one in connection.execute(query))
            return TriedSweep(SweepRecord(**row._mapping), trials)


def _to_trial(row: object) -> TrialRecord:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    del values["sweep_id"], values["place"]
    return TrialRecord(**values)
