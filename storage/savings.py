"""What storing features otherwise would save, measured on some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.errors import FeatureError
from headstart.storage.encoding import COMPRESSIONS, STORAGES, Encoding
from headstart.values.showable import Showable

ENOUGH_ZEROS = 0.3
"""From this share of zeros on (features behind a ReLU), compression is worth a word."""


@dataclass(frozen=True)
class Savings(Showable):
    """Measured on some rows.

    Attributes:
        rows: how many.
        zeros: share of numbers that are 0.
        sizes: `STORAGE/COMPRESSION` to the share of the plain float32 bytes that it takes.
    """

    rows: int
    zeros: float
    sizes: dict[str, float]

    @property
    def advice(self) -> str | None:
        """A sentence about features that compress well; None for others."""
        exact = {name: size for name, size in self.sizes.items() if name.startswith("float32/")}
        if self.zeros < ENOUGH_ZEROS or not exact:
            return None
        best = min(exact, key=lambda name: exact[name])
        return (
            f"{self.zeros:.0%} of the numbers are 0: --compression {best.partition('/')[2]} "
            f"would take {exact[best]:.0%} of the bytes"
        )


def measure(features: np.ndarray) -> Savings:
    """Store some rows in every way that this installation knows.

    Args:
        features: shape (rows, *feature shape), float32; some MB are enough.
    """
    sizes = {}
    for storage in STORAGES if features.dtype == np.float32 else (features.dtype.name,):
        for compression in COMPRESSIONS:
            try:
                encoding = Encoding.choose(features.dtype.name, storage, compression)
            except FeatureError:  # blosc2 is not installed
                continue
            sizes[f"{storage}/{compression}"] = _size(encoding, features) / features.nbytes
    zeros = float(np.mean(features == 0))
    return Savings(len(features), zeros, sizes)


def _size(encoding: Encoding, features: np.ndarray) -> int:
    import h5py  # not at once, as in `storage.encoding`

    with h5py.File.in_memory() as file, np.errstate(over="ignore"):
        stored = file.create_dataset(
            "features", data=encoding.encode(features), chunks=features.shape, **encoding.filters
        )
        file.flush()
        return stored.id.get_storage_size()
