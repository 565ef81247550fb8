"""Features that lie far from zero are moved there before a head is fitted to them.

Around 1e6 float32 has sixteen steps to the unit, and a product with weights loses them: no fit can
find them again, and neither can a head whose bias holds what the features' mean comes to. A
constant of float32 that is near the features is taken from them exactly (Sterbenz' lemma), so all
that follows, a head that is attached too, works on small numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from headstart.heads.kind import Fitted, Part
from headstart.heads.rows import Rows, check_finite, less

FAR = 64.0
"""Standard deviations from zero from which a column is moved: folded into a bias, a mean of so many
costs two of seven digits. Columns that are nearer stay as they are, and heads with them."""
BLOCKS, BLOCK_ROWS = 8, 256
"""Rows that are looked at, in blocks, as they may lie on the disk."""


def origin_of(features: Rows) -> np.ndarray | None:
    """What is to be taken from features (n, width): float32, (width,), the mean of some rows in the
    columns that lie far from zero, and 0 in others; None where none does.

    A constant column is far if it would be with the spread that the others have as a rule.
    """
    count = min(BLOCKS, -(-len(features) // BLOCK_ROWS))
    starts = np.linspace(0, max(len(features) - BLOCK_ROWS, 0), count).astype(int)
    ends = np.minimum(starts + BLOCK_ROWS, np.append(starts[1:], len(features)))  # no row twice
    blocks = [features[start:end] for start, end in zip(starts, ends, strict=True)]
    rows = np.concatenate(blocks).astype(np.float64)
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    usual = np.median(std[std > 0]) if (std > 0).any() else 1.0
    far = np.abs(mean) > FAR * np.where(std > 0, std, usual)
    return np.where(far, mean, 0).astype(np.float32) if far.any() else None


def moved(part: Part, origin: np.ndarray | None) -> Part:
    """A part with an origin taken from its features."""
    return part if origin is None else replace(part, features=less(part.features, origin))


def near_zero(part: Part) -> Part:
    """A part with its own origin taken from its features.

    Raises:
        HeadError: a row holds NaN or infinity.
    """
    check_finite(part.features)
    return moved(part, origin_of(part.features))


def fit_near_zero(fit: Callable[[Part, Part], Fitted], train: Part, validation: Part) -> Fitted:
    """Fit a head to features without their origin; its first layer takes that from any.

    Args:
        fit: of a kind or a task, to rows to train on and rows to choose on.
        train: says what the origin is.
        validation: may be empty.
    """
    return fit_from(origin_of(train.features), fit, train, validation)


def fit_from(
    origin: np.ndarray | None, fit: Callable[[Part, Part], Fitted], train: Part, validation: Part
) -> Fitted:
    """As `fit_near_zero`, with a given origin."""
    fitted = fit(moved(train, origin), moved(validation, origin))
    if origin is None:
        return fitted
    first, *others = fitted.layers
    return Fitted((replace(first, origin=origin), *others), fitted.details)
