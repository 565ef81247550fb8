"""Attention of learned queries: what a head with tokens does before its dense layer.

Psomas et al.: Attention, please! Revisiting attentive probing through the lens of efficiency, ICLR
2026, https://arxiv.org/abs/2506.10178: each query looks at the tokens themselves, without a
projection of keys, and takes their mean by its own weights. There values are projected before, to a
share of the width for each query; here they are not: the dense layer that follows has all the
numbers of each query, so for the few classes of most heads there is less to learn, not more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from headstart.extractors.runtime import keras
from headstart.heads.attention.tokens import Tokens

NAME = "head_queries"
"""What its queries are called in Keras."""
FAR_BELOW = 1e9
"""Taken from the scores of tokens that are masked."""


@dataclass(frozen=True)
class Attention:
    """The mean of a sample's tokens by the weights that each query gives them.

    Attributes:
        queries: (width, queries), float32: their products with a token are its scores.
        tokens: how the tokens lie in a row.
    """

    queries: np.ndarray
    tokens: Tokens

    @property
    def outputs(self) -> int:
        """Numbers of a row behind it."""
        return self.queries.size

    def run(self, rows: np.ndarray) -> np.ndarray:
        """The means of rows (n, numbers), query by query, (n, outputs)."""
        x, counts = self.tokens.split(rows)
        weights = shares(x, counts, self.queries)
        return np.matmul(weights.swapaxes(1, 2), x).reshape(len(rows), -1)

    def to_keras(self, tensor: Any) -> Any:
        """The same of Keras' own layers and operations, on a symbolic tensor of features of any
        shape that has a row's numbers."""
        layers, ops, tokens = keras().layers, keras().ops, self.tokens
        x = layers.Reshape((tokens.count, tokens.stride), name="head_tokens")(tensor)
        counts = None
        if tokens.is_masked:
            counts = layers.Permute((2, 1))(x[..., tokens.width :])
            x = x[..., : tokens.width]
        keys = layers.Dense(self.queries.shape[1], use_bias=False, name=NAME)
        scores = layers.Permute((2, 1))(keys(x))  # LiteRT has a softmax of the last axis alone
        keys.set_weights([self.queries])
        if counts is not None:
            scores = scores + (counts - 1.0) * FAR_BELOW
        # Keras warns of a softmax of one number, which is 1 whatever it is.
        made = layers.Softmax if tokens.count > 1 else partial(layers.Rescaling, 0.0, 1.0)
        weights = made(name="head_attention")(scores)
        weights = weights if counts is None else weights * counts  # of a sample without any: none
        return layers.Reshape((self.outputs,), name="head_means")(ops.matmul(weights, x))


def shares(x: np.ndarray, counts: np.ndarray | None, queries: np.ndarray) -> np.ndarray:
    """How much each query gives of its attention to each token, (n, tokens, queries): 1 in all, or
    nothing where no token counts.

    Args:
        x: (n, tokens, width).
        counts: 1 for each token that counts, 0 else, (n, tokens, 1); None where all do.
        queries: (width, queries).
    """
    n, count, width = x.shape
    scores = (x.reshape(n * count, width) @ queries).reshape(n, count, -1)
    if counts is not None:
        scores += (counts - np.float32(1)) * np.float32(FAR_BELOW)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores if counts is None else scores * counts
