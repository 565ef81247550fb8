"""How well features suit a task, without training a head: LogME and the H-score."""

from __future__ import annotations

import numpy as np

RIDGE_GRID = np.logspace(-8, 12, 81)
"""Ratios of prior to noise precision, in units of the mean eigenvalue, among which LogME's maximum
is looked for before it is refined."""


def log_me(features: np.ndarray, targets: np.ndarray) -> float:
    """The logarithm of the maximum evidence a sample, averaged over the classes.

    You, Liu, Wang, Long: LogME, ICML 2021, https://arxiv.org/abs/2102.11005: each class's 0 / 1
    target y is a linear model of the features F with a Gaussian prior of precision alpha and noise
    of precision beta; both are chosen to make y as probable as can be. With r = alpha / beta the
    best beta is known, as y has covariance (I + F F^T / r) / beta, and one number is left to
    search. (The authors' fixed-point iteration has the same maximum, but stops short of it.)

    Args:
        features: (n, width).
        targets: class numbers, (n,).

    Returns:
        The higher, the better the features suit the task.
    """
    x = np.asarray(features, np.float64)
    rows, width = x.shape
    classes = np.unique(targets)
    y = (targets[:, None] == classes).astype(np.float64)
    if width <= rows:
        eigenvalues, vectors = np.linalg.eigh(x.T @ x)
        kept = eigenvalues > eigenvalues[-1] * 1e-12
        eigenvalues = eigenvalues[kept]
        squares = ((x @ vectors[:, kept]).T @ y) ** 2 / eigenvalues[:, None]
    else:
        eigenvalues, vectors = np.linalg.eigh(x @ x.T)
        kept = eigenvalues > eigenvalues[-1] * 1e-12
        eigenvalues = eigenvalues[kept]
        squares = (vectors[:, kept].T @ y) ** 2
    beyond = np.maximum((y**2).sum(axis=0) - squares.sum(axis=0), 0)
    return float(
        np.mean(
            [
                _evidence(eigenvalues, squares[:, number], beyond[number], rows)
                for number in range(len(classes))
            ]
        )
    )


def _evidence(eigenvalues: np.ndarray, squares: np.ndarray, beyond: float, rows: int) -> float:
    """The largest log evidence of one target, divided by the number of rows.

    Args:
        eigenvalues: of F F^T, those above 0.
        squares: squared products of the target with their eigenvectors.
        beyond: the target's squared length outside of them.
        rows: length of the target.
    """
    from scipy.optimize import minimize_scalar

    unit = np.log(eigenvalues.mean())

    def negative(position: float) -> float:
        ratio = np.exp(position + unit)
        shrunk = ratio / (ratio + eigenvalues)
        residual = max(float(shrunk @ squares) + beyond, 1e-300)
        value = rows * np.log(rows / residual) + float(np.log(shrunk).sum())
        return -0.5 * (value - rows * (np.log(2 * np.pi) + 1)) / rows

    positions = np.log(RIDGE_GRID)
    best = int(np.argmin([negative(position) for position in positions]))
    near = positions[max(best - 1, 0)], positions[min(best + 1, len(positions) - 1)]
    found = minimize_scalar(negative, bounds=near, method="bounded", options={"xatol": 1e-9})
    return -min(float(found.fun), negative(positions[best]))


def h_score(features: np.ndarray, targets: np.ndarray, shrinkage: float | None = None) -> float:
    """How much of the features' variance lies between the classes: trace(cov(f)^-1 cov(E[f|y])).

    Bao et al.: An information-theoretic approach to transferability in task transfer learning,
    ICIP 2019. Where there are few samples for the width, the covariance is shrunk towards a
    multiple of the identity, as Ibrahim, Ponomareva, Mazumder propose (Newer is not always better,
    https://arxiv.org/abs/2110.06893), by as much as Ledoit and Wolf estimate.

    Args:
        features: (n, width).
        targets: class numbers, (n,).
        shrinkage: 0 to 1; 0 is the score as first published; Ledoit and Wolf's without it.

    Returns:
        From 0 to the number of classes less one; the higher, the better the features suit.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    x = np.asarray(features, np.float64)
    x = x - x.mean(axis=0)
    rows, width = x.shape
    if shrinkage is None:
        shrinkage = float(ledoit_wolf_shrinkage(x, assume_centered=True))
    classes, numbers = np.unique(targets, return_inverse=True)
    counts = np.bincount(numbers)
    means = np.zeros((len(classes), width))
    np.add.at(means, numbers, x)
    means /= counts[:, None]
    between = means * np.sqrt(counts / rows)[:, None] * np.sqrt(1 - shrinkage)
    covariance = x.T @ x / rows
    if shrinkage == 0:
        solved = np.linalg.pinv(covariance, hermitian=True) @ between.T
    else:
        level = shrinkage * np.trace(covariance) / width
        covariance *= 1 - shrinkage
        covariance[np.diag_indices(width)] += level
        solved = np.linalg.solve(covariance, between.T)
    return float((between.T * solved).sum())
