"""The mark of a folder of files that were fetched, and whether they are still there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.extractors.datasets.memory.packed_tar import packing_of, unpacked_name
from headstart.paths import mirrored_below

COMPLETE = ".fetched"
"""In a folder of files that were fetched: what their store said of each; written when all are
there."""


def place_of(folder: Path, name: str) -> Path:
    """Where a file of some name at its store lies in a folder here."""
    return mirrored_below(folder, unpacked_name(name))


def is_there(place: Path, name: str, stat: Sequence[int]) -> bool:
    """Whether a file is there with its size; of one that was unpacked, or of which its store says
    nothing, the size is not known.

    Args:
        place: where it lies.
        name: at its store.
        stat: what its store says of it, its size first; may be empty.
    """
    try:
        size = place.stat().st_size
    except OSError:
        return False
    is_known = bool(stat) and packing_of(name) is None
    return place.is_file() and (not is_known or size == stat[0])


def marked_in(folder: Path) -> Mapping[str, Sequence[int]]:
    """What the store of some files said of each, by name; of none where the mark is not there."""
    try:
        return json.loads((folder / COMPLETE).read_bytes())
    except (OSError, ValueError):
        return {}


def is_whole(folder: Path) -> bool:
    """Whether all files are there that the mark of a folder names."""
    told = marked_in(folder)
    files = ((place_of(folder, name), name, stat) for name, stat in told.items())
    return bool(told) and all(is_there(*file) for file in files)
