"""Datasets in SQL: their sources and the digests of their manifests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from headstart.config import CONTENTS
from headstart.errors import AlreadyExists, NotFound
from headstart.paths import below
from headstart.registry import tables as t
from headstart.registry.audit.differences import differences
from headstart.registry.audit.events import record
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database
from headstart.registry.entities import Dataset
from headstart.registry.names import nearest
from headstart.registry.references import reference_of
from headstart.registry.selection import tags
from headstart.registry.selection.tags import Tags

KIND = "dataset"
DEPARTED = "departed"
"""The option that holds where samples stood that are gone: of the machinery, and large."""


@outlasting
class DatasetRepository:
    """Datasets by name.

    The source of one that was given in memory is a file of the workspace: its row holds where it is
    in there, so that the workspace can be moved.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._root = database.config.root

    def add(self, dataset: Dataset) -> Dataset:
        """Insert a dataset; adding the same source under the same name again updates it.

        What is given in memory has no other name: new data of that kind take the place of those
        that were there.

        Raises:
            AlreadyExists: the name is taken by another source.
        """
        dataset = self._within(dataset)
        with self._database.writing() as connection:
            known = _find(connection, dataset.name)
            if known is None:
                connection.execute(insert(t.datasets).values(**_values(dataset)))
                record(connection, "add", KIND, dataset.name, after=_facts(dataset))
            elif _is_same(known, dataset):
                _update(connection, dataset, known)
            else:
                raise taken(known)
            return self._placed(_get(connection, dataset.name))

    def update(self, dataset: Dataset, instead_of: Dataset) -> Dataset | None:
        """Store a new manifest for a registered dataset.

        Args:
            dataset: as it is to be.
            instead_of: as it was when it was looked at.

        Returns:
            What is stored; None, and nothing is, where it is another one by now.
        """
        with self._database.writing() as connection:
            now = _get(connection, dataset.name)
            if (now.digest, now.options) != (instead_of.digest, instead_of.options):
                return None
            _update(connection, self._within(dataset), now)
            return self._placed(_get(connection, dataset.name))

    def set_tags(self, name: str | Dataset, given: Tags) -> Dataset:
        """Set tags, and take those away that are None; see `tags.change`."""
        with self._database.writing() as connection:
            dataset = _get(connection, name)
            tags.change(connection, KIND, dataset.id, dataset.name, given)
            return self._placed(_get(connection, name))

    def get(self, name: str | Dataset) -> Dataset:
        """The dataset of that name.

        Raises:
            NotFound: nothing of that name is registered.
        """
        with self._database.reading() as connection:
            return self._placed(_get(connection, name))

    def get_alone(self, name: str) -> Dataset:
        """As `get`, inside `Database.together`: until that ends, nobody comes to need it who says
        so by `keep`; whoever said so and is not done is waited for.

        Raises:
            NotFound: nothing of that name is registered.
        """
        with self._database.reading() as connection:
            row = select(t.datasets.c.id).where(t.datasets.c.name == name)
            connection.execute(row.with_for_update())
            return self._placed(_get(connection, name))

    def find_all(self) -> list[Dataset]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.datasets).order_by(t.datasets.c.name))
            return [self._placed(_to_entity(connection, row)) for row in rows]

    def find_by_source(self, source: str) -> list[Dataset]:
        """The datasets of one source, the oldest first."""
        with self._database.reading() as connection:
            of = select(t.datasets).where(t.datasets.c.source == self._stored(source))
            rows = connection.execute(of.order_by(t.datasets.c.id))
            return [self._placed(_to_entity(connection, row)) for row in rows]

    def remove(self, name: str) -> Dataset:
        """Forget a dataset; features are kept, as other datasets may share them."""
        with self._database.writing() as connection:
            dataset = _get(connection, name)
            record(connection, "remove", KIND, dataset.name, before=_facts(dataset))
            connection.execute(delete(t.datasets).where(t.datasets.c.name == dataset.name))
            return self._placed(dataset)

    def _within(self, dataset: Dataset) -> Dataset:
        """A dataset as it is stored: its source from the workspace on, if it is of its contents."""
        return replace(dataset, source=self._stored(dataset.source))

    def _stored(self, source: str) -> str:
        folder, _, name = source.rpartition("/")
        return f"{CONTENTS}/{name}" if folder == str(self._root / CONTENTS) else source

    def _placed(self, dataset: Dataset) -> Dataset:
        """A dataset as it is used: its source is where it lies here."""
        if not _is_content(dataset.source):
            return dataset
        return replace(dataset, source=str(below(self._root, dataset.source)))


def taken(known: Dataset) -> AlreadyExists:
    """Of a name that a dataset of another source has."""
    return AlreadyExists(
        f"a dataset {known.name!r} is registered already, from {known.source}",
        hint="Choose another name. If the same data were moved: `headstart dataset "
        f"move {known.name} PATH`; else remove it with `headstart dataset remove`.",
    )


def keep(connection: Connection, name: str) -> bool:
    """Let nobody remove a dataset until this transaction ends, in which something comes to need it;
    says whether it is there. Locked are rows: what is not committed yet, nobody else sees."""
    row = select(t.datasets.c.id).where(t.datasets.c.name == name)
    return connection.execute(row.with_for_update(read=True, key_share=True)).first() is not None


def _is_content(source: str) -> bool:
    """Whether a source as it is stored is a file of the workspace's contents; all others are
    absolute paths or addresses."""
    return source.startswith(f"{CONTENTS}/")


def _is_same(known: Dataset, dataset: Dataset) -> bool:
    """Whether a dataset may take the place of another one of its name."""
    if _is_content(known.source) and _is_content(dataset.source):
        return True
    return (known.kind, known.source) == (dataset.kind, dataset.source)


def _find(connection: Connection, name: str) -> Dataset | None:
    row = connection.execute(select(t.datasets).where(t.datasets.c.name == name)).one_or_none()
    return None if row is None else _to_entity(connection, row)


def _get(connection: Connection, name: str | Dataset) -> Dataset:
    wanted = reference_of(name, "dataset")
    found = _find(connection, wanted)
    if found is None:
        known = connection.execute(select(t.datasets.c.name)).scalars().all()
        raise NotFound(
            f"no dataset {wanted!r} is registered",
            hint=nearest(wanted, known)
            or "See `headstart dataset list`, or add one with `headstart dataset add`.",
        )
    return found


def _update(connection: Connection, dataset: Dataset, known: Dataset) -> None:
    """Store a dataset in the place of one that is known; what changed is written down."""
    before, after = differences(_facts(known), _facts(dataset))
    if before or after:
        record(connection, "change", KIND, dataset.name, before=before, after=after)
    statement = update(t.datasets).where(t.datasets.c.name == dataset.name)
    connection.execute(statement.values(**_values(dataset)))


def _facts(dataset: Dataset) -> dict[str, Any]:
    """What of a dataset is written down beside a change: its samples by their digest."""
    return {
        "source": dataset.source,
        "digest": dataset.digest,
        "manifest": dataset.manifest,
        "samples": dataset.samples,
        "options": {key: value for key, value in dataset.options.items() if key != DEPARTED},
    }


def _values(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "kind": dataset.kind,
        "source": dataset.source,
        "options": dataset.options,
        "digest": dataset.digest,
        "manifest": dataset.manifest,
        "samples": dataset.samples,
        "unique_samples": dataset.unique,
        "classes": dataset.classes,
    }


def _to_entity(connection: Connection, row: Row[Any]) -> Dataset:
    return Dataset(
        id=row.id,
        name=row.name,
        kind=row.kind,
        source=row.source,
        options=row.options,
        digest=row.digest,
        manifest=row.manifest,
        samples=row.samples,
        unique=row.unique_samples,
        classes=row.classes,
        created_at=row.created_at,
        tags=tags.find(connection, KIND, row.id),
    )
