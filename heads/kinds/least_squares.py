"""Ridge regression for every penalty, and what it says of rows that are left out, from one
decomposition.

With X the centred rows, each times the root of its weight, all fits come from the eigenvectors of
X'X or of XX', whichever is smaller. Leaving rows out moves their residuals r to (I - H)^-1 r, with
H their block of the hat matrix; for one row that is r / (1 - h), with h its leverage (Hastie,
Tibshirani, Friedman: The elements of statistical learning, 7.10; scikit-learn's `RidgeCV` does the
same for single rows). Of a fold with more rows than columns that block is never made: H is G S G',
with G as wide as the columns, and (I - G S G')^-1 r = r + G (S^-1 - G'G)^-1 G'r (Woodbury), where
S^-1 - G'G is what the other rows have of X'X and the penalty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

ROWS_AT_ONCE = 2048
"""Whose part of the hat matrix, or of its factor, is computed at once."""
REGULAR = 1e-12
"""Makes a system of equations regular even where a penalty is hardly one."""


@dataclass(frozen=True)
class LeastSquares:
    """Rows and targets, decomposed. All arrays are float64.

    I - H is F diag(c) F', with another c for each penalty; if the columns are fewer than the rows,
    with what is outside of their span added.

    Attributes:
        goals: centred targets times the roots of the weights, (n, outputs).
        roots: of the weights, (n,).
        mean: of the rows, (width,).
        middle: of the targets, (outputs,).
        values: eigenvalues, (m,), at least 0.
        factor: F, (n, m).
        back: from the eigenvectors to the kernel, (width, m).
        is_wide: whether F spans all that there is.
    """

    goals: np.ndarray
    roots: np.ndarray
    mean: np.ndarray
    middle: np.ndarray
    values: np.ndarray
    factor: np.ndarray
    back: np.ndarray
    is_wide: bool

    @staticmethod
    def of(z: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> LeastSquares:
        """Decompose rows (n, width) with targets (n, outputs)."""
        own = np.ones(len(z)) if weights is None else weights.astype(np.float64)
        roots, shares = np.sqrt(own)[:, None], own / own.sum()
        wide, targets = z.astype(np.float64), targets.astype(np.float64)
        mean, middle = shares @ wide, shares @ targets
        x, goals = roots * (wide - mean), roots * (targets - middle)
        is_wide = x.shape[1] >= len(x)
        values, factor, back = _by_rows(x, roots) if is_wide else _by_columns(x)
        return LeastSquares(goals, roots[:, 0], mean, middle, values, factor, back, is_wide)

    @property
    def scale(self) -> float:
        """The mean of the eigenvalues that can be above 0: what makes a penalty large or small."""
        rank = max(min(len(self.goals) - 1, len(self.mean)), 1)
        return max(float(self.values.sum()) / rank, 1e-12)

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (width, outputs) and bias (outputs,)."""
        kernel = self.back @ (self._agreement / (self.values + penalty)[:, None])
        return kernel, self.middle - self.mean @ kernel

    def left_out(self, penalty: float, folds: Sequence[np.ndarray]) -> np.ndarray:
        """What fits say of rows that they were not fitted on, (n, outputs).

        Args:
            penalty: above 0.
            folds: the rows that are left out together, for each fold; what is said of rows that are
                in none is that of the fit to all.
        """
        shares = (penalty if self.is_wide else -1.0) / (self.values + penalty)
        residuals = self.factor @ (shares[:, None] * self._agreement)
        if not self.is_wide:
            residuals += self.goals
        moved = residuals.copy()
        small = [rows for rows in folds if self.is_wide or len(rows) <= len(self.mean)]
        large = [rows for rows in folds if not self.is_wide and len(rows) > len(self.mean)]
        for rows in _alike(small):
            moved[rows] = np.linalg.solve(self._blocks(rows, shares), residuals[rows])
        for rows in large:
            self._move(moved, rows, penalty)
        return (self.goals - moved) / self.roots[:, None] + self.middle

    def _blocks(self, rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """I - H among the rows of some folds, (folds, size, size), from rows (folds, size)."""
        factor, level = self.factor[rows], self._level[rows]
        blocks = (factor * shares) @ factor.transpose(0, 2, 1)
        one = np.eye(rows.shape[1])
        if not self.is_wide:
            blocks += one - level[:, :, None] * level[:, None, :]
        return blocks + REGULAR * one

    def _move(self, residuals: np.ndarray, rows: np.ndarray, penalty: float) -> None:
        """Residuals of one fold, (n, outputs), to those without it, in place; rows (size,)."""
        rest = np.diag(np.append(self.values + penalty, 1.0) * (1 + REGULAR))
        pull = np.zeros((len(rest), residuals.shape[1]))
        parts = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
        for part in parts:
            own = self._columns(part)
            rest -= own.T @ own
            pull += own.T @ residuals[part]
        change = np.linalg.solve(rest, pull)
        for part in parts:
            residuals[part] += self._columns(part) @ change

    def _columns(self, rows: np.ndarray) -> np.ndarray:
        """F and the direction of the bias, of some rows, (size, m + 1)."""
        return np.hstack([self.factor[rows], self._level[rows, None]])

    @property
    def _agreement(self) -> np.ndarray:
        return self.factor.T @ self.goals

    @property
    def _level(self) -> np.ndarray:
        """The direction of the bias, (n,)."""
        return self.roots / np.linalg.norm(self.roots)


def _alike(folds: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Folds of one size together, (folds, size), some at a time."""
    sizes: dict[int, list[np.ndarray]] = {}
    for rows in folds:
        sizes.setdefault(len(rows), []).append(rows)
    for size, found in sizes.items():
        step = max(1, ROWS_AT_ONCE // size)
        for start in range(0, len(found), step):
            yield np.stack(found[start : start + step])


def _by_columns(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(x.T @ x)
    return np.maximum(values, 0), x @ vectors, vectors


def _by_rows(x: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The direction of the bias is lifted above all others, to be told from them, and left out."""
    gram = x @ x.T
    level = roots / np.linalg.norm(roots)
    lifted = gram + (2 * np.trace(gram) + 1) * (level @ level.T)
    values, vectors = np.linalg.eigh(lifted)
    values, vectors = np.maximum(values[:-1], 0), vectors[:, :-1]
    return values, vectors, x.T @ vectors
