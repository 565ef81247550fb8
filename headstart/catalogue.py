"""What a workspace holds: `ws.backbones`, `ws.datasets`, `ws.heads`."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import BackboneError, DatasetError, HeadError, NotFound
from headstart.extractors import datasets as sources
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.backbones.registration import read_backbone
from headstart.extractors.backbones.safety.first_load import unheard
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import versions
from headstart.head import SUFFIX, Head
from headstart.heads.kind import HeadKind
from headstart.heads.tasks import Task
from headstart.paths import below, inside
from headstart.progress import Progress, silent
from headstart.registry.backbones import BackboneRepository
from headstart.registry.datasets import DatasetRepository
from headstart.registry.entities import Backbone, CutPoint, Dataset, Run
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.heads import HeadRepository
from headstart.registry.names import check_name
from headstart.storage.artifacts import HELD_AS
from headstart.storage.manifest import Manifest
from headstart.storage.views import FeatureView

if TYPE_CHECKING:
    from headstart.extractors.run.verification import Check
    from headstart.workspace import Workspace


@dataclass(frozen=True)
class Origin:
    """Where a view's features come from."""

    backbone: Backbone
    cut: Cut
    dataset: Dataset


class SourceGone(DatasetError):
    """A dataset's source is not there now; its cached features still are."""


class Backbones:
    """`ws.backbones`: register, list, cut."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._repository = BackboneRepository(workspace.database)

    def add(
        self,
        name: str,
        source: str | Path | Any,
        *,
        cut: str | None = None,
        preprocess: str | Preprocessing | None = None,
        licence: str | None = None,
        tags: dict[str, str] | None = None,
        trust: bool = False,
        custom_objects: str | Path | None = None,
        architecture: str | Path | None = None,
        max_model_bytes: int | None = None,
        say: Callable[[str], None] = unheard,
    ) -> Backbone:
        """Register a backbone; the same name with another model is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a `.keras` or `.h5` file, a SavedModel folder, `applications:NAME?weights=…`,
                `zoo:NAME`, `kerashub:DIR`, or a Keras model.
            cut: the default cut, if not the penultimate one.
            preprocess: `raw`, `unit`, `tf`, `torch`, `caffe`, `array`, a JSON or TOML file, or
                a `Preprocessing`.
            licence: SPDX name.
            tags: free keys and values.
            trust: load the file even if it brings code; recorded with user, time and sha256.
            custom_objects: a Python file with the model's own layers and functions; it is run.
            architecture: for a file of weights alone, a saved model or JSON with its architecture.
            max_model_bytes: what a model that is not trusted may take in memory, if not some
                times what its file stores.
            say: told what its first load, in a process of its own, cost, if that is noticeable.
        """
        check_name(name, "backbone")
        with self._workspace.cache().hold(HELD_AS):
            backbone = read_backbone(
                name,
                str(source) if isinstance(source, Path) else source,
                self._workspace.artifacts,
                cut=cut,
                preprocess=preprocess,
                licence=licence,
                tags=tags,
                trust=trust,
                custom_objects=custom_objects,
                architecture=architecture,
                max_bytes=max_model_bytes,
                say=say,
            )
            return self.register(backbone)

    def export(
        self,
        reference: str,
        path: str | Path,
        *,
        features: bool = False,
        progress: Progress = silent,
    ) -> Path:
        """Write a backbone with its preprocessing and cuts into one `.zip` for another workspace.

        Args:
            reference: the backbone.
            path: the file.
            features: take along all features that were extracted with it.
            progress: called with (bytes written, bytes in all).
        """
        from headstart.extractors.backbones.bundle import write_bundle

        backbone, cache = self.get(reference), self._workspace.cache()
        repository = self._workspace.feature_sets
        cuts = {cut.fingerprint for cut in backbone.cuts}
        sets = [
            one
            for one in (repository.find_sets() if features else [])
            if one.cut_fingerprint in cuts
            and one.preprocessing_fingerprint == backbone.preprocessing_fingerprint
        ]
        target = Path(path).expanduser()
        with cache.hold(*(one.key for one in sets)):
            shards = [
                (one, shard, below(cache.folder, shard.file))
                for one in sets
                for shard in repository.find_shards(one.id)
            ]
            write_bundle(target, backbone, self._workspace.artifacts, shards, progress)
        return target

    def import_(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        trust: bool = False,
        progress: Progress = silent,
    ) -> tuple[Backbone, int]:
        """Register a backbone from a file that `export` wrote, with the features in it.

        The model is looked into and cut anew; it is refused where it is not what the bundle says.
        Features have the sha256 that the bundle states and are of the model's cuts; whether their
        numbers are right, `features verify` tells. All of it is registered, or nothing.

        Args:
            path: the `.zip`.
            name: to register it under, if not the one it had.
            trust: load the model even if it brings code.
            progress: called with (bytes read, bytes in all).

        Returns:
            The backbone, and the number of rows that came along and were new.

        Raises:
            BackboneError: the file is no bundle, or is not what it says.
            UnsafeModel: the model could run code, and `trust` is not given.
            FeatureError: it brings features of another backbone.
        """
        from headstart.jobs.import_bundle import deliver

        file = Path(path).expanduser()
        return deliver(self._workspace, file, name, trust=trust, progress=progress)

    def register(self, backbone: Backbone) -> Backbone:
        """Register a backbone whose files are in the artifact store; see `add`."""
        return self._repository.add(backbone)

    def get(self, reference: str) -> Backbone:
        return self._repository.get(reference)

    def list(self) -> list[Backbone]:
        return self._repository.find_all()

    def cuts(self, reference: str) -> tuple[CutPoint, ...]:
        return self.get(reference).cuts

    def verify(
        self, reference: str, *, dataset: str | None = None, samples: int = 32, seed: int = 0
    ) -> builtins.list[Check]:
        """Compare trunk and tail with the whole model, on real samples or on random ones.

        Args:
            reference: the backbone.
            dataset: whose first samples are taken; seeded random ones without it.
            samples: how many, 2 or more.
            seed: of the random ones.

        Returns:
            The checks, which are also stored as a run.
        """
        from headstart.extractors.run.verification import random_inputs, verify_graph

        if samples < 2:
            raise BackboneError(f"samples is {samples}", hint="Give 2 or more.")
        backbone = self.get(reference)
        graph = self._workspace.load_graph(backbone)
        started = time.monotonic()
        if dataset is None:
            pipeline = self._workspace.pipeline(backbone)
            inputs = random_inputs(graph, pipeline, samples, seed)
        else:
            record = self._workspace.datasets.get(dataset)
            manifest = self._workspace.datasets.manifest(record)
            read = sources.SampleReader(manifest, record.options).read
            inputs = self._workspace.prepare(backbone, manifest.samples[:samples], read)
        checks = verify_graph(graph, backbone.cuts, inputs)
        self._workspace.runs.add(
            Run(
                "verify",
                backbone.reference,
                dataset or "random",
                "done" if all(check.ok for check in checks) else "failed",
                {check.what: check.difference for check in checks},
                round(time.monotonic() - started, 3),
                versions(),
            )
        )
        return checks

    def find_verification(self, reference: str) -> Run | None:
        """The last `verify` of this version; None if there was none."""
        subject = self.get(reference).reference
        return next(iter(self._workspace.runs.find_latest("verify", subject, 1)), None)

    def alias(self, alias: str, reference: str) -> Backbone:
        """Let `alias` mean this backbone."""
        return self._repository.set_alias(check_name(alias, "alias"), reference)

    def tag(self, reference: str, tags: dict[str, str]) -> Backbone:
        return self._repository.set_tags(reference, tags)

    def remove(self, reference: str, *, force: bool = False) -> Backbone:
        """Forget a backbone; refused while features or heads depend on it, unless forced."""
        return self._repository.remove(reference, force=force)


class Datasets:
    """`ws.datasets`: register, refresh, list."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._repository = DatasetRepository(workspace.database)

    def add(
        self,
        name: str,
        source: str | Path,
        *,
        kind: str | None = None,
        progress: Progress = silent,
        **options: Any,
    ) -> Dataset:
        """Register a dataset.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a folder of class folders, a CSV, TSV or JSON Lines file, an `.npz` or `.npy`.
            kind: `folder`, `csv` (any table) or `arrays`; by what the source is without it.
            progress: called with (files looked at, files in all).
            **options: `path_column`, `text_column`, `values`, `label_column`, `split_column`,
                `id_column`, `group_column` of a table; `labels`, a file, for arrays;
                `group_pattern`, found in the ids, for all; `root`, of a table or folder: a folder
                outside of which nothing is read, wherever paths, `..` and links lead.
        """
        check_name(name, "dataset")
        path = Path(source).expanduser().absolute()
        chosen = sources.kind_of(path, kind)
        given = {key: value for key, value in options.items() if value not in (None, (), [])}
        if "values" in given:
            given["values"] = list(given["values"])
        if "labels" in given:
            given["labels"] = str(Path(given["labels"]).expanduser().absolute())
        previous = self._find_previous(name)
        if "root" in given:
            given["root"] = _checked_root(given["root"], chosen)
        manifest = sources.scan(path, chosen, given, previous, progress)
        return self._repository.add(self._describe(name, manifest, given, previous))

    def refresh(self, name: str, progress: Progress = silent) -> Dataset:
        """Look at the source again; only files that changed are read.

        Raises:
            SourceGone: the source is not there; the dataset is kept as it was.
        """
        dataset = self.get(name)
        path = Path(dataset.source)
        if not path.exists():
            raise SourceGone(
                f"the source of dataset {name!r}, {path}, is not there",
                hint="Put it back; features in the cache can still be used.",
            )
        previous = self.manifest(dataset)
        manifest = sources.scan(path, dataset.kind, dataset.options, previous, progress)
        if manifest == previous:
            return dataset
        return self._repository.update(self._describe(name, manifest, dataset.options, previous))

    def get(self, name: str) -> Dataset:
        return self._repository.get(name)

    def list(self) -> list[Dataset]:
        return self._repository.find_all()

    def remove(self, name: str) -> Dataset:
        """Forget a dataset; features stay, other datasets may share them."""
        return self._repository.remove(name)

    def manifest(self, dataset: Dataset | str) -> Manifest:
        """The samples of a dataset as they were last looked at."""
        if isinstance(dataset, str):
            dataset = self.get(dataset)
        return Manifest.read(inside(self._workspace.config.manifests, dataset.manifest))

    def _find_previous(self, name: str) -> Manifest | None:
        with suppress(NotFound, DatasetError):
            return self.manifest(name)
        return None

    def _describe(
        self, name: str, manifest: Manifest, options: dict[str, Any], previous: Manifest | None
    ) -> Dataset:
        return Dataset(
            name=name,
            kind=manifest.kind,
            source=manifest.source,
            options=options,
            digest=manifest.digest,
            manifest=manifest.write(self._workspace.config.manifests, previous),
            samples=len(manifest.samples),
            unique=manifest.unique,
            classes=[str(label) for label in manifest.classes],
        )


def _checked_root(root: str | Path, kind: str) -> str:
    path = Path(root).expanduser().absolute()
    if kind == "arrays":
        raise DatasetError("arrays name no files", hint="Leave the root out.")
    if not path.is_dir():
        raise DatasetError(f"the root {path} is not a folder", hint="Check the path.")
    return str(path.resolve())


class Heads:
    """`ws.heads`: train, list, get."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._repository = HeadRepository(workspace.database)

    def train(
        self,
        name: str,
        features: FeatureView,
        kind: HeadKind | None = None,
        *,
        seed: int = 0,
        task: Task | None = None,
        views: int = 0,
    ) -> Head:
        """Train a head on features and their labels; the same name again is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            features: a view from `ws.extract` or `ws.features`.
            kind: `hs.Linear(…)` (the default), `hs.MLP(…)`, `hs.Ridge(…)` (the default for
                numbers)…
            seed: of everything that chance decides.
            task: `hs.Classification(…)` (the default), `hs.MultiLabel(…)`, `hs.Ordinal(…)`,
                `hs.Regression()`.
            views: train on so many augmented views as well; they have to be extracted.

        Raises:
            HeadError: the labels or splits do not allow it; the message says which.
        """
        from headstart.heads.train import train

        check_name(name, "head")
        origin = features.origin
        if not isinstance(origin, Origin):
            raise HeadError(
                "the view does not know its backbone and dataset",
                hint="Train on what ws.extract or ws.features gives, not on a part of it.",
            )
        started = time.monotonic()
        more = self._workspace.features_in_views(
            f"{origin.backbone.reference}@{origin.cut.name}",
            origin.dataset.name,
            origin.cut.precision,
            views,
        )
        trained = train(features, kind, seed, task, more)
        artifact = self._workspace.artifacts.put_bytes(trained.stack.to_bytes(), SUFFIX)
        record = self._repository.add(
            HeadRecord(
                name=name,
                kind=trained.kind,
                backbone=origin.backbone.reference,
                backbone_id=origin.backbone.id,
                cut=origin.cut.name,
                feature_key=features.key,
                dataset=origin.dataset.name,
                dataset_digest=origin.dataset.digest,
                settings=trained.settings,
                metrics=trained.metrics,
                classes=list(trained.stack.classes),
                seed=seed,
                versions=versions(),
                artifact_digest=artifact.digest,
                artifact_size=artifact.size,
            )
        )
        self._workspace.runs.add(
            Run(
                "train",
                f"{record.name}:{record.version}",
                record.dataset,
                "done",
                {name: trained.metrics[name] for name in ("n_train", "n_validation", "n_test")},
                round(time.monotonic() - started, 3),
                record.versions,
            )
        )
        return Head(self._workspace, record)

    def keep(self, record: HeadRecord, content: bytes) -> Head:
        """Register a head as the next version of its name, with what its artifact holds.

        Args:
            record: whose artifact, version, time and number are set here.
            content: of the artifact.
        """
        artifact = self._workspace.artifacts.put_bytes(content, SUFFIX)
        named = replace(record, artifact_digest=artifact.digest, artifact_size=artifact.size)
        return Head(self._workspace, self._repository.add(named))

    def get(self, reference: str) -> Head:
        """The head of that name (its latest version), `NAME:VERSION`, or alias."""
        return Head(self._workspace, self._repository.get(reference))

    def alias(self, alias: str, reference: str) -> Head:
        """Let `alias`, such as `production`, mean this head, whatever it meant before.

        Raises:
            AlreadyExists: a head has that name.
        """
        check_name(alias, "alias")
        return Head(self._workspace, self._repository.set_alias(alias, reference))

    def list(self) -> list[Head]:
        return [Head(self._workspace, record) for record in self._repository.find_all()]
