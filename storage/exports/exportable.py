"""What is needed of a view to export it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from headstart.progress import Progress
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Label, Sample

ROWS = 1024
"""Rows in memory at a time."""


class Exportable(Protocol):
    """What is needed of a `FeatureView`."""

    key: str

    @property
    def samples(self) -> SampleColumns: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def labels(self) -> list[Label | None]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


def weight_of(sample: Sample) -> float:
    """For how many samples one counts: 1 where it says nothing."""
    return 1.0 if sample.weight is None else sample.weight


def parts(view: Exportable, progress: Progress) -> Iterator[np.ndarray]:
    """The rows, some at a time."""
    for start in range(0, len(view), ROWS):
        rows = view[start : start + ROWS]
        yield rows
        progress(start + len(rows), len(view))
