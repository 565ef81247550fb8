"""A view: the rows of a feature set in a dataset's order, with ids, labels and splits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import FeatureError
from headstart.storage.export import Progress, export
from headstart.storage.index import Index
from headstart.storage.manifest import SPLITS, Label, Sample, sorted_labels
from headstart.storage.shards import ShardFile, read_shard

if TYPE_CHECKING:
    import tensorflow as tf

BYTES_IN_MEMORY = 512 << 20
"""Of the shards read last, so many bytes are kept."""


class FeatureView:
    """Features of a dataset's samples: row `i` belongs to `samples[i]`, by digest.

    A snapshot: what is committed later does not change it. Every shard is checked against its
    hash before a number is served.

    Attributes:
        key: the feature key.
        samples: the samples, in the dataset's order; those without features are left out.
        report: what the extraction did that led to this view, or None.
    """

    def __init__(
        self,
        key: str,
        index: Index,
        samples: Sequence[Sample],
        shape: tuple[int, ...],
        dtype: str,
        *,
        report: Any = None,
        origin: Any = None,
    ) -> None:
        self.key = key
        self.samples = tuple(samples)
        self.report = report
        self.origin = origin
        self._feature_shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self._index = index
        self._places = index.find([sample.digest for sample in self.samples])
        if not self._places.present.all():
            missing = self.samples[int(np.argmin(self._places.present))]
            raise FeatureError(f"sample {missing.id!r} has no row in feature set {key[:12]}")
        self._loaded: OrderedDict[int, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, *feature shape)"""
        return (len(self), *self._feature_shape)

    @property
    def ids(self) -> list[str]:
        return [sample.id for sample in self.samples]

    @property
    def labels(self) -> list[Label | None]:
        return [sample.label for sample in self.samples]

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """One row (feature shape), or several (n, *feature shape)."""
        if isinstance(rows, int | np.integer):
            return self._gather(np.array([range(len(self))[rows]]))[0]
        return self._gather(np.arange(len(self))[rows])

    def split(self, name: str) -> FeatureView:
        """The part of the view that belongs to `train`, `validation` or `test`."""
        if name not in SPLITS:
            raise FeatureError(f"no split {name!r}", hint=f"The splits are {', '.join(SPLITS)}.")
        chosen = [sample for sample in self.samples if sample.split == name]
        return FeatureView(
            self.key, self._index, chosen, self._feature_shape, self.dtype.str, origin=self.origin
        )

    def to_numpy(self, out: np.ndarray | None = None) -> np.ndarray:
        """All rows as one array of shape `shape`; written into `out` if given."""
        if out is None:
            out = np.empty(self.shape, self.dtype)
        elif out.shape != self.shape:
            raise FeatureError(f"out has shape {out.shape}, the view has {self.shape}")
        return self._gather(np.arange(len(self)), out)

    def export(self, path: str | Path, progress: Progress | None = None) -> Path:
        """Write the rows into one file that others read without Headstart.

        Args:
            path: ends in `.npz`, `.npy` (with a `.csv` beside it) or `.h5`; see `docs/format.md`.
            progress: called with (rows written, rows in all).
        """
        return export(self, Path(path), progress)

    def batches(
        self, batch_size: int = 256, *, shuffle: bool = False, seed: int = 0
    ) -> Iterator[tuple[np.ndarray, list[Label | None]]]:
        """One pass in batches of (features, labels); shuffled by seed if asked."""
        if batch_size < 1:
            raise FeatureError(f"batch_size is {batch_size}", hint="Give 1 or more.")
        order = np.arange(len(self))
        if shuffle:
            order = np.random.default_rng(seed).permutation(len(self))
        for start in range(0, len(self), batch_size):
            rows = order[start : start + batch_size]
            yield self._gather(rows), [self.samples[row].label for row in rows]

    def to_tf(
        self, batch_size: int = 256, *, shuffle: bool = False, seed: int = 0
    ) -> tf.data.Dataset:
        """A `tf.data.Dataset` of (features, class number) batches; needs labels."""
        import tensorflow as tf

        number = {label: place for place, label in enumerate(sorted_labels(self.labels))}

        def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for rows, labels in self.batches(batch_size, shuffle=shuffle, seed=seed):
                yield rows, np.array([number[label] for label in labels if label is not None])

        if None in self.labels:
            raise FeatureError("the dataset has no labels", hint="Use `batches()` or `to_numpy()`.")
        signature = (
            tf.TensorSpec((None, *self._feature_shape), self.dtype),
            tf.TensorSpec((None,), tf.int64),
        )
        return tf.data.Dataset.from_generator(generate, output_signature=signature)

    def _gather(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        if out is None:
            out = np.empty((len(rows), *self._feature_shape), self.dtype)
        shard_of, row_of = self._places.shard[rows], self._places.row[rows]
        for shard in np.unique(shard_of):
            here = np.flatnonzero(shard_of == shard)
            out[here] = self._features_of(int(shard))[row_of[here]]
        return out

    def _features_of(self, shard: int) -> np.ndarray:
        """A shard's rows, checked when read; the last few shards are kept."""
        if shard in self._loaded:
            self._loaded.move_to_end(shard)
            return self._loaded[shard]
        features = read_shard(self._index.shards[shard]).features
        if features.shape[1:] != self._feature_shape:
            file: ShardFile = self._index.shards[shard]
            raise FeatureError(
                f"the shard {file.path} has rows of shape {features.shape[1:]}, "
                f"not {self._feature_shape}"
            )
        self._loaded[shard] = features
        while len(self._loaded) > 1 and self._loaded_bytes() > BYTES_IN_MEMORY:
            self._loaded.popitem(last=False)
        return features

    def _loaded_bytes(self) -> int:
        return sum(features.nbytes for features in self._loaded.values())
