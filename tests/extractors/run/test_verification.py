"""`features verify`: what rounding explains passes, what it does not fails."""

import hashlib
import sqlite3

import h5py
import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.extractors.engines.parity import TOLERANCES, tolerance
from headstart.extractors.run.verification import Check, compare_rows

SEEN = 1.07e-5
"""Between rows that were right: more than the 1e-5 that was allowed."""


def change_rows(ws, factor):
    """Multiply one stored row, and let its shard's hash be right."""
    (file,) = ws.config.features.rglob("*.h5")
    with h5py.File(file, "a") as shard:
        shard["features"][3] = shard["features"][3] * np.float32(factor)
    content = file.read_bytes()
    with sqlite3.connect(ws.config.sqlite_file) as connection:
        given = [hashlib.sha256(content).hexdigest(), len(content)]
        connection.execute("UPDATE shards SET sha256 = ?, size = ?", given)
    connection.close()


@pytest.mark.parametrize(("engine", "allowed"), [("tensorflow", 5e-5), ("openvino", 1e-4)])
def test_a_difference_that_rounding_explains_passes_and_a_larger_one_fails(
    ready, run, engine, allowed
):
    ready.extract("net", "pics", settings=hs.Settings(engine=engine))
    change_rows(ready, 1 + SEEN)
    ran = run("features", "verify", "net", "pics", "--rows", "36", "--json")
    assert ran.code == 0
    assert ran.json["tolerance"] == pytest.approx(allowed)
    assert ran.json["max_relative_error"] == pytest.approx(SEEN, rel=0.2)
    assert ran.json["ok"] is True
    change_rows(ready, 1 + 2 * allowed)
    ran = run("features", "verify", "net", "pics", "--rows", "36", "--json")
    assert (ran.code, ran.json["ok"]) == (1, False)
    assert f"allowed {allowed:.2g}. Remove them with `headstart features gc" in ran.err


@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
def test_rows_that_were_rounded_to_be_stored_pass(ready, storage):
    ready.extract("net", "pics", settings=hs.Settings(storage=storage))
    found = ready.verify("net", "pics", rows=36)
    assert found["ok"]
    assert SEEN < found["max_relative_error"] < found["tolerance"] < 0.005


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_of_the_numbers_does_not_count(scale):
    rows = np.random.default_rng(0).standard_normal((16, 64)).astype(np.float32) * np.float32(scale)
    near, far = rows * np.float32(1 + SEEN), rows * np.float32(1 + 3e-4)
    assert compare_rows(near, rows, tolerance(["tensorflow"], "float32", "float32")).ok
    assert not compare_rows(far, rows, tolerance(["openvino"], "float32", "float32")).ok
    lost = np.where(np.arange(64) == 0, np.nan, rows)
    assert not compare_rows(lost, rows, 1.0).ok


def test_a_set_by_several_engines_is_allowed_what_the_loosest_is():
    assert tolerance(["tensorflow", "openvino"], "float32", "float32") == TOLERANCES["float32"]
    assert tolerance([], "float32", "float32") == TOLERANCES["float32"]
    assert tolerance(["tensorflow"], "bfloat16", "float32") == TOLERANCES["bfloat16"]


def test_a_backbone_is_verified_with_what_tensorflow_may_differ_by():
    assert Check("batches of 1 and of 32 give the same rows", SEEN).ok
    assert not Check("batches of 1 and of 32 give the same rows", 1e-4).ok


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_layer_of_another_precision_within_the_model_is_verified(ws, dtype):
    """Its features are handed on as float32, what is above it takes them as they are."""
    x = keras.Input((4,))
    low = keras.layers.Dense(3, dtype=dtype, name="low")(x)
    ws.backbones.add("x", keras.Model(x, keras.layers.Dense(2)(low)), preprocess="array")
    checks = ws.backbones.verify("x", samples=2)
    assert any("trunk to low, then the tail" in check.what for check in checks)
    assert [check for check in checks if not check.ok] == []
