"""Pictures that lie on their side: phones turn a picture by a number in its EXIF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.errors import SampleError
from headstart.extractors.datasets import Places, is_far
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.preprocessing.steps.pictures import is_turned
from headstart.notices import warn
from headstart.storage.columns.block import Block
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Sample

LOOKED_AT = 1000
"""Pictures whose beginnings are read, some milliseconds in all; of more, as many evenly spread."""
LOOKED_AT_FAR = 100
"""The same, where each is a request."""
HEAD = 1 << 17
"""Bytes: EXIF stands in front of the pixels and holds at most 64 KiB (a JPEG segment)."""
SUFFIXES = (".jpeg", ".jpg", ".tif", ".tiff", ".webp")
"""Of files as cameras write them."""


def warn_of_turned(
    place: str, samples: Sequence[Sample], source: Any, options: Mapping[str, Any]
) -> None:
    """Say how many pictures are stored turned, which no backbone sees unless it is asked to.

    Args:
        place: for the message.
        samples: of which pictures are looked at.
        source: opened; its `beginning` gives the first bytes of samples that are no files.
        options: of the source.
    """
    begin = getattr(source, "beginning", None)
    columns = SampleColumns.of(samples)
    if begin is None:
        photos = [is_one for block in columns.blocks() for is_one in _are_photos(block)]
        files, begin = np.flatnonzero(photos), Places(place, options).head
    else:
        files = np.arange(len(columns))
    first = columns.take(files[:1])
    most = LOOKED_AT_FAR if any(is_far(one.location) for one in first) else LOOKED_AT
    looked_at = list(columns.take(files[:: max(1, -(-len(files) // most))]))
    heads = ahead(looked_at, lambda one: _head(one, begin), lambda one: is_far(one.location))
    turned = [one for one, head in heads if is_turned(head())]
    if turned:
        warn(
            f"{place}: {len(turned):,} of {len(looked_at):,} pictures that were looked at are "
            f"turned by their EXIF, such as {turned[0].id!r}; backbones see them as they are "
            "stored, as Keras does. `headstart backbone add --orient exif` adds one that turns them"
        )


def _are_photos(block: Block) -> list[bool]:
    return [isinstance(one, str) and one.lower().endswith(SUFFIXES) for one in block.locations]


def _head(sample: Sample, begin: Callable[[Any, int], bytes]) -> bytes:
    try:
        return begin(sample.location, HEAD)
    except SampleError:
        return b""  # gone since it was digested: whoever reads it will say so
