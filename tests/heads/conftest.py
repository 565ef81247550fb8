"""Fixtures of tests of heads."""

import numpy as np
import pytest

from conftest import keras


@pytest.fixture
def flat(ws, tmp_path):
    """A backbone that gives 64 numbers as they are, and a function that adds and extracts rows."""
    given = keras.Input((64,))
    as_it_is = keras.layers.Rescaling(1.0, name="as_it_is")(given)
    keras.Model(given, keras.layers.Dense(2, name="out")(as_it_is)).save(tmp_path / "flat.keras")
    ws.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")

    def add(x, labels):
        np.savez(tmp_path / "rows.npz", x=x, y=labels)
        ws.datasets.add("rows", tmp_path / "rows.npz")
        return ws.extract("flat", "rows")

    return ws, add
