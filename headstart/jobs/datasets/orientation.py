"""Pictures that lie on their side: phones turn a picture by a number in its EXIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import SampleError, StorageError
from headstart.extractors.preprocessing.steps.pictures import is_turned
from headstart.notices import warn
from headstart.storage.columns.block import Block
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.files import open_regular
from headstart.storage.manifest import Sample

LOOKED_AT = 1000
"""Pictures whose beginnings are read, some milliseconds in all; of more, as many evenly spread."""
HEAD = 1 << 17
"""Bytes: EXIF stands in front of the pixels and holds at most 64 KiB (a JPEG segment)."""
SUFFIXES = (".jpeg", ".jpg", ".tif", ".tiff", ".webp")
"""Of files as cameras write them."""


def warn_of_turned(place: str, samples: Sequence[Sample], source: Any = None) -> None:
    """Say how many pictures are stored turned, which no backbone sees unless it is asked to.

    Args:
        place: for the message.
        samples: of which pictures are looked at.
        source: opened; its `beginning` gives the first bytes of samples that are no files.
    """
    begin = getattr(source, "beginning", None)
    columns = SampleColumns.of(samples)
    if begin is None:
        photos = [is_one for block in columns.blocks() for is_one in _are_photos(block)]
        files = np.flatnonzero(photos)
    else:
        files = np.arange(len(columns))
    looked_at = list(columns.take(files[:: max(1, -(-len(files) // LOOKED_AT))]))
    turned = [one for one in looked_at if is_turned(_head(one, begin))]
    if turned:
        warn(
            f"{place}: {len(turned):,} of {len(looked_at):,} pictures that were looked at are "
            f"turned by their EXIF, such as {turned[0].id!r}; backbones see them as they are "
            "stored, as Keras does. `headstart backbone add --orient exif` adds one that turns them"
        )


def _are_photos(block: Block) -> list[bool]:
    return [isinstance(one, str) and one.lower().endswith(SUFFIXES) for one in block.locations]


def _head(sample: Sample, begin: Callable[[str | int, int], bytes] | None) -> bytes:
    try:
        if begin is not None:
            return begin(sample.location, HEAD)
        with open_regular(Path(str(sample.location))) as file:
            return file.read(HEAD)
    except (OSError, StorageError, SampleError):
        return b""  # gone since it was digested: whoever reads it will say so
