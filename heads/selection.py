"""Which samples to label next: those of which a head is unsure, and unlike each other."""

from __future__ import annotations

import numpy as np


def unsure_and_diverse(
    features: np.ndarray, errors: np.ndarray, count: int, seed: int = 0
) -> np.ndarray:
    """Rows that a person should label, (count,) int64, in the order in which they were drawn.

    BADGE (Ash et al.: Deep batch active learning by diverse, uncertain gradient lower bounds, ICLR
    2020): each row stands for the gradient that its own guess, taken for its label, would have in a
    linear head, the outer product of error and features; it is long where the head is unsure. Rows
    are drawn as by k-means++: the longest first, then each by the squared distance to the nearest
    that was drawn. The products, `classes` times as wide as the features, are never made: of two
    the inner product is that of the errors times that of the features.

    Args:
        features: of each row, (n, width), centred and scaled.
        errors: probabilities less the guess, (n, classes).
        count: how many rows; fewer are given where no others differ from those.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    x, errors = features.astype(np.float64), errors.astype(np.float64)
    lengths = np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", errors, errors)
    drawn: list[int] = []
    apart = np.full(len(x), np.inf)
    while len(drawn) < min(count, len(x)):
        if drawn and not apart.any():
            break
        row = rng.choice(len(x), p=apart / apart.sum()) if drawn else lengths.argmax()
        drawn.append(int(row))
        inner = (x @ x[row]) * (errors @ errors[row])
        here = np.maximum(lengths + lengths[row] - 2 * inner, 0)
        here[here < ROUNDING * (lengths + lengths[row])] = 0
        apart = np.minimum(apart, here)
    return np.array(drawn, np.int64)


ROUNDING = 1e-12
"""Of the lengths, below which a squared distance is that of floating-point numbers."""
