"""Feature sets, their shards, and samples that could not be read, in SQL.

The row of a shard is the only truth: a file without a row does not exist for readers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from headstart.errors import NotFound, RegistryError
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.audit.glimpse import USED_EVERY
from headstart.registry.connection.outages import outlasting
from headstart.registry.database import Database, insert_new
from headstart.registry.entities import Failure, FeatureSet, Shard
from headstart.registry.leases import Claimed, count_committed, give_back

COMMITTED = "committed"
QUARANTINED = "quarantined"


@outlasting
class FeatureRepository:
    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_set(self, feature_set: FeatureSet) -> FeatureSet:
        """The registered feature set of this key; inserted if it is new."""
        with self._database.writing() as connection:
            found = _find_set(connection, feature_set.key)
            if found is None:
                values = asdict(feature_set)
                values["feature_key"] = values.pop("key")
                values["shape"] = list(feature_set.shape)
                del values["id"], values["created_at"]
                insert_new(connection, t.feature_sets, values)
                found = _find_set(connection, feature_set.key)
            assert found is not None
            return found

    def find_set(self, key: str) -> FeatureSet | None:
        with self._database.reading() as connection:
            return _find_set(connection, key)

    def get_set(self, key: str) -> FeatureSet:
        """The feature set whose key begins so.

        Raises:
            NotFound: no key, or more than one, begins so.
        """
        with self._database.reading() as connection:
            query = select(t.feature_sets).where(
                t.feature_sets.c.feature_key.startswith(key, autoescape=True)
            )
            rows = connection.execute(query.limit(2)).all()
        if len(rows) != 1:
            raise NotFound(
                f"{'no' if not rows else 'more than one'} feature key begins with {key!r}",
                hint="See `headstart features list`.",
            )
        return _to_set(rows[0])

    def find_sets(self) -> list[FeatureSet]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.feature_sets).order_by(t.feature_sets.c.id))
            return [_to_set(row) for row in rows]

    def find_files(self, feature_set_id: int) -> set[str]:
        """The names of the committed shards of a feature set; of very many, nothing else is
        fetched by whoever knows most of them."""
        query = select(t.shards.c.file).where(
            t.shards.c.feature_set_id == feature_set_id, t.shards.c.status == COMMITTED
        )
        with self._database.reading() as connection:
            return set(connection.execute(query).scalars())

    def find_named(self, files: Collection[str]) -> set[str]:
        """Those of some files that a row names, whatever its status: they are not to be deleted."""
        query = select(t.shards.c.file).where(t.shards.c.file.in_(files))
        with self._database.reading() as connection:
            return set(connection.execute(query).scalars())

    def find_shards(
        self,
        feature_set_id: int | None,
        status: str | None = COMMITTED,
        files: Collection[str] | None = None,
    ) -> list[Shard]:
        """The shards of a feature set, oldest first; those of any status if that is None, and only
        some if `files` names them."""
        query = (
            select(t.shards)
            .where(t.shards.c.feature_set_id == feature_set_id)
            .order_by(t.shards.c.created_at, t.shards.c.shard_id)
        )
        if status is not None:
            query = query.where(t.shards.c.status == status)
        if files is not None:
            query = query.where(t.shards.c.file.in_(files))
        with self._database.reading() as connection:
            return [_to_shard(row) for row in connection.execute(query)]

    def commit_shards(
        self,
        shards: Sequence[Shard],
        *,
        claimed: Claimed | None = None,
        instead_of: Sequence[Shard] = (),
        confirm: Callable[[], object] | None = None,
    ) -> list[Shard]:
        """Insert the rows of shards whose files are on disk, in one transaction.

        Args:
            shards: what was written.
            claimed: the samples that were claimed for them, which are given back.
            instead_of: shards whose rows are all in the new ones, and which are forgotten.
            confirm: sees, within the transaction, that nobody collected the shards meanwhile.

        Returns:
            The shards that another process had committed before (their own file is now the
            truth, so the one just written can go). Committing twice is harmless.

        Raises:
            LeaseLost: the claims, or the hold, are no longer this process's; nothing was committed.
            RegistryError: one of `instead_of` is not there any more; nothing was committed.
        """
        already: list[Shard] = []
        with self._database.together(), self._database.writing() as connection:
            if confirm is not None:
                confirm()
            if claimed is not None:
                count_committed(connection, claimed)  # first: the lease is locked before its claims
                give_back(connection, claimed)
            _forget(connection, instead_of)
            for shard in shards:
                values = _shard_values(shard)
                if not insert_new(connection, t.shards, values):
                    # If it was quarantined, this is its second file; else another was faster.
                    again = update(t.shards).where(
                        t.shards.c.shard_id == shard.shard_id, t.shards.c.status == QUARANTINED
                    )
                    if connection.execute(again.values(**values)).rowcount == 0:
                        # Or it is this very file, which `reindex` found before its row was there.
                        own = select(t.shards.c.file).where(t.shards.c.file == shard.file)
                        if connection.execute(own).first() is None:
                            already.append(shard)
        return already

    def find_all_shards(self) -> list[Shard]:
        """The shards of all feature sets, those put aside too."""
        with self._database.reading() as connection:
            return [_to_shard(row) for row in connection.execute(select(t.shards))]

    def remove_shards(self, shards: Sequence[Shard]) -> None:
        """Forget shards; their files may be deleted afterwards."""
        with self._database.writing() as connection:
            for shard in shards:
                chosen = (t.shards.c.shard_id == shard.shard_id, t.shards.c.file == shard.file)
                connection.execute(delete(t.shards).where(*chosen))

    def remove_set(self, feature_set: FeatureSet) -> None:
        """Forget a feature set and its shards; their files may be deleted afterwards."""
        with self._database.writing() as connection:
            sets = t.feature_sets
            facts = {"backbone": feature_set.backbone, "cut": feature_set.cut}
            record(connection, "remove", "features", feature_set.key, before=facts)
            connection.execute(delete(sets).where(sets.c.feature_key == feature_set.key))

    def forget(
        self,
        feature_set: FeatureSet | None,
        shards: Sequence[Shard],
        confirm: Callable[[], object] | None,
    ) -> None:
        """`remove_set` and `remove_shards` in one transaction.

        Args:
            feature_set: the set, if all of it goes.
            shards: of those that stay, what is damaged.
            confirm: sees, within the transaction, that nobody else holds the set by now.

        Raises:
            LeaseLost: somebody may; nothing was forgotten.
        """
        with self._database.together():
            if confirm is not None:
                confirm()
            if feature_set is not None:
                self.remove_set(feature_set)
            self.remove_shards(shards)

    def mark_used(self, feature_set: FeatureSet) -> None:
        """Remember that its rows were read; an hour's readings count as one."""
        now = t.now()
        if feature_set.used_at is None or now - feature_set.used_at > USED_EVERY:
            with self._database.writing() as connection:
                sets = t.feature_sets
                statement = update(sets).where(sets.c.feature_key == feature_set.key)
                connection.execute(statement.values(used_at=now))

    def quarantine(self, shard: Shard) -> None:
        """Serve nothing more from this shard; its rows count as missing."""
        with self._database.writing() as connection:
            connection.execute(
                update(t.shards)
                .where(t.shards.c.shard_id == shard.shard_id, t.shards.c.file == shard.file)
                .values(status=QUARANTINED)
            )

    def find_failures(self, preprocessing_fingerprint: str) -> dict[str, str]:
        """Sample digest to reason, for samples this preprocessing could not read."""
        failures = t.failures.c
        query = select(failures.digest, failures.reason).where(
            failures.preprocessing_fingerprint == preprocessing_fingerprint
        )
        with self._database.reading() as connection:
            return {row.digest: row.reason for row in connection.execute(query)}

    def find_all_failures(self) -> list[Failure]:
        """What is on record of any sample, whatever preprocessing could not read it."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(
                    t.failures.c.digest,
                    t.failures.c.preprocessing_fingerprint,
                    t.failures.c.reason,
                )
            )
            return [Failure(**row._mapping) for row in rows]

    def forget_failures(self, failures: Iterable[Failure]) -> None:
        """Let these be tried again."""
        forgotten = list(failures)
        with self._database.writing() as connection:
            by: dict[str, list[str]] = {}
            for failure in forgotten:
                by.setdefault(failure.preprocessing_fingerprint, []).append(failure.digest)
            for fingerprint, of in by.items():
                facts = {"samples": len(of), "first": of[:20]}
                record(connection, "forget", "failures", fingerprint, before=facts)
            for failure in forgotten:
                connection.execute(
                    delete(t.failures).where(
                        t.failures.c.digest == failure.digest,
                        t.failures.c.preprocessing_fingerprint == failure.preprocessing_fingerprint,
                    )
                )

    def record_failures(self, failures: Sequence[Failure]) -> None:
        with self._database.writing() as connection:
            for failure in failures:
                insert_new(connection, t.failures, asdict(failure))


def _find_set(connection: Connection, key: str) -> FeatureSet | None:
    query = select(t.feature_sets).where(t.feature_sets.c.feature_key == key)
    row = connection.execute(query).one_or_none()
    return None if row is None else _to_set(row)


def _forget(connection: Connection, shards: Sequence[Shard]) -> None:
    for shard in shards:
        chosen = (t.shards.c.shard_id == shard.shard_id, t.shards.c.file == shard.file)
        found = connection.execute(delete(t.shards).where(*chosen, t.shards.c.status == COMMITTED))
        if found.rowcount != 1:
            raise RegistryError(
                f"the shard {shard.file} changed meanwhile", hint="Nothing was changed; try again."
            )


def _shard_values(shard: Shard) -> dict[str, Any]:
    values = asdict(shard)
    del values["created_at"]
    return values


def _to_set(row: Row[Any]) -> FeatureSet:
    return FeatureSet(
        id=row.id,
        key=row.feature_key,
        backbone=row.backbone,
        cut=row.cut,
        cut_fingerprint=row.cut_fingerprint,
        trunk_fingerprint=row.trunk_fingerprint,
        preprocessing=row.preprocessing,
        preprocessing_fingerprint=row.preprocessing_fingerprint,
        precision=row.precision,
        view=row.view,
        shape=tuple(row.shape),
        dtype=row.dtype,
        storage=row.storage,
        compression=row.compression,
        used_at=row.used_at,
        created_at=row.created_at,
    )


def _to_shard(row: Row[Any]) -> Shard:
    return Shard(
        shard_id=row.shard_id,
        feature_set_id=row.feature_set_id,
        file=row.file,
        rows=row.rows,
        size=row.size,
        sha256=row.sha256,
        engine=row.engine,
        versions=row.versions,
        status=row.status,
        created_at=row.created_at,
    )
