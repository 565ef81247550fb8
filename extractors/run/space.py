"""How many bytes features will take, and whether the disk has them."""

from __future__ import annotations

import math

import numpy as np

from headstart.errors import StorageError
from headstart.extractors.backbones.cuts import Cut
from headstart.notices import tell
from headstart.storage.keys import DIGEST_BYTES
from headstart.storage.shard_store import ShardStore
from headstart.values.sizes import size_text

TOLD_FROM = 256 << 20
"""Bytes of features of which it is told beforehand that they will take so many."""
MARGIN_BYTES = 16 << 20
"""Left free for the database and the index."""


def row_bytes(cut: Cut, storage: str | None = None) -> float:
    """Bytes of one row with its digest; NaN where the cut has no fixed shape.

    Args:
        cut: where the features come from.
        storage: how their numbers are stored; as computed without it.
    """
    if None in cut.shape:
        return math.nan
    name = storage or cut.point.dtype
    width = 2 if name.endswith("16") else np.dtype(name).itemsize
    return math.prod(size or 0 for size in cut.shape) * width + DIGEST_BYTES


def refuse_full_disk(needed: float, samples: int, store: ShardStore) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        StorageError: so many bytes are not free in the store.
    """
    free, place = store.free_bytes(), store.place_of()
    if free is not None and needed + MARGIN_BYTES > free:
        raise StorageError(
            f"the features of {samples:,} samples need about {size_text(needed)}, the registry up "
            f"to {size_text(MARGIN_BYTES)}, and {size_text(free)} are free where {place} is",
            hint="Free some (`headstart features gc`), store less (--storage float16), or "
            "pool the cut (|gap).",
        )


def tell_of_size(needed: float, samples: int) -> None:
    """Say how many bytes features will take, where they are many."""
    if needed >= TOLD_FROM:
        tell(
            f"the features of {samples:,} samples will take about {needed / 1e6:,.0f} MB, "
            f"{needed / samples / 1e3:,.0f} KB each; --storage float16 takes half of float32, a "
            "pooled cut less (|gap, |tokens49)"
        )
