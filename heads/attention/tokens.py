"""How the tokens of a sample lie in its features: words, frames, patches, places of a map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tokens:
    """How a row of features, flat, is made of tokens.

    Attributes:
        count: how many.
        width: numbers of each.
        is_masked: whether one more stands behind each: 1 if it counts, 0 if it is masked.
    """

    count: int
    width: int
    is_masked: bool = False

    @property
    def stride(self) -> int:
        """From one token to the next."""
        return self.width + self.is_masked

    @property
    def numbers(self) -> int:
        """Of a whole row."""
        return self.count * self.stride

    def split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The tokens (n, count, width) of rows (n, numbers), and 1 for each that counts, 0 else,
        (n, count, 1); None where all count. Nothing is copied."""
        each = rows.reshape(len(rows), self.count, self.stride)
        return (each[..., :-1], each[..., -1:]) if self.is_masked else (each, None)

    def tiled(self, of_each: np.ndarray, of_mask: float) -> np.ndarray:
        """A number for each of a row's, (numbers,), from one for each of a token's, (width,)."""
        behind = [of_mask] * self.is_masked
        return np.tile(np.append(of_each, behind).astype(np.float32), self.count)


@dataclass(frozen=True)
class NoTokens:
    """Why features are no tokens.

    Attributes:
        what: they are.
        hint: what to give.
    """

    what: str
    hint: str


def tokens_of_shape(shape: tuple[int, ...]) -> Tokens | NoTokens:
    """Of features of one sample: (steps, width), or (height, width, channels), or deeper."""
    if len(shape) > 1:
        return Tokens(math.prod(shape[:-1]), shape[-1])
    return NoTokens(
        f"one vector of {shape[0] if shape else 1:,} numbers per sample",
        "Name a cut that gives a map or a sequence; `headstart backbone cuts` lists their shapes.",
    )
