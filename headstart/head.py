"""A trained head: what it knows, attaching it, predicting with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import FeatureError, HeadError, SampleUnreadable
from headstart.extractors import datasets as sources
from headstart.extractors.affine import Affine
from headstart.extractors.batches import Batch, Prepared, length, stack
from headstart.extractors.cuts import Cut, resolve
from headstart.extractors.engines.interface import PRECISIONS
from headstart.extractors.extraction import keys_of
from headstart.heads.dense_stack import DenseStack
from headstart.registry.entities import Backbone
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.artifacts import Artifact
from headstart.storage.files import written_aside
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Label, Sample
from headstart.storage.views import FeatureView

if TYPE_CHECKING:
    from headstart.finetuning import FineTuned
    from headstart.heads.finetuning import FineTuning
    from headstart.workspace import Workspace

SUFFIX = ".npz"
PARITY_SAMPLES = 16
BATCH = 32
SAME_METRIC = 1e-6


@dataclass(frozen=True)
class Prediction:
    """What a head says of one sample: a file, or `FILE[ROW]` of an array."""

    name: str
    label: Label
    probability: float


@dataclass(frozen=True)
class _Item:
    """A sample to predict: its name and its raw content."""

    name: str
    raw: Any

    def to_sample(self) -> Sample:
        return Sample(self.name, digest_of(self.raw), None, "test", self.name)


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
        return DenseStack.read(self._workspace.artifacts.get(artifact, SUFFIX))

    def attach(self, path: str | Path | None = None, *, pixels: bool = False) -> Any:
        """One `keras.Model`: trunk (frozen) and head, from preprocessed input to probabilities.

        It is checked on real samples of the dataset that it was trained on: the probabilities
        must be those of the cached features within 1e-4 (0.25 for features in bfloat16: the model
        computes in float32). What is written is loaded again and checked likewise.

        Args:
            path: where to save it: `NAME.keras`, `NAME.onnx`, `NAME.tflite`, or a folder for a
                SavedModel. `NAME.json` beside it says what the classes are and how inputs are
                preprocessed, `NAME.md` is its model card.
            pixels: do the arithmetic of the preprocessing inside, so that uint8 pixels go in.

        Raises:
            ParityError: the attached model gives other probabilities; nothing was saved.
            HeadError: the name stands for no format, or its packages are not installed.
        """
        return self.attach_checked(path, pixels=pixels)[0]

    def attach_checked(
        self, path: str | Path | None = None, *, pixels: bool = False
    ) -> tuple[Any, float]:
        """As `attach`; also gives the largest difference that the checks found."""
        from headstart.heads.attaching import TOLERANCES, attach, check_parity, predict
        from headstart.heads.exporting import format_of, with_pixels, write_checked

        target = None if path is None else Path(path)
        if target is not None:
            format_of(target)
        backbone, cut = self.origin()
        stack = self.stack
        trunk = self._workspace.build_trunk(backbone, [cut])
        model = attach(trunk, stack, f"{backbone.name}_{self.record.name}".replace(".", "_"))
        view = self._present()
        raw, rows = self.cached_samples(backbone, view)
        pipeline = self._workspace.pipeline(backbone)
        inputs, expected = pipeline.finish(raw), stack.predict_proba(view[rows])

        def compare(given: np.ndarray) -> float:
            return check_parity(given, expected, TOLERANCES[cut.precision])

        difference = compare(predict(model, inputs))
        if pixels:
            affine = self._affine(backbone)
            assert isinstance(raw, np.ndarray)  # as there is one input
            model, inputs = with_pixels(model, affine, raw.shape[1:]), raw
            difference = max(difference, compare(predict(model, inputs)))
        if target is not None:
            difference = max(difference, write_checked(model, target, inputs, compare))
            self.describe(target, backbone, difference, pixels=pixels)
        return model, difference

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (n, classes) and class numbers (n,) of the test split that it was judged
        on, from the cache.

        Raises:
            HeadError: the dataset is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        view = self._same_features().split("test")
        number = {label: place for place, label in enumerate(self.record.classes)}
        targets = np.array([number[label] for label in view.labels if label is not None], np.int64)
        return self.stack.predict_proba(view.to_numpy()), targets

    def reproduce(self) -> dict[str, Any]:
        """Train the head again, from the cached features and with its settings and seed.

        Returns:
            `metrics` of now, `max_abs_diff` between the weights, and `agrees`: whether accuracy,
            macro F1 and log loss are the same within 1e-6.

        Raises:
            HeadError: the dataset or the backbone is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        from headstart.heads.every_kind import kind_of
        from headstart.heads.training import train

        self.origin()
        record = self.record
        kind = kind_of(record.kind, record.settings)
        trained = train(self._same_features(), kind, record.seed)
        names = ("accuracy", "macro_f1", "log_loss")
        apart = [abs(trained.metrics[name] - record.metrics[name]) for name in names]
        pairs = zip(trained.stack.layers, self.stack.layers, strict=True)
        weights = [
            (a, b)
            for one, two in pairs
            for a, b in ((one.kernel, two.kernel), (one.bias, two.bias))
        ]
        difference = max(float(np.abs(a - b).max()) for a, b in weights)
        return {
            "metrics": trained.metrics,
            "max_abs_diff": difference,
            "agrees": max(apart) <= SAME_METRIC,
        }

    def _same_features(self) -> FeatureView:
        """The cached features of the dataset, found to be what the head was trained on."""
        workspace = self._workspace
        dataset = workspace.datasets.get(self.record.dataset)
        if dataset.digest != self.record.dataset_digest:
            raise HeadError(
                f"dataset {dataset.name!r} has changed since head {self.record.name!r} was trained",
                hint="Train the head again.",
            )
        manifest = workspace.datasets.manifest(dataset)
        return workspace.cache().open_view(self.record.feature_key, manifest)

    def finetune(
        self, start: str, path: str | Path | None = None, settings: FineTuning | None = None
    ) -> FineTuned:
        """Train the layers between two cuts together with the head, from cached features.

        Args:
            start: the cut whose features are cached and go in; all below it stays as it is.
            path: where to save the whole model; see `attach`.
            settings: how; the seed is the head's.

        Raises:
            BackboneError: the cut is no bottleneck below the head's own, or the backbone is a
                frozen graph.
            FeaturesMissing: its features have not been extracted.
            ParityError: the whole model does not give what was trained; nothing was saved.
        """
        from headstart.finetuning import finetune

        return finetune(self, self._workspace, start, path, settings)

    def predict(self, paths: Iterable[str | Path], on_error: str = "fail") -> list[Prediction]:
        """Class and probability of each sample, in order.

        What is in the cache is not run through the backbone again.

        Args:
            paths: files; folders, whose pictures, sounds and texts are taken; `.npy`, `.npz` and
                tables (`.csv`, `.tsv`, `.jsonl`), row by row.
            on_error: `fail` at a sample that cannot be read, or `skip` it.

        Raises:
            SampleUnreadable: a sample cannot be read and `on_error` is `fail`.
        """
        backbone, cut = self.origin()
        stack = self.stack
        runner = _Runner(self._workspace, backbone, cut, self.record.feature_key, on_error)
        predictions = []
        items = _items(paths)
        while batch := list(islice(items, BATCH)):
            names, features = runner.run(batch)
            if not names:
                continue
            probabilities = stack.predict_proba(features)
            for name, row in zip(names, probabilities, strict=True):
                best = int(row.argmax())
                predictions.append(Prediction(name, stack.classes[best], float(row[best])))
        return predictions

    def origin(self) -> tuple[Backbone, Cut]:
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
        point = resolve(backbone.cuts, self.record.cut)
        for precision in PRECISIONS:
            cut = replace(point, precision=precision)
            if keys_of(backbone, [cut])[cut.name] == self.record.feature_key:
                return backbone, cut
        raise HeadError(
            f"backbone {backbone.label!r} is not the one that head {self.record.name!r} was "
            "trained on",
            hint="Train the head again.",
        )

    def _affine(self, backbone: Backbone) -> Affine:
        """The arithmetic on pixels that ends the backbone's preprocessing."""
        shapes = [tensor["shape"] for tensor in backbone.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise HeadError(
                f"backbone {backbone.label!r} does not take one image",
                hint="Attach without pixels.",
            )
        pipeline = self._workspace.pipeline(backbone)
        return Affine.of(pipeline.arithmetic, shapes[0][-1] or 3)

    def _present(self) -> FeatureView:
        """The cached features of the dataset that the head was trained on."""
        workspace = self._workspace
        dataset = workspace.datasets.get(self.record.dataset)
        manifest = workspace.datasets.manifest(dataset)
        _, view = workspace.cache().open_present(self.record.feature_key, manifest.samples)
        if view is None:
            raise FeatureError(
                f"no features of dataset {dataset.name!r} are left to check the head on",
                hint="Run `headstart extract`.",
            )
        return view

    def cached_samples(self, backbone: Backbone, view: FeatureView) -> tuple[Batch, np.ndarray]:
        """Some real samples of a view, decoded, and which rows of it they are."""
        workspace = self._workspace
        dataset = workspace.datasets.get(self.record.dataset)
        manifest = workspace.datasets.manifest(dataset)
        spread = np.unique(np.linspace(0, len(view) - 1, PARITY_SAMPLES).astype(int))
        read = sources.SampleReader(manifest, dataset.options).read
        decode = workspace.pipeline(backbone).pixels.prepare
        return stack([decode(read(view.samples[row])) for row in spread]), spread

    def describe(
        self,
        target: Path,
        backbone: Backbone,
        difference: float,
        *,
        pixels: bool = False,
        record: HeadRecord | None = None,
    ) -> None:
        """Write what the model is beside it, for programs and for people."""
        record = record or self.record
        from headstart.heads.cards import model_card

        pipeline = self._workspace.pipeline(backbone)
        inside = pipeline.arithmetic if pixels else ()
        facts = {
            "classes": list(record.classes),
            "preprocessing": backbone.preprocessing,
            "inside_the_model": list(inside),
            "backbone": record.backbone,
            "cut": record.cut,
            "head": f"{record.name}:{record.version}",
            "feature_key": record.feature_key,
            "metrics": record.metrics,
            "licence": backbone.licence,
            "versions": record.versions,
        }
        text = {
            ".json": json.dumps(facts, indent=2, ensure_ascii=False) + "\n",
            ".md": model_card(record, backbone, difference, target.name),
        }
        for suffix, content in text.items():
            with written_aside(target.with_suffix(suffix)) as file:
                file.write(content.encode())


class _Runner:
    """Features of new samples: from the cache where they are there, else computed, not stored."""

    def __init__(
        self, workspace: Workspace, backbone: Backbone, cut: Cut, key: str, on_error: str
    ) -> None:
        self._workspace = workspace
        self._backbone = backbone
        self._cut = cut
        self._key = key
        self._on_error = on_error
        self._pixels = workspace.pipeline(backbone).pixels
        self._cache = workspace.cache()
        self._engine: Any = None

    def run(self, items: Sequence[_Item]) -> tuple[list[str], np.ndarray]:
        """Names and features of the items that can be read, in order."""
        rows: dict[int, np.ndarray] = {}
        numbers, view = self._cache.open_present(self._key, [item.to_sample() for item in items])
        if view is not None:
            rows.update(zip(numbers.tolist(), view.to_numpy(), strict=True))
        missing = {
            number: self._prepare(item) for number, item in enumerate(items) if number not in rows
        }
        prepared = {number: value for number, value in missing.items() if value is not None}
        if prepared:
            (computed,) = self._run(stack(list(prepared.values())))
            rows.update(zip(prepared, computed, strict=True))
        kept = sorted(rows)
        features = np.stack([rows[number] for number in kept]) if kept else np.empty((0, 0))
        return [items[number].name for number in kept], features

    def _run(self, batch: Batch) -> list[np.ndarray]:
        if self._engine is None:
            chooser = self._workspace.chooser(self._backbone)
            self._engine = chooser.choose(
                "auto", self._cut.precision, [self._cut], lambda: batch, length(batch)
            ).engine
        return self._engine.run(batch)

    def _prepare(self, item: _Item) -> Prepared | None:
        try:
            return self._pixels.prepare(item.raw)
        except SampleUnreadable as error:
            if self._on_error == "skip":
                return None
            raise SampleUnreadable(
                f"{item.name}: {error.message}",
                hint=error.hint or "Leave it out, or go on without it: --on-error skip.",
            ) from error


def _items(paths: Iterable[str | Path]) -> Iterator[_Item]:
    """Files as given; folders as the images below them, sorted; arrays row by row."""
    for path in map(Path, paths):
        if path.is_dir():
            known = sources.IMAGE_SUFFIXES | sources.AUDIO_SUFFIXES | sources.TEXT_SUFFIXES
            files = sorted(sources.files_below(path, known))
            if not files:
                raise HeadError(f"the folder {path} holds no images, sounds or texts")
            yield from (_Item(str(file), file.read_bytes()) for file in files)
        elif not path.is_file():
            raise HeadError(f"no file or folder {path}", hint="Check the path.")
        elif path.suffix.lower() in sources.ARRAY_SUFFIXES:
            for row, value in enumerate(sources.load_arrays(path, {})["values"]):
                yield _Item(f"{path}[{row}]", sources.to_raw(value))
        elif path.suffix.lower() in sources.TABLE_SUFFIXES:
            rows = sources.Table(path, {}, is_labelled=False)
            yield from (_Item(f"{path}[{row.number}]", rows.raw(row.number)) for row in rows)
        else:
            yield _Item(str(path), path.read_bytes())
