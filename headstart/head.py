"""A trained head: what it knows, attaching it, predicting with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import FeatureError, HeadError, SampleUnreadable, first_line
from headstart.extractors import datasets as sources
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

if TYPE_CHECKING:
    from headstart.workspace import Workspace

SUFFIX = ".npz"
PARITY_SAMPLES = 16
BATCH = 32


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

    def attach(self, path: str | Path | None = None) -> Any:
        """One `keras.Model`: trunk (frozen) and head, from preprocessed input to probabilities.

        It is checked on real samples of the dataset that it was trained on: the probabilities
        must be those of the cached features within 1e-4 (0.25 for features in bfloat16: the model
        computes in float32).

        Args:
            path: where to save it (`.keras`); a `.json` beside it says what the classes are and
                how inputs are preprocessed.

        Raises:
            ParityError: the attached model gives other probabilities; nothing was saved.
        """
        return self.attach_checked(path)[0]

    def attach_checked(self, path: str | Path | None = None) -> tuple[Any, float]:
        """As `attach`; also gives the largest difference that the check found."""
        from headstart.heads.attaching import TOLERANCES, attach, check_parity

        target = None if path is None else _checked_target(Path(path))
        backbone, cut = self._origin()
        stack = self.stack
        trunk = self._workspace.build_trunk(backbone, [cut])
        model = attach(trunk, stack, f"{backbone.name}_{self.record.name}".replace(".", "_"))
        inputs, features = self._cached_samples(backbone)
        difference = check_parity(
            model, inputs, stack.predict_proba(features), TOLERANCES[cut.precision]
        )
        if target is not None:
            self._save(model, target, backbone)
        return model, difference

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
        backbone, cut = self._origin()
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

    def _cached_samples(self, backbone: Backbone) -> tuple[Batch, np.ndarray]:
        """Some real samples of the dataset, preprocessed, and their cached features."""
        workspace = self._workspace
        dataset = workspace.datasets.get(self.record.dataset)
        manifest = workspace.datasets.manifest(dataset)
        numbers, view = workspace.cache().open_present(self.record.feature_key, manifest.samples)
        if view is None:
            raise FeatureError(
                f"no features of dataset {dataset.name!r} are left to check the head on",
                hint="Run `headstart extract`.",
            )
        spread = np.unique(np.linspace(0, len(numbers) - 1, PARITY_SAMPLES).astype(int))
        read = sources.SampleReader(manifest, dataset.options).read
        inputs = workspace.prepare(backbone, [view.samples[place] for place in spread], read)
        return inputs, view[spread]

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


def _checked_target(path: Path) -> Path:
    if path.suffix != ".keras":
        raise HeadError(f"cannot save as {path}", hint="Give a name that ends in .keras.")
    if not path.absolute().parent.is_dir():
        raise HeadError(f"no folder {path.absolute().parent}", hint="Make it first.")
    return path
