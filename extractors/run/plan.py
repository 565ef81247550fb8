"""An extraction as plain data: what a job stores, and what a worker anywhere can run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from headstart.errors import BackboneError, FeatureError
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.run.keys import keys_of
from headstart.extractors.run.settings import Settings
from headstart.registry.entities import Backbone, Dataset

VERSION = 1
"""Of what the fields mean; a plan of another version is not run."""


def one_cut_only(count: int) -> BackboneError:
    """Why several cuts are not computed in int8 in one pass."""
    return BackboneError(
        f"{count} cuts in int8: each is calibrated by itself, and computed in a pass of its own",
        hint="Extract one after the other, BACKBONE@CUT each.",
    )


@dataclass(frozen=True)
class ExtractionPlan:
    """Everything that a run needs, and nothing that is open: to JSON and back, and picklable.

    Names are pinned by what they meant when the plan was made: the backbone by its version and its
    feature keys, the dataset by its manifest, which no worker has to look at its files for.
    Whoever runs it has the same workspace or one on the same database, and may read the samples.

    Attributes:
        backbone: `NAME:VERSION`.
        cuts: where it is cut; all are computed in one forward pass.
        feature_keys: of each cut, by name; another key where it is run is an error.
        dataset: its name.
        dataset_digest: of its manifest.
        manifest: file name of the manifest.
        settings: how to run: engine, precision, batch size, when to commit, what to do about bad
            samples.
        asked: the backbone as somebody asked for it, `NAME[@CUT,…]`: what its run is called.
        augmentation: 0 for the samples as they are; k for the k-th augmentation of the train split.
        version: of this format.
    """

    backbone: str
    cuts: tuple[str, ...]
    feature_keys: dict[str, str]
    dataset: str
    dataset_digest: str
    manifest: str
    settings: Settings
    asked: str
    augmentation: int = 0
    version: int = VERSION

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        cuts: Sequence[Cut],
        dataset: Dataset,
        settings: Settings,
        asked: str,
        augmentation: int = 0,
    ) -> ExtractionPlan:
        """The plan of an extraction; the backbone is one in the augmentation's view.

        What `int8` means is in the cuts, and from here on in the settings.

        Raises:
            BackboneError: the cuts are of several calibrations, and one trunk has one.
        """
        precisions = {cut.precision for cut in cuts}
        if len(precisions) > 1:
            raise one_cut_only(len(cuts))
        settings = replace(settings, precision=precisions.pop())
        return cls(
            backbone=backbone.reference,
            cuts=tuple(cut.name for cut in cuts),
            feature_keys=keys_of(backbone, cuts),
            dataset=dataset.name,
            dataset_digest=dataset.digest,
            manifest=dataset.manifest,
            settings=settings,
            asked=asked,
            augmentation=augmentation,
        )

    def check_keys(self, keys: dict[str, str]) -> None:
        """See that this backbone, here, computes what was planned.

        Raises:
            BackboneError: a cut has another feature key here.
        """
        for cut, key in self.feature_keys.items():
            if keys.get(cut) != key:
                raise BackboneError(
                    f"the plan wants features {key[:12]} of {self.backbone}@{cut}; here they are "
                    f"{str(keys.get(cut))[:12]}",
                    hint="The backbone or its preprocessing is another one here: plan again.",
                )

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `from_json` takes it."""
        return {**asdict(self), "cuts": list(self.cuts)}

    def dumps(self) -> str:
        """As a line of JSON."""
        return json.dumps(self.to_json(), ensure_ascii=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ExtractionPlan:
        """A plan that `to_json` wrote.

        Raises:
            FeatureError: it is of another version, or is no plan.
        """
        if not isinstance(data, dict) or data.get("version") != VERSION:
            found = data.get("version") if isinstance(data, dict) else None
            raise FeatureError(
                f"a plan of version {found!r}, this code runs version {VERSION}",
                hint="Plan again with this version, or run it with the version that made it.",
            )
        wanted = {field.name for field in fields(cls)}
        if set(data) != wanted:
            odd = ", ".join(sorted(set(data) ^ wanted))
            raise FeatureError(f"a plan with missing or unknown fields: {odd}", hint="Plan again.")
        try:
            settings = Settings(**data["settings"])
        except TypeError as error:
            raise FeatureError(f"a plan with odd settings: {error}", hint="Plan again.") from error
        return cls(**{**data, "cuts": tuple(data["cuts"]), "settings": settings})

    @classmethod
    def loads(cls, text: str) -> ExtractionPlan:
        """A plan that `dumps` wrote; see `from_json`."""
        try:
            return cls.from_json(json.loads(text))
        except json.JSONDecodeError as error:
            raise FeatureError(f"a plan that is no JSON: {error}", hint="Plan again.") from error
