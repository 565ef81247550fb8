"""`|tokens49`, `|tokens7x7`: a map or a sequence as fewer tokens, means of neighbours."""

import numpy as np
import pytest

from conftest import keras
from headstart.errors import LayerNotFound
from headstart.extractors.backbones.pooling import check_pooling, pool, pooled_shape
from headstart.extractors.backbones.pooling import pooled_fingerprint as fingerprint


def pooled(name, x):
    given = keras.Input(x.shape[1:])
    return np.asarray(keras.Model(given, pool(given, name))(x))


def means(size, count):
    """What each of some places is the mean of."""
    return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


@pytest.mark.parametrize(
    ("name", "shape", "grid"),
    [
        ("tokens4", (6, 6, 3), (2, 2)),
        ("tokens2x3", (5, 7, 3), (2, 3)),
        ("tokens9", (3, 3, 2), (3, 3)),
        ("tokens1", (4, 5, 2), (1, 1)),
    ],
)
def test_a_map_becomes_a_grid_of_means(name, shape, grid):
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    expected = [
        x[:, rows, columns].mean(axis=(1, 2))
        for rows in means(shape[0], grid[0])
        for columns in means(shape[1], grid[1])
    ]
    np.testing.assert_allclose(pooled(name, x), np.stack(expected, axis=1), atol=1e-5)
    assert pooled_shape(name, shape) == (len(expected), shape[-1])


def test_a_sequence_becomes_spans_of_its_steps():
    x = np.random.default_rng(0).normal(size=(2, 10, 3)).astype(np.float32)
    expected = [x[:, span].mean(axis=1) for span in means(10, 4)]
    np.testing.assert_allclose(pooled("tokens4", x), np.stack(expected, axis=1), atol=1e-5)


def test_patches_of_a_picture_become_a_grid_and_a_class_token_stays():
    x = np.random.default_rng(0).normal(size=(2, 17, 3)).astype(np.float32)
    patches = x[:, 1:].reshape(2, 4, 4, 3)
    expected = [
        x[:, 0],
        *(patches[:, r, c].mean(axis=(1, 2)) for r in means(4, 2) for c in means(4, 2)),
    ]
    np.testing.assert_allclose(pooled("tokens2x2", x), np.stack(expected, axis=1), atol=1e-5)
    assert pooled_shape("tokens7x7", (197, 768)) == (50, 768)
    assert pooled_shape("tokens7x7", (196, 768)) == (49, 768)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("tokens5", (4, 4, 3), "a map is pooled to a grid"),
        ("tokens25", (4, 4, 3), "there are 4 x 4"),
        ("tokens2x2", (12, 3), "12 steps is no square grid"),
        ("tokens13", (12, 3), "there are 12"),
        ("tokens4", (6,), "features are of shape"),
    ],
)
def test_what_does_not_suit_the_features_is_refused(name, shape, said):
    with pytest.raises(LayerNotFound, match=said):
        check_pooling(name, shape, "cut")


def test_how_many_tokens_are_left_is_a_part_of_the_key():
    below = "0" * 64
    assert len({fingerprint(below, name, None) for name in ("tokens4", "tokens2x2", "gap")}) == 3
    with pytest.raises(LayerNotFound, match="no pooling 'tokens0'"):
        check_pooling("tokens0", (4, 4, 3), "cut")
