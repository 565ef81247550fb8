"""One dense layer of a head, with what its first one may have besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.heads.attention.layer import Attention
from headstart.heads.bounds import Bounds
from headstart.heads.layers.activations import activate


@dataclass(frozen=True)
class Layer:
    """`activation(attend(hold(x - origin)) @ kernel + bias)`: kernel (inputs, outputs), float32.

    Only the first layer of a stack may have an origin, (inputs,): the place of features that lie so
    far from zero that a bias cannot hold what it comes to. Without one it is 0. Likewise it may
    have bounds within which features are held then, and attention, by which means are taken of the
    tokens that the features are.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str
    origin: np.ndarray | None = None
    bounds: Bounds | None = None
    attention: Attention | None = None

    @property
    def inputs(self) -> int:
        """How many numbers of a row it takes."""
        return len(self.kernel) if self.attention is None else self.attention.tokens.numbers

    def run(self, x: np.ndarray) -> np.ndarray:
        """The outputs of inputs (n, inputs)."""
        return activate(self.activation, self.sums(x))

    def sums(self, x: np.ndarray) -> np.ndarray:
        """What goes into the activation."""
        x = x if self.origin is None else x - self.origin
        x = x if self.bounds is None else self.bounds.hold(x)
        x = x if self.attention is None else self.attention.run(x)
        return x @ self.kernel + self.bias

    @property
    def weights(self) -> list[np.ndarray]:
        """Kernel, bias, and the origin and the queries if it has them; bounds are no weights."""
        queries = [] if self.attention is None else [self.attention.queries]
        return [self.kernel, self.bias, *([] if self.origin is None else [self.origin]), *queries]
