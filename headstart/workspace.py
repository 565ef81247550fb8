"""A workspace: one folder (and its database) with backbones, datasets, features and heads."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cached import features_of
from headstart.catalog.backbones import Backbones
from headstart.catalog.cache import Cache
from headstart.catalog.datasets import Datasets
from headstart.catalog.exploration import Exploration
from headstart.catalog.heads import Heads
from headstart.catalog.jobs import Jobs
from headstart.catalog.trials import Trials
from headstart.config import (
    CONFIG_FILE,
    Config,
    create_config,
    default_root,
    is_home_named,
    load_config,
)
from headstart.context import Context
from headstart.group_access import share
from headstart.jobs import database
from headstart.notices import renamed, tell
from headstart.progress import Progress, silent
from headstart.registry import listing
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.shard_store import ShardStore
from headstart.storage.views import FeatureView
from headstart.values.arguments import checked, checks_arguments
from headstart.values.made import taken_back_if_it_fails
from headstart.values.showable import Showable

if TYPE_CHECKING:  # a verb is imported by its method: a command pays for what it does
    from headstart.extractors.run.settings import Settings
    from headstart.jobs.backups.backup import BackedUp
    from headstart.jobs.features.compile import Compiled
    from headstart.jobs.features.executor import Executor
    from headstart.jobs.features.verify import Verified
    from headstart.transformer import FeatureTransformer


@checked
def init(
    root: str | Path | None = None,
    database_url: str | None = None,
    *,
    database_url_file: str | Path | None = None,
    from_environment: bool = False,
    namespace: str | None = None,
    shared: bool = False,
    store: str | None = None,
) -> Workspace:
    """Make a workspace, or bring an existing one to this code's schema, and open it.

    Args:
        root: its folder; `$HEADSTART_HOME` or the platform's folder for user data without it.
        database_url: SQLAlchemy URL of a shared database; SQLite in the folder without it. It is
            kept in `headstart.toml`, for its owner alone if it holds a password.
        database_url_file: a file with that URL instead, read whenever the workspace is opened.
        from_environment: take it from `$HEADSTART_DATABASE_URL` whenever it is opened.
        namespace: which of several projects in a PostgreSQL database; its tables are in a schema of
            that name, which is made if it is new.
        shared: let the folder's group read and write.
        store: an object store for shards, models, manifests and heads: `s3://BUCKET/PREFIX`,
            `gs://`, `az://`, `file:///FOLDER`. Credentials, region and endpoint are those of the
            environment. Who names a store and its database joins the workspace whose they are.

    Raises:
        StorageError: the store cannot be used, or does not refuse to overwrite.
    """
    place = Path(root) if root is not None else default_root()
    joined = None if store is None else database.looked_at(place, store)
    with taken_back_if_it_fails() as made:
        config = create_config(
            place,
            database_url,
            database_url_file=None if database_url_file is None else Path(database_url_file),
            from_environment=from_environment,
            store=joined,
            namespace=namespace,
            made=made,
        )
        config = database.prepare(config, is_new=made.file is not None)
    if shared:
        share(config)
    return Workspace(config)


@checked
def open(root: str | Path | None = None) -> Workspace:
    """Open a workspace.

    Args:
        root: its folder; `$HEADSTART_HOME` without it, or the platform's folder for user data, in
            which a workspace is made if there is none yet.

    Raises:
        WorkspaceNotFound: there is none in the folder that was named.
        SchemaOutdated: its database needs `headstart db upgrade`.
        SchemaTooNew: its database was made by newer code.

    Warns:
        HeadstartNote: one was made.
    """
    place = Path(root) if root is not None else default_root()
    if root is None and not is_home_named() and not (place / CONFIG_FILE).exists():
        made = init(place)
        tell(
            f"a workspace is made in {place}; --workspace DIR, hs.init(DIR) or $HEADSTART_HOME "
            "choose another place"
        )
        return made
    return _opened(place, None)


@checked
def restore(
    folder: str | Path,
    root: str | Path,
    database_url: str | None = None,
    *,
    namespace: str | None = None,
    roots: dict[str, str] | None = None,
) -> Workspace:
    """Make a workspace of a backup, and open it.

    Args:
        folder: that `backup` wrote, or its address; every file is compared with its sha256.
        root: the folder of the workspace, new or empty.
        database_url: of a shared database, which is empty; SQLite in the folder without it.
        namespace: which of several projects in that database.
        roots: of folders of data by which name they go now, such as `{"/mnt/photos": "/data"}`.

    Raises:
        NotFound: the folder holds no backup.
        AlreadyExists: there is something at `root`.
        BackupDamaged: a file is missing, or is not what was written.

    Warns:
        HeadstartWarning: data of datasets are not found, or have changed.
    """
    from headstart.jobs.backups.restore import Wanted
    from headstart.jobs.backups.restore import restore as restored

    pairs = tuple((roots or {}).items())
    wanted = Wanted(Path(root), database_url, roots=pairs, namespace=namespace)
    return _opened(restored(folder, wanted).workspace, None)


def _opened(root: Path, shard_store: ShardStore | None) -> Workspace:
    return Workspace(_config_in(root), shard_store)


def _config_in(root: Path) -> Config:
    config = load_config(root)
    database.check(config)
    return config


@checks_arguments
class Workspace(Trials, Exploration, Showable):
    """The verbs of the command line, for Python; see `headstart.open` and `headstart.init`.

    Attributes:
        context: what is open; the verbs of `headstart.jobs` take it.
        config: where the workspace lies.
        database: its sessions; closed with `ws.database.close()`.
        backbones, datasets, heads, sweeps, runs, events: what there is.
        cache: care of the feature cache.
        jobs: extractions that workers do.
    """

    def __init__(self, config: Config | str | Path, shard_store: ShardStore | None = None) -> None:
        """
        Args:
            config: of the workspace; or its folder, which is opened as `headstart.open` does it.
            shard_store: where shards are; the workspace's own folder without it.
        """
        self.config = config if isinstance(config, Config) else _config_in(Path(config))
        self._shard_store = shard_store
        self.context = Context(self.config, shard_store)
        self.database = self.context.database
        self.backbones = Backbones(self.context)
        self.datasets = Datasets(self.context)
        self.heads = Heads(self.context)
        self.cache = Cache(self.context)
        self.jobs = Jobs(self.context)
        self.sweeps = self.context.sweeps
        self.runs = self.context.runs
        self.events = self.context.events

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
        views: int = 0,
        executor: Executor | None = None,
        **options: Any,
    ) -> FeatureView:
        """Compute what is missing and give the features of the first cut.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`, or a source of one in place of the name, such as
                `zoo:efficientnet-lite0@avg_pool`, which is registered first (`get_or_add`); all
                cuts are computed in one pass, the others are then had from `features`.
            dataset: name of a dataset, or a source of one, such as a folder; it is refreshed first,
                so that changed files count.
            settings: batch size, what to do about bad samples, when to commit.
            progress: called with (samples done, samples to do).
            augmentation: 0 for the samples as they are; k for the k-th augmentation (another crop,
                side and light, by seed and content) of the pictures of the train split; joined ones
                are on the scales of the samples as they are, whose features have to be there.
            views: compute the augmentations 1 to `views` besides, each picture decoded once.
            executor: what runs it, such as a `headstart.jobs.on_ray.RayExecutor`; this process
                without one.
            **options: fields of `hs.Settings`, such as `on_error="skip"`, which also is of a source
                that is registered now.

        Returns:
            A view of the first cut's features; what was done is its `report`.
        """
        from headstart.extractors.run.settings import with_options
        from headstart.jobs.features.extract import extract
        from headstart.jobs.named import both_named

        chosen = with_options(settings, options)
        how = {"looks": False, "on_error": chosen.on_error}  # it looks at the source itself
        names = both_named(self.context, backbone, dataset, **how)
        return extract(self.context, *names, chosen, progress, augmentation, executor, views)

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
            precision: `float32`, `bfloat16` or `int8`, which is calibrated if it is not yet.
            engine: `auto`, `tensorflow`, `openvino`, or one of a plug-in.

        Raises:
            BackboneError: the engine that was asked for is not installed, or cannot run this.
        """
        from headstart.jobs.features.compile import compile_backbone
        from headstart.jobs.named import both_named

        names = both_named(self.context, backbone, dataset)
        return compile_backbone(self.context, *names, precision, engine)

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
            backbone: `NAME[@CUT]`, or a source.
            dataset: name of a dataset, or a source.
            precision: in what they were computed.
            augmentation: see `extract`.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        from headstart.jobs.named import both_named

        names = both_named(self.context, backbone, dataset)
        return features_of(self.context, *names, precision, augmentation)

    def backup(
        self, folder: str | Path, *, features: bool = False, progress: Progress = silent
    ) -> BackedUp:
        """Copy the workspace while others work in it; `headstart.restore` makes one of it.

        Args:
            folder: new, empty, or with a backup of this workspace, which is brought up to date; or
                an address such as `s3://BUCKET/PREFIX`.
            features: copy the rows of features, too; else they are computed again.
            progress: called with (files done, files).

        Raises:
            AlreadyExists: the folder has something else in it.

        Warns:
            HeadstartWarning: files are missing or damaged in the workspace.
        """
        from headstart.jobs.backups.backup import backup

        return backup(self.context, folder, features=features, progress=progress)

    def transformer(
        self,
        backbone: str | Backbone,
        *,
        precision: str = "float32",
        engine: str = "auto",
        batch_size: int | None = None,
    ) -> FeatureTransformer:
        """A transformer for scikit-learn's pipelines, from raw samples to features of the cache.

        Args:
            backbone: `NAME[@CUT]`, or a source.
            precision: in what the backbone computes.
            engine: see `hs.Settings`.
            batch_size: samples a call; found out if not given.

        Raises:
            NotFound: there is no such backbone.
        """
        from headstart.jobs.backbones.named import backbone_named
        from headstart.transformer import FeatureTransformer

        place = str(self.config.root) if self._shard_store is None else self
        named = backbone_named(self.context, backbone)
        return FeatureTransformer(place, named, precision, engine, batch_size)

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
        from headstart.jobs.named import both_named

        return verify(
            self.context,
            *both_named(self.context, backbone, dataset),
            rows,
            seed,
            full=full,
            precision=precision,
            progress=progress,
        )
