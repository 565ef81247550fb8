"""One contract for every engine: the rows of plain Keras, from any batch, in any thread."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from conftest import clean_environment, keras, network
from headstart.extractors.backbones.cuts import list_cuts, resolve
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.trunk import build_trunk
from headstart.extractors.difference import relative_error
from headstart.extractors.engines import openvino_engine as openvino
from headstart.extractors.engines.parity import TOLERANCES
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine, in_bfloat16
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.pipeline import Preprocessing

layers = keras.layers
ENGINES = ("tensorflow", "openvino")
PRECISIONS = ("float32", "bfloat16")


def engine_for(name, model, *cuts, precision="float32", call_size=4):
    graph = read_graph(model)
    points = list_cuts(graph)
    chosen = [resolve(points, cut) for cut in cuts or (None,)]
    if name == "tensorflow":
        graph = in_bfloat16(graph) if precision == "bfloat16" else graph
        return TensorFlowEngine(build_trunk(graph, chosen), graph.limits, precision)
    plain = TensorFlowEngine(build_trunk(graph, chosen), graph.limits)
    converted, signature = openvino.convert(plain.function, plain.names, plain.limits)
    compiled = openvino.compile_model(converted, signature, precision, call_size)
    return openvino.OpenVINOEngine(compiled, signature, precision, call_size)


def pixels(count, seed=0):
    return np.random.default_rng(seed).random((count, 12, 12, 3), np.float32)


def by_hand(model, *names):
    return keras.Model(model.inputs, [model.get_layer(name).output for name in names])


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("count", [1, 3, 4, 5, 11])
def test_any_number_of_samples_gives_the_rows_of_plain_keras(name, count):
    model = network()
    expected = by_hand(model, "pool", "features").predict(pixels(count), verbose=0)
    found = engine_for(name, model, "pool", "features").run(pixels(count))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=TOLERANCES["float32"], atol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_in_bfloat16_rows_are_near_and_not_the_same(name):
    if name == "openvino" and not openvino.has_bfloat16():
        pytest.skip("this processor has no bfloat16: OpenVINO computes in float32, and says so")
    expected = engine_for("tensorflow", network()).run(pixels(8))
    found = engine_for(name, network(), precision="bfloat16").run(pixels(8))
    assert found[0].dtype == np.float32
    assert 1e-6 < relative_error(found, expected) < 0.05


@pytest.mark.parametrize("name", ENGINES)
def test_threads_get_their_own_rows(name):
    engine = engine_for(name, network())
    batches = [pixels(7, seed) for seed in range(12)]
    expected = [engine.run(batch)[0] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for (found,), rows in zip(pool.map(engine.run, batches), expected, strict=True):
            np.testing.assert_array_equal(found, rows)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux: threads' own cores")
def test_workers_with_a_core_each_are_not_bound_to_the_same_core(monkeypatch):
    """OpenVINO binds the threads of each process from the first core on, where it may."""
    monkeypatch.setenv("HEADSTART_CORES", "1")
    engine = engine_for("openvino", network())
    given = os.sched_getaffinity(0)
    seen = set()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: [engine.run(pixels(64)) for _ in range(50)])
        while not running.done():  # they are bound while they compute, and freed behind it
            seen |= {frozenset(cores) for cores in cores_of_threads()}
    assert running.result()
    assert seen == {frozenset(given)}


def cores_of_threads():
    """The cores on which each thread of this process may run."""
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            yield os.sched_getaffinity(int(thread.name))


def texts_model(kind):
    x = keras.Input((None,), dtype="int32", name="tokens")
    h = layers.Embedding(9, 6, mask_zero=True, name="words")(x)
    h = layers.Bidirectional(layers.GRU(5))(h) if kind == "gru" else layers.LSTM(5)(h)
    return keras.Model(x, layers.Dense(2, activation="softmax", name="out")(h))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrent_models_with_masks_and_open_lengths(name, kind):
    keras.utils.set_random_seed(0)
    model = texts_model(kind)
    tokens = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0], [8, 7, 6, 5, 4]], np.int32)
    inner = keras.Model(model.inputs, model.layers[-2].output)
    for batch in (tokens, tokens[:, :4], tokens[:1]):
        (found,) = engine_for(name, model).run(batch)
        np.testing.assert_allclose(found, inner.predict(batch, verbose=0), atol=1e-5)


@pytest.mark.parametrize("name", ENGINES)
def test_two_inputs_go_in_by_their_names(name):
    one, other = keras.Input((3,), name="b_first"), keras.Input((3,), name="a_second")
    joined = layers.Subtract(name="join")([one, other])
    model = keras.Model([one, other], layers.Dense(2, name="out")(joined))
    batch = {"a_second": np.ones((5, 3), np.float32), "b_first": np.full((5, 3), 3, np.float32)}
    (found,) = engine_for(name, model, "join").run(batch)
    np.testing.assert_array_equal(found, np.full((5, 3), 2, np.float32))


@pytest.mark.parametrize("name", ENGINES)
def test_rows_that_a_table_does_not_have_are_refused(name):
    engine = engine_for(name, texts_model("lstm"))
    with pytest.raises(ValueError, match="numbers from 0 to 9, its table has 9 rows"):
        engine.run(np.array([[1, 2, 9, 0, 0]], np.int32))


def test_openvino_refuses_what_it_would_misread():
    engine = engine_for("openvino", network())
    with pytest.raises(ValueError, match=r"takes float32 of shape \(12, 12, 3\), received float64"):
        engine.run(pixels(2).astype(np.float64))
    with pytest.raises(ValueError, match=r"received float32 of shape \(10, 12, 3\)"):
        engine.run(pixels(2)[:, :10])


STEPS = {
    "unit": [{"step": "rescale", "scale": 1 / 255}],
    "tf": [{"step": "normalize", "mode": "tf"}],
    "torch": [{"step": "normalize", "mode": "torch"}],
    "caffe": [{"step": "normalize", "mode": "caffe"}],
    "standardize": [{"step": "standardize", "mean": [10, 20, 30], "std": [2.0, 3.0, 4.0]}],
    "all": [
        {"step": "rescale", "scale": 2.0, "offset": 3.0},
        {"step": "normalize", "mode": "caffe"},
        {"step": "standardize", "mean": [1, 2, 3], "std": 7.0},
    ],
}


def pipeline_of(name):
    steps = [{"step": "decode_image"}, *STEPS[name], {"step": "cast"}]
    return Preprocessing.from_json({"steps": steps})


@pytest.mark.parametrize("name", STEPS)
def test_arithmetic_inside_the_model_is_that_of_the_pipeline(name):
    pipeline = pipeline_of(name)
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    finished = np.stack([pipeline.prepare(image) for image in images])
    np.testing.assert_array_equal(pipeline.finish(images), finished)
    affine = Affine.of(pipeline.arithmetic, 3)
    np.testing.assert_allclose(affine(images), finished, rtol=1e-5, atol=1e-5)
    plain = engine_for("tensorflow", network())
    converted, signature = openvino.convert(plain.function, plain.names, plain.limits)
    openvino.with_arithmetic(converted, affine)
    engine = openvino.OpenVINOEngine(
        openvino.compile_model(converted, signature, "float32", 4), signature, "float32", 4
    )
    assert relative_error(engine.run(images), plain.run(finished)) < TOLERANCES["float32"]


def test_only_arithmetic_behind_a_decoder_is_taken_out():
    def arithmetic(*steps):
        return Preprocessing.from_json({"steps": list(steps)}).arithmetic

    decode, half = {"step": "decode_image"}, {"step": "rescale", "scale": 0.5}
    assert arithmetic({"step": "array"}, half) == ()
    assert arithmetic(decode, {"step": "cast", "dtype": "uint8"}) == ()
    assert arithmetic(decode, half, {"step": "cast", "dtype": "int32"}) == ()
    assert [s["step"] for s in arithmetic(decode, {"step": "resize"}, half, {"step": "cast"})] == [
        "rescale",
        "cast",
    ]


def test_the_error_is_that_of_the_worst_row():
    expected = [np.ones((3, 4), np.float32)]
    off = expected[0].copy()
    off[1] += 0.01
    assert relative_error([off], expected) == pytest.approx(0.01, rel=1e-3)
    assert relative_error([off[:2]], expected) == np.inf
    assert relative_error([np.full((3, 4), np.nan, np.float32)], expected) == np.inf
    with_infinity = [np.concatenate([expected[0], np.full((1, 4), np.inf, np.float32)])]
    assert relative_error(with_infinity, with_infinity) == 0


def test_openvino_tells_nobody_that_it_is_used(tmp_path):
    """Its telemetry sends an event from the import on, and keeps a number in the home folder."""
    code = (
        "import sys\n"
        "from headstart.extractors.engines import openvino_engine\n"
        "openvino_engine._core()\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "import openvino\n"
        "try:\n"
        "    openvino.convert_model('nothing.onnx')\n"
        "except Exception as error:\n"
        "    assert 'nothing.onnx' in str(error), error\n"
        "assert 'openvino.tools.ovc' in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]\n"
    )
    outside_of_ci = {"CI": "", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=clean_environment(**outside_of_ci), check=True)
    assert not (tmp_path / "intel").exists()
