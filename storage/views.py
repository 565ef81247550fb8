"""A view: the rows of a feature set in a dataset's order, with ids, labels and splits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import FeatureError
from headstart.progress import Progress
from headstart.storage.columns.finder import ABSENT
from headstart.storage.columns.row_numbers import row_number, row_numbers
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.exports.export import export
from headstart.storage.exports.frames import TorchRows, arrow_table, data_frame, torch_rows
from headstart.storage.index import Index, Places
from headstart.storage.joined.rows import JoinedReader, Side, factor_of, joined_key, rows_in
from headstart.storage.manifest import SPLITS, Label, Sample, sorted_labels
from headstart.storage.passes.one_pass import one_pass
from headstart.storage.row_reader import RowReader
from headstart.storage.windowed.pooled import EACH, MEAN, PooledReader, check_way
from headstart.storage.windowed.wholes import are_windows, numbered
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Showable

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import tensorflow as tf

NUMBER = (int, np.integer)
Reopen = Callable[[str, Sequence[Sample]], "FeatureView"]


@checks_arguments
class FeatureView(Showable):
    """Features of a dataset's samples: row `i` belongs to `samples[i]`, by digest.

    A snapshot: what is committed or collected later does not change it. Every chunk is checked
    against what was committed before a number of it is served, and again when somebody wrote to
    its shard since; rows are read when they are asked for, and little is kept in memory.

    Attributes:
        key: the feature key.
        dtype: of the rows as they are served; how they are stored is `reader.encoding`.
        report: what the extraction did that led to this view, or None.
        windows: of a dataset of windows, what a row is of: `each` window, or the `mean` or `max` of
            those of a sample; None of other datasets.
        is_unweighted: whether it is what `unweighted` gave.
    """

    windows: str | None
    is_unweighted = False

    def __init__(
        self,
        key: str,
        places: Index | Places,
        samples: Sequence[Sample],
        reader: RowReader,
        *,
        left_out: Sequence[Sample] = (),
        report: Any = None,
        hold: object = None,
        reopen: Reopen | None = None,
    ) -> None:
        """
        Args:
            places: where the samples' rows are, or an index that knows.
            hold: what keeps the files from being collected while it lives.
            reopen: gives the view of a key and samples again, in another process too.
        """
        self.samples = columns = SampleColumns.of(samples)
        if isinstance(places, Index):
            places = places.find_blocks(columns.digest_blocks())
        if not places.present.all():
            missing = columns[int(np.argmin(places.present))]
            raise FeatureError(f"sample {missing.id!r} has no row in feature set {key[:12]}")
        self.key = key
        self.left_out = left_out
        self.report = report
        self.origin: Any = None
        self._reader = reader
        self._places = places
        self._hold = hold
        self._reopen = reopen
        self.windows = EACH if are_windows(self.samples) else None
        self._make: Callable[[], FeatureView] | None = None

    def __reduce__(self) -> tuple[Callable[..., FeatureView], tuple[Any, ...]]:
        """What it is a view of, and how to open that: no row is pickled.

        Raises:
            FeatureError: it is of files that belong to no workspace.
        """
        if self._reopen is None:
            raise FeatureError("this view belongs to no workspace, and cannot be opened again")
        kept = {"left_out": self.left_out, "report": self.report, "origin": self.origin}
        kept |= {"samples": self.samples, "is_unweighted": True} if self.is_unweighted else {}
        if self._make is not None:
            return _made_again, (self._make, self._places.row, kept)
        return _again, (self._reopen, self.key, self.samples, kept)

    @property
    def samples(self) -> SampleColumns:
        """The samples, in the dataset's order; those without features are left out."""
        return self._samples

    @samples.setter
    def samples(self, samples: Sequence[Sample]) -> None:
        self._samples = SampleColumns.of(samples)

    @property
    def left_out(self) -> SampleColumns:
        """The samples of the dataset that could not be read."""
        return self._left_out

    @left_out.setter
    def left_out(self, samples: Sequence[Sample]) -> None:
        self._left_out = SampleColumns.of(samples)

    def __len__(self) -> int:
        return len(self.samples)

    def _facts(self) -> dict[str, Any]:
        """What the rows are, and of what; the rows and samples are asked for by themselves."""
        return {
            "feature_key": self.key,
            "shape": self.shape,
            "dtype": str(self.dtype),
            "of": None if self.origin is None else str(self.origin),
            "classes": sorted_labels(self.samples.different_labels),
            "splits": self.samples.split_counts,
        }

    def _line(self) -> str:
        rows, *shape = self.shape
        of = "" if self.origin is None else f", {self.origin}"
        each = "x".join(map(str, shape)) or "1"
        return f"{rows:,} rows of {each} {self.dtype}{of}, {self.key[:12]}"

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._reader.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, then the shape of one sample's feature."""
        return (len(self), *self._reader.shape)

    @property
    def ids(self) -> list[str]:
        return self.samples.ids

    @property
    def labels(self) -> list[Label | None]:
        return self.samples.labels

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """One row (feature shape), or several (n, *feature shape)."""
        if isinstance(rows, NUMBER) and not isinstance(rows, bool):
            return self._gather(np.array([row_number(rows, len(self))]))[0]
        return self._gather(row_numbers(rows, len(self)))

    def split(self, name: str) -> FeatureView:
        """The part of the view that belongs to `train`, `validation` or `test`."""
        if name not in SPLITS:
            raise FeatureError(f"no split {name!r}", hint=f"The splits are {', '.join(SPLITS)}.")
        part = self.take(np.flatnonzero(self.samples.split_codes == SPLITS.index(name)))
        part.left_out = self.left_out.of_split(name)
        part.report = None
        return part

    def unweighted(self) -> FeatureView:
        """The view, of whose samples all count alike, whatever the dataset says."""
        made = object.__new__(FeatureView)
        made.__dict__.update(self.__dict__)
        made.samples, made.is_unweighted = self.samples.without_weights(), True
        return made

    def labelled(self) -> FeatureView:
        """The part of the view whose samples have a label."""
        without = np.array([label is None for label in self.labels], bool)
        if not without.any():
            return self
        part = self.take(np.flatnonzero(~without))
        part.report = None
        return part

    def grouped(self, how: str = MEAN) -> FeatureView:
        """A row a sample, where rows are of windows; other rows are as they are.

        Its samples are the long ones, in order, each as if it had never been cut.

        Args:
            how: `mean` or `max` of the windows, number by number; `each` leaves them alone.

        Raises:
            FeatureError: they are grouped in another way already.
        """
        check_way(how)
        if self.windows in (None, how):
            return self
        if self.windows != EACH:
            raise FeatureError(
                f"the rows are the {self.windows} of windows already",
                hint="Group the view that has a row a window.",
            )
        wholes, numbers = numbered(self.samples)
        made = object.__new__(FeatureView)
        made.__dict__.update(self.__dict__)
        reader = PooledReader(self._reader, self._places, numbers, len(wholes), how)
        made.samples, made.windows, made._make = wholes, how, partial(self.grouped, how)
        made._reader, made._places = reader, reader.places
        return made

    def beside(self, others: Sequence[FeatureView], scales: Sequence[float]) -> FeatureView:
        """A row a sample, with those of other feature sets behind its own, all of them flat; the
        samples and what is known of them are those of this view. A sample that another set left
        out, as it could not be read, is left out here, too.

        Args:
            others: that have the samples of this one, by digest, in any order.
            scales: by what the numbers of each are divided, this view's first.

        Raises:
            FeatureError: a sample is missing in another view.
        """
        rows = [rows_in(one, self.samples) for one in others]
        is_in = np.logical_and.reduce([own != ABSENT for own in rows])
        made = self.take(np.flatnonzero(is_in))
        made.left_out = SampleColumns.of([*self.left_out, *self.samples.where(~is_in)])
        views = (self, *others)
        made.key, made.origin = joined_key([one.key for one in views], scales), None
        factors = map(factor_of, scales)
        places = [
            made._places,
            *(v._places.at(own[is_in]) for v, own in zip(others, rows, strict=True)),
        ]
        reader = JoinedReader([*map(Side, (one._reader for one in views), places, factors)])
        made.report, made._make = None, partial(self.beside, others, scales)
        made._reader, made._places = reader, reader.places
        return made

    def to_numpy(self, out: np.ndarray | None = None) -> np.ndarray:
        """All rows as one array of shape `shape`; written into `out` if given (a memmap, say)."""
        if out is None:
            out = np.empty(self.shape, self.dtype)
        elif out.shape != self.shape or out.dtype != self.dtype:
            raise FeatureError(
                f"out is {out.dtype} of shape {out.shape}, the view is {self.dtype} of {self.shape}"
            )
        elif not out.flags.writeable:
            raise FeatureError("out is read-only", hint="Give an array that can be written to.")
        self._reader.expect(self._places)
        self._reader.read(self._places, out)
        return out

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a table: `id`, `label`, `split`, `group`, `weight` where any sample has one,
        and `features`, a list of fixed length; a feature that is no vector lies flat, its shape is
        in the schema's metadata."""
        return arrow_table(self)

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a data frame: `id`, `label`, `split`, `group`, `weight` where any sample has
        one, and a column for each number of a vector, `f0`, `f1`…; of more than 4,096, and of a
        map, one of arrays, `features`.

        Raises:
            HeadstartError: pandas is not installed.
        """
        return data_frame(self)

    def to_torch(self) -> TorchRows:
        """The rows as a data set for `torch.utils.data.DataLoader`, with workers too: `[i]` gives
        features (numpy, which the loader makes tensors of) and class number; the features alone
        without labels. `classes` are the labels in the order of their numbers.

        Raises:
            FeatureError: PyTorch is not installed, or some samples have no label.
        """
        return torch_rows(self)

    def export(self, path: str | Path, progress: Progress | None = None) -> Path:
        """Write the rows into one file that others read without Headstart.

        Args:
            path: ends in `.npz`, `.npy` (with a `.csv` beside it), `.h5` or `.parquet`, or is a
                folder for Hugging Face `datasets` (ends in `/` or `.hf`); see `docs/format.md`.
            progress: called with (rows written, rows in all).
        """
        return export(self, Path(path), progress)

    def batches(
        self, batch_size: int = 256, *, shuffle: bool = False, seed: int = 0, epochs: int = 1
    ) -> Iterator[tuple[np.ndarray, list[Label | None]]]:
        """Passes in batches of (features, labels), read ahead by a thread.

        A pass reads each chunk once, if the dataset's order is that of the chunks or if it is
        shuffled: then chunks come at random, some dozens at a time, and rows are mixed among those
        (24 MiB); what was checked is copied from where it lies in later ones, if it fits in memory.
        A seed gives the same order again, each epoch another. Only the last is smaller.

        Args:
            batch_size: rows a batch.
            shuffle: whether to mix.
            seed: of the order.
            epochs: passes.
        """
        _check_counts(batch_size=batch_size, epochs=epochs)
        labels = self.labels
        for epoch in range(epochs):
            for rows, features in self._pass(batch_size, (seed, epoch) if shuffle else None):
                yield features, [labels[row] for row in rows.tolist()]

    def to_tf(
        self, batch_size: int = 256, *, shuffle: bool = False, seed: int = 0
    ) -> tf.data.Dataset:
        """A `tf.data.Dataset` of (features, class number) batches; needs labels.

        Each time it is gone through is an epoch: shuffled, it has an order of its own. It knows how
        many batches it has.
        """
        import tensorflow as tf

        _check_counts(batch_size=batch_size)
        labels = self.labels
        if None in labels:
            raise FeatureError("the dataset has no labels", hint="Use `batches()` or `to_numpy()`.")
        number = {label: place for place, label in enumerate(sorted_labels(labels))}
        classes = np.array([number[label] for label in labels if label is not None], np.int64)
        epochs = itertools.count()

        def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for rows, features in self._pass(batch_size, (seed, next(epochs)) if shuffle else None):
                yield features, classes[rows]

        signature = (
            tf.TensorSpec((None, *self._reader.shape), self.dtype),
            tf.TensorSpec((None,), tf.int64),
        )
        data = tf.data.Dataset.from_generator(generate, output_signature=signature)
        # Else Keras takes the end of each epoch for data that ran out, and warns.
        count = tf.data.experimental.assert_cardinality(-(-len(self) // batch_size))
        return data.apply(count).prefetch(tf.data.AUTOTUNE)

    def _pass(
        self, batch_size: int, order: tuple[int, int] | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return one_pass(self._reader, self._places, batch_size, order)

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        return self._reader.take(self._places.at(rows))

    def take(self, rows: np.ndarray) -> FeatureView:
        """Some rows, by number, as a view."""
        part = object.__new__(FeatureView)
        part.__dict__.update(self.__dict__)
        part.samples = self.samples.take(rows)
        part._places = self._places.at(rows)
        return part


def _check_counts(**given: int) -> None:
    for name, count in given.items():
        if count < 1:
            raise FeatureError(f"{name} is {count}", hint="Give 1 or more.")


def _again(
    reopen: Reopen, key: str, samples: Sequence[Sample], kept: dict[str, Any]
) -> FeatureView:
    return _with(reopen(key, samples), kept)


def _made_again(
    make: Callable[[], FeatureView], rows: np.ndarray, kept: dict[str, Any]
) -> FeatureView:
    return _with(make().take(rows), kept)


def _with(view: FeatureView, kept: dict[str, Any]) -> FeatureView:
    for name, value in kept.items():
        setattr(view, name, value)
    return view
