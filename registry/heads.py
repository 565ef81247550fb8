"""Trained heads in SQL, with the metrics and everything they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, case, delete, exists, func, insert, null, select, update

from headstart.errors import AlreadyExists, NotFound
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.registry.datasets import keep
from headstart.registry.entities import Backbone, Head
from headstart.registry.names import nearest, split_version
from headstart.registry.references import reference_of
from headstart.registry.selection import tags
from headstart.registry.selection.tags import Tags

REMOVED = "remove"
"""The kind of the run that says that a head was removed."""


class HeadLine(NamedTuple):
    """What is asked of all heads at once: which they are, and on which samples they were scored.

    Attributes:
        id: its number; later heads have larger ones.
        name: without its version.
        version: from 1.
        dataset: its name.
        dataset_digest: of what was in it.
        artifact_digest: of its file: a head that was imported twice has one.
        tested_on: which test samples its scores are of; None of heads of before that was recorded.
    """

    id: int
    name: str
    version: int
    dataset: str
    dataset_digest: str
    artifact_digest: str
    tested_on: str | None

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.version}"


KIND = "head"


@outlasting
class HeadRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, head: Head, given: Tags | None = None) -> Head:
        """Insert a head as the next version of its name, with the tags that were given.

        Raises:
            AlreadyExists: the name is another head's alias.
        """
        with self._database.writing() as connection:
            if _find_alias(connection, head.name) is not None:
                raise AlreadyExists(
                    f"{head.name!r} is an alias of a head", hint="Choose another name."
                )
            keep(connection, head.dataset)
            values = {field.name: getattr(head, field.name) for field in fields(head)}
            values["version"] = _latest(connection, head.name) + 1
            del values["id"], values["created_at"], values["aliases"], values["tags"]
            connection.execute(insert(t.heads).values(**values))
            named = f"{head.name}:{values['version']}"
            made = _get(connection, named)
            record(connection, "add", KIND, named, after=_facts(made))
            if not given:
                return made
            tags.change(connection, KIND, made.id, named, given)
            return _get(connection, named)

    def get(self, reference: str) -> Head:
        """The head of that name (the latest), `NAME:VERSION`, or alias.

        Raises:
            NotFound: there is none.
        """
        with self._database.reading() as connection:
            return _get(connection, reference)

    def find_all(self) -> list[Head]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.heads).order_by(t.heads.c.name, t.heads.c.version))
            return [_to_entity(connection, row) for row in rows]

    def find_lines(self) -> list[HeadLine]:
        """Which heads there are: their metrics, megabytes with a thousand classes, stay in the
        database."""
        heads = t.heads.c
        with self._database.reading() as connection:
            key = heads.metrics["tested_on"].as_string()
            if connection.dialect.name == "sqlite":  # which reads no NaN, as heads of before may
                key = case((func.json_valid(heads.metrics) == 1, key), else_=null())
            columns = heads.id, heads.name, heads.version, heads.dataset, heads.dataset_digest
            query = select(*columns, heads.artifact_digest, key.label("tested_on")).order_by(
                heads.name, heads.version
            )
            return [HeadLine(*row) for row in connection.execute(query)]

    def remove(self, heads: Sequence[Head]) -> list[str]:
        """Forget heads, their aliases with them; gives `NAME:VERSION` of those that were there.

        Their files are left to `features gc`. A run says that they were removed, so that no other
        head gets such a name and version: what was recorded of them is of them for ever.
        """
        gone = []
        with self._database.writing() as connection:
            for head in heads:
                aliases = _aliases_of(connection, head.id)
                found = connection.execute(delete(t.heads).where(t.heads.c.id == head.id))
                if not found.rowcount:
                    continue
                name = f"{head.name}:{head.version}"
                known = {"kind": REMOVED, "subject": name, "dataset": head.dataset}
                how = {"status": "done", "counts": {}, "seconds": 0.0, "versions": {}}
                connection.execute(insert(t.runs).values(**known, **how))
                facts = _facts(head) | ({"aliases": aliases} if aliases else {})
                facts |= {"tags": head.tags} if head.tags else {}
                record(connection, "remove", KIND, name, before=facts)
                gone.append(name)
        return gone

    def set_backbone(self, head: Head, backbone: Backbone) -> None:
        """Say that a head is on this backbone, which gives the features of its key."""
        with self._database.writing() as connection:
            changed = update(t.heads).where(t.heads.c.id == head.id)
            record(
                connection,
                "relink",
                KIND,
                f"{head.name}:{head.version}",
                before={"backbone": head.backbone},
                after={"backbone": backbone.reference},
            )
            connection.execute(changed.values(backbone_id=backbone.id, backbone=backbone.reference))

    def set_tags(self, reference: str, given: Tags) -> Head:
        """Set tags, and take those away that are None; see `tags.change`."""
        with self._database.writing() as connection:
            head = _get(connection, reference)
            tags.change(connection, KIND, head.id, f"{head.name}:{head.version}", given)
            return _get(connection, reference)

    def set_alias(self, alias: str, reference: str) -> Head:
        """Let `alias` mean this head, whatever it meant before.

        Raises:
            AlreadyExists: a head has that name.
        """
        with self._database.writing() as connection:
            head = _get(connection, reference)
            taken = select(exists().where(t.heads.c.name == alias))
            if connection.execute(taken).scalar():
                raise AlreadyExists(f"a head is called {alias!r}", hint="Choose another alias.")
            aliases = t.head_aliases
            own, before = f"{head.name}:{head.version}", None
            if _find_alias(connection, alias) is not None:
                old = _get(connection, alias)
                before = {"alias": alias, "of": f"{old.name}:{old.version}"}
            after = {"alias": alias, "of": own}
            record(connection, "alias", KIND, own, before=before, after=after)
            connection.execute(delete(aliases).where(aliases.c.alias == alias))
            connection.execute(insert(aliases).values(alias=alias, head_id=head.id))
            return _get(connection, reference)


def _facts(head: Head) -> dict[str, Any]:
    names = ("kind", "backbone", "cut", "dataset", "dataset_digest", "artifact_digest")
    return {name: getattr(head, name) for name in names}


def _latest(connection: Connection, name: str) -> int:
    """The latest version that a name had, of heads that are no more as well; 0 of a new one."""
    heads, runs = t.heads.c, t.runs.c
    known = connection.execute(select(func.max(heads.version)).where(heads.name == name)).scalar()
    removed = connection.execute(
        select(runs.subject).where(
            runs.kind == REMOVED, runs.subject.startswith(f"{name}:", autoescape=True)
        )
    ).scalars()
    return max([known or 0, *(split_version(one)[1] or 0 for one in removed)])


def _find_alias(connection: Connection, alias: str) -> int | None:
    aliases = t.head_aliases
    query = select(aliases.c.head_id).where(aliases.c.alias == alias)
    return connection.execute(query).scalar()


def _get(connection: Connection, reference: str) -> Head:
    reference = reference_of(reference, "head")
    name, version = split_version(reference)
    query = select(t.heads).where(t.heads.c.name == name).order_by(t.heads.c.version.desc())
    if version is not None:
        query = query.where(t.heads.c.version == version)
    row = connection.execute(query.limit(1)).one_or_none()
    if row is None and (id_ := _find_alias(connection, reference)) is not None:
        row = connection.execute(select(t.heads).where(t.heads.c.id == id_)).one()
    if row is None:
        known = [
            *connection.execute(select(t.heads.c.name).distinct()).scalars(),
            *connection.execute(select(t.head_aliases.c.alias)).scalars(),
        ]
        raise NotFound(
            f"no head {reference!r} is registered",
            hint=_hint_of_others(connection, name)
            or nearest(name, known)
            or "See `headstart head list`, or train one with `headstart head train`.",
        )
    return _to_entity(connection, row)


def _hint_of_others(connection: Connection, name: str) -> str | None:
    """What to do where the name of a head is that of something else, as of swapped arguments."""
    for what, other in (("dataset", t.datasets), ("backbone", t.backbones)):
        if connection.execute(select(exists().where(other.c.name == name))).scalar():
            return f"{name!r} is a {what}, where a head is wanted: the head comes first."
    return None


def _to_entity(connection: Connection, row: Row[Any]) -> Head:
    aliases = tuple(_aliases_of(connection, row.id))
    return Head(**row._mapping, aliases=aliases, tags=tags.find(connection, KIND, row.id))


def _aliases_of(connection: Connection, head_id: int | None) -> list[str]:
    aliases = t.head_aliases
    query = select(aliases.c.alias).where(aliases.c.head_id == head_id).order_by(aliases.c.alias)
    return [*connection.execute(query).scalars()]
