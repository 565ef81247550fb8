"""What training makes small, by a head's last activation; rows may have weights.

Each loss gives its share of a batch's mean, and turns the outputs in place into its gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Loss = Callable[[np.ndarray, np.ndarray, np.ndarray | None, int, float], float]
LEAST = 1e-30
"""Probabilities are taken for no less, where they are turned back into scores."""
FLOOR = float(np.finfo(np.float64).eps)
"""Probabilities are taken for no less in every log loss, wherever it is computed: a class that was
said to be impossible costs 36.04, as with scikit-learn's `log_loss`."""


def softmax_loss(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, size: int, smoothing: float
) -> float:
    """Log loss of one class a row.

    Args:
        logits: (n, classes), float32; becomes the gradient.
        targets: class numbers, (n,).
        weights: of the rows, (n,), or None.
        size: rows in the whole batch.
        smoothing: share of a row's weight that all classes get alike.
    """
    rows = np.arange(len(targets))
    logits -= logits.max(axis=1, keepdims=True)
    own = logits[rows, targets]
    if smoothing:
        own = (1 - smoothing) * own + smoothing * logits.mean(axis=1)
    np.exp(logits, out=logits)
    norms = logits.sum(axis=1, keepdims=True)
    logits /= norms
    logits[rows, targets] -= 1 - smoothing
    if smoothing:
        logits -= np.float32(smoothing / logits.shape[1])
    return _weighted(logits, np.log(norms[:, 0]) - own, weights, size)


def sigmoid_loss(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, size: int, smoothing: float
) -> float:
    """Log loss of any number of classes a row, the mean over the classes.

    Args:
        logits: (n, classes), float32; becomes the gradient.
        targets: 0 or 1, float32, (n, classes).
        weights: of the rows, (n,), or None.
        size: rows in the whole batch.
        smoothing: targets are moved by half of it towards the middle.
    """
    soft = targets * np.float32(1 - smoothing) + np.float32(0.5 * smoothing)
    losses = np.logaddexp(0, logits) - soft * logits
    np.negative(logits, out=logits)
    np.exp(np.minimum(logits, 80, out=logits), out=logits)
    logits += 1
    np.reciprocal(logits, out=logits)
    logits -= soft
    logits /= np.float32(logits.shape[1])
    return _weighted(logits, losses.mean(axis=1), weights, size)


def squared_loss(
    outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, size: int, _: float
) -> float:
    """Squared error, the mean over the outputs; targets are (n, outputs), float32."""
    outputs -= targets
    losses = (outputs**2).mean(axis=1)
    outputs *= np.float32(2 / outputs.shape[1])
    return _weighted(outputs, losses, weights, size)


LOSSES: dict[str, Loss] = {
    "softmax": softmax_loss,
    "sigmoid": sigmoid_loss,
    "linear": squared_loss,
}


def loss_of(
    activation: str, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The mean loss of outputs behind their activation; see the losses above."""
    return float(np.average(losses_of(activation, outputs, targets), weights=weights))


def losses_of(activation: str, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The loss of each row, (n,), float64."""
    wide = outputs.astype(np.float64)
    if activation == "softmax":
        return -np.log(np.maximum(wide[np.arange(len(targets)), targets], FLOOR))
    if activation == "sigmoid":
        own = np.where(targets > 0.5, wide, 1 - wide)
        return -np.log(np.maximum(own, FLOOR)).mean(axis=1)
    return ((wide - targets) ** 2).mean(axis=1)


def log_losses_of(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The log loss of each row, (n,), float64, of class numbers, (n,), or of several labels, 0 and
    1, (n, labels)."""
    return losses_of("sigmoid" if targets.ndim == 2 else "softmax", outputs, targets)


def _weighted(
    gradient: np.ndarray, losses: np.ndarray, weights: np.ndarray | None, size: int
) -> float:
    gradient /= np.float32(size)
    if weights is None:
        return float(losses.sum()) / size
    gradient *= weights[:, None]
    return float((losses * weights).sum()) / size
