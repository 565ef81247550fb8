"""What is open of a workspace: its settings, the repositories of its database, its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.config import Config, load_config
from headstart.errors import FeatureError
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.engines.conversions import Conversions
from headstart.extractors.engines.engine import INT8
from headstart.extractors.engines.int8.calibrations import Calibrations
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.settings import check_precision
from headstart.paths import inside
from headstart.registry.audit.events import EventRepository
from headstart.registry.backbones import BackboneRepository
from headstart.registry.database import Database
from headstart.registry.datasets import DatasetRepository
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.features import FeatureRepository
from headstart.registry.holds import SqlHolds
from headstart.registry.jobs import JobRepository
from headstart.registry.references import parts_of, reference_of
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import ArtifactStore
from headstart.storage.local_store import LocalStore
from headstart.storage.locks import FileHolds, LifeSigns
from headstart.storage.manifest import Manifest
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.local_copies import LocalCopies, cache_bytes, cache_folder
from headstart.storage.objects.manifests import Manifests
from headstart.storage.objects.object_store import ObjectStore
from headstart.storage.objects.own_bucket import OwnBucket
from headstart.storage.shard_store import Holds, ShardStore

if TYPE_CHECKING:
    from headstart.extractors.cache.kept_indexes import KeptIndexes
    from headstart.extractors.cache.kept_maps import KeptMaps
    from headstart.registry.audit.corrections import CorrectionRepository
    from headstart.registry.heads import HeadRepository
    from headstart.registry.sweeps import SweepRepository


class Context:
    """What every verb gets. It looks things up, and does nothing.

    Nothing is connected before it is asked for. It may be used by several threads; another process
    opens its own: pickled, it is its folder's path, and the store that it was given.

    Args:
        config: of the workspace.
        shard_store: where shards are; the workspace's own folder without it.

    Attributes:
        config: where the workspace lies, and its database.
        database: sessions.
        bucket: the object store that the workspace's machines share; None where it is a folder.
        holds: by which sets and files are held against `features gc`.
        backbones, datasets, heads, feature_sets, runs, sweeps, events, jobs, corrections: the
            repositories of its tables.
        artifacts: model files and heads, by sha256.
        manifests: of datasets.
        conversions: trunks in their engines' own formats, among the artifacts.
        calibrations: trunks in int8, likewise.
        maps: coordinates of samples, likewise.
        indexes: of features, by which neighbours are found, likewise.
        shard_store: the bytes of features.
    """

    def __init__(self, config: Config, shard_store: ShardStore | None = None) -> None:
        self.config = config
        self._given = shard_store
        self.database = Database(config)
        self.bucket = own_bucket(config)
        self.holds = own_holds(config, self.database)
        if shard_store is None:
            shard_store = own_store(config, self.bucket, self.holds)
        self.shard_store = shard_store
        self.backbones = BackboneRepository(self.database)
        self.datasets = DatasetRepository(self.database)
        self.feature_sets = FeatureRepository(self.database)
        self.runs = RunRepository(self.database)
        self.events = EventRepository(self.database)
        self.jobs = JobRepository(self.database)
        self.artifacts = ArtifactStore(config.artifacts, self.bucket)
        self.manifests = Manifests(config.manifests, self.bucket)
        self.conversions = Conversions(self.artifacts, self.runs, self.holds)
        self.calibrations = Calibrations(self.artifacts, self.runs, self.holds)

    def __reduce__(self) -> tuple[Callable[..., Context], tuple[Path, ShardStore | None]]:
        return _opened, (self.config.root, self._given)

    # What an extraction has no use for is imported where it is asked for.

    @cached_property
    def heads(self) -> HeadRepository:
        from headstart.registry.heads import HeadRepository

        return HeadRepository(self.database)

    @cached_property
    def sweeps(self) -> SweepRepository:
        from headstart.registry.sweeps import SweepRepository

        return SweepRepository(self.database)

    @cached_property
    def corrections(self) -> CorrectionRepository:
        from headstart.registry.audit.corrections import CorrectionRepository

        return CorrectionRepository(self.database)

    @cached_property
    def maps(self) -> KeptMaps:
        from headstart.extractors.cache.kept_maps import KeptMaps

        return KeptMaps(self.artifacts, self.runs, self.holds)

    @cached_property
    def indexes(self) -> KeptIndexes:
        from headstart.extractors.cache.kept_indexes import KeptIndexes

        return KeptIndexes(self.artifacts, self.runs, self.holds)

    @property
    def given_store(self) -> ShardStore | None:
        """The store that it was given, for who opens the workspace elsewhere."""
        return self._given

    def cache(self, *, reads_rows: bool = True, puts_aside: bool = True) -> FeatureCache:
        """The rows of all feature sets; see `FeatureCache`."""
        return FeatureCache(self.feature_sets, self.shard_store, reads_rows, puts_aside)

    def resolve(
        self, reference: str | Backbone, precision: str = "float32"
    ) -> tuple[Backbone, list[Cut]]:
        """`NAME[@CUT[,CUT…]]` as a backbone and its cuts, doubles left out.

        `int8` becomes the precision of each cut's calibration; it stays where there is none, and
        no features are in it.

        Raises:
            NotFound: there is no such backbone.
            LayerNotFound: it has no such cut.
            FeatureError: several are joined.
        """
        check_precision(precision)
        text = reference_of(reference, "backbone")
        if len(parts_of(text)) > 1:
            raise FeatureError(
                f"features are joined, {text}, where those of one backbone are taken",
                hint="Name one of them; `head train`, `head sweep` and `rank` take them joined.",
            )
        name, _, wanted = text.partition("@")
        backbone = self.backbones.get(name)
        cuts = [resolve(backbone.cuts, cut.strip() or None) for cut in wanted.split(",")]
        in_precision = [self._in_precision(backbone, cut, precision) for cut in cuts]
        return backbone, list({cut.name: cut for cut in in_precision}.values())

    def _in_precision(self, backbone: Backbone, cut: Cut, precision: str) -> Cut:
        if precision == INT8 and (found := self.calibrations.find(backbone, cut)) is not None:
            precision = found.precision
        return replace(cut, precision=precision)

    def manifest(self, dataset: Dataset | str) -> Manifest:
        """The samples of a dataset as they were last looked at."""
        if not isinstance(dataset, Dataset):
            dataset = self.datasets.get(dataset)
        return self.manifests.read(dataset.manifest)

    def needed_artifacts(self) -> set[str]:
        """sha256 of the stored files that a backbone, its preprocessing, its converted trunks, a
        head, a dataset, a map, an index or a job names."""
        backbones, heads = self.backbones.find_all(), self.heads.find_all()
        datasets = self.datasets.find_all()
        needed = {backbone.artifact_digest for backbone in backbones}
        needed |= {head.artifact_digest for head in heads}
        cut = [one.options for one in datasets]
        cut += [one.settings.get("windows", {}) for one in heads]
        needed |= {options["tokenizer"] for options in cut if "tokenizer" in options}
        points = {cut.fingerprint for backbone in backbones for cut in backbone.cuts}
        needed |= self.conversions.needed_parts(points) | self.calibrations.needed_parts(points)
        keys = {one.key for one in self.feature_sets.find_sets()}
        names = {one.name for one in datasets}
        needed |= self.maps.needed_parts(keys, names) | self.indexes.needed_files(keys, names)
        needed |= self.jobs.find_documents()
        return needed.union(
            *(Preprocessing.from_json(one.preprocessing).stored_files for one in backbones)
        )


def own_holds(config: Config, database: Database) -> Holds:
    """By what a workspace's machines hold: files that they share, or rows beside a bucket."""
    if config.store is None:
        return FileHolds(config.locks)
    return SqlHolds(database, LifeSigns(config.locks))


def own_bucket(config: Config) -> Bucket | None:
    """The object store of a workspace, which is asked whose it is before it is used, if it has one;
    a configuration that names no UUID, as none is that `init` wrote with a store, cannot ask."""
    if config.store is None:
        return None
    address = parse(config.store)
    return Bucket(address) if config.id is None else OwnBucket(address, config.id)


def own_store(config: Config, bucket: Bucket | None, holds: Holds) -> ShardStore:
    """The store of a workspace's shards: its own folder, or its bucket."""
    if bucket is None:
        return LocalStore(config.features, config.locks)
    copies = LocalCopies(inside(cache_folder(config.root), "shards"), cache_bytes())
    return ObjectStore(bucket, holds, copies, config.features)


def _opened(root: Path, shard_store: ShardStore | None) -> Context:
    return Context(load_config(root), shard_store)
