"""What is done to features before a head is fitted to them, and by its first layer ever after:
those that lie far from zero are moved there, and those that hardly vary are held within bounds.

Around 1e6 float32 has sixteen steps to the unit, and a product with weights loses them: no fit can
find them again, and neither can a head whose bias holds what the features' mean comes to. A
constant of float32 that is near the features is taken from them exactly (Sterbenz' lemma), so all
that follows, a head that is attached too, works on small numbers. Why some are held: `bounds.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from headstart.heads.attention.token_rows import TokenRows
from headstart.heads.attention.tokens import Tokens
from headstart.heads.bounds import BEYOND, HARDLY, Bounds
from headstart.heads.kind import Fitted, Part
from headstart.heads.rows import Rows, check_rows, held, less, spans_of_rows

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
    rows = _some(features)
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    usual = np.median(std[std > 0]) if (std > 0).any() else 1.0
    far = np.abs(mean) > FAR * np.where(std > 0, std, usual)
    return np.where(far, mean, 0).astype(np.float32) if far.any() else None


def bounds_of(features: Rows) -> Bounds | None:
    """Within which features are to be held, as those of the rows (n, width) hardly vary beside
    others of one kind, or not at all; None where none is.

    No row of these is changed by them. A constant column tells nothing, and some kinds have weights
    for it all the same, such as those that an `mlp` began with.
    """
    rows = _some(features)
    varies = rows.min(axis=0, initial=np.inf) < rows.max(axis=0, initial=-np.inf)
    std = np.where(varies, rows.std(axis=0), 0)
    least = _least(std[varies]) if varies.any() else 0.0
    suspects = np.flatnonzero((std < least) | ~varies)
    if len(rows) < len(features):
        lowest, highest, mean, std = _told(features, suspects, rows[:, suspects].mean(axis=0))
    else:
        own = rows[:, suspects]
        lowest, highest, mean, std = own.min(0), own.max(0), own.mean(0), std[suspects]
    hardly = (std < least) | (lowest == highest)
    if not hardly.any():
        return None
    lower = np.minimum(lowest, mean - BEYOND * std)[hardly]
    upper = np.maximum(highest, mean + BEYOND * std)[hardly]
    return Bounds.of(features.shape[1], suspects[hardly], lower, upper)


def _least(std: np.ndarray) -> float:
    """The spread from which a feature is not held, of those that vary; 0 where these are not of one
    kind: the lower quartile lies as far below the upper one."""
    low, high = np.quantile(std, 0.25, method="lower"), np.quantile(std, 0.75, method="higher")
    return HARDLY * float(np.quantile(std, 0.5, method="lower")) if low > HARDLY * high else 0.0


def _some(features: Rows) -> np.ndarray:
    """Some rows, (n, width) float64; all, if they are few."""
    count = min(BLOCKS, -(-len(features) // BLOCK_ROWS))
    starts = np.linspace(0, max(len(features) - BLOCK_ROWS, 0), count).astype(int)
    ends = np.minimum(starts + BLOCK_ROWS, np.append(starts[1:], len(features)))  # no row twice
    blocks = [features[start:end] for start, end in zip(starts, ends, strict=True)]
    return np.concatenate(blocks).astype(np.float64)


def _told(
    features: Rows, columns: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The least, the largest, the mean and the standard deviation of some columns, (columns,)
    float64 each, over all rows, from a shift near the mean."""
    sums = np.zeros((2, len(columns)))
    lowest, highest = np.full(len(columns), np.inf), np.full(len(columns), -np.inf)
    for span in spans_of_rows(features) if len(columns) else ():
        block = features[span][:, columns].astype(np.float64)
        lowest = np.minimum(lowest, block.min(axis=0))
        highest = np.maximum(highest, block.max(axis=0))
        block -= shift
        sums += block.sum(axis=0), np.square(block).sum(axis=0)
    mean, square = sums / len(features)
    return lowest, highest, shift + mean, np.sqrt(np.maximum(square - mean**2, 0))


@dataclass(frozen=True)
class Frame:
    """What is done to features first: an origin is taken from them, and they are held within
    bounds that are of features without it. Either may be None."""

    origin: np.ndarray | None = None
    bounds: Bounds | None = None

    @staticmethod
    def of(features: Rows, beside: Rows | None = None) -> Frame:
        """That of features to train on, (n, width), and of others, to which some kinds are fitted
        as well: what varies among these alone is held within what it is there."""
        origin = origin_of(features)
        near = features if origin is None else less(features, origin)
        bounds = bounds_of(near)
        if bounds is None or beside is None or not len(beside):
            return Frame(origin, bounds)
        return Frame(origin, _widened(bounds, beside if origin is None else less(beside, origin)))

    @staticmethod
    def of_tokens(tokens: Tokens, features: Rows, beside: Rows) -> Frame:
        """That of features whose rows are made of tokens: each number of a token has one, wherever
        the token stands, and what says whether it counts has none."""
        own = Frame.of(TokenRows(features, tokens), TokenRows(beside, tokens))
        most = float(np.finfo(np.float32).max)
        bounds = own.bounds and Bounds(
            tokens.tiled(own.bounds.lower, -most), tokens.tiled(own.bounds.upper, most)
        )
        origin = None if own.origin is None else tokens.tiled(own.origin, 0.0)
        return Frame(origin, bounds)

    def around(self, part: Part) -> Part:
        """A part with its features so changed."""
        return within(moved(part, self.origin), self.bounds)


def _widened(bounds: Bounds, features: Rows) -> Bounds:
    """Bounds of what never varied, moved to where they hold these rows (n, width) as well."""
    columns = np.flatnonzero(bounds.lower == bounds.upper)
    lower, upper = bounds.lower.copy(), bounds.upper.copy()
    for span in spans_of_rows(features) if len(columns) else ():
        own = features[span][:, columns]
        lower[columns] = np.fmin(lower[columns], own.min(axis=0))
        upper[columns] = np.fmax(upper[columns], own.max(axis=0))
    return Bounds(lower, upper)


def moved(part: Part, origin: np.ndarray | None) -> Part:
    """A part with an origin taken from its features."""
    return part if origin is None else replace(part, features=less(part.features, origin))


def within(part: Part, bounds: Bounds | None) -> Part:
    """A part with its features held within bounds."""
    return part if bounds is None else replace(part, features=held(part.features, bounds))


def near_zero(part: Part) -> Part:
    """A part with its own origin taken from its features.

    Raises:
        HeadError: a row holds NaN or infinity.
    """
    check_rows(part.features)
    return moved(part, origin_of(part.features))


def fit_near_zero(
    fit: Callable[[Part, Part], Fitted],
    train: Part,
    validation: Part,
    tokens: Tokens | None = None,
) -> Fitted:
    """Fit a head to features in their frame; its first layer puts any into that.

    Args:
        fit: of a kind or a task, to rows to train on and rows to choose on.
        train: says what the frame is.
        validation: may be empty.
        tokens: what `tokens_for` says of the kind.
    """
    if tokens is None:
        frame = Frame.of(train.features, validation.features)
    else:
        frame = Frame.of_tokens(tokens, train.features, validation.features)
    # its own rows lie within its bounds: they need no copy
    return _in_frame(frame, fit(moved(train, frame.origin), frame.around(validation)))


def fit_from(
    frame: Frame, fit: Callable[[Part, Part], Fitted], train: Part, validation: Part
) -> Fitted:
    """As `fit_near_zero`, with a given frame."""
    return _in_frame(frame, fit(frame.around(train), frame.around(validation)))


def _in_frame(frame: Frame, fitted: Fitted) -> Fitted:
    """A head whose first layer puts features into the frame that it was fitted in."""
    first, *others = fitted.layers
    held = {} if frame.bounds is None else {"held": frame.bounds.count}
    layers = (replace(first, origin=frame.origin, bounds=frame.bounds), *others)
    return Fitted(layers, {**fitted.details, **held})
