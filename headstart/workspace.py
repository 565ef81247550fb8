"""A workspace: one folder (and its database) with backbones, datasets, features and heads."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.catalogue import Backbones, Datasets, Heads, Origin
from headstart.config import Config, create_config, default_root, load_config
from headstart.errors import FeatureError
from headstart.extractors import datasets as sources
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.backbones.loader import SUFFIXES
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.engines.compiled import CompiledStore
from headstart.extractors.engines.parity import tolerance
from headstart.extractors.engines.selection import PROBE_SAMPLES, Chooser, Chosen
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.preprocessing.batches import Batch, stack
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.extraction import keys_of
from headstart.extractors.run.local_executor import probe
from headstart.extractors.run.settings import Settings, check_precision
from headstart.extractors.run.watchdog import Watchdog
from headstart.group_access import share
from headstart.progress import Progress, silent
from headstart.registry import schema
from headstart.registry.database import Database
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.features import FeatureRepository
from headstart.registry.runs import RunRepository
from headstart.registry.sweeps import SweepRepository
from headstart.storage.artifacts import Artifact, ArtifactStore
from headstart.storage.manifest import Sample
from headstart.storage.views import FeatureView
from headstart.store import Store

if TYPE_CHECKING:
    from headstart.heads.evaluation.ranking import Rank
    from headstart.heads.kind import HeadKind
    from headstart.jobs.audit import Audit
    from headstart.jobs.candidates import Trying
    from headstart.jobs.sweep import Sweep, Watch


def init(
    root: str | Path | None = None,
    database_url: str | None = None,
    *,
    database_url_file: str | Path | None = None,
    from_environment: bool = False,
    shared: bool = False,
) -> Workspace:
    """Make a workspace, or bring an existing one to this code's schema, and open it.

    Args:
        root: its folder; `$HEADSTART_HOME` or the platform's folder for user data without it.
        database_url: SQLAlchemy URL of a shared database; SQLite in the folder without it. It is
            kept in `headstart.toml`, for its owner alone if it holds a password.
        database_url_file: a file with that URL instead, read whenever the workspace is opened.
        from_environment: take it from `$HEADSTART_DATABASE_URL` whenever it is opened.
        shared: let the folder's group read and write.
    """
    config = create_config(
        Path(root) if root is not None else default_root(),
        database_url,
        database_url_file=None if database_url_file is None else Path(database_url_file),
        from_environment=from_environment,
    )
    schema.upgrade(config)
    if shared:
        share(config)
    return Workspace(config)


def open(root: str | Path | None = None) -> Workspace:
    """Open a workspace.

    Raises:
        WorkspaceNotFound: there is none in that folder.
        SchemaOutdated: its database needs `headstart db upgrade`.
        SchemaTooNew: its database was made by newer code.
    """
    config = load_config(Path(root) if root is not None else default_root())
    schema.check(lambda: schema.current(config))
    return Workspace(config)


class Workspace:
    """The verbs of the command line, for Python; see `headstart.open` and `headstart.init`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database = Database(config)
        self.feature_sets = FeatureRepository(self.database)
        self.runs = RunRepository(self.database)
        self.sweeps = SweepRepository(self.database)
        self.artifacts = ArtifactStore(config.artifacts)
        self.backbones = Backbones(self)
        self.datasets = Datasets(self)
        self.heads = Heads(self)
        self.store = Store(self)

    def extract(
        self,
        backbone: str,
        dataset: str,
        *,
        settings: Settings | None = None,
        progress: Progress = silent,
        view: int = 0,
    ) -> FeatureView:
        """Compute what is missing and give the features of the first cut.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`; all cuts are computed in one forward pass, the others
                are then had from `features`.
            dataset: name of a dataset; it is refreshed first, so that changed files count.
            settings: batch size, what to do about bad samples, when to commit.
            progress: called with (samples done, samples to do).
            view: 0 for the samples as they are; k for the k-th augmentation (another crop, side
                and light, by seed and content) of the pictures of the train split.

        Returns:
            A view of the first cut's features; what was done is its `report`.
        """
        from headstart.jobs.extract import extract

        return extract(self, backbone, dataset, settings or Settings(), progress, view)

    def compile(
        self, backbone: str, dataset: str, precision: str = "float32", engine: str = "auto"
    ) -> Chosen:
        """Find out which engine is to compute a backbone's features, and keep the compiled model.

        The first extraction does this too; done before, no extraction loads TensorFlow.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`.
            dataset: its first samples are computed by each engine, and compared.
            precision: `float32` or `bfloat16`.
            engine: `auto`, `tensorflow`, `openvino`.

        Raises:
            BackboneError: the engine that was asked for is not installed, or cannot run this.
        """
        entity, cuts = self.resolve(backbone, precision)
        record = self.datasets.get(dataset)
        manifest = self.datasets.manifest(record)
        read = sources.SampleReader(manifest, record.options).read
        pipeline = self.pipeline(entity)
        watchdog = Watchdog(Settings().stall_seconds)
        return self.chooser(entity).choose(
            engine,
            precision,
            cuts,
            lambda: probe(pipeline, read, manifest.samples, watchdog),
            sys.maxsize,
            guard=watchdog.guard(manifest.samples[:PROBE_SAMPLES]),
        )

    def features(
        self, backbone: str, dataset: str, precision: str = "float32", view: int = 0
    ) -> FeatureView:
        """The features of a dataset, from the cache only.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset.
            precision: in what they were computed.
            view: see `extract`.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        entity, cuts = self.resolve(backbone, precision)
        record = self.datasets.get(dataset)
        (key,) = keys_of(in_view(entity, view), cuts[:1]).values()
        manifest = samples_in_view(self.datasets.manifest(record), view)
        features = self.cache().open_view(key, manifest)
        return self.with_origin(features, entity, cuts[0], record)

    def features_in_views(
        self, backbone: str, dataset: str, precision: str, views: int
    ) -> list[FeatureView]:
        """The features of the train split in views 1 to `views`, from the cache only."""
        return [self.features(backbone, dataset, precision, view) for view in range(1, views + 1)]

    def rank(
        self,
        dataset: str,
        backbones: Sequence[str] = (),
        *,
        precision: str = "float32",
        trying: Trying | None = None,
        progress: Progress = silent,
    ) -> list[Rank]:
        """Which cached features suit a dataset, from the most accurate down.

        Linear heads and nearest neighbours are tried on folds of the train and validation splits;
        the test split is not looked at.

        Args:
            dataset: name of a dataset.
            backbones: `NAME[@CUT[,CUT…]]` each; all whose features are cached without them.
            precision: in what they were computed.
            trying: on which folds.
            progress: called with (cuts done, cuts in all).

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it.
        """
        from headstart.jobs.rank import rank

        return rank(self, dataset, backbones, precision=precision, trying=trying, progress=progress)

    def sweep(
        self,
        dataset: str,
        backbones: Sequence[str] = (),
        kinds: Sequence[HeadKind] = (),
        *,
        precision: str = "float32",
        trying: Trying | None = None,
        progress: Progress = silent,
        watch: Watch | None = None,
        jobs: int | None = None,
    ) -> Sweep:
        """Try many heads on folds of cached features; the result is kept in SQL: `ws.sweeps`.

        Args:
            dataset: name of a dataset.
            backbones: `NAME[@CUT[,CUT…]]` each; all whose features are cached without them.
            kinds: `hs.Linear(strengths)`, each strength for itself; `hs.MLP(…)`, `hs.Ridge(…)`…
            precision: in what the features were computed.
            trying: on which folds.
            progress: called with (heads fitted, heads in all).
            watch: called with `BACKBONE@CUT` and a setting's result as soon as it is there.
            jobs: processes; as many as there are cores without it.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it.
        """
        from headstart.jobs.sweep import sweep, unwatched

        return sweep(
            self,
            dataset,
            backbones,
            kinds,
            precision=precision,
            trying=trying,
            progress=progress,
            watch=watch or unwatched,
            jobs=jobs,
        )

    def search(
        self,
        dataset: str,
        backbones: Sequence[str] = (),
        kinds: Sequence[str] = ("linear", "mlp"),
        *,
        trials: int = 50,
        precision: str = "float32",
        trying: Trying | None = None,
        progress: Progress = silent,
        watch: Watch | None = None,
        jobs: int | None = None,
    ) -> Sweep:
        """As `sweep`, but each setting is chosen by Optuna from what those before gave.

        Args:
            dataset: name of a dataset.
            backbones: see `sweep`; the cut is one of the settings.
            kinds: names, from `searching.SPACES`.
            trials: how many settings.
            precision: in what the features were computed.
            trying: on which folds.
            progress: called with (settings tried, settings in all).
            watch: called with `BACKBONE@CUT` and a setting's result as soon as it is there.
            jobs: processes; as many as there are cores without it.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it, or Optuna (extra `search`) is not installed.
        """
        from headstart.jobs.search import search
        from headstart.jobs.sweep import unwatched

        return search(
            self,
            dataset,
            backbones,
            kinds,
            trials=trials,
            precision=precision,
            trying=trying,
            progress=progress,
            watch=watch or unwatched,
            jobs=jobs,
        )

    def audit(
        self,
        backbone: str,
        dataset: str,
        *,
        precision: str = "float32",
        trying: Trying | None = None,
        progress: Progress = silent,
    ) -> Audit:
        """Likely wrong labels and near duplicates of a dataset, found by its cached features.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset; all its splits are looked at.
            precision: in what the features were computed.
            trying: the folds on which heads judge labels that they were not trained on.
            progress: called with (heads fitted, heads in all).

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: some labels are missing, or a class has fewer samples than there are folds.
        """
        from headstart.jobs.audit import audit

        return audit(self, backbone, dataset, precision=precision, trying=trying, progress=progress)

    def verify(
        self,
        backbone: str,
        dataset: str,
        rows: int = 16,
        seed: int = 0,
        *,
        full: bool = False,
        precision: str = "float32",
        progress: Progress = silent,
    ) -> dict[str, Any]:
        """Compute some rows again through the real model, by TensorFlow in float32.

        Shards whose files were touched since they were committed are hashed, with `full` all.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: whose rows.
            rows: how many to compute again, chosen by `seed`.
            seed: of the choice.
            full: hash every shard as a whole.
            precision: in what the cached rows were computed.
            progress: called with (rows hashed, rows in all).

        Returns:
            `rows`, `max_abs_diff` and `max_relative_error` between cached and computed, the
            `tolerance` of the latter by engine, precision and storage, whether all rows are `ok`,
            and the number of `corrupt` shards quarantined.
        """
        from headstart.extractors.run.verification import compare_rows

        if rows < 1:
            raise FeatureError(f"rows is {rows}", hint="Give 1 or more.")
        entity, cuts = self.resolve(backbone, precision)
        record = self.datasets.get(dataset)
        manifest = self.datasets.manifest(record)
        cache = self.cache()
        (key,) = keys_of(entity, cuts[:1]).values()
        if full:
            cache.check_all(key, progress)
        view, chosen, stored = cache.read_some(key, manifest.samples, rows, seed)
        report = {"corrupt": cache.quarantined, "feature_key": key}
        nothing = {"max_abs_diff": None, "max_relative_error": None, "tolerance": None}
        if view is None:
            return {"rows": 0, **nothing, "ok": True, **report}
        read = sources.SampleReader(manifest, record.options).read
        inputs = self.prepare(entity, [view.samples[row] for row in chosen], read)
        (computed,) = self.open_engine(entity, cuts[:1]).run(inputs)
        check = compare_rows(stored, computed, self._tolerance(key, precision))
        return {**asdict(check), "ok": check.ok, **report}

    def _tolerance(self, key: str, precision: str) -> float:
        """Of the rows of a feature set, whoever computed them."""
        found = self.feature_sets.find_set(key)
        assert found is not None  # its rows were read
        engines = {shard.engine for shard in self.feature_sets.find_shards(found.id)}
        return tolerance(engines, precision, found.storage)

    def cache(self) -> FeatureCache:
        """The rows of all feature sets."""
        return FeatureCache(self.feature_sets, self.config.features, self.config.locks)

    def needed_artifacts(self) -> set[str]:
        """sha256 of the stored files that a backbone, its preprocessing or a head names."""
        from headstart.extractors.backbones.bundle import parts_of

        backbones = self.backbones.list()
        needed = {backbone.artifact_digest for backbone in backbones}
        needed |= {head.record.artifact_digest for head in self.heads.list()}
        return needed.union(
            *(parts_of(Preprocessing.from_json(one.preprocessing)) for one in backbones)
        )

    def resolve(self, reference: str, precision: str = "float32") -> tuple[Backbone, list[Cut]]:
        """`NAME[@CUT[,CUT…]]` as a backbone and its cuts, doubles left out."""
        check_precision(precision)
        name, _, wanted = reference.partition("@")
        backbone = self.backbones.get(name)
        cuts = [resolve(backbone.cuts, cut.strip() or None) for cut in wanted.split(",")]
        in_precision = [replace(cut, precision=precision) for cut in cuts]
        return backbone, list({cut.name: cut for cut in in_precision}.values())

    def open_engine(
        self,
        backbone: Backbone,
        cuts: Sequence[Cut],
        graph: Any = None,
        precision: str = "float32",
    ) -> Any:
        """TensorFlow, the reference, to run the backbone up to the cuts on finished batches.

        Args:
            backbone: the backbone.
            cuts: where to cut.
            graph: its graph, if it is loaded already; not for bfloat16, which changes it.
            precision: `float32` or `bfloat16`.
        """
        from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine, in_bfloat16

        if precision == "bfloat16":
            graph = in_bfloat16(self.load_graph(backbone))
        graph = graph or self.load_graph(backbone)
        return TensorFlowEngine(self.build_trunk(backbone, cuts, graph), graph.limits, precision)

    def chooser(self, backbone: Backbone) -> Chooser:
        """Chooses the engine for a backbone; its model is loaded once, if at all."""
        load = functools.cache(lambda: self.load_graph(backbone))

        def build(cuts: Sequence[Cut], precision: str) -> Any:
            if precision == "float32":
                return self.open_engine(backbone, cuts, load())
            return self.open_engine(backbone, cuts, None, precision)

        store = CompiledStore(self.config.compiled)
        return Chooser(backbone, self.pipeline(backbone), build, load, store)

    def build_trunk(self, backbone: Backbone, cuts: Sequence[Cut], graph: Any = None) -> Any:
        """The trunk as a frozen `keras.Model`, from the artifact after its hash was checked."""
        from headstart.extractors.backbones.trunk import build_trunk

        size = self.pipeline(backbone).output_size
        return build_trunk(graph or self.load_graph(backbone), cuts, size)

    def load_graph(self, backbone: Backbone) -> Any:
        """The graph of a backbone's stored model, after the file's hash was checked."""
        from headstart.extractors.backbones.loader import load_graph

        artifact = Artifact(backbone.artifact_digest, backbone.artifact_size)
        file = self.artifacts.get(artifact, SUFFIXES[backbone.format])
        return load_graph(file, trust=backbone.is_file_trusted)

    def pipeline(self, backbone: Backbone) -> Preprocessing:
        """The backbone's preprocessing, ready to run."""
        return Preprocessing.from_json(backbone.preprocessing, files=self.artifacts)

    def prepare(
        self, backbone: Backbone, samples: Iterable[Sample], read: Callable[[Sample], Any]
    ) -> Batch:
        """Samples through the backbone's preprocessing, as one batch."""
        pipeline = self.pipeline(backbone)
        return stack([pipeline.prepare(read(sample)) for sample in samples])

    def with_origin(
        self, view: FeatureView, backbone: Backbone, cut: Cut, dataset: Dataset
    ) -> FeatureView:
        """The view, knowing where it comes from."""
        view.origin = Origin(backbone, cut, dataset)
        return view
