"""Bounds within which features are held before they go into a head.

A feature that hardly varied while a head was fitted (a channel that was dead for all training
samples but for a few, rounding) is standardised to as much as the others are, so that its weight
for raw values is enormous: of a spread of 1e-6 an ordinary value of .02 is 20,000 standard
deviations, and outshouts all other features. Nothing was learned about such values. So those
features, and no others, count no further than they did in training, or than `BEYOND` standard
deviations (winsorised, as in Huber and Ronchetti, Robust statistics, 2009, section 1.4).

Turned down: a floor for the standard deviation, which cannot tell a dead feature from one in a
small unit, and would take the weight from the second; bounds for all features, which cost a pass
over features at every prediction, and would hold what fine-tuning moves.

Only among features of one kind does a small spread say anything: in a table a column of spread 1
beside columns of 1,000 is in another unit, and a model of it goes on beyond what it was fitted to.
So where a quarter of the spreads is a hundredth of what another quarter has, nothing is held, and
what others have is the median, which a few columns in larger units do not move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HARDLY = 0.01
"""Of the median spread: with less a feature is held. On digits, values as large as the others' in
one such feature took .73 from a linear head's accuracy of .96, where nothing was held, and less the
more it varied: .32 at .03, .02 at .1. Features of a backbone are mostly within a factor of 100."""
BEYOND = 5.0
"""Standard deviations."""


@dataclass(frozen=True)
class Bounds:
    """The least and the largest value of each feature, float32, (width,); those of float32 itself
    where a feature is not held."""

    lower: np.ndarray
    upper: np.ndarray

    @property
    def count(self) -> int:
        """How many features are held."""
        return int((self.upper < np.finfo(np.float32).max).sum())

    def hold(self, features: np.ndarray) -> np.ndarray:
        """Features (n, width), float32, each moved to the nearer bound if it lies beyond."""
        return np.clip(features, self.lower, self.upper)

    @staticmethod
    def of(width: int, held: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Bounds:
        """Bounds of some features, whose numbers are `held`; the others have none."""
        most = np.finfo(np.float32).max
        found = np.full((2, width), [[-most], [most]], np.float32)
        found[:, held] = lower, upper
        return Bounds(*found)
