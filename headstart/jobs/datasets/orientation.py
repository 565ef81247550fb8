"""Pictures that lie on their side: phones turn a picture by a number in its EXIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headstart.errors import StorageError
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


def warn_of_turned(place: str, samples: Sequence[Sample]) -> None:
    """Say how many pictures are stored turned, which no backbone sees unless it is asked to."""
    columns = SampleColumns.of(samples)
    files = np.flatnonzero([is_one for block in columns.blocks() for is_one in _are_photos(block)])
    looked_at = list(columns.take(files[:: max(1, -(-len(files) // LOOKED_AT))]))
    turned = [one for one in looked_at if is_turned(_head(Path(str(one.location))))]
    if turned:
        warn(
            f"{place}: {len(turned):,} of {len(looked_at):,} pictures that were looked at are "
            f"turned by their EXIF, such as {turned[0].id!r}; backbones see them as they are "
            "stored, as Keras does. `headstart backbone add --orient exif` adds one that turns them"
        )


def _are_photos(block: Block) -> list[bool]:
    return [isinstance(one, str) and one.lower().endswith(SUFFIXES) for one in block.locations]


def _head(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(HEAD)
    except (OSError, StorageError):  # gone since it was digested: whoever reads it will say so
        return b""
