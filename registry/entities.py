"""What the registry knows, as frozen dataclasses; SQL rows never leave this package."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class CutPoint:
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
        compute_below: share of the model's multiply-adds at and below it; None where sizes are
            open.
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


@dataclass(frozen=True)
class Backbone:
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
        return self.name if self.version == 1 else f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Dataset:
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


@dataclass(frozen=True)
class FeatureSet:
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


@dataclass(frozen=True)
class Shard:
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


@dataclass(frozen=True)
class Failure:
    """A sample that preprocessing could not read; a fact about its content."""

    digest: str
    preprocessing_fingerprint: str
    reason: str


@dataclass(frozen=True)
class Head:
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


@dataclass(frozen=True)
class SweepRecord:
    """A sweep: on which data and folds, how many heads it fitted, how long it took."""

    dataset: str
    dataset_digest: str
    trying: Json
    heads: int
    seconds: float
    versions: Json
    created_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One setting of a sweep on one kind of features: its score with its interval."""

    features: str
    kind: str
    settings: Json
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    log_loss: float
    is_worse: bool


@dataclass(frozen=True)
class Run:
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
