"""A workspace: one folder (and its database) with backbones, datasets, features and heads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cached import features_of
from headstart.catalog.backbones import Backbones
from headstart.catalog.cache import Cache
from headstart.catalog.datasets import Datasets
from headstart.catalog.heads import Heads
from headstart.config import Config, create_config, default_root, load_config
from headstart.context import Context
from headstart.group_access import share
from headstart.notices import renamed
from headstart.progress import Progress, silent
from headstart.registry import listing, schema
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import References
from headstart.storage.shard_store import ShardStore
from headstart.storage.views import FeatureView
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:  # a verb is imported by its method: a command pays for what it does
    from headstart.extractors.run.settings import Settings
    from headstart.heads.evaluation.ranking import Rank
    from headstart.heads.kinds.every_kind import Kinds
    from headstart.jobs.datasets.audit import Audit
    from headstart.jobs.features.compile import Compiled
    from headstart.jobs.features.executor import Executor
    from headstart.jobs.features.verify import Verified
    from headstart.jobs.heads.cross_validation import CrossValidation
    from headstart.jobs.heads.sweep import Sweep, Watch


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
    return _opened(Path(root) if root is not None else default_root(), None)


def _opened(root: Path, shard_store: ShardStore | None) -> Workspace:
    config = load_config(root)
    schema.check(lambda: schema.current(config))
    return Workspace(config, shard_store)


class Workspace(Showable):
    """The verbs of the command line, for Python; see `headstart.open` and `headstart.init`.

    Attributes:
        context: what is open; the verbs of `headstart.jobs` take it.
        config: where the workspace lies.
        database: its sessions; closed with `ws.database.close()`.
        backbones, datasets, heads, sweeps, runs: what there is.
        cache: care of the feature cache.
    """

    def __init__(self, config: Config, shard_store: ShardStore | None = None) -> None:
        """
        Args:
            shard_store: where shards are; the workspace's own folder without it.
        """
        self.config = config
        self._shard_store = shard_store
        self.context = Context(config, shard_store)
        self.database = self.context.database
        self.backbones = Backbones(self.context)
        self.datasets = Datasets(self.context)
        self.heads = Heads(self.context)
        self.cache = Cache(self.context)
        self.sweeps = self.context.sweeps
        self.runs = self.context.runs

    def __reduce__(self) -> tuple[Callable[..., Workspace], tuple[Path, ShardStore | None]]:
        return _opened, (self.config.root, self._shard_store)

    def _facts(self) -> dict[str, Any]:
        names = {what: list(getattr(self, what)) for what in ("backbones", "datasets", "heads")}
        return {"workspace": self.config.root, **names}

    def _line(self) -> str:
        known = listing.glance(self.config) or {}
        counts = (
            f", {len(names):,} {what if len(names) != 1 else what.removesuffix('s')}"
            for what, names in known.items()
        )
        return f"{str(self.config.root)!r}{''.join(counts)}"

    @property
    def store(self) -> Cache:
        """What `cache` was called before."""
        warnings.warn("ws.store is called ws.cache now", DeprecationWarning, stacklevel=2)
        return self.cache

    @renamed(view="augmentation")
    def extract(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        settings: Settings | None = None,
        progress: Progress = silent,
        augmentation: int = 0,
        executor: Executor | None = None,
    ) -> FeatureView:
        """Compute what is missing and give the features of the first cut.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`; all cuts are computed in one forward pass, the others
                are then had from `features`.
            dataset: name of a dataset; it is refreshed first, so that changed files count.
            settings: batch size, what to do about bad samples, when to commit.
            progress: called with (samples done, samples to do).
            augmentation: 0 for the samples as they are; k for the k-th augmentation (another crop,
                side and light, by seed and content) of the pictures of the train split.
            executor: what runs it; this process without one.

        Returns:
            A view of the first cut's features; what was done is its `report`.
        """
        from headstart.jobs.features.extract import extract

        return extract(self.context, backbone, dataset, settings, progress, augmentation, executor)

    def compile(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        precision: str = "float32",
        engine: str = "auto",
    ) -> Compiled:
        """Find out which engine is to compute a backbone's features, and keep the compiled model.

        The first extraction does this too; done before, no extraction loads TensorFlow.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`.
            dataset: its first samples are computed by each engine, and compared.
            precision: `float32` or `bfloat16`.
            engine: `auto`, `tensorflow`, `openvino`, or one of a plug-in.

        Raises:
            BackboneError: the engine that was asked for is not installed, or cannot run this.
        """
        from headstart.jobs.features.compile import compile_backbone

        return compile_backbone(self.context, backbone, dataset, precision, engine)

    @renamed(view="augmentation")
    def features(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        precision: str = "float32",
        augmentation: int = 0,
    ) -> FeatureView:
        """The features of a dataset, from the cache only.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: name of a dataset.
            precision: in what they were computed.
            augmentation: see `extract`.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        return features_of(self.context, backbone, dataset, precision, augmentation)

    def rank(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
    ) -> Results[Rank]:
        """Which cached features suit a dataset, from the most accurate down.

        Linear heads and nearest neighbours are tried on folds of the train and validation splits;
        the test split is not looked at.

        Args:
            dataset: name of a dataset.
            backbones: `NAME[@CUT[,CUT…]]`, one or several; all whose features are cached without
                them.
            precision: in what they were computed.
            trying: on which folds.
            progress: called with (cuts done, cuts in all).

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it.
        """
        from headstart.jobs.datasets.rank import rank
        from headstart.jobs.heads.cross_validation import Features

        features = Features.of(dataset, backbones, precision)
        return rank(self.context, features, trying=trying, progress=progress)

    def sweep(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        kinds: Kinds = (),
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
        watch: Watch | None = None,
        jobs: int | None = None,
    ) -> Sweep:
        """Try many heads on folds of cached features; the result is kept in SQL: `ws.sweeps`.

        Args:
            dataset: name of a dataset.
            backbones: `NAME[@CUT[,CUT…]]`, one or several; all whose features are cached without
                them.
            kinds: `hs.Linear(strengths)`, each strength for itself; `hs.MLP(…)`, `hs.Ridge(…)`…;
                one or several, or their names.
            precision: in what the features were computed.
            trying: on which folds.
            progress: called with (heads fitted, heads in all).
            watch: called with `BACKBONE@CUT` and a setting's result as soon as it is there.
            jobs: processes; as many as there are cores without it.

        Raises:
            FeaturesMissing: some have not been extracted.
            HeadError: the labels do not allow it.
        """
        from headstart.jobs.heads.cross_validation import Features
        from headstart.jobs.heads.sweep import sweep, unwatched

        return sweep(
            self.context,
            Features.of(dataset, backbones, precision),
            kinds,
            trying=trying,
            progress=progress,
            watch=watch or unwatched,
            jobs=jobs,
        )

    def search(
        self,
        dataset: str | Dataset,
        backbones: References = (),
        kinds: str | Sequence[str] = ("linear", "mlp"),
        *,
        trials: int = 50,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
        watch: Watch | None = None,
        jobs: int | None = None,
    ) -> Sweep:
        """As `sweep`, but each setting is chosen by Optuna from what those before gave.

        Args:
            dataset: name of a dataset.
            backbones: see `sweep`; the cut is one of the settings.
            kinds: a name or several; `headstart doctor` lists them.
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
        from headstart.jobs.heads.cross_validation import Features
        from headstart.jobs.heads.search import search
        from headstart.jobs.heads.sweep import unwatched

        return search(
            self.context,
            Features.of(dataset, backbones, precision),
            kinds,
            trials=trials,
            trying=trying,
            progress=progress,
            watch=watch or unwatched,
            jobs=jobs,
        )

    def audit(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        *,
        precision: str = "float32",
        trying: CrossValidation | None = None,
        progress: Progress = silent,
    ) -> Audit:
        """Labels worth a look and near duplicates of a dataset, found by its cached features.

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
        from headstart.jobs.datasets.audit import audit

        return audit(
            self.context, backbone, dataset, precision=precision, trying=trying, progress=progress
        )

    def verify(
        self,
        backbone: str | Backbone,
        dataset: str | Dataset,
        rows: int = 16,
        seed: int = 0,
        *,
        full: bool = False,
        precision: str = "float32",
        progress: Progress = silent,
    ) -> Verified:
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
        from headstart.jobs.features.verify import verify

        return verify(
            self.context,
            backbone,
            dataset,
            rows,
            seed,
            full=full,
            precision=precision,
            progress=progress,
        )
