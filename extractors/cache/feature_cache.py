"""The feature cache: rows by digest, shards and database kept in step.

A shard counts only through its row in the database. Shards are written first and are durable
before the row is inserted; whatever dies in between leaves a shard that nobody reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import (
    FeaturesMissing,
    LeaseLost,
    RegistryError,
    ShardDamaged,
    StorageError,
)
from headstart.extractors.cache.grown_index import grow
from headstart.extractors.cache.taken_back import take_back
from headstart.registry.entities import FeatureSet, Shard
from headstart.registry.features import FeatureRepository
from headstart.registry.leases import Claimed
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.encoding import Encoding
from headstart.storage.index import Index
from headstart.storage.index_files import open_index, save_index
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.row_reader import RowReader
from headstart.storage.shard_store import Hold, ShardStore, confirmation, distrust
from headstart.storage.shards.digests import check_digests
from headstart.storage.shards.format import shard_id
from headstart.storage.shards.shard import CheckedShard, ShardFile, check_shard, write_shard
from headstart.storage.views import FeatureView

KEY_ATTRIBUTES = (
    "backbone",
    "cut",
    "cut_fingerprint",
    "trunk_fingerprint",
    "preprocessing",
    "preprocessing_fingerprint",
    "precision",
    "view",
)
"""What a shard says of its feature set; enough to register it again."""


@dataclass(frozen=True)
class Rows:
    """Computed rows of one feature set: `features` of shape (len(digests), *feature shape)."""

    feature_set: FeatureSet
    digests: list[str]
    features: np.ndarray


def encoding_of(feature_set: FeatureSet) -> Encoding:
    """How the numbers of a feature set lie in its shards."""
    return Encoding(feature_set.dtype, feature_set.storage, feature_set.compression)


class FeatureCache:
    """Reads and commits rows of feature sets in one workspace; made anew for each operation.

    Args:
        repository: the feature sets and shards in SQL.
        store: where shards are.
        reads_rows: False for who reads none: of shards that lie afar only the digests come then.
        puts_aside: False for who only looks: what is damaged counts as missing, and stays.
    """

    def __init__(
        self,
        repository: FeatureRepository,
        store: ShardStore,
        reads_rows: bool = True,
        puts_aside: bool = True,
    ) -> None:
        self._repository = repository
        self.store = store
        self._reads_rows, self._puts_aside = reads_rows, puts_aside
        self._lost: dict[str, list[Shard]] = {}
        self._indexes: dict[str, Index] = {}
        self._set_ids: dict[str, int] = {}
        self._lock = threading.RLock()  # rows are committed by another thread than asks for them
        self.quarantined = 0

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[Any, ...]]:
        """Another process finds out by itself what is there."""
        given = (self._repository, self.store, self._reads_rows, self._puts_aside)
        return FeatureCache, given

    def hold(self, *keys: str) -> Hold:
        """Keep the shards of feature sets from being collected."""
        return self.store.hold(*keys)

    def open_index(self, key: str, *, fresh: bool = False) -> Index:
        """An index over all committed rows of a feature set.

        A shard that is missing or not what was committed is quarantined: its rows count as
        missing, and are computed again by whoever needs them. The index is kept: what other
        processes commit meanwhile is seen when it is asked for `fresh`.
        """
        with self._lock:
            known = self._indexes.get(key)
            if known is None or fresh:
                self._indexes[key] = self._build_index(key, known)
            return self._indexes[key]

    def _build_index(self, key: str, known: Index | None) -> Index:
        if known is not None and key in self._set_ids:
            grown = grow(
                self.store,
                self._repository,
                self._set_ids[key],
                known,
                lambda shard: self.file_of(shard, key),
                check_shard if self._reads_rows else check_digests,
                lambda shard: self._put_aside(shard, key),
            )
            if grown is not None:
                return grown
        feature_set = self._repository.find_set(key)
        if feature_set is None:
            return Index()
        assert feature_set.id is not None
        self._set_ids[key] = feature_set.id
        shards = {
            self.file_of(shard, key): shard
            for shard in self._repository.find_shards(feature_set.id)
        }
        if known is not None:  # so that what this process wrote need not be read again
            save_index(self.store.index_folder(key), known)
        self._refuse_empty_store(len(shards))
        index, damaged = open_index(
            self.store, key, list(shards), for_rows=self._reads_rows, is_kept=self._puts_aside
        )
        for file in damaged:
            self._put_aside(shards[file], key)
        return index

    def _refuse_empty_store(self, shards: int) -> None:
        """A store without anything is a disk that is not mounted, rather than all lost."""
        if shards and self.store.is_empty():
            raise StorageError(
                f"{self.store.place_of()} is empty, and the registry knows {shards:,} shards in it",
                hint="Mount it or put it back. If it is lost: `headstart features gc --set KEY "
                "--apply` forgets a feature set.",
            )

    def save(self) -> None:
        """Keep the indexes, with what was committed, for the next opening."""
        for key, index in self._indexes.items():
            self._indexes[key] = save_index(self.store.index_folder(key), index)

    def _put_aside(self, shard: Shard, key: str) -> None:
        self.quarantined += 1
        if not self._puts_aside:
            self._lost.setdefault(key, []).append(shard)
            return
        with suppress(RegistryError):  # on read-only media there is nothing to write it into
            self._repository.quarantine(shard)

    def _lacking(self, what: str) -> FeaturesMissing:
        damaged = f": {self.quarantined:,} shards are missing or not what was committed"
        hint = "Run `headstart extract`: it computes just these."
        return FeaturesMissing(f"{what}{damaged if self.quarantined else ''}", hint=hint)

    def found_lost(self, key: str) -> list[Shard]:
        """The shards that were found missing or damaged, and not put aside."""
        return self._lost.get(key, [])

    def open_reader(self, feature_set: FeatureSet, index: Index) -> RowReader:
        """Reads rows; a shard with a damaged chunk is quarantined."""
        if not self._reads_rows:
            raise ValueError("this cache was opened to see who has what, and reads no rows")

        def on_damage(file: ShardFile) -> None:
            for shard in self._repository.find_shards(feature_set.id):
                if self.file_of(shard, feature_set.key) == file:
                    self._put_aside(shard, feature_set.key)

        return RowReader(self.store, index, encoding_of(feature_set), feature_set.shape, on_damage)

    def check_all(self, key: str, progress: Callable[[int, int], None]) -> int:
        """Hash every shard of a feature set as a whole; gives the number of damaged ones."""
        feature_set = self._repository.find_set(key)
        shards = self._repository.find_shards(feature_set.id) if feature_set else []
        damaged, done = 0, 0
        for shard in shards:
            distrust(self.store, shard.file)  # no copy will do
            try:
                check_shard(self.store, self.file_of(shard, key))
            except ShardDamaged:
                self._put_aside(shard, key)
                damaged += 1
            done += shard.rows
            progress(done, sum(shard.rows for shard in shards))
        self._indexes.pop(key, None)
        return damaged

    def open_view(
        self, key: str, manifest: Manifest, report: Any = None, skipped: Collection[str] = ()
    ) -> FeatureView:
        """The rows of a dataset, in its order.

        Samples whose content is known to be unreadable, and those with an id in `skipped`, are
        left out where they have no row.

        Raises:
            FeaturesMissing: rows are missing for samples that could be read.
        """
        hold = self.hold(key)
        feature_set = self._repository.find_set(key)
        if feature_set is None:
            raise FeaturesMissing(
                "nothing was extracted from this cut with this preprocessing",
                hint="Run `headstart extract`.",
            )
        index = self.open_index(key)
        all_ = manifest.columns
        unreadable = self._repository.find_failures(feature_set.preprocessing_fingerprint)
        places = index.find_blocks(all_.digest_blocks())
        present = places.present
        without = all_.where(~present)
        is_left_out = without.have(unreadable)
        is_left_out |= np.array([id_ in skipped for id_ in without.ids], bool)
        missing = without.where(~is_left_out)
        if len(missing):
            raise self._lacking(
                f"{len(missing):,} of {len(all_):,} samples have no features of "
                f"{feature_set.backbone}@{feature_set.cut}, {missing[0].id!r} among them"
            )
        self._mark_used(feature_set)
        reader = self.open_reader(feature_set, index)
        return FeatureView(
            key,
            places if present.all() else places.at(present),
            all_.where(present),
            reader,
            left_out=without,
            report=report,
            hold=hold,
            reopen=self.view_of,
        )

    def view_of(self, key: str, samples: Sequence[Sample]) -> FeatureView:
        """The rows of just these samples.

        Raises:
            FeaturesMissing: the feature set is gone, or one of them has no row.
        """
        hold = self.hold(key)
        feature_set, index = self._repository.find_set(key), self.open_index(key)
        found = index.find_blocks(SampleColumns.of(samples).digest_blocks())
        lacking = np.count_nonzero(~found.present)
        if feature_set is None or lacking:
            raise self._lacking(
                f"{lacking:,} of {len(samples):,} samples have no features in {key[:12]} any more"
            )
        reader = self.open_reader(feature_set, index)
        return FeatureView(key, found, samples, reader, hold=hold, reopen=self.view_of)

    def open_present(
        self, key: str, samples: Sequence[Sample]
    ) -> tuple[np.ndarray, FeatureView | None]:
        """Those of some samples that have rows.

        Returns:
            Their positions among `samples`, and a view of their rows; None where there are none.
        """
        hold = self.hold(key)
        index = self.open_index(key)
        columns = SampleColumns.of(samples)
        found = index.find_blocks(columns.digest_blocks())
        numbers = np.flatnonzero(found.present)
        feature_set = self._repository.find_set(key)
        if not len(numbers) or feature_set is None:
            return numbers, None
        reader = self.open_reader(feature_set, index)
        chosen = columns.take(numbers)
        at = found.at(numbers)
        return numbers, FeatureView(key, at, chosen, reader, hold=hold, reopen=self.view_of)

    def read_some(
        self, key: str, samples: Sequence[Sample], rows: int, seed: int
    ) -> tuple[FeatureView | None, np.ndarray, np.ndarray]:
        """Some rows of those there are, chosen by seed; damaged shards are put aside on the way.

        Returns:
            A view of all there are, the numbers chosen, and their rows; None without any.
        """
        while True:
            _, view = self.open_present(key, samples)
            if view is None:
                return None, np.empty(0, np.int64), np.empty(0)
            chosen = np.random.default_rng(seed).permutation(len(view))[:rows]
            try:
                return view, chosen, view[chosen]
            except ShardDamaged:  # it is quarantined now, so that there is one less each time
                self._indexes.pop(key)

    def _mark_used(self, feature_set: FeatureSet) -> None:
        with suppress(RegistryError):  # on read-only media; a note for `gc`, nothing more
            self._repository.mark_used(feature_set)

    def commit(
        self,
        parts: Sequence[Rows],
        engine: str,
        versions: Mapping[str, Any],
        claimed: Claimed | None = None,
        instead_of: Sequence[Shard] = (),
    ) -> None:
        """Write rows of one or more feature sets and commit them in one transaction.

        Args:
            parts: rows, one part a feature set.
            engine: what computed them.
            versions: of the libraries.
            claimed: the samples that were claimed for them.
            instead_of: shards that the new one replaces.

        Raises:
            LeaseLost: the samples, or the hold on the sets, are no longer this process's; the
                files are gone again.
            StorageError: the disk did not take them.
        """
        keys = [part.feature_set.key for part in parts]
        with self.hold(*keys) as hold:
            written: list[tuple[Shard, CheckedShard]] = []
            try:
                for part in parts:
                    written.append(self._write(part, engine, dict(versions)))
                shards = [shard for shard, _ in written]
                already = self._repository.commit_shards(
                    shards,
                    claimed=claimed,
                    instead_of=instead_of,
                    confirm=confirmation(hold),
                )
            except (LeaseLost, StorageError):
                take_back(self.store, self._repository, [shard.file for shard, _ in written])
                raise
            for shard, checked in written:
                if shard in already:
                    # Another process committed the same rows first: its shard is the truth.
                    self.store.delete(shard.file)
                    self._indexes.pop(checked.file.feature_key, None)
                else:
                    self._add_to_index(checked)

    def _add_to_index(self, checked: CheckedShard) -> None:
        key = checked.file.feature_key
        with self._lock:
            known = self._indexes.get(key)
            if known is not None and all(shard.file != checked.file for shard in known.living):
                self._indexes[key] = known.with_added(Index.of([checked]))

    def digests_of(self, file: ShardFile) -> np.ndarray:
        """The digests of a shard, shape (rows, 32), uint8; the shard is checked as a whole."""
        return check_shard(self.store, file).digests

    def file_of(self, shard: Shard, key: str) -> ShardFile:
        """What the row of a shard says that it is."""
        return ShardFile(shard.file, key, shard.rows, shard.size, shard.sha256, shard.shard_id)

    def _write(
        self, part: Rows, engine: str, versions: dict[str, Any]
    ) -> tuple[Shard, CheckedShard]:
        feature_set = part.feature_set
        assert feature_set.id is not None
        attributes = {
            **{name: getattr(feature_set, name) for name in KEY_ATTRIBUTES},
            "engine": engine,
            "versions": versions,
        }
        encoding = encoding_of(feature_set)
        checked = write_shard(
            self.store, feature_set.key, part.digests, part.features, attributes, encoding
        )
        file = checked.file
        shard = Shard(
            shard_id=shard_id(feature_set.key, part.digests),
            feature_set_id=feature_set.id,
            file=file.name,
            rows=file.rows,
            size=file.size,
            sha256=file.sha256,
            engine=engine,
            versions=versions,
        )
        return shard, checked
