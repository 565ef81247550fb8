"""A sample of one token gives each query that token."""

import numpy as np
import pytest

from conftest import keras
from headstart.heads.attention.layer import Attention
from headstart.heads.attention.tokens import Tokens


@pytest.mark.parametrize("is_masked", [False, True])
def test_attention_to_a_single_token_is_made_without_a_warning(is_masked):
    rng = np.random.default_rng(0)
    tokens = Tokens(1, 3, is_masked=is_masked)
    attention = Attention(rng.normal(size=(3, 2)).astype(np.float32), tokens)
    given = keras.Input((1, 3 + is_masked))
    model = keras.Model(given, attention.to_keras(given))
    x = rng.normal(size=(4, 1, 3 + is_masked)).astype(np.float32)
    if is_masked:
        x[:, :, 3] = [[1], [0], [1], [0]]
    found = np.asarray(model(x))
    np.testing.assert_allclose(found, attention.run(x.reshape(4, -1)), atol=1e-6)
    assert "head_queries" in [layer.name for layer in model.layers]
