"""Adam, as Keras has it."""

from __future__ import annotations

import numpy as np


class Adam:
    """Kingma and Ba, https://arxiv.org/abs/1412.6980, in the order before section 2.1, with the
    constants of `keras.optimizers.Adam`.

    Kept are the sums m / (1 - beta_1) and v / (1 - beta_2), which takes two passes less.

    Args:
        weights: one vector, changed in place.
        learning_rate: alpha.
    """

    def __init__(
        self,
        weights: np.ndarray,
        learning_rate: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        self._weights = weights
        self._rate = learning_rate
        self._betas = beta_1, beta_2
        self._epsilon = np.float32(epsilon / np.sqrt(1 - beta_2))
        self._means, self._squares = np.zeros_like(weights), np.zeros_like(weights)
        self._steps = 0

    def step(self, gradient: np.ndarray) -> None:
        """Change the weights by their gradient, which is overwritten."""
        self._steps += 1
        beta_1, beta_2 = self._betas
        bias = np.sqrt(1 - beta_2**self._steps) / (1 - beta_1**self._steps)
        self._means *= np.float32(beta_1)
        self._means += gradient
        self._squares *= np.float32(beta_2)
        np.multiply(gradient, gradient, out=gradient)
        self._squares += gradient
        np.sqrt(self._squares, out=gradient)
        gradient += self._epsilon
        np.divide(self._means, gradient, out=gradient)
        gradient *= np.float32(self._rate * bias * (1 - beta_1) / np.sqrt(1 - beta_2))
        self._weights -= gradient
