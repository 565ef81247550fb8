"""Queries and the dense layer on their means, trained together; plain matrix products in NumPy.

Features are not standardised one by one, which would be a pass over all tokens at every step: what
is taken from every token alike changes no softmax, so the queries carry their scale, and the means
are standardised instead of what they are of.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headstart.heads.attention.layer import Attention, shares
from headstart.heads.attention.tokens import Tokens
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.kinds.adam import Adam
from headstart.heads.kinds.losses import LOSSES
from headstart.heads.rows import Rows, spans_of_rows

STEADY, DEAD = 0.1, 0.01
"""Of the spread that means of tokens would have which know nothing of each other: of a number whose
mean varies less, the spread is taken for no less; and what varies hardly at all has no weight at
the start, as a mean by other weights may vary a hundred times as much."""


@dataclass(frozen=True)
class Spread:
    """How the tokens of some rows are distributed.

    Attributes:
        mean: of all tokens that count, (width,) float64.
        std: of them.
        means: of each row's, (n, width) float32.
        alone: the spread of a mean of tokens that know nothing of each other, (width,) float64.
    """

    mean: np.ndarray
    std: np.ndarray
    means: np.ndarray
    alone: np.ndarray

    @cached_property
    def std_of_means(self) -> np.ndarray:
        return self.means.std(axis=0, dtype=np.float64)

    @property
    def scale(self) -> np.ndarray:
        """What means are divided by: they vary less than tokens while all tokens count alike, and
        as much once a query looks at one of them."""
        return np.sqrt(self.std * np.maximum(self.std_of_means, STEADY * self.alone))

    def level(self, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A kernel for raw means, (width, outputs), without what is dead, and what it gives of the
        mean of all tokens, with that."""
        is_dead = self.std_of_means < DEAD * self.alone
        found = np.where(is_dead[:, None], 0, kernel)
        place = np.where(is_dead, self.means.mean(axis=0, dtype=np.float64), self.mean)
        return found, place @ kernel

    @staticmethod
    def of(features: Rows, tokens: Tokens, pool: ThreadPoolExecutor) -> Spread:
        """Of rows (n, tokens.numbers), which are read once, and first a little."""
        plain = Attention(np.zeros((tokens.width, 1), np.float32), tokens)
        shift = plain.run(features[:1])[0]
        means = np.empty((len(features), tokens.width), np.float32)

        def add_up(span: slice) -> tuple[np.ndarray, np.ndarray, float]:
            rows = features[span]
            means[span] = plain.run(rows)
            x, counts = tokens.split(rows)
            x = (x - shift).reshape(-1, tokens.width)
            weights = np.ones(len(x), np.float32) if counts is None else counts.reshape(-1)
            first = weights @ x
            np.square(x, out=x)
            return first, weights @ x, float(weights.sum())

        firsts, seconds, masses = zip(*pool.map(add_up, spans_of_rows(features)), strict=True)
        mass = max(sum(masses), 1.0)
        mean, square = (np.sum(one, axis=0, dtype=np.float64) / mass for one in (firsts, seconds))
        std = np.sqrt(np.maximum(square - mean**2, 0))
        std[std < 1e-12] = 1.0
        return Spread(shift + mean, std, means, std / np.sqrt(mass / len(features)))


class AttentiveNetwork:
    """The weights, and one step of training them.

    Args:
        tokens: how they lie in a row.
        spread: of the rows that are trained on.
        queries: how many.
        start: a dense layer for the plain mean of a row's tokens, raw, whose outputs these are at
            the start.
        rng: chooses by what the queries differ at the start.
        pool: for the halves of a batch.
    """

    def __init__(
        self,
        tokens: Tokens,
        spread: Spread,
        queries: int,
        start: Layer,
        rng: np.random.Generator,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.activation = start.activation
        self._tokens, self._pool = tokens, pool
        self._shape = tokens.width, queries, len(start.bias)
        # Adam moves every weight by as much: of many numbers each has to count for less
        self._mean = spread.mean
        self._scale = spread.scale * np.sqrt(queries * tokens.width)
        self._sharpness = (1 / (spread.std * np.sqrt(tokens.width)))[:, None].astype(np.float32)
        self._weights = np.zeros(queries * tokens.width * (1 + len(start.bias)), np.float32)
        self._weights = np.append(self._weights, np.zeros_like(start.bias))
        _, kernel, bias = self._parts(self._weights)
        # queries of zeros take the plain mean; by what their kernels differ adds up to nothing then
        limit = np.sqrt(6 / queries)
        noise = rng.uniform(-limit, limit, kernel.shape)
        whole, level = spread.level(start.kernel.astype(np.float64))
        kernel[...] = whole * self._scale[:, None] / queries + noise - noise.mean(axis=0)
        bias[...] = start.bias + level
        self._adam = Adam(self._weights, 0.0)
        self._loss = LOSSES[self.activation]

    def begin(self, learning_rate: float) -> None:
        """Go on from the weights as they are, by a new rate."""
        self._adam = Adam(self._weights, learning_rate)

    def _parts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries (width, queries), kernels (queries, width, outputs) and bias, as views."""
        width, queries, outputs = self._shape
        first, second = width * queries, width * queries * (1 + outputs)
        return (
            weights[:first].reshape(width, queries),
            weights[first:second].reshape(queries, width, outputs),
            weights[second:],
        )

    def step(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float:
        """Train on some rows of features; gives their mean loss before the step."""
        # halved on every machine, so that the numbers do not depend on how many cores it has
        halves = np.array_split(rows, 2)
        done = [
            self._pool.submit(self._slope, x, targets, half, len(rows), weights)
            for half in halves
            if len(half)
        ]
        losses, gradients = zip(*(one.result() for one in done), strict=True)
        self._adam.step(np.sum(gradients, axis=0))
        return sum(losses)

    def _slope(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        size: int,
        weights: np.ndarray | None,
    ) -> tuple[float, np.ndarray]:
        """The loss of some rows, their share of the mean over a batch, and its gradient."""
        gradient = np.empty_like(self._weights)
        (own, kernel, bias), slopes = self._parts(self._weights), self._parts(gradient)
        each, counts = self._tokens.split(x[rows])
        attention = shares(each, counts, own * self._sharpness)
        means = np.matmul(attention.swapaxes(1, 2), each)
        scale = (1 / self._scale).astype(np.float32)
        inputs = ((means - self._mean.astype(np.float32)) * scale).reshape(len(rows), -1)
        flat = kernel.reshape(-1, kernel.shape[-1])
        change = inputs @ flat
        change += bias
        of_rows = None if weights is None else weights[rows]
        loss = self._loss(change, targets[rows], of_rows, size, 0.0)
        np.matmul(inputs.T, change, out=slopes[1].reshape(flat.shape))
        change.sum(axis=0, out=slopes[2])
        back = (change @ flat.T).reshape(means.shape) * scale
        moved = np.matmul(each, back.swapaxes(1, 2))
        moved -= (attention * moved).sum(axis=1, keepdims=True)
        moved *= attention
        width, queries, _ = self._shape
        np.matmul(each.reshape(-1, width).T, moved.reshape(-1, queries), out=slopes[0])
        slopes[0][...] *= self._sharpness
        return loss, gradient

    def copy(self) -> np.ndarray:
        return self._weights.copy()

    def restore(self, weights: np.ndarray) -> None:
        self._weights[...] = weights

    def stack(self) -> DenseStack:
        """As a head for raw tokens; its classes are numbers."""
        own, kernel, bias = self._parts(self._weights.astype(np.float64))
        raw = kernel / self._scale[:, None]
        level = bias - np.einsum("w,qwo->o", self._mean, raw)
        flat = raw.reshape(-1, len(bias)).astype(np.float32)
        queries = (own * self._sharpness).astype(np.float32)
        layer = Layer(
            flat,
            level.astype(np.float32),
            self.activation,
            attention=Attention(queries, self._tokens),
        )
        return DenseStack((layer,), tuple(range(len(bias))))
