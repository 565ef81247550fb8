"""Trained heads in SQL, with the metrics and everything they came from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from headstart.errors import NotFound
from headstart.registry import tables as t
from headstart.registry.database import Database
from headstart.registry.entities import Head
from headstart.registry.names import nearest, split_version


class HeadRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, head: Head) -> Head:
        """Insert a head as the next version of its name."""
        with self._database.writing() as connection:
            latest = connection.execute(
                select(func.max(t.heads.c.version)).where(t.heads.c.name == head.name)
            ).scalar()
            values = asdict(head)
            values["version"] = (latest or 0) + 1
            del values["id"], values["created_at"]
            connection.execute(insert(t.heads).values(**values))
            return _get(connection, f"{head.name}:{values['version']}")

    def get(self, reference: str) -> Head:
        """The head of that name (the latest) or `NAME:VERSION`.

        Raises:
            NotFound: there is none.
        """
        with self._database.reading() as connection:
            return _get(connection, reference)

    def find_all(self) -> list[Head]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.heads).order_by(t.heads.c.name, t.heads.c.version))
            return [_to_entity(row) for row in rows]


def _get(connection: Connection, reference: str) -> Head:
    name, version = split_version(reference)
    query = select(t.heads).where(t.heads.c.name == name).order_by(t.heads.c.version.desc())
    if version is not None:
        query = query.where(t.heads.c.version == version)
    row = connection.execute(query.limit(1)).one_or_none()
    if row is None:
        known = connection.execute(select(t.heads.c.name).distinct()).scalars().all()
        raise NotFound(
            f"no head {reference!r} is registered",
            hint=nearest(name, known)
            or "See `headstart head list`, or train one with `headstart head train`.",
        )
    return _to_entity(row)


def _to_entity(row: Row[Any]) -> Head:
    return Head(**row._mapping)
