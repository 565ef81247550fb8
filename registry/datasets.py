"""Datasets in SQL: their sources and the digests of their manifests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from headstart.errors import AlreadyExists, NotFound
from headstart.registry import tables as t
from headstart.registry.database import Database
from headstart.registry.entities import Dataset
from headstart.registry.names import nearest
from headstart.registry.outages import outlasting
from headstart.registry.references import reference_of


@outlasting
class DatasetRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, dataset: Dataset) -> Dataset:
        """Insert a dataset; adding the same source under the same name again updates it.

        Raises:
            AlreadyExists: the name is taken by another source.
        """
        with self._database.writing() as connection:
            known = _find(connection, dataset.name)
            if known is None:
                connection.execute(insert(t.datasets).values(**_values(dataset)))
            elif (known.kind, known.source) == (dataset.kind, dataset.source):
                _update(connection, dataset)
            else:
                raise AlreadyExists(
                    f"a dataset {dataset.name!r} is registered already, from {known.source}",
                    hint="Choose another name, or remove it with `headstart dataset remove`.",
                )
            return _get(connection, dataset.name)

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
            _update(connection, dataset)
            return _get(connection, dataset.name)

    def get(self, name: str | Dataset) -> Dataset:
        """The dataset of that name.

        Raises:
            NotFound: nothing of that name is registered.
        """
        with self._database.reading() as connection:
            return _get(connection, name)

    def find_all(self) -> list[Dataset]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.datasets).order_by(t.datasets.c.name))
            return [_to_entity(row) for row in rows]

    def find_by_source(self, source: str) -> list[Dataset]:
        """The datasets of one source, the oldest first."""
        with self._database.reading() as connection:
            of = select(t.datasets).where(t.datasets.c.source == source)
            return [_to_entity(row) for row in connection.execute(of.order_by(t.datasets.c.id))]

    def remove(self, name: str) -> Dataset:
        """Forget a dataset; features are kept, as other datasets may share them."""
        with self._database.writing() as connection:
            dataset = _get(connection, name)
            connection.execute(delete(t.datasets).where(t.datasets.c.name == dataset.name))
            return dataset


def _find(connection: Connection, name: str) -> Dataset | None:
    row = connection.execute(select(t.datasets).where(t.datasets.c.name == name)).one_or_none()
    return None if row is None else _to_entity(row)


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


def _update(connection: Connection, dataset: Dataset) -> None:
    statement = update(t.datasets).where(t.datasets.c.name == dataset.name)
    connection.execute(statement.values(**_values(dataset)))


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


def _to_entity(row: Row[Any]) -> Dataset:
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
    )
