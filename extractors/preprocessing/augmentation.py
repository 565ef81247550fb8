"""Views: a backbone that sees pictures a little otherwise, for features to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headstart.errors import PreprocessingError
from headstart.extractors.preprocessing.batches import Prepared
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.images import DECODERS
from headstart.registry.entities import Backbone
from headstart.storage.manifest import Manifest

STEP = "augment"


def in_view(backbone: Backbone, view: int, seed: int = 0) -> Backbone:
    """The backbone with the k-th augmentation in its preprocessing; itself for view 0.

    Raises:
        PreprocessingError: it does not begin by decoding a picture, or the view is below 0.
    """
    if view == 0:
        return backbone
    if view < 0:
        raise PreprocessingError(f"view is {view}", hint="0 is the sample as it is.")
    steps = backbone.preprocessing.get("steps")
    if not steps or steps[0]["step"] not in DECODERS:
        raise PreprocessingError(
            f"backbone {backbone.label!r} takes no pictures from files, and has no other views"
        )
    augment = {"step": STEP, "view": view, "seed": seed}
    made = Preprocessing.from_json({"steps": [steps[0], augment, *steps[1:]]})
    return replace(
        backbone, preprocessing=made.to_json(), preprocessing_fingerprint=made.fingerprint
    )


def view_of(preprocessing: dict[str, Any]) -> int:
    """Which view a preprocessing gives; 0 where samples are as they are."""
    steps = preprocessing.get("steps") or ()
    return next((step["view"] for step in steps if step["step"] == STEP), 0)


def without_view(preprocessing: dict[str, Any]) -> str:
    """The fingerprint of a preprocessing without its augmentation."""
    plain = dict(preprocessing)
    if "steps" in plain:
        plain["steps"] = [step for step in plain["steps"] if step["step"] != STEP]
    return Preprocessing.from_json(plain).fingerprint


class Views:
    """Samples in several views of one backbone: each is decoded once for all of them.

    Args:
        pipelines: of the backbone in each view, one at least; all begin with the same decoder.
    """

    def __init__(self, pipelines: Sequence[Preprocessing]) -> None:
        first = pipelines[0]
        self._only = first.pixels if len(pipelines) == 1 else None
        self._decode = replace(first, steps=first.steps[:1])
        self._others = [replace(one, steps=one.pixels.steps[1:]) for one in pipelines]

    def __len__(self) -> int:
        return len(self._others)

    def prepare(self, raw: Any) -> list[Prepared]:
        """One sample as `Preprocessing.pixels` prepares it, in each view.

        Raises:
            SampleUnreadable: see `Preprocessing.prepare`.
        """
        if self._only is not None:
            return [self._only.prepare(raw)]
        pixels = self._decode.prepare(raw)
        return [one.prepare(pixels) for one in self._others]


def samples_in_view(manifest: Manifest, view: int) -> Manifest:
    """What there is in a view: all samples as they are, those of the train split in others."""
    if view == 0:
        return manifest
    return replace(manifest, samples=manifest.columns.of_split("train"))
