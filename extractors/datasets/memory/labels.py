"""Labels that are given beside samples: arrays, lists, columns of frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from headstart.extractors.datasets.memory.items import numbered
from headstart.extractors.datasets.memory.kept import named_type, refused
from headstart.extractors.datasets.memory.rows import WEIGHT, labels_array

EXPECTED = "Expected: a list or an array with one label for each sample, in order."


def label_list(labels: Any, samples: int) -> list[Any]:
    """Labels as plain values, one a sample.

    Raises:
        DatasetError: they are none, or more or fewer than the samples.
    """
    if isinstance(labels, str | bytes | Mapping) or not hasattr(labels, "__len__"):
        said = f"a dict of {len(labels):,}" if isinstance(labels, Mapping) else named_type(labels)
        raise refused(f"{said} as labels", EXPECTED)
    if hasattr(labels, "columns"):
        raise refused(f"a frame ({named_type(labels)}) as labels", "Give one column of it.")
    if len(labels) != samples:
        raise refused(f"{samples:,} samples and {len(labels):,} labels", EXPECTED)
    if hasattr(labels, "to_pylist"):
        plain: Any = labels.to_pylist()
    elif hasattr(labels, "__array__"):
        plain = np.asarray(labels)
    else:
        plain = labels
    return list(numbered(plain))


def label_column(labels: Any, samples: int) -> pa.Array:
    """Labels as a column; rows of zeros and ones, or several numbers, as lists of one length."""
    array = labels_array(label_list(labels, samples))
    if array.ndim == 1:
        return pa.array(array.tolist())
    flat = pa.array(array.reshape(-1).tolist())
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def weights_of(weights: Any, samples: int) -> np.ndarray:
    """For how many samples each counts, (n,), float64.

    Raises:
        DatasetError: they are no numbers, or more or fewer than the samples.
    """
    try:
        found = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        found = np.empty((0, 0))
    if found.shape != (samples,):
        said = f" of shape {found.shape}" if found.ndim == 1 else ""
        raise refused(
            f"{samples:,} samples and weights in a {named_type(weights)}{said}",
            "Expected: a list or an array with one positive number for each sample, in order.",
        )
    return found


__all__ = ["WEIGHT", "label_column", "label_list", "weights_of"]
