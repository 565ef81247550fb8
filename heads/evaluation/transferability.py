"""How well features suit a task, without training a head: LogME and the H-score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.rows import Rows

BLOCK_ROWS = 4096
"""Whose float64 copy is made at once; features themselves are float32, and may lie on the disk."""
TOLD = 1e-7
"""Share of the largest eigenvalue above which all others must lie for a Gram matrix to do: they and
what is projected on them are then known to 1e-8."""
PER_DECADE = 4
BELOW, ABOVE = 1e-8, 1e8
"""LogME's maximum is looked for among so many ratios of prior to noise precision a factor of ten,
from this share of the smallest eigenvalue to this multiple of the largest, then refined."""


@dataclass(frozen=True)
class Moments:
    """What both scores are made of, float64, of rows less their mean.

    Attributes:
        rows: how many.
        mean: of the rows, (width,).
        products: the sum of the outer products of centred rows, (width, width).
        classes: the different class numbers.
        counts: rows of each, (classes,).
        sums: of the centred rows of each, (classes, width).
        lengths: the sum of the centred rows' lengths to the fourth power.
    """

    rows: int
    mean: np.ndarray
    products: np.ndarray
    classes: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    lengths: float

    @staticmethod
    def of(x: Rows, targets: np.ndarray) -> Moments:
        """Of features (n, width), which are read twice, block by block."""
        from scipy.sparse import csr_array

        rows, width = x.shape
        classes, numbers = np.unique(targets, return_inverse=True)
        spans = _spans(rows)
        mean = sum((x[span].sum(axis=0, dtype=np.float64) for span in spans), np.zeros(width))
        mean /= rows
        sums, products, lengths = np.zeros((len(classes), width)), np.zeros((width, width)), 0.0
        for span in spans:
            block, own = x[span] - mean, np.arange(span.stop - span.start)
            shape = len(classes), len(own)
            sums += csr_array((np.ones(len(own)), (numbers[span], own)), shape) @ block
            products += block.T @ block
            lengths += float((np.einsum("ij,ij->i", block, block) ** 2).sum())
        return Moments(rows, mean, products, classes, np.bincount(numbers), sums, lengths)

    @property
    def gram(self) -> np.ndarray:
        """Of [F, Y], F the rows as they are, Y 1 where a row is of a class."""
        beside = self.sums + self.counts[:, None] * self.mean
        whole = self.products + self.rows * np.outer(self.mean, self.mean)
        return np.block([[whole, beside.T], [beside, np.diag(self.counts.astype(np.float64))]])


def log_me(features: Rows, targets: np.ndarray, moments: Moments | None = None) -> float:
    """The logarithm of the maximum evidence a sample, averaged over the classes.

    You, Liu, Wang, Long: LogME, ICML 2021, https://arxiv.org/abs/2102.11005: each class's 0 / 1
    target y is a linear model of the features F with a Gaussian prior of precision alpha and noise
    of precision beta; both are chosen to make y as probable as can be. With r = alpha / beta the
    best beta is known, as y has covariance (I + F F^T / r) / beta, and one number is left to
    search. (The authors' fixed-point iteration has the same maximum, but stops short of it.)

    As in the paper and the authors' code, F is neither centred nor scaled: a column in other units
    is another prior. Where the Gram matrix, whose condition is that of F squared, has lost digits
    (a column times 1e5, an offset of 1e4), the singular values come from F by orthogonal steps.

    Args:
        features: (n, width); copied to float64 block by block, and read for the moments, and once
            more where the Gram matrix has lost digits.
        targets: class numbers, (n,); or what stands in the place of 0 and 1, (n, outputs), float64:
            numbers, or several labels.
        moments: of both, where they are known.

    Returns:
        The higher, the better the features suit the task.
    """
    rows = len(features)
    if features.shape[1] < rows:
        values, squares, beyond = _by_columns(features, targets, moments)
    else:
        values, squares, beyond = _by_rows(features, targets)
    each = zip(squares.T, beyond, strict=True)
    return float(np.mean([_evidence(values, own, float(out), rows) for own, out in each]))


def _of_classes(targets: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """1 where a row is of a class, 0 elsewhere, (n, classes), float64; others as they are."""
    if targets.ndim == 2:
        return targets
    return (targets[:, None] == classes).astype(np.float64)


def _gram_of(x: Rows, targets: np.ndarray) -> np.ndarray:
    """Of [F, Y], Y targets (n, outputs)."""
    width = x.shape[1] + targets.shape[1]
    gram = np.zeros((width, width))
    for span in _spans(len(x)):
        block = np.hstack([x[span], targets[span]], dtype=np.float64)
        gram += block.T @ block
    return gram


def _by_columns(
    x: Rows, targets: np.ndarray, moments: Moments | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of features with fewer columns than rows: see `_by_singular_values`.

    Of [F, Y] = Q R only the triangle is kept, block by block: R of F has the singular values of F,
    and what stands to its right is Q^T Y.
    """
    if targets.ndim == 2:
        gram, classes = _gram_of(x, targets), np.arange(targets.shape[1])
    else:
        moments = moments or Moments.of(x, targets)
        gram, classes = moments.gram, moments.classes

    def blocks(columns: np.ndarray) -> Iterator[np.ndarray]:
        for rows in _spans(len(x)):
            own = _of_classes(targets[rows], classes)
            yield np.hstack([x[rows][:, columns], own], dtype=np.float64)

    alive = np.flatnonzero(np.diag(gram) > 0)  # columns of zeros would make it singular
    gram, width = gram[np.ix_(alive, alive)], len(alive) - len(classes)
    values, vectors = np.linalg.eigh(gram[:width, :width])
    if _is_told(values):
        squares = (vectors.T @ gram[:width, width:]) ** 2 / values[:, None]
        counts = np.diag(gram)[width:]
        return values, squares, np.maximum(counts - squares.sum(axis=0), 0)
    triangle = _triangle(blocks(alive[:width]))
    left, singular, _ = np.linalg.svd(triangle[:width, :width])
    squares = (left.T @ triangle[:width, width:]) ** 2
    beyond = (triangle[width:, width:] ** 2).sum(axis=0)
    return _by_singular_values(singular, squares, beyond, len(x))


def _by_rows(features: Rows, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of features with as many columns as rows, or more: of the triangle of F^T = Q R."""
    x, y = features[:], _of_classes(targets, np.unique(targets))

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, x.shape[1], BLOCK_ROWS):
            yield x[:, start : start + BLOCK_ROWS].T.astype(np.float64)

    gram = sum((block.T @ block for block in blocks()), np.zeros((len(x), len(x))))
    values, vectors = np.linalg.eigh(gram)
    if _is_told(values):
        return values, (vectors.T @ y) ** 2, np.zeros(y.shape[1])
    left, singular, _ = np.linalg.svd(_triangle(blocks()).T)
    return _by_singular_values(singular, (left.T @ y) ** 2, np.zeros(y.shape[1]), x.shape[1])


def _spans(rows: int) -> list[slice]:
    """Of the rows whose float64 copies are made one after the other."""
    return [slice(start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS)]


def _is_told(values: np.ndarray) -> bool:
    """Whether a Gram matrix has told its eigenvalues, (m,), in rising order."""
    return not len(values) or bool(values[0] > TOLD * values[-1])


def _triangle(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """R of the blocks' rows, one below the other, (columns, columns), float64."""
    triangle: Any = None
    for block in blocks:
        rows = block if triangle is None else np.vstack([triangle, block])
        triangle = np.linalg.qr(rows, mode="r")
    return triangle


def _by_singular_values(
    singular: np.ndarray, squares: np.ndarray, beyond: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The eigenvalues of F F^T above 0, (m,); of each class's target the squared products with
    their eigenvectors, (m, classes), and its squared length outside of them, (classes,)."""
    least = singular.max(initial=0.0) * longest * np.finfo(np.float64).eps
    kept = singular > least
    return singular[kept] ** 2, squares[kept], beyond + squares[~kept].sum(axis=0)


def _evidence(values: np.ndarray, squares: np.ndarray, beyond: float, rows: int) -> float:
    """The largest log evidence of one target, divided by the number of rows.

    Args:
        values: eigenvalues of F F^T, those above 0.
        squares: squared products of the target with their eigenvectors.
        beyond: the target's squared length outside of them.
        rows: length of the target.
    """
    from scipy.optimize import minimize_scalar

    def negative(position: float) -> float:
        ratio = np.exp(position)
        shrunk = ratio / (ratio + values)
        residual = max(float(shrunk @ squares) + beyond, 1e-300)
        value = rows * np.log(rows / residual) + float(np.log(shrunk).sum())
        return -0.5 * (value - rows * (np.log(2 * np.pi) + 1)) / rows

    if not len(values):  # features that are all 0 say nothing, whatever the prior
        return -negative(0.0)
    first, last = np.log(values.min() * BELOW), np.log(values.max() * ABOVE)
    positions = np.linspace(first, last, 1 + int(PER_DECADE * (last - first) / np.log(10)))
    best = int(np.argmin([negative(position) for position in positions]))
    near = positions[max(best - 1, 0)], positions[min(best + 1, len(positions) - 1)]
    found = minimize_scalar(negative, bounds=near, method="bounded", options={"xatol": 1e-9})
    return -min(float(found.fun), negative(positions[best]))


def h_score(
    features: Rows,
    targets: np.ndarray,
    shrinkage: float | None = None,
    moments: Moments | None = None,
) -> float:
    """How much of the features' variance lies between the classes: trace(cov(f)^-1 cov(E[f|y])).

    Bao et al.: An information-theoretic approach to transferability in task transfer learning,
    ICIP 2019. Where there are few samples for the width, the covariance is shrunk towards a
    multiple of the identity, as Ibrahim, Ponomareva, Mazumder propose (Newer is not always better,
    https://arxiv.org/abs/2110.06893), by as much as Ledoit and Wolf estimate.

    Args:
        features: (n, width); read twice, block by block.
        targets: class numbers, (n,).
        shrinkage: 0 to 1; 0 is the score as first published; Ledoit and Wolf's without it.
        moments: of both, where they are known.

    Returns:
        From 0 to the number of classes less one; the higher, the better the features suit.
    """
    found, width = moments or Moments.of(features, targets), features.shape[1]
    means, covariance = found.sums / found.counts[:, None], found.products / found.rows
    if shrinkage is None:
        shrinkage = _ledoit_wolf(covariance, found.lengths, found.rows)
    between = means * np.sqrt(found.counts / found.rows)[:, None] * np.sqrt(1 - shrinkage)
    if shrinkage == 0:
        solved = np.linalg.pinv(covariance, hermitian=True) @ between.T
    else:
        level = shrinkage * np.trace(covariance) / width
        covariance *= 1 - shrinkage
        covariance[np.diag_indices(width)] += level
        solved = np.linalg.solve(covariance, between.T)
    return float((between.T * solved).sum())


def _ledoit_wolf(covariance: np.ndarray, lengths: float, rows: int) -> float:
    """The shrinkage of Ledoit and Wolf, A well-conditioned estimator for large-dimensional
    covariance matrices, 2004; scikit-learn's `ledoit_wolf_shrinkage`, which wants all centred rows
    at once.

    Args:
        covariance: (width, width).
        lengths: the sum of the centred rows' lengths to the fourth power.
        rows: how many.
    """
    width = len(covariance)
    total, trace = float((covariance**2).sum()), float(np.trace(covariance))
    error = (lengths / rows - total) / rows
    distance = total - trace**2 / width
    return min(error / distance, 1.0) if distance > 1e-12 * total else 0.0  # of one column: 0
