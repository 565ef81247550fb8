"""Sweeps and their trials in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from headstart.errors import NotFound
from headstart.registry import listing
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.registry.entities import KeptSweep, SweepRecord, TrialRecord, TriedSweep
from headstart.registry.numbers import is_held, next_number
from headstart.registry.selection import tags
from headstart.registry.selection.age import Age, Pruned
from headstart.registry.selection.fields import NO_SCORE
from headstart.registry.selection.tags import Tags
from headstart.registry.selection.words import Selection, checked_tags
from headstart.values.showable import Results, Showable

KIND = "sweep"
SCORES = ("accuracy", "accuracy_low", "accuracy_high", "log_loss")


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
        del values["id"], values["created_at"], values["tags"]
        with self._database.writing() as connection:
            id_ = next_number(connection, t.sweeps)
            connection.execute(insert(t.sweeps).values(id=id_, **values))
            rows = [
                {"sweep_id": id_, "place": place, **_with_each_score(asdict(trial))}
                for place, trial in enumerate(trials, start=1)
            ]
            connection.execute(insert(t.trials), rows)
            facts = {"dataset": sweep.dataset, "dataset_digest": sweep.dataset_digest}
            record(connection, "add", KIND, str(id_), after={**facts, "trials": len(rows)})
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
                KeptSweep(_to_record(connection, row), number[row.id], best[row.id])
                for row in found
            )

    def list(
        self,
        filter: str | Sequence[str] = (),
        sort: str | None = None,
        limit: int | None = None,
    ) -> Results[KeptSweep]:
        """As `find_all`, of those that are meant, as `ws.heads.list` takes it: `id`, `dataset`,
        `heads`, `seconds`, `created_at`, tags, and `features`, `kind`, `accuracy` and `log_loss` of
        the best trial.

        Raises:
            InvalidValue: there is no such field, or it is not compared so.
        """
        selection = Selection.read(filter, sort, limit)
        known = {one.sweep.id: one for one in self.find_all()}
        rows = listing.sweeps(self._database.config, selection)
        return Results(known[row["id"]] for row in rows if row["id"] in known)

    def get(self, id_: int) -> TriedSweep:
        """A sweep and its trials, from the best down.

        Raises:
            NotFound: there is none of that number.
        """
        with self._database.reading() as connection:
            row = _get(connection, id_)
            query = select(t.trials).where(t.trials.c.sweep_id == id_).order_by(t.trials.c.place)
            trials = Results(_to_trial(one) for one in connection.execute(query))
            return TriedSweep(_to_record(connection, row), trials)

    def prune(
        self,
        *,
        keep: int | None = None,
        older: str | datetime | None = None,
        apply: bool = False,
    ) -> Pruned:
        """Forget old sweeps with their trials; says which those are, and removes nothing, without
        `apply`. Heads that were trained from them stay.

        Args:
            keep: how many of the newest stay in any case.
            older: those of after that stay, too: a moment, or such as `90d`.
            apply: remove them.

        Raises:
            InvalidValue: neither `keep` nor `older` is given, or one cannot be that.
        """
        age = Age.read(keep, older)
        with self._database.writing() if apply else self._database.reading() as connection:
            rows = connection.execute(select(t.sweeps).order_by(t.sweeps.c.id.desc())).all()
            old = age.old(rows, lambda row: row.created_at)
            for row in old if apply else ():
                facts = {"dataset": row.dataset, "dataset_digest": row.dataset_digest}
                facts |= {"heads": row.heads, "tags": tags.find(connection, KIND, row.id)}
                record(connection, "remove", KIND, str(row.id), before=facts)
                connection.execute(delete(t.sweeps).where(t.sweeps.c.id == row.id))
        return Pruned(KIND, tuple(str(row.id) for row in old), is_applied=apply)

    def tag(self, id_: int, tags: Tags) -> TriedSweep:
        """Set tags of a sweep, and take those away that are None.

        Raises:
            InvalidValue: a key or value cannot be one.
            NotFound: there is no such sweep; or a tag that is to be taken away is not there.
        """
        return self.set_tags(id_, checked_tags(tags))

    def set_tags(self, id_: int, given: Tags) -> TriedSweep:
        """Set tags, and take those away that are None; see `tags.change`."""
        with self._database.writing() as connection:
            tags.change(connection, KIND, _get(connection, id_).id, str(id_), given)
        return self.get(id_)


def _get(connection: Connection, id_: int) -> Row[Any]:
    query = select(t.sweeps).where(t.sweeps.c.id == id_)
    row = connection.execute(query).one_or_none() if is_held(id_, "sweep") else None
    if row is None:
        raise NotFound(f"no sweep {id_}", hint="See `headstart head sweeps`.")
    return row


def _to_record(connection: Connection, row: Row[Any]) -> SweepRecord:
    return SweepRecord(**row._mapping, tags=tags.find(connection, KIND, row.id))


def _to_trial(row: object) -> TrialRecord:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    del values["sweep_id"], values["place"]
    values |= {name: None for name in SCORES if values[name] == NO_SCORE}
    return TrialRecord(**values)


def _with_each_score(values: dict[str, Any]) -> dict[str, Any]:
    return values | {name: NO_SCORE for name in SCORES if values[name] is None}
