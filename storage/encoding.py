"""How the numbers of a feature set lie in its shards: their width, and whether compressed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import FeatureError

STORAGES = ("float32", "float16", "bfloat16")
COMPRESSIONS = ("none", "gzip", "blosc2")
FLOAT16_MAX = 65504.0
"""The largest number of IEEE 754 binary16."""


@dataclass(frozen=True)
class Encoding:
    """How features are stored and served.

    Attributes:
        dtype: of the features that are served.
        storage: of the numbers in the file; `dtype`, or `float16` or `bfloat16` for float32.
        compression: `none`, `gzip` or `blosc2`; the latter two over shuffled bytes.
    """

    dtype: str
    storage: str
    compression: str = "none"

    @staticmethod
    def choose(dtype: str, storage: str | None, compression: str | None) -> Encoding:
        """The encoding for features of a dtype; what is None is the plain choice.

        Raises:
            FeatureError: the name is not known, or numbers of this dtype cannot be stored so.
        """
        encoding = Encoding(dtype, storage or dtype, compression or "none")
        if encoding.compression not in COMPRESSIONS:
            raise FeatureError(
                f"no compression {compression!r}", hint=f"Give {', '.join(COMPRESSIONS)}."
            )
        if encoding.storage != dtype and (dtype != "float32" or storage not in STORAGES):
            raise FeatureError(
                f"features of dtype {dtype} cannot be stored as {storage}",
                hint=f"Leave it out, or give {', '.join(STORAGES)} for float32 features.",
            )
        if encoding.compression == "blosc2":
            _blosc2()
        return encoding

    @property
    def is_plain(self) -> bool:
        """Whether the bytes in the file are those that are served."""
        return self.storage == self.dtype and self.compression == "none"

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """bfloat16, which HDF5 has no type for, lies as uint16: a float32's upper half."""
        name = "uint16" if self.storage == "bfloat16" else self.storage
        return np.dtype(name).newbyteorder("<")

    @property
    def filters(self) -> dict[str, Any]:
        """Arguments of h5py's `create_dataset`."""
        if self.compression == "none":
            return {}
        if self.compression == "gzip":
            return {"shuffle": True, "compression": "gzip"}
        return _blosc2()

    def fits(self, features: np.ndarray) -> np.ndarray:
        """Which rows can be stored: bool, shape (rows,)."""
        if self.storage != "float16":
            return np.ones(len(features), bool)
        return np.all(np.abs(features).reshape(len(features), -1) <= FLOAT16_MAX, axis=1)

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Rounded to the nearest number that can be stored, ties to even."""
        if self.storage == "bfloat16":
            import ml_dtypes

            return features.astype(ml_dtypes.bfloat16).view(np.uint16)
        return features.astype(self.stored_dtype, copy=False)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """The numbers to serve; exact."""
        if self.storage == "bfloat16":
            return (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.astype(self.dtype, copy=False)


class ChunkDecoder:
    """Undoes HDF5's filters on single chunks whose bytes were read and checked by us.

    One chunk is put, as it is, into a file in memory and read through the library: whatever
    filter it has, no code of ours has to know it. https://docs.h5py.org/en/stable/high/dataset.html
    """

    def __init__(self, encoding: Encoding, chunk_shape: tuple[int, ...]) -> None:
        import h5py  # not at once: a run which computes nothing needs none of it

        self._lock = threading.Lock()
        self._file = h5py.File.in_memory()
        self._chunk = self._file.create_dataset(
            "chunk", chunk_shape, encoding.stored_dtype, chunks=chunk_shape, **encoding.filters
        )
        self._corner = (0,) * len(chunk_shape)

    def decode(self, raw: bytes) -> np.ndarray:
        """Stored bytes to stored numbers, shape `chunk_shape`."""
        with self._lock:
            self._chunk.id.write_direct_chunk(self._corner, raw)
            return self._chunk[()]


def _blosc2() -> dict[str, Any]:
    try:
        import hdf5plugin
    except ModuleNotFoundError as error:
        raise FeatureError(
            "the compression blosc2 needs a package that is not installed",
            hint="pip install 'headstart[compress]'.",
        ) from error
    return dict(hdf5plugin.Blosc2(cname="zstd", clevel=5, filters=hdf5plugin.Blosc2.SHUFFLE))
