"""`ws.store`: care of the feature cache: explain, collect, compact, reindex, import."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import FeatureError
from headstart.extractors import datasets as sources
from headstart.extractors.cache.compact import compact
from headstart.extractors.cache.feature_cache import Rows, encoding_of
from headstart.extractors.cache.feature_import import FeatureFile, Imported, import_rows
from headstart.extractors.cache.gc import Choice, Collector, Garbage
from headstart.extractors.cache.reindex import Reindexed, reindex
from headstart.extractors.cache.strays import Strays
from headstart.extractors.run.explain import Explanation, explain
from headstart.extractors.run.extraction import keys_of
from headstart.extractors.runtime import versions
from headstart.paths import inside
from headstart.progress import Progress, silent
from headstart.registry.entities import FeatureSet
from headstart.storage.manifest import find_parts
from headstart.storage.manifest_parts import parts_folder

if TYPE_CHECKING:
    from headstart.workspace import Workspace

TOLERANCE = 1e-4
"""Of an imported row against the real model: relative L2 error, as engines are held to."""


class Store:
    """Care of the feature cache; see `Workspace.store`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def explain(self, backbone: str, dataset: str, precision: str = "float32") -> Explanation:
        """What `extract` would compute now, why each miss is one, and about what it would cost.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`.
            dataset: as it was when it was last looked at.
            precision: in what the backbone is to compute.
        """
        entity, cuts = self._workspace.resolve(backbone, precision)
        manifest = self._workspace.datasets.manifest(dataset)
        runs = self._workspace.runs.find_latest("extract", limit=200)
        own = [run for run in runs if run.subject.partition("@")[0] == backbone.partition("@")[0]]
        repository = self._workspace.feature_sets
        return explain(entity, cuts, manifest, repository, self._workspace.cache(), own)

    def find_garbage(self, choice: Choice | None = None) -> list[Garbage]:
        """What may be deleted: files that nobody needs, and what `choice` says besides."""
        chosen = choice or Choice()
        keys = tuple(self._workspace.feature_sets.get_set(key).key for key in chosen.sets)
        return self._collector().find(replace(chosen, sets=keys))

    def collect(self, found: list[Garbage]) -> list[Garbage]:
        """Delete what `find_garbage` found, as far as nobody uses it; gives what was deleted."""
        return self._collector().collect(found)

    def compact(self, key: str | None = None, progress: Progress = silent) -> tuple[int, int]:
        """Merge small shards, of one feature set or of all; gives their number before and after."""
        repository, cache = self._workspace.feature_sets, self._workspace.cache()
        sets = repository.find_sets() if key is None else [repository.get_set(key)]
        before = after = 0
        for feature_set in sets:
            had, has = compact(feature_set, repository, cache, progress)
            before, after = before + had, after + has
            self._collector().collect_orphans(feature_set.key)
        return before, after

    def reindex(self, progress: Progress = silent) -> Reindexed:
        """Register the shards that the database has lost."""
        return reindex(self._workspace.feature_sets, self._workspace.cache(), progress)

    def import_features(
        self,
        backbone: str,
        dataset: str,
        path: str | Path,
        *,
        check: int = 16,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Imported:
        """Store features that were made elsewhere as those of a backbone's cut.

        Args:
            backbone: `NAME[@CUT]`: what the features are declared to be.
            dataset: whose samples they belong to, matched by digest or id, never by position.
            path: an `.npz` with `features` and `digests` or `ids`; if it has a `key`, as
                `features export` writes, that must be this cut's feature key.
            check: so many rows, chosen by `seed`, are computed by the real model first; the file
                is refused if one differs by more than 1e-4 (relative L2 error). 0 believes it.
            seed: of that choice.
            progress: called with (rows read, rows in all).

        Raises:
            FeatureError: the file is not what it is declared to be; nothing was stored.
        """
        workspace = self._workspace
        entity, cuts = workspace.resolve(backbone)
        record = workspace.datasets.get(dataset)
        manifest = workspace.datasets.manifest(record)
        cut, (key,) = cuts[0], keys_of(entity, cuts[:1]).values()
        file = FeatureFile(Path(path).expanduser(), manifest)
        if file.key not in (None, key):
            raise FeatureError(
                f"{file.path} says its feature key is {file.key[:12] if file.key else None}, that "
                f"of {entity.label}@{cut.name} is {key[:12]}",
                hint="Other weights, another cut or another preprocessing: `headstart features "
                "explain`.",
            )
        wanted = FeatureSet(
            key=key,
            backbone=entity.label,
            cut=cut.name,
            cut_fingerprint=cut.point.fingerprint,
            trunk_fingerprint=cut.fingerprint,
            preprocessing=entity.preprocessing,
            preprocessing_fingerprint=entity.preprocessing_fingerprint,
            precision=cut.precision,
            view=0,
            shape=tuple(file.shape[1:]),
            dtype=cut.point.dtype,
            storage=cut.point.dtype,
        )
        known = workspace.feature_sets.find_set(key)
        _refuse_other_rows(file, known or wanted, cut.shape)
        own = [row for row, digest in enumerate(file.digests) if digest is not None]
        rng = np.random.default_rng(seed)
        rows = sorted(rng.permutation(own)[:check].tolist()) if check and own else []
        difference = self._compare(backbone, dataset, file, rows) if rows else None
        feature_set = workspace.feature_sets.ensure_set(known or wanted)
        cache = workspace.cache()

        def commit(digests: list[str], features: np.ndarray) -> None:
            rows = features.astype(feature_set.dtype, copy=False)
            if not (np.isfinite(rows).all() and encoding_of(feature_set).fits(rows).all()):
                raise FeatureError(
                    f"{file.path} holds NaN, infinity or numbers too large for "
                    f"{feature_set.storage}, at or behind sample digest {digests[0][:12]}",
                    hint="The rows before those were stored.",
                )
            cache.commit([Rows(feature_set, digests, rows)], "import", versions())

        added, reused, foreign = import_rows(
            file, lambda digests: cache.open_index(key).find(digests).present, commit, progress
        )
        cache.save()
        return Imported(len(file.digests), added, reused, foreign, len(rows), difference, key)

    def _compare(self, backbone: str, dataset: str, file: FeatureFile, rows: list[int]) -> float:
        """The largest difference between some rows of a file and the real model."""
        workspace = self._workspace
        entity, cuts = workspace.resolve(backbone)
        record = workspace.datasets.get(dataset)
        manifest = workspace.datasets.manifest(record)
        first = {sample.digest: sample for sample in reversed(manifest.samples)}
        samples = [first[digest] for row in rows if (digest := file.digests[row]) is not None]
        read = sources.SampleReader(manifest, record.options).read
        inputs = workspace.prepare(entity, samples, read)
        (computed,) = workspace.open_engine(entity, cuts[:1]).run(inputs)
        given = file.rows(rows).astype(computed.dtype)
        for sample, one, other in zip(samples, given, computed, strict=True):
            error = float(np.linalg.norm(one - other) / max(float(np.linalg.norm(other)), 1e-12))
            if not error <= TOLERANCE:
                raise FeatureError(
                    f"{file.path} is not what {entity.label}@{cuts[0].name} gives: the row of "
                    f"sample {sample.id!r} differs by {error:.2g} (relative L2 error)",
                    hint="Nothing was stored. --check 0 believes the file.",
                )
        return float(np.abs(given - computed).max())

    def _collector(self) -> Collector:
        workspace = self._workspace
        manifests = workspace.config.manifests
        needed = {dataset.manifest for dataset in workspace.datasets.list()}
        parts = {part for name in needed for part in find_parts(inside(manifests, name))}
        return Collector(
            workspace.feature_sets,
            workspace.cache(),
            workspace.backbones.list(),
            {manifests: needed, parts_folder(manifests): parts},
            Strays(workspace.artifacts, workspace.config.locks, workspace.needed_artifacts),
            workspace.config.root,
        )


def _refuse_other_rows(
    file: FeatureFile, feature_set: FeatureSet, shape: tuple[int | None, ...]
) -> None:
    rows = tuple(file.shape[1:])
    fits = len(shape) == len(rows) and all(
        size in (None, given) for size, given in zip(shape, rows, strict=True)
    )
    if not fits or rows != feature_set.shape:
        raise FeatureError(
            f"{file.path} has rows of shape {rows}; the cut has "
            f"{feature_set.shape if fits else shape}"
        )
