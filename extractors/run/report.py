"""What an extraction did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headstart.values.showable import Showable


@dataclass
class Report(Showable):
    """What an extraction did.

    Attributes:
        samples: samples in the dataset.
        unique: different contents among them; `computed + reused + skipped` of them.
        computed: contents that went through the trunk in this run.
        reused: contents whose rows were all there.
        skipped: contents that could not be read.
        seconds: of the whole run; of one with several views this one's share, by samples computed.
        start_seconds: of these, until the first samples were computed: the engine was found by
            then, its model loaded, perhaps converted.
        steady_samples: samples that were computed behind those.
        steady_seconds: that these took: what a sample costs, where there are enough of them.
        engine: what computed; `cache` when nothing was.
        engine_reason: why that one, in words.
        precision: of the arithmetic.
        check: how the engine compares with TensorFlow in float32: `relative_error` on `samples`
            samples, and samples a second of each; empty where TensorFlow itself computed.
        feature_keys: feature key by cut.
        skipped_samples: id and reason of every sample left out.
        quarantined: damaged shards that were found and put aside.
        warnings: what is doubtful about the cuts and about what reaches the trunk.
    """

    backbone: str
    dataset: str
    cuts: list[str]
    feature_keys: dict[str, str]
    samples: int
    unique: int
    computed: int = 0
    reused: int = 0
    skipped: int = 0
    seconds: float = 0.0
    start_seconds: float = 0.0
    steady_samples: int = 0
    steady_seconds: float = 0.0
    engine: str = "cache"
    engine_reason: str = ""
    precision: str = "float32"
    check: dict[str, Any] = field(default_factory=dict)
    skipped_samples: list[dict[str, str]] = field(default_factory=list)
    quarantined: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def feature_key(self) -> str:
        """The first cut's feature key."""
        return self.feature_keys[self.cuts[0]]

    def again(self) -> Report:
        """What the next extraction reports, where this one left nothing to compute."""
        of = (self.backbone, self.dataset, self.cuts, self.feature_keys, self.samples, self.unique)
        return Report(*of, reused=self.unique, precision=self.precision)

    def _facts(self) -> dict[str, Any]:
        facts = {**self.__dict__, "unique_samples": self.unique}  # `unique` as scripts know it
        return {**facts, "feature_key": self.feature_key}

    def _line(self) -> str:
        return (
            f"{self.backbone} on {self.dataset}, {self.computed:,} computed, "
            f"{self.reused:,} reused, {self.skipped:,} skipped, {self.seconds:.1f} s"
        )


@dataclass(frozen=True)
class Reports(Showable):
    """What the extractions of a dataset did, of its samples as they are and of augmentations.

    Attributes:
        plain: of the samples as they are.
        augmented: of the augmentations, from the first on.
        beside: those of the other backbones, where features are to be joined.
    """

    plain: Report
    augmented: tuple[Report, ...] = ()
    beside: tuple[Reports, ...] = ()

    def _facts(self) -> dict[str, Any]:
        more: dict[str, Any] = {"views": self.augmented} if self.augmented else {}
        more |= {"beside": self.beside} if self.beside else {}
        return {**self.plain.to_json(), **more}
