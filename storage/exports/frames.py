"""Views as tables in memory, for Arrow and pandas, and row by row for PyTorch."""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import FeatureError
from headstart.storage.exports.exportable import Exportable
from headstart.storage.manifest import sorted_labels
from headstart.values.frames import need_pandas

if TYPE_CHECKING:
    import pandas
    import pyarrow

WIDEST = 4096
"""Numbers of a feature that has a column for each in a data frame; a wider one is a list."""


def arrow_table(view: Exportable) -> pyarrow.Table:
    """See `FeatureView.to_arrow`."""
    import pyarrow

    samples = view.samples
    labels = view.labels
    is_number = all(isinstance(label, int) for label in labels if label is not None)
    named = [label if label is None or is_number else str(label) for label in labels]
    width = int(np.prod(view.shape[1:], dtype=np.int64))
    rows = _plain(np.ascontiguousarray(view[:])).reshape(-1)
    columns = {
        "id": pyarrow.array([one.id for one in samples], pyarrow.string()),
        "label": pyarrow.array(named, pyarrow.int64() if is_number else pyarrow.string()),
        "split": pyarrow.array([one.split for one in samples], pyarrow.string()),
        "group": pyarrow.array([one.group for one in samples], pyarrow.string()),
        **({"weight": pyarrow.array(samples.weights)} if samples.has_weights else {}),
        "features": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows), width),
    }
    told = {"headstart.key": view.key, "headstart.shape": str(list(view.shape[1:]))}
    return pyarrow.table(columns).replace_schema_metadata(told)


def data_frame(view: Exportable) -> pandas.DataFrame:
    """See `FeatureView.to_pandas`."""
    pandas = need_pandas()
    samples = view.samples
    facts = pandas.DataFrame(
        {
            "label": view.labels,
            "split": [one.split for one in samples],
            "group": [one.group for one in samples],
            **({"weight": samples.weights} if samples.has_weights else {}),
        },
        index=pandas.Index([one.id for one in samples], name="id"),
    ).reset_index()
    rows = _plain(view[:])
    if rows.ndim == 2 and rows.shape[1] <= WIDEST:
        names = [f"f{number}" for number in range(rows.shape[1])]
        return pandas.concat([facts, pandas.DataFrame(rows, columns=names)], axis=1)
    facts["features"] = list(rows)
    return facts


def _plain(rows: np.ndarray) -> np.ndarray:
    """Numbers of a type that others know, too: bfloat16 becomes float32, which holds all of it."""
    return rows.astype(np.float32) if rows.dtype.kind == "V" else rows


class TorchRows:
    """The rows of a view as PyTorch's data sets are: `len` and `[i]`; see `FeatureView.to_torch`.

    A worker process opens the view anew: no file that is open is shared with it.

    Attributes:
        classes: the labels, in the order of their numbers; none without labels.
    """

    def __init__(self, view: Exportable) -> None:
        labels = view.labels
        some = [label for label in labels if label is not None]
        if some and len(some) < len(labels):
            raise FeatureError("some of the samples have no label", hint="Take `batches()`.")
        self.classes = tuple(sorted_labels(some))
        number = {label: place for place, label in enumerate(self.classes)}
        self._targets = np.array([number[label] for label in some], np.int64) if some else None
        self._view = view
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, row: int) -> Any:
        """Features (feature shape) and class number; the features alone without labels."""
        (one,) = self.__getitems__([row])
        return one

    def __getitems__(self, rows: Sequence[int]) -> list[Any]:
        """Several at once, as PyTorch's fetcher asks for a batch."""
        chosen = np.asarray([range(len(self))[row] for row in rows], np.int64)
        features = list(_plain(self._own_view()[chosen]))
        if self._targets is None:
            return features
        return list(zip(features, self._targets[chosen].tolist(), strict=True))

    def _own_view(self) -> Any:
        if self._process != os.getpid():  # forked
            self._view, self._process = copy.copy(self._view), os.getpid()
        return self._view

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _process=os.getpid())

    def __repr__(self) -> str:
        return f"TorchRows({len(self):,} of {self._view!r})"


def torch_rows(view: Exportable) -> TorchRows:
    """See `FeatureView.to_torch`."""
    if importlib.util.find_spec("torch") is None:
        raise FeatureError(
            "to_torch needs the package torch, which is not installed",
            hint="pip install torch, or take `to_numpy()` or `batches()`.",
        )
    return TorchRows(view)
