"""From windows back to the samples that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.storage.manifest import Manifest
from headstart.storage.samples import Sample
from headstart.storage.windowed.places import find_window


def are_windows(samples: Sequence[Sample]) -> bool:
    """Whether a dataset is of windows: all of its samples are, or none."""
    return bool(samples) and find_window(samples[0].location) is not None


def whole_of(window: Sample) -> Sample:
    """The sample that a window is of, as it would stand in a dataset without windows."""
    found = find_window(window.location)
    if found is None:
        return window
    group = None if window.group == found.content else window.group
    name = window.id.rpartition("#")[0]
    return replace(window, id=name, digest=found.content, location=found.of, group=group)


def windows_of(whole: Sample, parts: Sequence[tuple[str, str, str]]) -> list[Sample]:
    """Windows as samples: they have the label and the split of the sample that they are of.

    Their group is the sample's own, or its content: copies of a long sample are one group too.

    Args:
        whole: the sample.
        parts: of each window its name in the sample, its digest and its location.
    """
    group = whole.group or whole.digest
    return [
        replace(whole, id=f"{whole.id}#{name}", digest=digest, location=location, group=group)
        for name, digest, location in parts
    ]


def wholes_of(manifest: Manifest) -> Manifest:
    """The samples whose windows a manifest lists, each once; itself where it lists no windows."""
    if not are_windows(manifest.samples):
        return manifest
    wholes, _ = numbered(manifest.samples)
    return Manifest(manifest.kind, manifest.source, tuple(wholes))


def numbered(samples: Sequence[Sample]) -> tuple[list[Sample], np.ndarray]:
    """The samples that windows are of, in order, and of each window the number of its sample,
    (windows,), int64."""
    numbers: dict[str, int] = {}
    wholes: list[Sample] = []
    found = np.empty(len(samples), np.int64)
    for row, one in enumerate(samples):
        name = one.id.rpartition("#")[0]
        number = numbers.setdefault(name, len(wholes))
        if number == len(wholes):
            wholes.append(whole_of(one))
        found[row] = number
    return wholes, found
