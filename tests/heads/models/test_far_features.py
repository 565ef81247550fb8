"""Attached models whose features lie far from zero, or hardly vary, in every format."""

import numpy as np
import pytest

import headstart as hs
from headstart.extractors.runtime import keras
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import Part
from headstart.heads.models.attach import attach, check_parity, predict
from headstart.heads.models.export import write_checked
from headstart.heads.models.tuned_top import below_head
from headstart.heads.origins import fit_near_zero

FAR = np.float32(2**20)


def rows(count=200, width=6):
    """Eighths at 2^20: exact in float32."""
    rng = np.random.default_rng(0)
    targets = np.arange(count) % 3
    near = rng.normal(size=(count, width)) + np.eye(3, width)[targets] * 2
    return (np.round(near * 8) / 8).astype(np.float32) + FAR, targets


def nearly_dead():
    """Rows near zero with a feature that hardly varies, and others where it does."""
    x, targets = rows()
    x -= FAR
    x[:, 5] = np.random.default_rng(1).uniform(size=len(x)) * 1e-6
    asked = x.copy()
    asked[::2, 5] = 0.25
    return x, targets, asked


def attached(kind, x, y):
    fitted = fit_near_zero(
        lambda train, validation: kind.fit(train, validation, 3, 0), Part(x, y), Part(x[:0], y[:0])
    )
    stack = DenseStack(fitted.layers, ("a", "b", "c"))
    k = keras()
    features = k.Input((x.shape[1],), name="features")
    trunk = k.Model(features, k.layers.Activation("relu")(features))
    return attach(trunk, stack, "net"), stack


@pytest.mark.parametrize("name", ["net.keras", "net", "net.onnx", "net.tflite"])
def test_every_format_keeps_what_a_bias_in_float32_would_lose(tmp_path, name):
    x, _ = rows()
    model, stack = attached(hs.Linear((0.1,)), *rows())
    expected = stack.predict_proba(x)
    assert 0.8 < (expected.argmax(axis=1) == rows()[1]).mean() < 1

    def compare(given):
        return check_parity(given, expected, 1e-4)

    assert compare(predict(model, x)) < 1e-5
    assert write_checked(model, tmp_path / name, x, compare) < 1e-4


@pytest.mark.parametrize("name", ["net.keras", "net", "net.onnx", "net.tflite"])
def test_every_format_holds_features_that_hardly_vary(tmp_path, name):
    x, y, asked = nearly_dead()
    model, stack = attached(hs.Linear((0.1,)), np.maximum(x, 0), y)
    expected = stack.predict_proba(np.maximum(asked, 0))
    assert stack.layers[0].bounds is not None
    assert np.abs(expected - stack.predict_proba(np.maximum(x, 0))).max() < 0.5

    def compare(given):
        return check_parity(given, expected, 1e-4)

    assert compare(predict(model, asked)) < 1e-5
    assert write_checked(model, tmp_path / name, asked, compare) < 1e-4
    np.testing.assert_array_equal(predict(below_head(model, stack), x), np.maximum(x, 0))


@pytest.mark.parametrize("kind", [hs.MLP(hidden=(8,), epochs=3), hs.Neighbours(5)])
def test_heads_of_several_layers_subtract_first_too(kind):
    x, _ = rows()
    model, stack = attached(kind, *rows())
    assert check_parity(predict(model, x), stack.predict_proba(x), 1e-4) < 1e-4


def test_what_lies_below_a_head_are_the_features_themselves():
    x, _ = rows()
    model, stack = attached(hs.Prototype(), *rows())
    np.testing.assert_array_equal(predict(below_head(model, stack), x), x)
