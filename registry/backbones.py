"""Backbones and their cut points, aliases and tags in SQL."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from headstart.errors import AlreadyExists, NotFound, StillInUse
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.registry.entities import TEXT_BACKBONE, Backbone, CutPoint
from headstart.registry.jobs import name_queued
from headstart.registry.names import nearest, split_version
from headstart.registry.references import JOINED, reference_of
from headstart.registry.selection import tags
from headstart.registry.selection.tags import Tags

KIND = "backbone"


@outlasting
class BackboneRepository:
    """Reads and writes backbones; a reference is `NAME`, `NAME:VERSION` or an alias."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, backbone: Backbone) -> Backbone:
        """Insert a backbone as the next version of its name.

        The latest version is returned unchanged when it already is the same model with the same
        preprocessing, so that adding twice is harmless.

        Raises:
            AlreadyExists: the name is another backbone's alias.
        """
        with self._database.writing() as connection:
            if _find_id_by_alias(connection, backbone.name) is not None:
                raise AlreadyExists(
                    f"{backbone.name!r} is an alias of a backbone", hint="Choose another name."
                )
            latest = self._find(connection, backbone.name)
            if latest is not None and _is_same(latest, backbone):
                return latest
            version = 1 if latest is None else latest.version + 1
            backbone_id = _insert(connection, replace(backbone, version=version))
            made = self._get(connection, f"{backbone.name}:{version}", backbone_id)
            record(connection, "add", KIND, made.reference, after=_facts(made))
            return made

    def get(self, reference: str | Backbone) -> Backbone:
        """The backbone of that name, version or alias.

        Raises:
            NotFound: nothing of that name is registered.
        """
        with self._database.reading() as connection:
            return self._get(connection, reference)

    def find_all(self) -> list[Backbone]:
        with self._database.reading() as connection:
            ids = select(t.backbones.c.id).order_by(t.backbones.c.name, t.backbones.c.version)
            return [
                self._get(connection, str(id_), id_) for id_ in connection.execute(ids).scalars()
            ]

    def find_same(self, backbone: Backbone) -> list[Backbone]:
        """Those which give the same features from the same cuts, whatever they are called, in the
        order in which they were registered."""
        with self._database.reading() as connection:
            ids = select(t.backbones.c.id).where(
                t.backbones.c.preprocessing_fingerprint == backbone.preprocessing_fingerprint
            )
            found = connection.execute(ids.order_by(t.backbones.c.id)).scalars().all()
            known = (self._get(connection, str(id_), id_) for id_ in found)
            return [one for one in known if _is_same(one, backbone)]

    def set_artifact(self, backbone: Backbone, source: Backbone) -> Backbone:
        """Let the file of another backbone, found to be the same, be the one of this."""
        with self._database.writing() as connection:
            changed = update(t.backbones).where(t.backbones.c.id == backbone.id)
            facts = {"before": _facts(backbone), "after": _facts(replace(source, tags={}))}
            record(connection, "restore", KIND, backbone.reference, **facts)
            connection.execute(
                changed.values(
                    format=source.format,
                    artifact_digest=source.artifact_digest,
                    artifact_size=source.artifact_size,
                    trust=source.trust,
                )
            )
            return self._get(connection, backbone.label, backbone.id)

    def set_alias(self, alias: str, reference: str) -> Backbone:
        """Let `alias` mean this backbone, whatever it meant before.

        Raises:
            AlreadyExists: a backbone has that name.
        """
        with self._database.writing() as connection:
            backbone = self._get(connection, reference)
            taken = select(exists().where(t.backbones.c.name == alias))
            if connection.execute(taken).scalar():
                raise AlreadyExists(f"a backbone is called {alias!r}", hint="Choose another alias.")
            aliases = t.backbone_aliases
            old = self._find(connection, alias)
            before = None if old is None else {"alias": alias, "of": old.reference}
            after = {"alias": alias, "of": backbone.reference}
            record(connection, "alias", KIND, backbone.reference, before=before, after=after)
            connection.execute(delete(aliases).where(aliases.c.alias == alias))
            connection.execute(insert(aliases).values(alias=alias, backbone_id=backbone.id))
            return self._get(connection, reference)

    def set_tags(self, reference: str, given: Tags) -> Backbone:
        """Set tags, and take those away that are None; see `tags.change`."""
        with self._database.writing() as connection:
            backbone = self._get(connection, reference)
            tags.change(connection, KIND, backbone.id, backbone.reference, given)
            return self._get(connection, reference, backbone.id)

    def remove(self, reference: str, *, force: bool = False) -> Backbone:
        """Forget a backbone; its features and heads stay.

        Raises:
            StillInUse: features, heads or queued jobs depend on it and `force` is not given.
        """
        with self._database.writing() as connection:
            backbone = self._get(connection, reference)
            alone = select(t.backbones.c.id).where(t.backbones.c.id == backbone.id)
            connection.execute(alone.with_for_update())  # a head that comes to need it waits
            linked = [
                f"the texts of backbone {one!r}" for one in self._linked(connection, backbone)
            ]
            uses = ", ".join([*linked, *_describe_uses(connection, backbone)])
            if uses and not force:
                raise StillInUse(
                    f"backbone {backbone.label!r} is in use: {uses}",
                    hint="Remove it anyway with --force; features and heads are kept, but can no "
                    "longer be checked, extended or attached, and jobs on it cannot be done.",
                )
            record(connection, "remove", KIND, backbone.reference, before=_facts(backbone))
            connection.execute(delete(t.backbones).where(t.backbones.c.id == backbone.id))
            return backbone

    def _linked(self, connection: Connection, backbone: Backbone) -> list[str]:
        """Names of backbones whose texts are this one's, by their tag."""
        tagged = t.TAGS[KIND].c
        rows = connection.execute(
            select(t.backbones.c.name, tagged.value)
            .join(t.backbones, t.backbones.c.id == tagged.backbone_id)
            .where(tagged.key == TEXT_BACKBONE, tagged.backbone_id != backbone.id)
        )
        return sorted(
            {
                row.name
                for row in rows
                if _find_id(connection, row.value.partition("@")[0]) == backbone.id
            }
        )

    def _get(
        self, connection: Connection, reference: str | Backbone, id_: int | None = None
    ) -> Backbone:
        name = reference_of(reference, "backbone")
        found = self._find(connection, name, id_)
        if found is None:
            known = [
                *connection.execute(select(t.backbones.c.name).distinct()).scalars(),
                *connection.execute(select(t.backbone_aliases.c.alias)).scalars(),
            ]
            raise NotFound(
                f"no backbone {name!r} is registered",
                hint=_spaced(name)
                or nearest(name, known)
                or "See `headstart backbone list`, or add one with `headstart backbone add`.",
            )
        return found

    def _find(
        self, connection: Connection, reference: str, id_: int | None = None
    ) -> Backbone | None:
        id_ = id_ if id_ is not None else _find_id(connection, reference)
        if id_ is None:
            return None
        row = connection.execute(select(t.backbones).where(t.backbones.c.id == id_)).one()
        return _to_entity(connection, row)


def _facts(backbone: Backbone) -> dict[str, Any]:
    """What of a backbone is written down beside a change; trust with who gave it."""
    facts = {
        "source": backbone.source,
        "artifact_digest": backbone.artifact_digest,
        "preprocessing_fingerprint": backbone.preprocessing_fingerprint,
        "licence": backbone.licence,
        "tags": backbone.tags,
        "aliases": list(backbone.aliases),
        "trust": backbone.trust,
    }
    return {name: value for name, value in facts.items() if value}


def _find_id(connection: Connection, reference: str) -> int | None:
    name, version = split_version(reference)
    query = select(t.backbones.c.id).where(t.backbones.c.name == name)
    if version is not None:
        query = query.where(t.backbones.c.version == version)
    found = connection.execute(query.order_by(t.backbones.c.version.desc())).scalars().first()
    return found if found is not None else _find_id_by_alias(connection, reference)


def _find_id_by_alias(connection: Connection, alias: str) -> int | None:
    aliases = t.backbone_aliases
    query = select(aliases.c.backbone_id).where(aliases.c.alias == alias)
    return connection.execute(query).scalar()


def _is_same(one: Backbone, other: Backbone) -> bool:
    """Whether both give the same features from the same cuts; file bytes may differ.

    Zip archives hold times, so two saves of one model have two digests.
    """
    return [(cut.name, cut.fingerprint, cut.is_default, cut.pooling) for cut in one.cuts] == [
        (cut.name, cut.fingerprint, cut.is_default, cut.pooling) for cut in other.cuts
    ] and one.preprocessing_fingerprint == other.preprocessing_fingerprint


def _insert(connection: Connection, backbone: Backbone) -> int:
    statement = insert(t.backbones).values(
        name=backbone.name,
        version=backbone.version,
        source=backbone.source,
        format=backbone.format,
        artifact_digest=backbone.artifact_digest,
        artifact_size=backbone.artifact_size,
        inputs=backbone.inputs,
        parameters=backbone.parameters,
        preprocessing=backbone.preprocessing,
        preprocessing_fingerprint=backbone.preprocessing_fingerprint,
        licence=backbone.licence,
        warnings=list(backbone.warnings),
        trust=backbone.trust,
    )
    (backbone_id,) = connection.execute(statement).inserted_primary_key or (0,)
    connection.execute(
        insert(t.cut_points),
        [
            {
                "backbone_id": backbone_id,
                "position": position,
                "name": cut.name,
                "operation": cut.operation,
                "input": cut.input,
                "shape": list(cut.shape),
                "dtype": cut.dtype,
                "parameters_below": cut.parameters_below,
                "fingerprint": cut.fingerprint,
                "is_default": cut.is_default,
                "is_bottleneck": cut.is_bottleneck,
                "compute_below": cut.compute_below,
                "reason": cut.reason,
                "warning": cut.warning,
                "default_of": list(cut.default_of) or None,
                "mask": cut.mask,
                "pooling": cut.pooling,
            }
            for position, cut in enumerate(backbone.cuts)
        ],
    )
    tags.write(connection, KIND, backbone_id, backbone.tags)
    return backbone_id


def _describe_uses(connection: Connection, backbone: Backbone) -> list[str]:
    """What would be left without its model, in words."""
    sets, cuts = t.feature_sets.c, t.cut_points.c
    own_cuts = select(cuts.fingerprint).where(cuts.backbone_id == backbone.id)
    elsewhere = (
        select(cuts.fingerprint)
        .join(t.backbones, t.backbones.c.id == cuts.backbone_id)
        .where(
            cuts.backbone_id != backbone.id,
            t.backbones.c.preprocessing_fingerprint == backbone.preprocessing_fingerprint,
        )
    )
    rows = connection.execute(
        select(func.coalesce(func.sum(t.shards.c.rows), 0))
        .join(t.feature_sets, sets.id == t.shards.c.feature_set_id)
        .where(
            sets.preprocessing_fingerprint == backbone.preprocessing_fingerprint,
            sets.cut_fingerprint.in_(own_cuts),
            sets.cut_fingerprint.not_in(elsewhere),
        )
    ).scalar_one()
    names = connection.execute(
        select(t.heads.c.name).distinct().where(t.heads.c.backbone_id == backbone.id)
    ).scalars()
    beside = (
        select(t.heads.c.name)
        .distinct()
        .where(t.heads.c.cut.contains(f"{JOINED}{backbone.reference}@", autoescape=True))
    )
    named = t.heads.c.settings["text_backbone"].as_string()
    by_texts = (
        select(t.heads.c.name)
        .distinct()
        .where(named.startswith(f"{backbone.reference}@", autoescape=True))
    )
    found = (connection.execute(query).scalars() for query in (beside, by_texts))
    names = {*names, *chain.from_iterable(found)}
    parts = [f"{rows:,} rows of features"] if rows else []
    parts += [f"head {name!r}" for name in sorted(names)]
    queued = name_queued(connection, backbone=backbone.reference)
    return [*parts, queued] if queued else parts


def _to_entity(connection: Connection, row: Row[Any]) -> Backbone:
    cuts = t.cut_points
    cut_rows = connection.execute(
        select(cuts).where(cuts.c.backbone_id == row.id).order_by(cuts.c.position)
    )
    aliases = t.backbone_aliases
    alias_query = select(aliases.c.alias).where(aliases.c.backbone_id == row.id)
    return Backbone(
        id=row.id,
        name=row.name,
        version=row.version,
        source=row.source,
        format=row.format,
        artifact_digest=row.artifact_digest,
        artifact_size=row.artifact_size,
        inputs=row.inputs,
        parameters=row.parameters,
        preprocessing=row.preprocessing,
        preprocessing_fingerprint=row.preprocessing_fingerprint,
        licence=row.licence,
        warnings=tuple(row.warnings),
        trust=row.trust,
        created_at=row.created_at,
        cuts=tuple(_to_cut(cut) for cut in cut_rows),
        aliases=tuple(sorted(connection.execute(alias_query).scalars())),
        tags=tags.find(connection, KIND, row.id),
    )


def _to_cut(row: Row[Any]) -> CutPoint:
    return CutPoint(
        name=row.name,
        operation=row.operation,
        input=row.input,
        shape=tuple(row.shape),
        dtype=row.dtype,
        parameters_below=row.parameters_below,
        fingerprint=row.fingerprint,
        is_default=row.is_default,
        is_bottleneck=row.is_bottleneck,
        compute_below=row.compute_below,
        reason=row.reason,
        warning=row.warning,
        default_of=tuple(row.default_of or ()),
        mask=row.mask,
        pooling=row.pooling,
    )


def _spaced(name: str) -> str | None:
    """What may have been meant by a name with a `+`, which no name has."""
    if "+" not in name:
        return None
    meant = JOINED.join(part.strip() or "NAME" for part in name.split("+"))
    return f"Put spaces around the + to join features: {meant!r}."
