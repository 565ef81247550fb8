"""A workspace: one folder (and its database) with backbones, datasets, features and heads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.config import Config, create_config, default_root, load_config
from headstart.errors import DatasetError, FeatureError, HeadError, NotFound, first_line
from headstart.extractors import datasets as sources
from headstart.extractors.cache import FeatureCache
from headstart.extractors.cuts import Cut, resolve
from headstart.extractors.extraction import Extraction, Report, Settings, keys_of
from headstart.extractors.loading import SUFFIXES
from headstart.extractors.preprocessing import Preprocessing
from headstart.extractors.registering import read_backbone
from headstart.extractors.runtime import versions
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kinds import HeadKind
from headstart.heads.linear import Linear
from headstart.registry import schema
from headstart.registry.backbones import BackboneRepository
from headstart.registry.database import Database
from headstart.registry.datasets import DatasetRepository
from headstart.registry.entities import Backbone, CutPoint, Dataset, Run
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.features import FeatureRepository
from headstart.registry.heads import HeadRepository
from headstart.registry.names import check_name
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import Artifact, ArtifactStore
from headstart.storage.files import written_aside
from headstart.storage.keys import digest_of_bytes
from headstart.storage.manifest import Label, Manifest, Sample
from headstart.storage.views import FeatureView

Progress = Callable[[int, int], None]
HEAD_SUFFIX = ".npz"
PARITY_SAMPLES = 16


def _silent(_done: int, _total: int) -> None:
    """The progress of callers who do not look."""


def init(root: str | Path | None = None, database_url: str | None = None) -> Workspace:
    """Make a workspace, or bring an existing one to this code's schema, and open it.

    Args:
        root: its folder; `$HEADSTART_HOME` or the platform's folder for user data without it.
        database_url: SQLAlchemy URL of a shared database; SQLite in the folder without it.
    """
    config = create_config(Path(root) if root is not None else default_root(), database_url)
    schema.upgrade(config)
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


@dataclass(frozen=True)
class Prediction:
    """What a head says of one file."""

    name: str
    label: Label
    probability: float


class Workspace:
    """The verbs of the command line, for Python; see `headstart.open` and `headstart.init`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database = Database(config)
        self._features = FeatureRepository(self.database)
        self._runs = RunRepository(self.database)
        self.artifacts = ArtifactStore(config.artifacts)
        self.backbones = Backbones(self)
        self.datasets = Datasets(self)
        self.heads = Heads(self)

    def extract(
        self,
        backbone: str,
        dataset: str,
        *,
        settings: Settings | None = None,
        progress: Progress = _silent,
    ) -> FeatureView:
        """Compute what is missing and give the features of the first cut.

        Args:
            backbone: `NAME[@CUT[,CUT…]]`; all cuts are computed in one forward pass, the others
                are then had from `features`.
            dataset: name of a dataset; it is refreshed first, so that changed files count.
            settings: batch size, what to do about bad samples, when to commit.
            progress: called with (samples done, samples to do).

        Returns:
            A view of the first cut's features; what was done is its `report`.
        """
        entity, cuts = self._resolve(backbone)
        with suppress(SourceGone):
            self.datasets.refresh(dataset)
        record = self.datasets.get(dataset)
        manifest = self.datasets.manifest(record)
        cache = FeatureCache(self._features, self.config.features)
        extraction = Extraction(
            backbone=entity,
            cuts=cuts,
            dataset=dataset,
            manifest=manifest,
            open_engine=lambda needed: self._open_engine(entity, needed),
            open_reader=lambda: sources.SampleReader(manifest, record.options).read,
            repository=self._features,
            cache=cache,
            versions=versions(),
            settings=settings or Settings(),
            progress=progress,
        )
        report = self._recorded(extraction, backbone)
        skipped = {sample["id"] for sample in report.skipped_samples}
        view = cache.open_view(report.feature_key, manifest, report, skipped)
        return self._with_origin(view, entity, cuts[0], record)

    def features(self, backbone: str, dataset: str) -> FeatureView:
        """The features of a dataset, from the cache only.

        Raises:
            FeaturesMissing: some have not been extracted.
        """
        entity, cuts = self._resolve(backbone)
        record = self.datasets.get(dataset)
        cache = FeatureCache(self._features, self.config.features)
        (key,) = keys_of(entity, cuts[:1]).values()
        view = cache.open_view(key, self.datasets.manifest(record))
        return self._with_origin(view, entity, cuts[0], record)

    def verify(self, backbone: str, dataset: str, rows: int = 16, seed: int = 0) -> dict[str, Any]:
        """Check every shard's hash and compute some rows again through the real model.

        Args:
            backbone: `NAME[@CUT]`.
            dataset: whose rows.
            rows: how many to compute again, chosen by `seed`.
            seed: of the choice.

        Returns:
            `rows`, `max_abs_diff` between cached and computed, `corrupt` shards quarantined.
        """
        if rows < 1:
            raise FeatureError(f"rows is {rows}", hint="Give 1 or more.")
        entity, cuts = self._resolve(backbone)
        record = self.datasets.get(dataset)
        manifest = self.datasets.manifest(record)
        cache = FeatureCache(self._features, self.config.features)
        (key,) = keys_of(entity, cuts[:1]).values()
        corrupt_before = cache.quarantined
        index = cache.open_index(key)
        corrupt = cache.quarantined - corrupt_before
        places = index.find([sample.digest for sample in manifest.samples])
        present = np.flatnonzero(places.present)
        report = {"rows": 0, "max_abs_diff": None, "corrupt": corrupt, "feature_key": key}
        if not len(present):
            return report
        chosen = np.random.default_rng(seed).permutation(present)[:rows]
        samples = [manifest.samples[row] for row in chosen]
        feature_set = self._features.get_set(key)
        view = FeatureView(key, index, samples, feature_set.shape, feature_set.dtype)
        inputs = self._prepare(entity, samples, sources.SampleReader(manifest, record.options).read)
        (computed,) = self._open_engine(entity, cuts[:1]).run(inputs)
        difference = float(np.abs(computed - view.to_numpy()).max())
        return {**report, "rows": len(samples), "max_abs_diff": difference}

    def _resolve(self, reference: str) -> tuple[Backbone, list[Cut]]:
        """`NAME[@CUT[,CUT…]]` as a backbone and its cuts, doubles left out."""
        name, _, wanted = reference.partition("@")
        backbone = self.backbones.get(name)
        cuts = [resolve(backbone.cuts, cut.strip() or None) for cut in wanted.split(",")]
        return backbone, list({cut.name: cut for cut in cuts}.values())

    def _open_engine(self, backbone: Backbone, cuts: Sequence[Cut]) -> Any:
        from headstart.extractors.engine import TensorFlowEngine

        return TensorFlowEngine(self.build_trunk(backbone, cuts))

    def build_trunk(self, backbone: Backbone, cuts: Sequence[Cut]) -> Any:
        """The trunk as a frozen `keras.Model`, from the artifact after its hash was checked."""
        from headstart.extractors.loading import load_graph
        from headstart.extractors.trunk import build_trunk

        artifact = Artifact(backbone.artifact_digest, backbone.artifact_size)
        graph = load_graph(self.artifacts.get(artifact, SUFFIXES[backbone.format]))
        size = Preprocessing.from_json(backbone.preprocessing).output_size
        return build_trunk(graph, cuts, size)

    def _prepare(
        self, backbone: Backbone, samples: Iterable[Sample], read: Callable[[Sample], Any]
    ) -> np.ndarray:
        pipeline = Preprocessing.from_json(backbone.preprocessing)
        return np.stack([pipeline.prepare(read(sample)) for sample in samples])

    def _recorded(self, extraction: Extraction, subject: str) -> Report:
        """Run an extraction; however it ends, a run is recorded."""
        status = "interrupted"
        try:
            report = extraction.run()
            status = "done"
            return report
        except Exception as error:
            status = f"failed: {type(error).__name__}"[:20]
            raise
        finally:
            done = extraction.report
            names = ("samples", "unique", "computed", "reused", "skipped", "skipped_samples")
            counts = {name: getattr(done, name) for name in names}
            if done.computed or status != "done" or done.skipped:
                self._runs.add(
                    Run("extract", subject, done.dataset, status, counts, done.seconds, versions())
                )

    def _with_origin(
        self, view: FeatureView, backbone: Backbone, cut: Cut, dataset: Dataset
    ) -> FeatureView:
        view.origin = Origin(backbone, cut, dataset)
        return view


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
        source: str | Path,
        *,
        cut: str | None = None,
        preprocess: str | Preprocessing | None = None,
        licence: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> Backbone:
        """Register a backbone; the same name with another model is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a `.keras` or `.h5` file, `applications:NAME?weights=…`, `zoo:NAME`.
            cut: the default cut, if not the penultimate one.
            preprocess: `raw`, `unit`, `tf`, `torch`, `caffe`, `array`, a JSON or TOML file, or
                a `Preprocessing`.
            licence: SPDX name.
            tags: free keys and values.
        """
        check_name(name, "backbone")
        backbone = read_backbone(
            name,
            str(source),
            self._workspace.artifacts,
            cut=cut,
            preprocess=preprocess,
            licence=licence,
            tags=tags,
        )
        return self._repository.add(backbone)

    def get(self, reference: str) -> Backbone:
        return self._repository.get(reference)

    def list(self) -> list[Backbone]:
        return self._repository.find_all()

    def cuts(self, reference: str) -> tuple[CutPoint, ...]:
        return self.get(reference).cuts

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
        progress: Progress = _silent,
        **options: Any,
    ) -> Dataset:
        """Register a dataset.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            source: a folder of class folders, a CSV or TSV, an `.npz` or `.npy`.
            kind: `folder`, `csv` or `arrays`; by what the source is without it.
            progress: called with (files looked at, files in all).
            **options: `path_column`, `label_column`, `split_column`, `id_column` of a CSV;
                `labels`, a file, for arrays.
        """
        check_name(name, "dataset")
        path = Path(source).expanduser().absolute()
        chosen = sources.kind_of(path, kind)
        given = {key: value for key, value in options.items() if value is not None}
        if "labels" in given:
            given["labels"] = str(Path(given["labels"]).expanduser().absolute())
        manifest = sources.scan(path, chosen, given, self._find_previous(name), progress)
        return self._repository.add(self._describe(name, manifest, given))

    def refresh(self, name: str, progress: Progress = _silent) -> Dataset:
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
        return self._repository.update(self._describe(name, manifest, dataset.options))

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
        return Manifest.read(self._workspace.config.manifests / dataset.manifest)

    def _find_previous(self, name: str) -> Manifest | None:
        with suppress(NotFound, DatasetError):
            return self.manifest(name)
        return None

    def _describe(self, name: str, manifest: Manifest, options: dict[str, Any]) -> Dataset:
        return Dataset(
            name=name,
            kind=manifest.kind,
            source=manifest.source,
            options=options,
            digest=manifest.digest,
            manifest=manifest.write(self._workspace.config.manifests),
            samples=len(manifest.samples),
            unique=manifest.unique,
            classes=[str(label) for label in manifest.classes],
        )


class Heads:
    """`ws.heads`: train, list, get."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._repository = HeadRepository(workspace.database)

    def train(
        self, name: str, features: FeatureView, kind: HeadKind | None = None, *, seed: int = 0
    ) -> Head:
        """Train a head on features and their labels; the same name again is its next version.

        Args:
            name: letters, digits, `.`, `_`, `-`.
            features: a view from `ws.extract` or `ws.features`.
            kind: `hs.Linear(…)` (the default) or `hs.MLP(…)`.
            seed: of everything that chance decides.
        """
        from headstart.heads.training import train

        check_name(name, "head")
        origin = features.origin
        if not isinstance(origin, Origin):
            raise HeadError(
                "the view does not know its backbone and dataset",
                hint="Train on what ws.extract or ws.features gives, not on a part of it.",
            )
        chosen: HeadKind = kind or Linear()
        started = time.monotonic()
        trained = train(features, chosen, seed)
        artifact = self._workspace.artifacts.put_bytes(trained.stack.to_bytes(), HEAD_SUFFIX)
        record = self._repository.add(
            HeadRecord(
                name=name,
                kind=chosen.kind,
                backbone=origin.backbone.reference,
                backbone_id=origin.backbone.id,
                cut=origin.cut.name,
                feature_key=features.key,
                dataset=origin.dataset.name,
                dataset_digest=origin.dataset.digest,
                settings={**chosen.describe(), **trained.details},
                metrics=trained.metrics,
                classes=list(trained.stack.classes),
                seed=seed,
                versions=versions(),
                artifact_digest=artifact.digest,
                artifact_size=artifact.size,
            )
        )
        self._workspace._runs.add(
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

    def get(self, reference: str) -> Head:
        """The head of that name (its latest version) or `NAME:VERSION`."""
        return Head(self._workspace, self._repository.get(reference))

    def list(self) -> list[Head]:
        return [Head(self._workspace, record) for record in self._repository.find_all()]


class Head:
    """A trained head: its record, its weights, and what can be done with it."""

    def __init__(self, workspace: Workspace, record: HeadRecord) -> None:
        self._workspace = workspace
        self.record = record

    @property
    def metrics(self) -> dict[str, Any]:
        """`accuracy`, `macro_f1`, `log_loss`, `confusion`, `n_train`, `n_validation`, `n_test`."""
        return self.record.metrics

    @property
    def stack(self) -> DenseStack:
        """The head's layers, read after their hash was checked."""
        artifact = Artifact(self.record.artifact_digest, self.record.artifact_size)
        return DenseStack.read(self._workspace.artifacts.get(artifact, HEAD_SUFFIX))

    def attach(self, path: str | Path | None = None) -> Any:
        """One `keras.Model`: trunk (frozen) and head, from preprocessed input to probabilities.

        It is checked on real samples of the dataset that it was trained on: the probabilities
        must be those of the cached features within 1e-4.

        Args:
            path: where to save it (`.keras`); a `.json` beside it says what the classes are and
                how inputs are preprocessed.

        Raises:
            ParityError: the attached model gives other probabilities; nothing was saved.
        """
        return self.attach_checked(path)[0]

    def attach_checked(self, path: str | Path | None = None) -> tuple[Any, float]:
        """As `attach`; also gives the largest difference that the check found."""
        from headstart.heads.attaching import attach, check_parity

        target = None if path is None else _checked_target(Path(path))
        backbone, cut = self._origin()
        stack = self.stack
        trunk = self._workspace.build_trunk(backbone, [cut])
        model = attach(trunk, stack, f"{backbone.name}_{self.record.name}".replace(".", "_"))
        inputs, expected = self._cached_samples(backbone, stack)
        difference = check_parity(model, inputs, expected)
        if target is not None:
            self._save(model, target, backbone)
        return model, difference

    def predict(self, paths: Iterable[str | Path], on_error: str = "fail") -> list[Prediction]:
        """Class and probability of image files, in their order.

        Files whose features are in the cache are not run through the backbone again.

        Args:
            paths: files, or folders whose images are taken.
            on_error: `fail` at a file that cannot be read, or `skip` it.
        """
        backbone, cut = self._origin()
        samples = [_as_sample(path) for path in _expand(paths)]
        features, kept = self._features_of(samples, backbone, cut, on_error)
        if not kept:
            return []
        stack = self.stack
        probabilities = stack.predict_proba(features)
        best = probabilities.argmax(axis=1)
        return [
            Prediction(sample.id, stack.classes[number], float(row[number]))
            for sample, number, row in zip(kept, best, probabilities, strict=True)
        ]

    def _features_of(
        self, samples: list[Sample], backbone: Backbone, cut: Cut, on_error: str
    ) -> tuple[np.ndarray, list[Sample]]:
        """Features of files, cached or computed (but not stored), and the files that have them."""
        from headstart.errors import SampleUnreadable

        workspace = self._workspace
        cache = FeatureCache(workspace._features, workspace.config.features)
        index = cache.open_index(self.record.feature_key)
        present = index.find([sample.digest for sample in samples]).present
        rows: dict[int, np.ndarray] = {}
        cached = [number for number in range(len(samples)) if present[number]]
        if cached:
            known = workspace._features.get_set(self.record.feature_key)
            chosen = [samples[number] for number in cached]
            view = FeatureView(known.key, index, chosen, known.shape, known.dtype)
            rows.update(zip(cached, view.to_numpy(), strict=True))
        engine = None
        pipeline = Preprocessing.from_json(backbone.preprocessing)
        missing = [number for number in range(len(samples)) if not present[number]]
        for start in range(0, len(missing), 32):
            numbers, prepared = [], []
            for number in missing[start : start + 32]:
                try:
                    prepared.append(pipeline.prepare(Path(samples[number].id).read_bytes()))
                    numbers.append(number)
                except SampleUnreadable as error:
                    if on_error == "fail":
                        raise SampleUnreadable(
                            f"{samples[number].id}: {error.message}",
                            hint="Leave it out, or go on without it: --on-error skip.",
                        ) from error
            if numbers:
                engine = engine or workspace._open_engine(backbone, [cut])
                rows.update(zip(numbers, engine.run(np.stack(prepared))[0], strict=True))
        kept = sorted(rows)
        stacked = np.stack([rows[number] for number in kept]) if kept else np.empty((0, 0))
        return stacked, [samples[number] for number in kept]

    def _origin(self) -> tuple[Backbone, Cut]:
        """The backbone and cut, found to be those that the head was trained on.

        Raises:
            HeadError: the backbone was removed, or is another one now.
        """
        if self.record.backbone_id is None:
            raise HeadError(
                f"the backbone {self.record.backbone!r} of head {self.record.name!r} was removed",
                hint="Add it again and train the head again; features are still cached.",
            )
        backbone = self._workspace.backbones.get(self.record.backbone)
        cut = resolve(backbone.cuts, self.record.cut)
        if keys_of(backbone, [cut])[cut.name] != self.record.feature_key:
            raise HeadError(
                f"backbone {backbone.label!r} is not the one that head {self.record.name!r} was "
                "trained on",
                hint="Train the head again.",
            )
        return backbone, cut

    def _cached_samples(
        self, backbone: Backbone, stack: DenseStack
    ) -> tuple[np.ndarray, np.ndarray]:
        """Some real samples, preprocessed, and the probabilities of their cached features."""
        workspace = self._workspace
        dataset = workspace.datasets.get(self.record.dataset)
        manifest = workspace.datasets.manifest(dataset)
        cache = FeatureCache(workspace._features, workspace.config.features)
        index = cache.open_index(self.record.feature_key)
        present = index.find([sample.digest for sample in manifest.samples]).present
        numbers = np.flatnonzero(present)
        if not len(numbers):
            raise FeatureError(
                f"no features of dataset {dataset.name!r} are left to check the head on",
                hint="Run `headstart extract`.",
            )
        spread = np.unique(np.linspace(0, len(numbers) - 1, PARITY_SAMPLES).astype(int))
        samples = [manifest.samples[numbers[place]] for place in spread]
        feature_set = workspace._features.get_set(self.record.feature_key)
        view = FeatureView(feature_set.key, index, samples, feature_set.shape, feature_set.dtype)
        read = sources.SampleReader(manifest, dataset.options).read
        inputs = workspace._prepare(backbone, samples, read)
        return inputs, stack.predict_proba(view.to_numpy())

    def _save(self, model: Any, target: Path, backbone: Backbone) -> None:
        partial = target.with_name(f".{target.stem}.partial.keras")
        try:
            model.save(partial)
            partial.replace(target)
        except OSError as error:
            raise HeadError(f"cannot write {target}: {first_line(error)}") from error
        finally:
            partial.unlink(missing_ok=True)
        facts = {
            "classes": list(self.record.classes),
            "preprocessing": backbone.preprocessing,
            "backbone": self.record.backbone,
            "cut": self.record.cut,
            "head": f"{self.record.name}:{self.record.version}",
            "feature_key": self.record.feature_key,
            "metrics": self.record.metrics,
            "licence": backbone.licence,
            "versions": self.record.versions,
        }
        with written_aside(target.with_suffix(".json")) as file:
            file.write(json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n")


def _checked_target(path: Path) -> Path:
    if path.suffix != ".keras":
        raise HeadError(f"cannot save as {path}", hint="Give a name that ends in .keras.")
    if not path.absolute().parent.is_dir():
        raise HeadError(f"no folder {path.absolute().parent}", hint="Make it first.")
    return path


def _expand(paths: Iterable[str | Path]) -> list[Path]:
    """Files as given; folders as the images below them, sorted."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            images = sorted(
                file for file in path.rglob("*") if file.suffix.lower() in sources.IMAGE_SUFFIXES
            )
            if not images:
                raise HeadError(f"the folder {path} holds no images")
            found += images
        elif path.is_file():
            found.append(path)
        else:
            raise HeadError(f"no file or folder {path}", hint="Check the path.")
    return found


def _as_sample(path: Path) -> Sample:
    return Sample(str(path), digest_of_bytes(path.read_bytes()), None, "test", str(path))
