"""Tokens as rows: what is asked of features is asked of the tokens of all samples."""

from __future__ import annotations

import numpy as np

from headstart.heads.attention.tokens import Tokens
from headstart.heads.rows import LazyRows, Rows


class TokenRows(LazyRows):
    """The tokens of all samples, one behind the other, masked ones too; of the samples that a slice
    touches, the features are read.

    Args:
        features: (samples, tokens.numbers).
        tokens: how they lie in a row.
    """

    def __init__(self, features: Rows, tokens: Tokens) -> None:
        self._features, self._tokens = features, tokens
        self.shape = (len(features) * tokens.count, tokens.width)

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        if not len(numbers):
            return np.empty((0, self.shape[1]), np.float32)
        first = int(numbers.min()) // self._tokens.count
        last = int(numbers.max()) // self._tokens.count
        x, _ = self._tokens.split(self._features[first : last + 1])
        return x.reshape(-1, self.shape[1])[numbers - first * self._tokens.count]
