"""What every pooling does: the contract of `extractors/backbones/pooling.py`."""

import numpy as np
import pytest

from conftest import keras
from headstart.extractors.backbones.pooling import POOLINGS, check_pooling, pool
from headstart.extractors.backbones.pooling import pooled_fingerprint as fingerprint

OURS = ("gap", "gmp", "flatten", "mean", "max", "cls", "last")


def shapes_of(name):
    return [(5, 6)] if POOLINGS[name].is_of_sequences else [(5, 6), (3, 4, 6)]


@pytest.mark.parametrize("name", OURS)
def test_it_gives_as_many_numbers_as_it_says(name):
    pooling = POOLINGS[name]
    assert (pooling.name, pooling.version) == (name, 1) and pooling.words
    for shape in shapes_of(name):
        check_pooling(name, shape, "cut")
        given = keras.Input(shape)
        model = keras.Model(given, pool(given, name))
        assert model.output.shape == (None, pooling.width(shape))
        found = model.predict(np.random.default_rng(0).normal(size=(2, *shape)), verbose=0)
        assert found.shape == (2, pooling.width(shape)) and np.isfinite(found).all()


@pytest.mark.parametrize("name", [name for name in OURS if POOLINGS[name].is_masked])
def test_masked_steps_change_nothing(name):
    tensor, mask = keras.Input((5, 6)), keras.Input((5,), dtype="bool")
    model = keras.Model([tensor, mask], pool(tensor, name, mask))
    steps = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    counted = np.array([[True, True, False, True, False]] * 2)
    other = np.where(counted[..., None], steps, 1e3)
    np.testing.assert_array_equal(
        model.predict([steps, counted], verbose=0), model.predict([other, counted], verbose=0)
    )


@pytest.mark.parametrize("name", OURS)
def test_an_open_size_leaves_only_flatten_open(name):
    open_ = POOLINGS[name].width((None, 6))
    assert open_ is None if name == "flatten" else open_ == 6


def test_a_sequence_of_any_length_is_kept_with_its_mask():
    tensor, mask = keras.Input((None, 6)), keras.Input((None,), dtype="bool")
    model = keras.Model([tensor, mask], pool(tensor, "masked", mask))
    steps = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    counted = np.array([[True, True, False, True, False]] * 2)
    found = model.predict([steps, counted], verbose=0).reshape(2, 5, 7)
    np.testing.assert_array_equal(found[..., :6], steps)
    np.testing.assert_array_equal(found[..., 6], counted)


def test_the_fingerprints_of_ours_are_what_they_always_were():
    """A change here throws every cache with pooled features away."""
    below = "0" * 64
    assert fingerprint(below, "gap", None).startswith("18013f5bde0bb6d8")
    assert fingerprint(below, "mean", "mask").startswith("c040b4e024cc2395")
