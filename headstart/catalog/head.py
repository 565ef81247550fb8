"""A trained head with its verbs: attach, predict, fine-tune, reproduce."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.notices import renamed
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.trained_head import TrainedHead
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results

if TYPE_CHECKING:  # a verb is imported by its method
    from headstart.heads.models.curves import ScorePoint
    from headstart.heads.models.finetune import FineTuning
    from headstart.heads.models.learning_curves import CurvePoint
    from headstart.jobs.heads.attach import Attached
    from headstart.jobs.heads.care.evaluate import Evaluated
    from headstart.jobs.heads.care.label_next import ToLabel
    from headstart.jobs.heads.care.novelty import Novelty
    from headstart.jobs.heads.care.unsure import Sets
    from headstart.jobs.heads.finetune import FineTuned
    from headstart.jobs.heads.looks import Looks
    from headstart.jobs.heads.predict import Predictions
    from headstart.jobs.heads.predicted import Predicted
    from headstart.jobs.heads.reproduce import Reproduced


@checks_arguments
class Head(TrainedHead):
    """A trained head: its record, its weights, and what can be done with it.

    Had from `ws.heads.train` and `ws.heads.get`.

    Attributes:
        context: where its features, its backbone and its weights are.
        record: what the registry knows of it: name, version, kind, settings, metrics, lineage.
    """

    @property
    def looks(self) -> Looks:
        """How many heads were scored on the samples that this one was tested on."""
        from headstart.jobs.heads.looks import looks_of

        return looks_of(self.context, self.record)

    def _facts(self) -> dict[str, Any]:
        """What is recorded of it, and how often its test samples were looked at by now."""
        return {**self.record.to_json(), "looks": self.looks}

    def attach(
        self,
        path: str | Path | None = None,
        *,
        pixels: bool | None = None,
        labels: bool = False,
        overwrite: bool = False,
    ) -> Any:
        """One `keras.Model`: trunk (frozen) and head, from pixels or texts to probabilities.

        For a backbone of pictures uint8 pixels go in, (n, height, width, channels) of the size that
        `NAME.json` says, resized but neither scaled nor centred: that is done inside. Into others
        goes what the preprocessing gives; `attach_checked(…).takes` says it.

        It is checked on real samples of the dataset that it was trained on: the probabilities
        must be those of the cached features within 1e-4 (0.25 for features in bfloat16: the model
        computes in float32). What is written is loaded again and checked likewise.

        Args:
            path: where to save it: `NAME.keras`, `NAME.onnx`, `NAME.tflite`, or a folder for a
                SavedModel. `NAME.json` beside it says what the classes are and how inputs are
                preprocessed, `NAME.md` is its model card.
            pixels: do the arithmetic of the preprocessing inside, so that uint8 pixels go in.
                None does it wherever it can be; False takes preprocessed input.
            labels: give the class's name as a second output, `label` beside `probabilities`; in
                `.keras` and SavedModels.
            overwrite: write over what is there, the two files beside it included.

        Raises:
            AlreadyExists: one of these files is there.
            ParityError: the attached model gives other probabilities; nothing was saved.
            HeadError: the name stands for no format, its packages are not installed, or pixels are
                asked for where none are taken.
        """
        made = self.attach_checked(path, pixels=pixels, labels=labels, overwrite=overwrite)
        return made.model

    def attach_checked(
        self,
        path: str | Path | None = None,
        *,
        pixels: bool | None = None,
        labels: bool = False,
        overwrite: bool = False,
    ) -> Attached:
        """As `attach`; also gives the largest difference that the checks found."""
        from headstart.jobs.heads.attach import attach

        return attach(self, path, pixels=pixels, labels=labels, overwrite=overwrite)

    def learning_curve(
        self, progress: Progress = silent, *, draws: int = 5
    ) -> Results[CurvePoint] | Results[ScorePoint]:
        """How good such a head is with fewer samples to train on; see `CurvePoint`, and of numbers
        and several labels `ScorePoint`: by R2, or the loss that is fitted.

        Train and validation split alone are used: each head is scored on a fifth of them that it
        has not seen, and the test split is not looked at.

        Args:
            progress: called with (points done, points in all).
            draws: heads a point, 2 or more, each trained on samples drawn anew.

        Raises:
            HeadError: the dataset is not what it was then, or no sample can be left out; or it was
                fine-tuned, is of several heads or of windows, or learns nothing of samples.
            FeaturesMissing: its features are not cached any more.
        """
        from headstart.jobs.heads.learning_curve import learning_curve

        return learning_curve(self, progress, draws)

    def reproduce(self) -> Reproduced:
        """Train the head again, from the cached features and with its settings and seed.

        Returns:
            `metrics` of now, `max_abs_diff` between the weights, and `agrees`: whether the metrics
            are the same within 1e-6.

        Raises:
            HeadError: the dataset or the backbone is not what it was then.
            FeaturesMissing: its features are not cached any more.
        """
        from headstart.jobs.heads.reproduce import reproduce

        return reproduce(self)

    def export(self, path: str | Path) -> Path:
        """Write it into one file, a zip, with its weights and all that is recorded of it, for
        `Heads.import_` of another workspace; its backbone goes by `Backbones.export`.

        Raises:
            ArtifactDamaged: its weights are missing, or are not what was stored.
        """
        from headstart.jobs.heads.care.export_head import export_head

        return export_head(self, path)

    def retrain(self, name: str | None = None) -> Head:
        """Train its next version, with its settings and seed, on its dataset as it is now: after
        `ws.datasets.correct`, say.

        Args:
            name: of the new head; its own without it.

        Raises:
            HeadError: it was fine-tuned, or the backbone is another one now.
            FeaturesMissing: features of samples that are new have not been extracted.
        """
        from headstart.jobs.heads.care.retrain import retrain

        return Head(self.context, retrain(self, name).record)

    def evaluate(self, dataset: str | Path | Dataset, split: str | None = None) -> Evaluated:
        """Its scores on the labelled samples of any dataset, from cached features.

        Samples whose content it was fitted on, or which chose its settings, are left out and
        counted, as are those without a label.

        Args:
            dataset: name of a dataset, or a source; its features have to be extracted.
            split: `train`, `validation`, `test`, or `all`; without it `test` of the dataset that it
                was trained on, and `all` of others.

        Raises:
            HeadError: a label is none that it knows, samples are cut into other windows, or none
                is left; or no split is named, and its own dataset has changed, so that what it was
                fitted on cannot be told.
            FeaturesMissing: features have not been extracted.

        Warns:
            HeadstartWarning: which samples it was fitted on cannot be told, or these are they.
        """
        from headstart.jobs.datasets.named import dataset_named
        from headstart.jobs.heads.care.evaluate import evaluate

        return evaluate(self, dataset_named(self.context, dataset), split)

    def conformal(self, level: float = 0.9) -> Sets:
        """How sure it has to be for sets of classes to hold the right one of a share `level` of
        samples, told by the validation split, and how many they hold of the test split (adaptive
        prediction sets; Romano, Sesia, Candès, NeurIPS 2020). `predict(…, unsure="set")` has them.
        Of a head of numbers how wide intervals have to be (split conformal; Lei et al., JASA 2018);
        of one of several labels when to answer yes, no or unknown, label by label, so that of the
        samples with it, and of those without, a share `level` hears no wrong answer.

        Raises:
            HeadError: there is no validation split, or the dataset is not what it was; or too few
                validation samples have a label, or are without it.
            FeaturesMissing: its features are not cached any more.
        """
        from headstart.jobs.heads.care.unsure import sets_of_head

        return sets_of_head(self, level)

    def novelty(self, level: float = 0.95) -> Novelty:
        """How new samples are to it: how far they lie from those of the train split, beside those
        of the validation split (deep nearest neighbours; Sun et al., ICML 2022), with the share of
        false alarms on the test split. `predict(…, novelty=True)` has it of each sample.

        Args:
            level: the novelty from which a sample counts as new; of samples like those of the
                validation split, a share of 1 - `level` does.

        Raises:
            HeadError: there is no validation split, it takes windows, or the dataset is not what it
                was.
            FeaturesMissing: its features are not cached any more.

        Warns:
            HeadstartWarning: of so few validation samples none counts as new.
        """
        from headstart.jobs.heads.care.novelty import novelty

        return novelty(self, level)

    def label_next(
        self, dataset: str | Path | Dataset, count: int = 20, *, limit: int = 20_000, seed: int = 0
    ) -> Results[ToLabel]:
        """The samples of a dataset without a label that a person should label first, in order: of
        which it is unsure, and which are unlike each other (BADGE; Ash et al., ICLR 2020).

        `ws.datasets.correct` takes the labels.

        Args:
            dataset: name of a dataset, or a source; its features have to be extracted.
            count: how many; fewer are given where all others are copies of those.
            limit: look at so many samples at most, chosen by seed.
            seed: of the draws.

        Raises:
            HeadError: it says numbers, all samples have a label, or a number is below 1.
            FeaturesMissing: features have not been extracted.
        """
        from headstart.jobs.datasets.named import dataset_named
        from headstart.jobs.heads.care.label_next import label_next

        named = dataset_named(self.context, dataset)
        return label_next(self, named, count, limit=limit, seed=seed)

    def least_sure(
        self, count: int = 20, dataset: str | Path | Dataset | None = None
    ) -> Results[ToLabel]:
        """The test samples of whose class it is least sure, by probabilities of samples that it was
        not trained on: labels that may be wrong, or samples that are hard.

        Args:
            count: how many.
            dataset: where somebody names one, it has to be that of its test samples.

        Raises:
            HeadError: it says no single class, its dataset is not what it was, or another is named.
            FeaturesMissing: features are not cached any more.
        """
        from headstart.jobs.datasets.named import dataset_named
        from headstart.jobs.heads.care.least_sure import least_sure

        named = None if dataset is None else dataset_named(self.context, dataset)
        return least_sure(self, count, named)

    def log(
        self, uri: str | None = None, experiment: str = "headstart", *, model: bool = False
    ) -> str:
        """Put settings, scores, lineage and the model card into MLflow (extra `mlflow`).

        Args:
            uri: of the tracking server, or a database such as `sqlite:///flow.db`;
                `$MLFLOW_TRACKING_URI` without it.
            experiment: its name; made if it is not there.
            model: also the attached model, as `mlflow models serve -m runs:/RUN/model` runs it.

        Returns:
            The id of the run.

        Raises:
            HeadError: MLflow is not installed, or refuses.
        """
        from headstart.jobs.heads.log import log

        return log(self, uri, experiment, model=model).run

    def finetune(
        self,
        start: str,
        path: str | Path | None = None,
        settings: FineTuning | None = None,
        name: str | None = None,
        *,
        overwrite: bool = False,
    ) -> FineTuned:
        """Train the layers between two cuts together with the head, from cached features.

        What is better than where it began, on samples that nothing was fitted on, is registered: a
        head whose features are those of the start.

        Args:
            start: the cut whose features are cached and go in; all below it stays as it is.
            path: where to save the whole model; see `attach`.
            settings: how; the seed is the head's.
            name: of the new head; the head's own name without it, as its next version.
            overwrite: write over what is at `path`.

        Raises:
            AlreadyExists: a file is at `path`, or beside it what is written there, too.
            BackboneError: the cut is no bottleneck below the head's own, or the backbone is a
                frozen graph.
            HeadError: it is no head that steps can improve, or no sample is there to
                judge the epochs.
            FeaturesMissing: its features have not been extracted.
            ParityError: the whole model does not give what was trained; nothing was saved.
        """
        from headstart.jobs.heads.finetune import finetune

        done = finetune(self, start, path, settings, name, overwrite=overwrite)
        return replace(done, head=done.head and Head(self.context, done.head.record))

    @renamed(paths="samples")
    def predict(
        self,
        samples: Any,
        on_error: str = "fail",
        root: str | Path | None = None,
        *,
        unsure: str | None = None,
        level: float = 0.9,
        novelty: bool = False,
        tta: int = 0,
    ) -> Predicted:
        """Class and probability of each sample, in order.

        What is in the cache is not run through the backbone again.

        Args:
            samples: one or several, all of one kind. Paths: files; folders, whose pictures, sounds
                and texts are taken; `.npy`, `.npz` and tables (`.csv`, `.tsv`, `.jsonl`), row by
                row. The name of a registered dataset. An array, one sample or several along its
                first axis; arrays by the names of several inputs. Pictures of PIL. Bytes of files.
                Texts, for a backbone that takes texts, where they are no paths. A frame of pandas,
                polars or pyarrow with a column of paths, pictures or texts, or columns of numbers.
            on_error: `fail` at a sample that cannot be read, or `skip` it.
            root: a folder outside of which no file is read, whoever names it.
            unsure: `set` gives each prediction `likely`, the classes of which one is right, the
                `intervals` of its numbers, or `answers` about its labels; see `conformal`. With
                `reject` also no label where those classes are several; of several labels none
                where the sample is as new as `level` or newer, see `novelty`.
            level: the share of sets that are to hold the right class, and so on.
            novelty: give each prediction `novelty`, how new the sample is to the head; see
                `novelty`.
            tta: say the mean of what the head says of each picture and of so many augmented views
                of it (test-time augmentation), which are decoded once; its scores are of pictures
                as they are.

        Returns:
            A list of `Prediction`, with `ids`, `labels`, `classes`, `probabilities`, `to_pandas()`
            and `to_arrow()`.

        Raises:
            HeadError: what was given is no sample, or samples of several kinds.
            SampleUnreadable: a sample cannot be read and `on_error` is `fail`.
            DatasetError: a file lies outside of the root.
            PreprocessingError: `tta` is given, and the backbone takes no pictures.
        """
        asked: dict[str, Any] = {"unsure": unsure, "level": level, "novelty": novelty, "tta": tta}
        return self.predict_each(samples, on_error, root, **asked).gather()

    @renamed(paths="samples")
    def predict_each(
        self,
        samples: Any,
        on_error: str = "fail",
        root: str | Path | None = None,
        *,
        unsure: str | None = None,
        level: float = 0.9,
        novelty: bool = False,
        tta: int = 0,
    ) -> Predictions:
        """As `predict`, but computed while it is iterated: for more than fits into memory."""
        from headstart.jobs.heads.care.unsure import RejectsNew, unsure_of
        from headstart.jobs.heads.predict import Predictions

        asked = unsure_of(self, unsure, level)
        by = asked.novelty if isinstance(asked, RejectsNew) else None
        new = by or (self.novelty() if novelty else None)
        return Predictions(self, samples, on_error, root, asked, new, tta)
