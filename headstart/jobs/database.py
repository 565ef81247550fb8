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
    from headstart.registry.audit import identity

    identity.check(config)
    before = schema.current(config)
    after = schema.upgrade(config)
    identity.claim(config)
    return Upgraded(before, after)


def prepare(config: Config, *, is_new: bool) -> Config:
    """As `upgrade`, for `init`; gives the settings, with the UUID that both carry.

    Args:
        config: of the workspace.
        is_new: it was made just now: the database must not be anybody's yet.

    Raises:
        ForeignDatabase: it is another workspace's; nothing in it was changed.
    """
    from headstart.registry.audit import identity

    (identity.check_new if is_new else identity.check)(config)
    schema.upgrade(config)
    return identity.claim(config)


def check(config: Config) -> None:
    """Refuse a database that this code cannot use, or that is another workspace's."""
    from headstart.registry.audit import identity

    schema.check_there(config)
    schema.check(lambda: schema.current(config))
    identity.check(config)


def current(config: Config) -> SchemaState:
    """Say at which schema it is; nothing is changed."""
    return SchemaState(schema.current(config), schema.HEAD)
