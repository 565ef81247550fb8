"""What heads say of windows as what they say of samples: windows of one song are no evidence of
their own, so scores and their intervals count samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.storage.manifest import Sample
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import EACH, MEAN, Pool, pooled
from headstart.storage.windowed.wholes import numbered


@dataclass(frozen=True)
class BySample:
    """The samples that the rows of a view are of.

    Attributes:
        samples: in order; the view's own where rows are of samples.
        numbers: of the sample that each row is of, (rows,); None where each is of its own.
    """

    samples: Sequence[Sample]
    numbers: np.ndarray | None = None

    @staticmethod
    def of(view: FeatureView) -> BySample:
        if view.windows != EACH:
            return BySample(view.samples)
        samples, numbers = numbered(view.samples)
        return BySample(tuple(samples), numbers)

    def __len__(self) -> int:
        return len(self.samples)

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """Of outputs of rows, (rows, outputs), the mean of each sample's: (samples, outputs)."""
        if self.numbers is None:
            return outputs
        return pooled(outputs, self.numbers, len(self), MEAN)

    def first(self, targets: np.ndarray) -> np.ndarray:
        """Of targets of rows, (rows, …), one of each sample: all of its windows have the same."""
        if self.numbers is None:
            return targets
        return targets[np.unique(self.numbers, return_index=True)[1]]


class Gathering:
    """Takes up rows of windows, sample after sample, and gives what a head says of each sample.

    Args:
        judge: the head: rows (n, …) to outputs (n, outputs).
        how: `mean` or `max` of the rows, which is judged; or `each` row is, and the mean given.
    """

    def __init__(self, judge: Callable[[np.ndarray], np.ndarray], how: str) -> None:
        self._judge, self._how = judge, how
        self._current, self._pool = -1, None
        self._dtype = np.dtype(np.float32)

    def add(self, numbers: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Rows (n, …) of the samples with these numbers, (n,), ascending from call to call; gives
        number and outputs, (outputs,), of samples that are done, as others have begun."""
        values = self._judge(rows) if self._how == EACH else rows
        for number in np.unique(numbers).tolist():
            if number != self._current:
                yield from self.end()
                self._current, self._dtype = number, values.dtype
                self._pool = Pool((1, *values.shape[1:]), MEAN if self._how == EACH else self._how)
            own = values[numbers == number]
            assert self._pool is not None
            self._pool.add(own, np.zeros(len(own), np.int64))

    def end(self) -> Iterator[tuple[int, np.ndarray]]:
        """The sample that was begun last, now that nothing more of it comes."""
        if self._pool is not None:
            value = self._pool.result().astype(self._dtype)
            yield self._current, (value if self._how == EACH else self._judge(value))[0]
        self._pool = None
