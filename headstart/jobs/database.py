"""`db upgrade`, `db current`: the schema of a workspace's database."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.config import Config
from headstart.registry import schema
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Upgraded(Showable):
    """At which schema the database was, None where there was none, and is."""

    before: str | None
    after: str


@dataclass(frozen=True)
class SchemaState(Showable):
    """At which schema the database is, None where there is none, and which one this code needs."""

    current: str | None
    needed: str


def upgrade(config: Config) -> Upgraded:
    """Bring the database to this code's schema."""
    before = schema.current(config)
    return Upgraded(before, schema.upgrade(config))


def current(config: Config) -> SchemaState:
    """Say at which schema it is; nothing is changed."""
    return SchemaState(schema.current(config), schema.HEAD)
