"""A trained head: what it knows, attaching it, predicting with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import FeatureError, HeadError
from headstart.extractors import datasets as sources
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.engines.engine import PRECISIONS
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch, stack
from headstart.extractors.run.extraction import keys_of
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.provenance import TUNED
from headstart.heads.tasks import Classification, Task, task_of
from headstart.progress import Progress, silent
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.artifacts import Artifact
from headstart.storage.manifest import Sample
from headstart.storage.views import FeatureView

if TYPE_CHECKING:
    from headstart.heads.evaluation.learning_curves import CurvePoint
    from headstart.heads.models.finetune import FineTuning
    from headstart.heads.models.tuned_top import TunedJudge, TunedTop
    from headstart.jobs.finetune import FineTuned
    from headstart.jobs.predict import Prediction, Predictions
    from headstart.workspace import Workspace

SUFFIX = ".npz"
PARITY_SAMPLES = 16


@dataclass(frozen=True)
class Judged:
    """The samples that a head was judged on, and what it says of them.

    Attributes:
        samples: in order.
        probabilities: (n, classes), float32.
        targets: class numbers, (n,).
    """

    samples: Sequence[Sample]
    probabilities: np.ndarray
    targets: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        """Where the most probable class is not the right one: row numbers, the surest first."""
        guesses = self.probabilities.argmax(axis=1)
        rows = np.flatnonzero(guesses != self.targets)
        sure = self.probabilities[rows].max(axis=1)
        return rows[np.argsort(-sure, kind="stable")]


class Head:
    """A trained head: its record, its weights, and what can be done with it.

    Had from `ws.heads.train` and `ws.heads.get`.

    Attributes:
        workspace: where its features, its backbone and its weights are.
        record: what the registry knows of it: name, version, kind, settings, metrics, lineage.
    """

    def __init__(self, workspace: Workspace, record: HeadRecord) -> None:
        self.workspace = workspace
        self.record = record

    @property
    def metrics(self) -> dict[str, Any]:
        """On the test split, as the task's `evaluate` gives them, such as `accuracy`, `macro_f1`,
        `log_loss`, `confusion`; and `n_train`, `n_validation`, `n_test`."""
        return self.record.metrics

    @property
    def task(self) -> Task:
        """What its labels mean."""
        return task_of(self.record.settings)

    def need_classes(self) -> None:
        """See that it says one class a sample.

        Raises:
            HeadError: it says several, or numbers.
        """
        if not isinstance(self.task, Classification):
            raise HeadError(
                f"head {self.record.name!r} is for {self.task.name}, and has no confusion matrix",
                hint="`headstart head show` has its scores.",
            )

    @property
    def stack(self) -> DenseStack:
        """The head's dense layers, read after their hash was checked.

        Those of a fine-tuned head take what the tuned layers give; see `judge`.
        """
        return self.tuned_top.stack if self.is_tuned else DenseStack.read(self._artifact())

    @property
    def is_tuned(self) -> bool:
        """Whether it was fine-tuned: layers of the backbone have weights of its own."""
        return self.record.kind == TUNED

    @property
    def tuned_top(self) -> TunedTop:
        """The weights of a fine-tuned head and of the layers below it."""
        from headstart.heads.models.tuned_top import TunedTop

        return TunedTop.read(self._artifact())

    @cached_property
    def judge(self) -> DenseStack | TunedJudge:
        """What gives class probabilities of the features that the record's key names.

        Of a fine-tuned head it is a Keras model: the backbone is loaded for it.
        """
        if not self.is_tuned:
            return self.stack
        from headstart.heads.models.tuned_top import TunedJudge

        backbone, _ = self.origin()
        top = self.tuned_top
        graph = self.workspace.load_graph(backbone)
        return TunedJudge(top.build(graph, backbone.cuts), top)

    def _artifact(self) -> Path:
        artifact = Artifact(self.record.artifact_digest, self.record.artifact_size)
        return self.workspace.artifacts.get(artifact, SUFFIX)

    def attach(
        self, path: str | Path | None = None, *, pixels: bool = False, labels: bool = False
    ) -> Any:
        """One `keras.Model`: trunk (frozen) and head, from preprocessed input to probabilities.

        It is checked on real samples of the dataset that it was trained on: the probabilities
        must be those of the cached features within 1e-4 (0.25 for features in bfloat16: the model
        computes in float32). What is written is loaded again and checked likewise.

        Args:
            path: where to save it: `NAME.keras`, `NAME.onnx`, `NAME.tflite`, or a folder for a
                SavedModel. `NAME.json` beside it says what the classes are and how inputs are
                preprocessed, `NAME.md` is its model card.
            pixels: do the arithmetic of the preprocessing inside, so that uint8 pixels go in.
            labels: give the class's name as a second output, `label` beside `probabilities`; in
                `.keras` and SavedModels.

        Raises:
            ParityError: the attached model gives other probabilities; nothing was saved.
            HeadError: the name stands for no format, or its packages are not installed.
        """
        return self.attach_checked(path, pixels=pixels, labels=labels)[0]

    def attach_checked(
        self, path: str | Path | None = None, *, pixels: bool = False, labels: bool = False
    ) -> tuple[Any, float]:
        """As `attach`; also gives the largest difference that the checks found."""
        from headstart.heads.models.attach import TOLERANCES, attach, check_parity, predict
        from headstart.heads.models.export import format_of, with_labels, with_pixels, write_checked
        from headstart.jobs.description import describe

        target = None if path is None else Path(path)
        chosen = format_of(target) if target is not None else "keras"
        if labels:
            self._need_texts(chosen)
        backbone, cut = self.origin()
        stack = self.stack
        trunk = self._trunk(backbone, cut)
        model = attach(trunk, stack, f"{backbone.name}_{self.record.name}".replace(".", "_"))
        view = self._present()
        raw, rows = self.cached_samples(backbone, view)
        pipeline = self.workspace.pipeline(backbone)
        inputs, expected = pipeline.finish(raw), self.judge.predict_proba(view[rows])

        def compare(given: np.ndarray) -> float:
            return check_parity(given, expected, TOLERANCES[cut.precision])

        difference = compare(predict(model, inputs))
        if pixels:
            affine = self._affine(backbone)
            assert isinstance(raw, np.ndarray)  # as there is one input
            model, inputs = with_pixels(model, affine, raw.shape[1:]), raw
            difference = max(difference, compare(predict(model, inputs)))
        if labels:
            model = with_labels(model, stack.classes)
        if target is not None:
            written = write_checked(model, target, inputs, compare, stack.classes)
            difference = max(difference, written)
            describe(self.record, self.workspace, target, backbone, difference, pixels=pixels)
        return model, difference

    def reader(self) -> Callable[[Sample], Any]:
        """Gives the raw content of a sample of its dataset: bytes, an array, or those by name."""
        datasets = self.workspace.datasets
        dataset = datasets.get(self.record.dataset)
        return sources.SampleReader(datasets.manifest(dataset), dataset.options).read

    def held_out(self) -> Judged:
        """What it says of the test split that it was judged on, from the cache.

        Raises:
            HeadError: the dataset is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        view = self.features().split("test")
        targets = self.task.read(view.labels, self.record.classes)
        return Judged(view.samples, self.judge.predict_proba(view.to_numpy()), targets)

    def learning_curve(self, progress: Progress = silent) -> list[CurvePoint]:
        """How good such a head is with fewer samples to train on; see `CurvePoint`.

        Raises:
            HeadError: the dataset is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        from headstart.heads.evaluation.learning_curves import learning_curve
        from headstart.heads.kinds.every_kind import kind_of

        self.need_classes()
        if self.is_tuned:
            raise HeadError(
                f"head {self.record.name!r} was fine-tuned, and has no learning curve of its own",
                hint=f"Draw that of the head it came from, {self.record.settings['parent']}.",
            )
        kind = kind_of(self.record.kind, self.record.settings)
        return learning_curve(self.features(), kind, self.record.seed, self.task, progress)

    def reproduce(self) -> dict[str, Any]:
        """Train the head again, from the cached features and with its settings and seed.

        Returns:
            `metrics` of now, `max_abs_diff` between the weights, and `agrees`: whether the metrics
            are the same within 1e-6.

        Raises:
            HeadError: the dataset or the backbone is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        from headstart.jobs.reproduce import reproduce

        return reproduce(self)

    def log(self, uri: str | None = None, experiment: str = "headstart") -> str:
        """Put settings, scores, lineage and the model card into MLflow (extra `mlflow`).

        Args:
            uri: of the tracking server, or a database such as `sqlite:///flow.db`;
                `$MLFLOW_TRACKING_URI` without it.
            experiment: its name; made if it is not there.

        Returns:
            The id of the run.

        Raises:
            HeadError: MLflow is not installed, or refuses.
        """
        from headstart.jobs.log import log

        return log(self, uri, experiment)

    def features(self) -> FeatureView:
        """The cached features of the dataset that it was trained on.

        Raises:
            HeadError: the dataset is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        manifest = self.workspace.datasets.manifest(self.dataset())
        return self.workspace.cache().open_view(self.record.feature_key, manifest)

    def dataset(self) -> Dataset:
        """The dataset that it was trained on.

        Raises:
            HeadError: it is not what it was then.
        """
        dataset = self.workspace.datasets.get(self.record.dataset)
        if dataset.digest != self.record.dataset_digest:
            raise HeadError(
                f"dataset {dataset.name!r} has changed since head {self.record.name!r} was trained",
                hint="Train the head again.",
            )
        return dataset

    def finetune(
        self,
        start: str,
        path: str | Path | None = None,
        settings: FineTuning | None = None,
        name: str | None = None,
    ) -> FineTuned:
        """Train the layers between two cuts together with the head, from cached features.

        What is better than where it began, on samples that nothing was fitted on, is registered: a
        head whose features are those of the start.

        Args:
            start: the cut whose features are cached and go in; all below it stays as it is.
            path: where to save the whole model; see `attach`.
            settings: how; the seed is the head's.
            name: of the new head; the head's own name without it, as its next version.

        Raises:
            BackboneError: the cut is no bottleneck below the head's own, or the backbone is a
                frozen graph.
            HeadError: it is no head of classes that steps can improve, or no sample is there to
                judge the epochs.
            FeaturesMissing: its features have not been extracted.
            ParityError: the whole model does not give what was trained; nothing was saved.
        """
        from headstart.jobs.finetune import finetune

        return finetune(self, self.workspace, start, path, settings, name)

    def predict(
        self,
        paths: Iterable[str | Path],
        on_error: str = "fail",
        root: str | Path | None = None,
    ) -> list[Prediction]:
        """Class and probability of each sample, in order.

        What is in the cache is not run through the backbone again.

        Args:
            paths: files; folders, whose pictures, sounds and texts are taken; `.npy`, `.npz` and
                tables (`.csv`, `.tsv`, `.jsonl`), row by row.
            on_error: `fail` at a sample that cannot be read, or `skip` it.
            root: a folder outside of which no file is read that a table, or a link, names.

        Raises:
            SampleUnreadable: a sample cannot be read and `on_error` is `fail`.
            DatasetError: a file lies outside of the root.
        """
        return list(self.predict_each(paths, on_error, root))

    def predict_each(
        self,
        paths: Iterable[str | Path],
        on_error: str = "fail",
        root: str | Path | None = None,
    ) -> Predictions:
        """As `predict`, but computed while it is iterated: for more than fits into memory."""
        from headstart.jobs.predict import Predictions

        return Predictions(self, paths, on_error, root)

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
        backbone = self.workspace.backbones.get(self.record.backbone)
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

    def _trunk(self, backbone: Backbone, cut: Cut) -> Any:
        """The frozen model up to where the dense layers begin, with tuned weights if there are."""
        if not self.is_tuned:
            return self.workspace.build_trunk(backbone, [cut])
        top, graph = self.tuned_top, self.workspace.load_graph(backbone)
        top.build(graph, backbone.cuts)
        return self.workspace.build_trunk(backbone, [top.cut_of(backbone.cuts)], graph)

    def _need_texts(self, chosen: str) -> None:
        """See that a model of this format can give the head's classes by name."""
        from headstart.heads.models.export import WITH_TEXTS

        self.need_classes()
        if chosen not in WITH_TEXTS:
            raise HeadError(
                f"a model as {chosen} cannot give names",
                hint="Save as .keras or SavedModel, or without labels: they are in the .json "
                "beside it, and in the metadata of .onnx.",
            )

    def _affine(self, backbone: Backbone) -> Affine:
        """The arithmetic on pixels that ends the backbone's preprocessing."""
        shapes = [tensor["shape"] for tensor in backbone.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise HeadError(
                f"backbone {backbone.label!r} does not take one image",
                hint="Attach without pixels.",
            )
        pipeline = self.workspace.pipeline(backbone)
        return Affine.of(pipeline.arithmetic, shapes[0][-1] or 3)

    def _present(self) -> FeatureView:
        """The cached features of the dataset that the head was trained on."""
        workspace = self.workspace
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
        spread = np.unique(np.linspace(0, len(view) - 1, PARITY_SAMPLES).astype(int))
        read = self.reader()
        decode = self.workspace.pipeline(backbone).pixels.prepare
        return stack([decode(read(view.samples[row])) for row in spread]), spread
