"""A trained head as it is stored: its record, its weights, where its features come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from headstart.backbone_model import build_trunk, load_graph, pipeline_of
from headstart.cached import features_of_blocks, say_left_out, with_origin
from headstart.context import Context
from headstart.errors import FeatureError, HeadError, NotFound
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.cache.feature_cache import FeatureCache
from headstart.extractors.datasets import reader_of, voided_in
from headstart.extractors.datasets.corrections import Corrections
from headstart.extractors.engines.engine import INT8, kind_of
from headstart.extractors.preprocessing.batches import Batch, stack
from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import ENSEMBLE, Ensemble
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.provenance import TUNED, need_scores
from headstart.heads.tasks import Classification, Task, task_of
from headstart.heads.trials.judged import Judged
from headstart.origins.blocks import Blocks
from headstart.origins.of_head import blocks_of_head, known_of
from headstart.part_of_head import PART, features_of_part
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.artifacts import Artifact
from headstart.storage.manifest import Label, Sample, sorted_labels
from headstart.storage.views import FeatureView
from headstart.values.said import is_none_an_answer
from headstart.values.showable import Showable

if TYPE_CHECKING:  # what was tuned needs Keras
    from headstart.heads.models.tuned_top import TunedJudge, TunedTop

T = TypeVar("T")
SUFFIX = ".npz"
NOT_OURS = "Train it again, or import a file that `headstart head export` wrote."
PARITY_SAMPLES = 16
SAMPLE_WEIGHTS, IGNORED = "sample_weights", "ignored"
"""In a head's settings: the `least` and `largest` weight of the samples that it was trained on, or
that those were ignored; nothing where the dataset has none."""


class TrainedHead(Showable):
    """What the verbs need of a head; it looks things up, and changes nothing.

    Attributes:
        context: where its features, its backbone and its weights are.
        record: what the registry knows of it: name, version, kind, settings, metrics, lineage.
    """

    def __init__(self, context: Context, record: HeadRecord) -> None:
        self.context = context
        self.record = record

    def _facts(self) -> Any:
        return self.record

    def __repr__(self) -> str:
        return repr(self.record)

    @property
    def is_void(self) -> bool:
        """Whether its dataset was dealt to other splits since: it may have been trained on what is
        tested on now, and its scores are those of splits that are no more."""
        with suppress(NotFound):
            dataset = self.context.datasets.get(self.record.dataset)
            return self._reference in voided_in(dataset.options)
        return False

    @property
    def metrics(self) -> dict[str, Any]:
        """On the test split, as the task's `evaluate` gives them, such as `accuracy`, `macro_f1`,
        `log_loss`, `confusion`; and `n_train`, `n_validation`, `n_test`."""
        return self.record.metrics

    @property
    def _reference(self) -> str:
        """Its name with its version: of two versions one may be meant."""
        return f"{self.record.name}:{self.record.version}"

    @property
    def task(self) -> Task:
        """What its labels mean."""
        return task_of(self.record.settings)

    @property
    def windows(self) -> dict[str, str]:
        """How the samples that it was trained on were cut (`window`, `hop`), and whether it takes
        their windows' mean, max or each (`pooled`); empty where they were not cut."""
        return self.record.settings.get("windows", {})

    @property
    def ignores_weights(self) -> bool:
        """Whether it was trained as if all samples counted alike, though the dataset has weights
        of them."""
        return self.record.settings.get(SAMPLE_WEIGHTS) == IGNORED

    def need_classes(self) -> None:
        """See that it says one class a sample.

        Raises:
            HeadError: it says several, or numbers.
        """
        if not isinstance(self.task, Classification):
            raise HeadError(
                f"head {self.record.name!r} is for {self.task.name}, and this is of heads that say "
                "one class per sample",
                hint="`headstart head show` has its scores"
                + ("." if self.record.classes else ", `headstart head plot` draws its numbers."),
            )

    @property
    def stack(self) -> DenseStack | Ensemble:
        """The head's dense layers, or those of several, read after their hash was checked.

        Those of a fine-tuned head take what the tuned layers give; see `judge`.
        """
        if self.is_tuned:
            return self.tuned_top.stack
        return self._read((Ensemble if self.is_of_several else DenseStack).read)

    def _read(self, read: Callable[[Path], T]) -> T:
        """What its file holds, which is found to be a head that works."""
        path = self._artifact()
        try:
            return read(path)
        except HeadError as error:
            raise HeadError(
                f"the weights of head {self._reference!r} cannot be read: {error.message}",
                hint=NOT_OURS,
            ) from error

    @property
    def is_ensemble(self) -> bool:
        """Whether it is several heads of a sweep, which say one thing together."""
        return self.record.kind == ENSEMBLE

    @property
    def is_of_several(self) -> bool:
        """Whether it says the mean of what several heads say: an ensemble's, or bagged ones."""
        return self.record.kind in (ENSEMBLE, Bagged.kind)

    @property
    def is_tuned(self) -> bool:
        """Whether it was fine-tuned: layers of the backbone have weights of its own."""
        return self.record.kind == TUNED

    @property
    def tuned_top(self) -> TunedTop:
        """The weights of a fine-tuned head and of the layers below it."""
        from headstart.heads.models.tuned_top import TunedTop

        return self._read(TunedTop.read)

    @cached_property
    def judge(self) -> DenseStack | Ensemble | TunedJudge:
        """What gives class probabilities of the features that the record's key names.

        Of a fine-tuned head it is a Keras model: the backbone is loaded for it.
        """
        if not self.is_tuned:
            return self.stack
        backbone, _ = self.origin()
        top = self.tuned_top
        graph = load_graph(self.context, backbone)
        from headstart.heads.models.tuned_top import TunedJudge

        return TunedJudge(top.build(graph, backbone.cuts), top)

    def _artifact(self) -> Path:
        artifact = Artifact(self.record.artifact_digest, self.record.artifact_size)
        return self.context.artifacts.get(artifact, SUFFIX)

    def reader(self) -> Callable[[Sample], Any]:
        """Gives the raw content of a sample of its dataset: bytes, an array, or those by name."""
        dataset = self.context.datasets.get(self.record.dataset)
        return reader_of(dataset)

    def held_out(self, *, corrected: bool = False) -> Judged:
        """What it says of the test split that it was judged on, from the cache.

        Args:
            corrected: with the labels of now, if the dataset was only corrected since: then no
                sample is tested on that the head was fitted on.

        Raises:
            HeadError: the dataset is not what it was then, or has a class by now that it does not
                know.
            FeaturesMissing: its features are not cached any more.
        """
        view = self.features(corrected=corrected).split("test")
        need_scores(self.record)
        if corrected and (new := self._unknown(view)):
            raise HeadError(
                f"{new[0]!r}, a class of dataset {self.record.dataset!r} by now, is none of head "
                f"{self._reference!r}",
                hint=self._who_knows(new[0]),
            )
        targets = self.task.read(view.labels, self.record.classes)
        of, outputs = BySample.of(view), self.judge.predict_proba(view.to_numpy())
        means, task = of.mean(outputs), self.task
        says_one = isinstance(task, Classification)
        guesses = task.guess(means) if says_one else means.argmax(axis=1)
        return Judged(of.samples, means, of.first(targets), guesses)

    def _who_knows(self, label: Label) -> str:
        """What to do where this version does not know a class: a later one may."""
        own = [one for one in self.context.heads.find_all() if one.name == self.record.name]
        later = [one for one in own if one.version > self.record.version and label in one.classes]
        if later:
            newest = f"{later[-1].name}:{later[-1].version}"
            return f"{newest} knows it: `headstart head show {newest}` tells how good that is."
        return "`headstart head retrain` trains it on the dataset as it is."

    def _unknown(self, view: FeatureView) -> list[Label]:
        """The classes of a view that the head does not have."""
        several = is_none_an_answer(self.task)
        found = self.task.find_classes(view.samples) if several else sorted_labels(view.labels)
        return [one for one in found if self.record.classes and one not in self.record.classes]

    def features(self, *, corrected: bool = False) -> FeatureView:
        """The cached features of the dataset that it was trained on.

        Args:
            corrected: see `held_out`.

        Raises:
            HeadError: the dataset is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        dataset = self.dataset(corrected=corrected)
        if PART in self.record.settings:
            return features_of_part(self.context, self.record, self.blocks(), self.scales, dataset)
        features = self.features_for(dataset)
        return features if is_none_an_answer(self.task) else features.labelled()

    def features_for(self, dataset: Dataset) -> FeatureView:
        """The cached features of a dataset, labelled or not, as the head takes them.

        Raises:
            HeadError: a backbone of joined ones was removed, or is another one now.
            FeaturesMissing: they are not cached.
        """
        if self.is_joined:
            features = features_of_blocks(self.context, self.blocks(), dataset, 0, self.scales)
        else:
            manifest = self.context.manifest(dataset)
            features = self.context.cache().open_view(self.record.feature_key, manifest)
            say_left_out(features, dataset.name)
            with suppress(HeadError, NotFound):  # removed: its features can be read all the same
                features = with_origin(features, *self.origin(), dataset)
        features = features.unweighted() if self.ignores_weights else features
        return features.grouped(self.windows["pooled"]) if self.windows else features

    def dataset(self, *, corrected: bool = False) -> Dataset:
        """The dataset that it was trained on.

        Args:
            corrected: whether it may have been corrected since.

        Raises:
            HeadError: it is not what it was then.
        """
        dataset = self.context.datasets.get(self.record.dataset)
        was = self.record.dataset_digest
        is_corrected = corrected and was in Corrections.of(dataset.options).versions
        if dataset.digest != was and not is_corrected:
            raise HeadError(
                f"dataset {dataset.name!r} has changed since head {self._reference!r} was trained",
                hint=f"`headstart head retrain {self.record.name}` trains a next version on the "
                "dataset as it is; this one's test samples are not known any more.",
            )
        return dataset

    @property
    def is_joined(self) -> bool:
        """Whether it takes features of several cuts or backbones side by side."""
        return "joined" in self.record.settings

    @property
    def scales(self) -> tuple[float, ...]:
        """By what each of joined features is divided; nothing of those of one cut."""
        return tuple(one.scale for one in known_of(self.record)) if self.is_joined else ()

    def blocks(self) -> Blocks:
        """The features that it takes, found to be those that it was trained on.

        Raises:
            HeadError: a backbone was removed, or is another one now.
        """
        return blocks_of_head(self.context, self.record)

    def origin(self) -> tuple[Backbone, Cut]:
        """The backbone and cut, found to be those that the head was trained on.

        Raises:
            HeadError: the backbone was removed, or is another one now; or there are several.
        """
        (block, *others) = self.blocks()
        if others:
            raise HeadError(
                f"head {self.record.name!r} takes joined features, {self.record.backbone}@"
                f"{self.record.cut}, where those of one cut are taken",
                hint="Train a head on one of them for that.",
            )
        return block.backbone, block.cut

    def refuse_int8(self, cut: Cut, what: str) -> None:
        """See that it was not trained on features in int8: Keras models compute in float32, whose
        features it has never seen.

        Raises:
            HeadError: it was.
        """
        if kind_of(cut.precision) == INT8:
            raise HeadError(
                f"head {self.record.name!r} was trained on features in int8, and {what} would "
                "compute in float32",
                hint="Train it on features in float32 or bfloat16 for that; `headstart head "
                "predict` runs it in int8.",
            )

    def trunk(self, backbone: Backbone, cut: Cut) -> Any:
        """The frozen model up to where the dense layers begin, with tuned weights if there are."""
        if not self.is_tuned:
            return build_trunk(self.context, backbone, [cut])
        top, graph = self.tuned_top, load_graph(self.context, backbone)
        top.build(graph, backbone.cuts)
        return build_trunk(self.context, backbone, [top.cut_of(backbone.cuts)], graph)

    def present(self) -> FeatureView:
        """What is cached of the dataset that the head was trained on.

        Raises:
            FeatureError: nothing is.
        """
        dataset = self.context.datasets.get(self.record.dataset)
        samples = self.context.manifest(dataset).samples
        keys = [one.feature_key for one in known_of(self.record)]
        cache = self.context.cache()
        if len(keys) == 1:
            return self._present(cache, keys[0], samples, dataset.name)
        for key in keys:  # down to those that all of them have
            samples = self._present(cache, key, samples, dataset.name).samples
        first, *others = (self._present(cache, key, samples, dataset.name) for key in keys)
        return first.beside(others, self.scales)

    def _present(
        self, cache: FeatureCache, key: str, samples: Sequence[Sample], dataset: str
    ) -> FeatureView:
        _, view = cache.open_present(key, samples)
        if view is None:
            raise FeatureError(
                f"no features of dataset {dataset!r} are left to check the head on",
                hint="Run `headstart extract`.",
            )
        return view

    def cached_samples(self, backbone: Backbone, view: FeatureView) -> tuple[Batch, np.ndarray]:
        """Some real samples of a view, decoded, and which rows of it they are."""
        spread = np.unique(np.linspace(0, len(view) - 1, PARITY_SAMPLES).astype(int))
        read = self.reader()
        decode = pipeline_of(self.context, backbone).pixels.prepare
        return stack([decode(read(view.samples[row])) for row in spread]), spread
