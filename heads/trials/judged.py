"""The samples that a head was judged on, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.storage.manifest import Sample
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Judged(Showable):
    """The samples that a head was judged on, and what it says of them.

    Attributes:
        samples: in order.
        probabilities: (n, classes), float32.
        targets: class numbers, (n,).
        guesses: class numbers of what it says of each, (n,).
    """

    samples: Sequence[Sample]
    probabilities: np.ndarray
    targets: np.ndarray
    guesses: np.ndarray

    @property
    def sure(self) -> np.ndarray:
        """How probable what is said of each sample is, (n,)."""
        return self.probabilities[np.arange(len(self.guesses)), self.guesses]

    @property
    def wrong(self) -> np.ndarray:
        """Where the class that is said is not the right one: row numbers, the surest first."""
        rows = np.flatnonzero(self.guesses != self.targets)
        sure = self.sure[rows]
        return rows[np.argsort(-sure, kind="stable")]
