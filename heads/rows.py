"""Features in memory, or on disk where they are too large for it: all are sliced alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Self

import numpy as np

from headstart.errors import HeadError
from headstart.heads.bounds import Bounds
from headstart.heads.dense_stack import flat
from headstart.progress import UNDIVIDED
from headstart.storage.memory import free_memory
from headstart.storage.views import FeatureView

BLOCK_BYTES = 8 << 20
"""Of rows that are looked at together."""
COPIED = 256 << 20
"""Of an array, so many bytes of some rows are copied; of more each block when it is looked at."""
SMALL = 64 << 20
"""Bytes of features that are taken into memory without asking how much of it is free."""
SHARE = 0.5
"""Of the memory that is free: what features may take."""
LARGEST = 1e16
"""Numbers up to here are computed with: float32 holds the sum of three million squares of them. Of
larger ones lengths, spreads and products become infinite, and angles and heads nonsense."""


class LazyRows(ABC):
    """Rows that are read, or copied, when they are sliced and not before.

    Attributes:
        shape: (rows, width).
    """

    shape: tuple[int, int]
    _chosen: np.ndarray | None = None
    _origin: np.ndarray | None = None
    _bounds: Bounds | None = None

    def less(self, origin: np.ndarray) -> Self:
        """The same rows with numbers (width,) taken from each when they are sliced, before they are
        held."""
        found = copy(self)
        found._origin = origin if self._origin is None else self._origin + origin
        return found

    def held(self, bounds: Bounds) -> Self:
        """The same rows, held within bounds when they are sliced, in the place of others."""
        found = copy(self)
        found._bounds = bounds
        return found

    def only(self, chosen: np.ndarray) -> Self:
        """Some of the rows, (n,), as rows of their own."""
        found = copy(self)
        found._chosen = chosen if self._chosen is None else self._chosen[chosen]
        found.shape = (len(chosen), self.shape[1])
        return found

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Some rows, (n, width), float32."""
        with UNDIVIDED.get():
            found = self._read(rows if self._chosen is None else self._chosen[rows])
        found = found if self._origin is None else found - self._origin
        return found if self._bounds is None else self._bounds.hold(found)

    @abstractmethod
    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        """Some of all rows there are, (n, width), float32."""


class StoredRows(LazyRows):
    """Rows of one view or of several, one behind the other, read when they are sliced.

    Raises:
        HeadError: one that is read holds NaN, infinity, or a number beyond `LARGEST`.
    """

    def __init__(self, *views: FeatureView) -> None:
        self._views = views
        self._starts = np.cumsum([0, *(len(view) for view in views)])
        width = int(np.prod(views[0].shape[1:], dtype=np.int64))
        self.shape = (int(self._starts[-1]), width)

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        found = self._found(rows)
        bad = _find_bad(found)
        if bad is not None:
            number = int(np.arange(self._starts[-1])[rows][bad])
            raise _refusal(number, found[bad], self._id_of(number))
        return found

    def _id_of(self, number: int) -> str:
        view = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._views[view].samples[number - int(self._starts[view])].id

    def _found(self, rows: slice | np.ndarray) -> np.ndarray:
        if len(self._views) == 1:
            return flat(self._views[0][rows]).astype(np.float32, copy=False)
        numbers = np.arange(self._starts[-1])[rows]
        found = np.empty((len(numbers), self.shape[1]), np.float32)
        for view, start, stop in zip(self._views, self._starts[:-1], self._starts[1:], strict=True):
            own = np.flatnonzero((numbers >= start) & (numbers < stop))
            if len(own):
                found[own] = flat(view[numbers[own] - start])
        return found


class ChosenRows(LazyRows):
    """Some rows of an array, copied when they are sliced: four fifths of a large array are not to
    lie beside it. A slice of all rows is no copy."""

    def __init__(self, features: np.ndarray) -> None:
        self._features = features
        self.shape = (len(features), features.shape[1])

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        return self._features[rows]


Rows = np.ndarray | LazyRows
"""Features (n, width), float32."""


def spans_of_rows(features: Rows, size: int = BLOCK_BYTES) -> list[slice]:
    """Blocks of rows that have so many bytes at most, in order."""
    step = max(1, size // (4 * max(features.shape[1], 1)))
    return [
        slice(start, min(start + step, len(features))) for start in range(0, len(features), step)
    ]


def check_rows(features: Rows, ids: Sequence[str] | None = None) -> None:
    """See that features are numbers that can be computed with, whatever is done with them.
    `StoredRows` look at each row that is read, and need no other look.

    Args:
        features: (n, width).
        ids: of the samples that the rows are of, as far as they are known.

    Raises:
        HeadError: one holds NaN, infinity, or a number beyond `LARGEST`.
    """
    for span in spans_of_rows(features):
        block = features[span]
        bad = _find_bad(block)
        if bad is not None:
            row = int(span.start + bad)
            raise _refusal(row, block[bad], ids[row] if ids is not None and row < len(ids) else "")


def _find_bad(rows: np.ndarray) -> int | None:
    """The first of some rows, (n, width), that cannot be computed with."""
    for span in spans_of_rows(rows):
        block = rows[span]
        # compared so that NaN is seen as well
        if block.min(initial=0) >= -LARGEST and block.max(initial=0) <= LARGEST:
            continue
        return span.start + int(np.argmin((np.abs(block) <= LARGEST).all(axis=1)))
    return None


def _refusal(number: int, row: np.ndarray, id_: str) -> HeadError:
    of = f"row {number} of the features" + (f" (sample {id_!r})" if id_ else "")
    if not np.isfinite(row).all():
        return HeadError(
            f"{of} holds NaN or infinity",
            hint="Fix it or leave it out: no head can be fitted to it, and nothing compared.",
        )
    return HeadError(
        f"{of} holds {row[np.abs(row).argmax()]:.3g}, beyond {LARGEST:.0e}: sums of such squares "
        "are more than float32 holds",
        hint="Leave it out (`headstart dataset exclude`), or scale the samples, or take another "
        "cut.",
    )


def less(features: Rows, origin: np.ndarray) -> Rows:
    """Features with numbers (width,), float32, taken from each row."""
    return features - origin if isinstance(features, np.ndarray) else features.less(origin)


def held(features: Rows, bounds: Bounds) -> Rows:
    """Features held within bounds: a copy of few, else each block when it is sliced."""
    if not isinstance(features, np.ndarray):
        return features.held(bounds)
    return bounds.hold(features) if features.nbytes <= COPIED else ChosenRows(features).held(bounds)


def some_of(features: Rows, chosen: np.ndarray) -> Rows:
    """Some rows, (n,), in memory if they are few; else each block is read, or copied, when it is
    sliced."""
    if not isinstance(features, np.ndarray):
        return features.only(chosen)
    is_large = 4 * len(chosen) * features.shape[1] > COPIED
    return ChosenRows(features).only(chosen) if is_large else features[chosen]


def rows_of(
    *views: FeatureView, chosen: np.ndarray | None = None, room: float | None = None
) -> Rows:
    """The rows of some views, one behind the other, or those chosen of them, (n,): in memory if
    they fit into `room` bytes, by default half of what is free."""
    stored = StoredRows(*views)
    stored = stored if chosen is None else stored.only(chosen)
    size = 4 * stored.shape[0] * stored.shape[1]
    if room is None and size > SMALL:
        room = SHARE * free_memory()
    return stored if room is not None and size > room else stored[:]
