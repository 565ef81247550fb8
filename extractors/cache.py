"""The feature cache: rows by digest, files and database kept in step.

A file counts only through its row in the database. Files are written first and are durable
before the row is inserted; whatever dies in between leaves a file that nobody reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import FeaturesMissing, ShardDamaged
from headstart.registry.entities import FeatureSet, Shard
from headstart.registry.features import FeatureRepository
from headstart.storage.index import Index
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.shards import ShardFile, read_digests, shard_id, write_shard
from headstart.storage.views import FeatureView


@dataclass(frozen=True)
class Rows:
    """Computed rows of one feature set: `features` of shape (len(digests), *feature shape)."""

    feature_set: FeatureSet
    digests: list[str]
    features: np.ndarray


class FeatureCache:
    """Reads and commits rows of feature sets in one workspace; made anew for each operation."""

    def __init__(self, repository: FeatureRepository, folder: Path) -> None:
        self._repository = repository
        self._folder = folder
        self._indexes: dict[str, Index] = {}
        self.quarantined = 0

    def open_index(self, key: str) -> Index:
        """An index over all committed rows of a feature set.

        A shard whose file is missing or not what was committed is quarantined: its rows count
        as missing, and are computed again by whoever needs them. The index is kept until this
        object commits: what other processes commit meanwhile is not seen.
        """
        if key not in self._indexes:
            self._indexes[key] = self._build_index(key)
        return self._indexes[key]

    def _build_index(self, key: str) -> Index:
        feature_set = self._repository.find_set(key)
        shards = self._repository.find_shards(feature_set.id) if feature_set else []
        files, digests = [], []
        for shard in shards:
            file = self.file_of(shard, key)
            try:
                digests.append(read_digests(file))
                files.append(file)
            except ShardDamaged:
                self._repository.quarantine(shard)
                self.quarantined += 1
        return Index(files, digests)

    def open_view(
        self, key: str, manifest: Manifest, report: Any = None, skipped: Collection[str] = ()
    ) -> FeatureView:
        """The rows of a dataset, in its order.

        Samples whose content is known to be unreadable, and those with an id in `skipped`, are
        left out where they have no row.

        Raises:
            FeaturesMissing: rows are missing for samples that could be read.
        """
        feature_set = self._repository.find_set(key)
        if feature_set is None:
            raise FeaturesMissing(
                "nothing was extracted from this cut with this preprocessing",
                hint="Run `headstart extract`.",
            )
        index = self.open_index(key)
        present = index.find([sample.digest for sample in manifest.samples]).present
        unreadable = self._repository.find_failures(feature_set.preprocessing_fingerprint)
        samples, missing = [], []
        for sample, has_row in zip(manifest.samples, present, strict=True):
            if has_row:
                samples.append(sample)
            elif sample.digest not in unreadable and sample.id not in skipped:
                missing.append(sample)
        if missing:
            raise FeaturesMissing(
                f"{len(missing):,} of {len(manifest.samples):,} samples have no features, "
                f"{missing[0].id!r} among them",
                hint="Run `headstart extract`: it computes just these.",
            )
        return FeatureView(key, index, samples, feature_set.shape, feature_set.dtype, report=report)

    def open_present(
        self, key: str, samples: Sequence[Sample]
    ) -> tuple[np.ndarray, FeatureView | None]:
        """Those of some samples that have rows.

        Returns:
            Their positions among `samples`, and a view of their rows; None where there are none.
        """
        index = self.open_index(key)
        found = index.find([sample.digest for sample in samples]).present
        numbers = np.flatnonzero(found)
        feature_set = self._repository.find_set(key)
        if not len(numbers) or feature_set is None:
            return numbers, None
        chosen = [samples[number] for number in numbers.tolist()]
        return numbers, FeatureView(key, index, chosen, feature_set.shape, feature_set.dtype)

    def commit(self, parts: Sequence[Rows], engine: str, versions: Mapping[str, Any]) -> None:
        """Write rows of one or more feature sets and commit them in one transaction."""
        self._indexes.clear()
        shards = [self._write(part, engine, dict(versions)) for part in parts if part.digests]
        for shard in self._repository.commit_shards(shards):
            # Another process committed the same rows first: its file is the truth.
            (self._folder / shard.file).unlink()

    def file_of(self, shard: Shard, key: str) -> ShardFile:
        return ShardFile(self._folder / shard.file, key, shard.rows, shard.size, shard.sha256)

    def _write(self, part: Rows, engine: str, versions: dict[str, Any]) -> Shard:
        feature_set = part.feature_set
        assert feature_set.id is not None
        attributes = {
            "backbone": feature_set.backbone,
            "cut": feature_set.cut,
            "cut_fingerprint": feature_set.cut_fingerprint,
            "trunk_fingerprint": feature_set.trunk_fingerprint,
            "preprocessing": feature_set.preprocessing,
            "preprocessing_fingerprint": feature_set.preprocessing_fingerprint,
            "precision": feature_set.precision,
            "view": feature_set.view,
            "engine": engine,
            "versions": versions,
        }
        file = write_shard(self._folder, feature_set.key, part.digests, part.features, attributes)
        return Shard(
            shard_id=shard_id(feature_set.key, part.digests),
            feature_set_id=feature_set.id,
            file=file.path.relative_to(self._folder).as_posix(),
            rows=file.rows,
            size=file.size,
            sha256=file.sha256,
            engine=engine,
            versions=versions,
        )
