"""What people say of labels, one after the other: pending until it is applied, or taken back, or
something else was said of the sample."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from headstart.registry import tables as t
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.values.calls import host_name, user_name
from headstart.values.showable import Results, Showable

LABEL, EXCLUDE, KEEP = "label", "exclude", "keep"
ACTIONS = (LABEL, EXCLUDE, KEEP)
"""Another label; the sample is left out; its label is right as it is."""
PENDING, UNDONE, APPLIED, SUPERSEDED = "pending", "undone", "applied", "superseded"
STATES = (PENDING, UNDONE, APPLIED, SUPERSEDED)
"""Superseded: when it was applied, something else had been said of the sample later."""


@dataclass(frozen=True)
class Correction(Showable):
    """What somebody said of one sample.

    Attributes:
        dataset: its name.
        sample: its id.
        digest: of its content.
        action: `label`, `exclude` or `keep`.
        before: its label then.
        after: the label that it is to have, of `label`.
        state: one of `STATES`.
        version: digest of the dataset's version that has it, of what was applied.
        user: who said it.
        host: where.
        created_at: when, in UTC.
        id: its number.
    """

    dataset: str
    sample: str
    digest: str
    action: str
    before: str | int | None
    after: str | int | None = None
    state: str = PENDING
    version: str | None = None
    user: str = field(default_factory=user_name)
    host: str = field(default_factory=host_name)
    created_at: datetime | None = None
    id: int = 0

    def _line(self) -> str:
        what = f"{self.before!r} is {self.after!r}" if self.action == LABEL else self.action
        return f"{self.sample!r} of {self.dataset!r}: {what}, {self.state}"


@outlasting
class CorrectionRepository:
    """The journal; what was said is never changed, only what became of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_all(self, said: Sequence[Correction]) -> list[Correction]:
        """Write down what somebody said, all of it or nothing; gives it with its numbers."""
        values = [_values(one) for one in said]
        adding = insert(t.corrections).returning(t.corrections, sort_by_parameter_order=True)
        with self._database.writing() as connection:
            return [Correction(**row._mapping) for row in connection.execute(adding, values)]

    def find(
        self,
        dataset: str | None = None,
        states: Collection[str] = STATES,
        limit: int | None = None,
    ) -> Results[Correction]:
        """What was said, the newest first.

        Args:
            dataset: of one; of all without it.
            states: what became of it.
            limit: at most so many.
        """
        columns = t.corrections.c
        query = select(t.corrections).where(columns.state.in_(states))
        if dataset is not None:
            query = query.where(columns.dataset == dataset)
        query = query.order_by(columns.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return Results(Correction(**row._mapping) for row in connection.execute(query))

    def mark(self, numbers: Sequence[int], state: str, version: str | None = None) -> int:
        """Say what became of what is pending; gives of how many.

        Args:
            numbers: of them.
            state: any but `pending`.
            version: see `Correction`.
        """
        columns, changed = t.corrections.c, 0
        with self._database.writing() as connection:
            for start in range(0, len(numbers), AT_ONCE):
                own = columns.id.in_(numbers[start : start + AT_ONCE])
                change = update(t.corrections).where(own, columns.state == PENDING)
                done = connection.execute(change.values(state=state, version=version))
                changed += done.rowcount
        return changed


def _values(said: Correction) -> dict[str, Any]:
    values = asdict(said)
    del values["id"], values["created_at"]
    return values


AT_ONCE = 500
"""Numbers in a statement; SQLite takes some thousands."""
