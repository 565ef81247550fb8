"""What the registry knows, as frozen dataclasses; SQL rows never leave this package."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from headstart.values.quantities import range_of
from headstart.values.showable import Showable
from headstart.values.told import named, scored, shaped

Json = dict[str, Any]
SCORES = ("accuracy", "macro_f1", "r2")
"""One of them stands in a head's line: the first that its task has."""


@dataclass(frozen=True)
class CutPoint(Showable):
    """One tensor of a backbone's graph at which it can be truncated.

    Attributes:
        name: `LAYER`, `outer/inner` or `LAYER#1`; stands for the layer's output.
        operation: class of the layer, such as `Conv2D`.
        input: name of the cut point that is the layer's first input; None for the model's inputs.
        shape: shape of one sample's feature; None where a dimension is not fixed.
        parameters_below: parameters at and below the cut, counted once where shared.
        fingerprint: trunk fingerprint of this cut without pooling.
        is_default: whether this is the penultimate cut.
        is_bottleneck: whether every path from the inputs to the output passes through it, so that
            the rest of the model (the tail) can start here.
        compute_below: share of the model's multiply-adds up to it; None where sizes are open.
        reason: why this is a default; None for the others.
        warning: what is doubtful about features from here, or None.
        default_of: in a model with several outputs, those whose default cut this is.
        mask: for a sequence, the backbone's input that says which steps count, if it has one.
        pooling: of a default cut, what stands behind it where no cut is named: what the network
            itself does next, or its makers say.
    """

    name: str
    operation: str
    input: str | None
    shape: tuple[int | None, ...]
    dtype: str
    parameters_below: int
    fingerprint: str
    is_default: bool = False
    is_bottleneck: bool = False
    compute_below: float | None = None
    reason: str | None = None
    warning: str | None = None
    default_of: tuple[str, ...] = ()
    mask: str | None = None
    pooling: str | None = None

    def _facts(self) -> Json:
        return {
            "name": self.name,
            "operation": self.operation,
            "input": self.input,
            "shape": self.shape,
            "dtype": self.dtype,
            "params_below": self.parameters_below,
            "compute_below": self.compute_below,
            "bottleneck": self.is_bottleneck,
            "default": self.is_default,
            "default_of": self.default_of,
            "mask": self.mask,
            "pooling": self.pooling,
            "reason": self.reason,
            "fingerprint": self.fingerprint,
            "warning": self.warning,
        }

    def _line(self) -> str:
        default = ", default" if self.is_default else ""
        return f"{self.name!r}, {self.operation}, {shaped(self.shape)}{default}"


TEXT_BACKBONE = "text-backbone"
"""The tag by which a backbone names another that gives texts features in its space."""


@dataclass(frozen=True)
class Backbone(Showable):
    """A registered pretrained model; `source` is what the user gave, `format` what is stored.

    `trust` says who allowed its file to run code, when, and for which sha256; None where nobody
    did, which is the rule.
    """

    name: str
    source: str
    format: str
    artifact_digest: str
    artifact_size: int
    inputs: list[Json]
    parameters: int
    preprocessing: Json
    preprocessing_fingerprint: str
    version: int = 1
    licence: str | None = None
    cuts: tuple[CutPoint, ...] = ()
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    trust: Json | None = None
    created_at: datetime | None = None
    id: int | None = None

    @property
    def is_file_trusted(self) -> bool:
        """Whether somebody allowed the model's file itself to run code."""
        trust = self.trust or {}
        return bool(trust) and (trust.get("file", False) or "custom_objects" not in trust)

    @property
    def default_cut(self) -> CutPoint:
        return next(cut for cut in self.cuts if cut.is_default)

    @property
    def default_name(self) -> str:
        """The default cut as one asks for it by name: `LAYER`, or `LAYER|POOLING`."""
        cut = self.default_cut
        return cut.name if cut.pooling is None else f"{cut.name}|{cut.pooling}"

    @property
    def reference(self) -> str:
        """What always means this very version."""
        return f"{self.name}:{self.version}"

    @property
    def label(self) -> str:
        """The name, with the version where it is not the first."""
        return named(self.name, self.version)

    def _facts(self) -> Json:
        """All but the cuts, which are many, and the number of its row."""
        default = self.default_name if self.cuts else None
        facts = {**vars(self), "cuts": len(self.cuts), "default_cut": default}
        del facts["id"]
        return facts

    def _line(self) -> str:
        taken = ", ".join(shaped(tensor["shape"]) for tensor in self.inputs)
        default = self.default_name if self.cuts else "none"
        return (
            f"{self.label!r}, {taken} to {default}, {len(self.cuts):,} cuts, "
            f"{self.parameters:,} parameters, {self.licence or 'no licence stated'}"
        )


WINDOWED = {"window", "frames"}
"""Options of datasets whose samples are cut into windows."""


@dataclass(frozen=True)
class Dataset(Showable):
    """A registered dataset; `digest` names its content, `manifest` the file that lists it."""

    name: str
    kind: str
    source: str
    options: Json
    digest: str
    manifest: str
    samples: int
    unique: int
    classes: list[str]
    created_at: datetime | None = None
    id: int | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def _facts(self) -> Json:
        """All but what it is in files and tables, and where samples stood that are gone."""
        options = {name: value for name, value in self.options.items() if name != "departed"}
        facts = {**vars(self), "options": options}
        del facts["id"], facts["manifest"]
        return {**facts, "unique_samples": self.unique}

    def _line(self) -> str:
        same = "" if self.unique == self.samples else f", {self.unique:,} different"
        told = self.labels_text
        return f"{self.name!r}, {self.samples:,} {self.counted}{same}, {told}, {self.kind}"

    @property
    def labels_text(self) -> str:
        """How many classes there are; or of numbers from where to where."""
        if not self.classes:
            return "no labels"
        found = range_of(self.classes, self.samples)
        if found is None:
            return f"{len(self.classes):,} classes"
        return f"numbers from {found[0]:.6g} to {found[1]:.6g}"

    @property
    def counted(self) -> str:
        """What its samples are: `windows` where sounds, texts, series or videos are cut."""
        return "windows" if WINDOWED & set(self.options) else "samples"


@dataclass(frozen=True)
class FeatureSet(Showable):
    """All rows computed under one feature key.

    `dtype` is what is served; `storage` and `compression` say how the numbers lie in the shards.
    `used_at` is when the rows were last read, to the hour.
    """

    key: str
    cut: str
    cut_fingerprint: str
    trunk_fingerprint: str
    preprocessing: Json
    preprocessing_fingerprint: str
    precision: str
    view: int
    shape: tuple[int, ...]
    dtype: str
    backbone: str
    storage: str = "float32"
    compression: str = "none"
    used_at: datetime | None = None
    created_at: datetime | None = None
    id: int | None = None

    def _line(self) -> str:
        of = f"{self.backbone}@{self.cut}"
        more = f", augmentation {self.view}" if self.view else ""
        return f"{self.key[:12]!r}, {of}, {shaped(self.shape)} in {self.precision}{more}"


@dataclass(frozen=True)
class Shard(Showable):
    """One committed shard of a feature set; `file` is relative to the features folder."""

    shard_id: str
    feature_set_id: int
    file: str
    rows: int
    size: int
    sha256: str
    engine: str
    versions: Json
    status: str = "committed"
    created_at: datetime | None = None

    def _line(self) -> str:
        return f"{self.file!r}, {self.rows:,} rows, {self.engine}, {self.status}"


@dataclass(frozen=True)
class Failure(Showable):
    """A sample that preprocessing could not read; a fact about its content."""

    digest: str
    preprocessing_fingerprint: str
    reason: str


@dataclass(frozen=True)
class Head(Showable):
    """A trained head with everything that it came from; `backbone` is `NAME:VERSION`."""

    name: str
    kind: str
    backbone: str
    cut: str
    feature_key: str
    dataset: str
    dataset_digest: str
    settings: Json
    metrics: Json
    classes: list[str | int]
    seed: int
    versions: Json
    artifact_digest: str
    artifact_size: int
    backbone_id: int | None = None
    version: int = 1
    created_at: datetime | None = None
    id: int | None = None
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name, with the version where it is not the first."""
        return named(self.name, self.version)

    def _facts(self) -> Json:
        """All but the numbers of rows."""
        facts = {**vars(self)}
        del facts["id"], facts["backbone_id"]
        return facts

    def _line(self) -> str:
        backbone = self.backbone.removesuffix(":1")
        score = next((name for name in SCORES if name in self.metrics), None)
        told = f", {score.replace('_', ' ')} {scored(self.metrics, score)}" if score else ""
        return f"{self.label!r}, {self.kind} on {backbone}@{self.cut}{told}"


@dataclass(frozen=True)
class SweepRecord(Showable):
    """A sweep: on which data and folds, how many heads it fitted, how long it took."""

    dataset: str
    dataset_digest: str
    trying: Json
    heads: int
    seconds: float
    versions: Json
    created_at: datetime | None = None
    id: int | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def _line(self) -> str:
        return f"{self.id}, {self.heads:,} heads on {self.dataset!r} in {self.seconds:.1f} s"


@dataclass(frozen=True)
class TrialRecord(Showable):
    """One setting of a sweep on one kind of features: its score with its interval."""

    features: str
    kind: str
    settings: Json
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    log_loss: float | None
    is_worse: bool

    @property
    def scores(self) -> dict[str, float]:
        """What settings were compared by, the most important first."""
        own = {"accuracy": self.accuracy, "log_loss": self.log_loss}
        return self.settings.get("behind", {}).get("scores", own)

    @property
    def intervals(self) -> dict[str, Any]:
        """Of the scores, [low, high]."""
        behind, ends = self.settings.get("behind", {}), (self.accuracy_low, self.accuracy_high)
        own = {"accuracy": ends, "log_loss": behind.get("log_loss_interval")}
        return behind.get("intervals", own)

    def _line(self) -> str:
        name, metrics = next(iter(self.scores)), {**self.scores, "intervals": self.intervals}
        return f"{self.kind} on {self.features}, {name} {scored(metrics, name)}"


class _Kept(NamedTuple):
    sweep: SweepRecord
    trials: int
    best: TrialRecord


class KeptSweep(Showable, _Kept):
    """A sweep in a list of them, with the number of its trials and the best one."""

    def _facts(self) -> Json:
        return {**self.sweep.to_json(), "trials": self.trials, "best": self.best}

    def _line(self) -> str:
        return f"{self.sweep.id}, {self.trials:,} settings on {self.sweep.dataset!r}, {self.best!r}"


class _Tried(NamedTuple):
    sweep: SweepRecord
    trials: list[TrialRecord]


class TriedSweep(Showable, _Tried):
    """A sweep with all its trials, from the best down."""

    def _facts(self) -> Json:
        return {**self.sweep.to_json(), "trials": self.trials}

    def _line(self) -> str:
        return f"{self.sweep.id}, {len(self.trials):,} settings on {self.sweep.dataset!r}"


@dataclass(frozen=True)
class Run(Showable):
    """One extraction or training, with its counts, times and versions."""

    kind: str
    subject: str
    dataset: str
    status: str
    counts: Json
    seconds: float
    versions: Json
    created_at: datetime | None = None
    id: int | None = None

    def _line(self) -> str:
        return f"{self.kind} of {self.subject} with {self.dataset}, {self.status}"
