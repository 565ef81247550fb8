"""Bottlenecks and tails: trunk then tail is the model; poolings are mask-aware."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import keras, network
from headstart.errors import BackboneError, LayerNotFound
from headstart.extractors.backbones.cuts import Cut, list_cuts, resolve
from headstart.extractors.backbones.keras_graph import KerasGraph, read_graph
from headstart.extractors.backbones.sources.files import load_model
from headstart.extractors.backbones.sources.freeze import freeze_model
from headstart.extractors.backbones.tensorflow_graph import read_frozen
from headstart.extractors.backbones.trunk import build_tail, build_trunk
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine
from headstart.extractors.run.verification import verify_graph

layers = keras.layers


def bottlenecks(model) -> list[str]:
    return [point.name for point in list_cuts(read_graph(model)) if point.is_bottleneck]


def test_every_tensor_of_a_chain_is_a_bottleneck():
    assert bottlenecks(network()) == [
        "image",
        "conv",
        "bn",
        "relu",
        "pool",
        "features",
        "dropout",
        "final_output",
    ]


def test_a_residual_connection_leaps_over_what_it_skips():
    x = start = keras.Input((4,), name="x")
    x = layers.Dense(4, name="inside")(x)
    x = layers.Dense(4, name="inside_too")(x)
    x = layers.Add(name="add")([start, x])
    model = keras.Model(start, layers.Dense(2, name="out")(x))
    assert bottlenecks(model) == ["x", "add", "out"]


def test_a_branch_that_leads_nowhere_near_the_output_does_not_count():
    start = keras.Input((4,), name="x")
    middle = layers.Dense(4, name="middle")(start)
    other = layers.Dense(3, name="other")(start)
    model = keras.Model(start, [layers.Dense(2, name="out")(middle), other])
    assert bottlenecks(model) == ["x", "middle", "out"]


def test_a_masked_tensor_is_no_bottleneck_as_its_mask_would_be_lost():
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(tokens)
    x = layers.LSTM(3, return_sequences=True, name="sequence")(x)
    model = keras.Model(tokens, layers.Dense(2, name="out")(layers.LSTM(3, name="vector")(x)))
    assert bottlenecks(model) == ["tokens", "vector", "out"]


def test_a_cut_that_is_none_has_no_tail():
    start = keras.Input((4,), name="x")
    x = layers.Add(name="add")([start, layers.Dense(4, name="inside")(start)])
    graph = read_graph(keras.Model(start, layers.Dense(2)(x)))
    with pytest.raises(BackboneError, match="'inside' is not a bottleneck"):
        build_tail(graph, resolve(list_cuts(graph), "inside").point)


def test_the_share_of_compute_grows_to_the_whole():
    points = list_cuts(read_graph(network()))
    shares = [point.compute_below for point in points]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    conv = 12 * 12 * 3 * 3 * 3 * 6
    rest = 12 * 12 * 6 * 2 + 6 + 6 * 8 + 8 + 8 * 3
    assert points[1].compute_below == pytest.approx(conv / (conv + rest))


def test_the_shares_of_a_model_with_two_outputs_are_of_all_of_it(tmp_path):
    """They were of the first output alone, so that a frozen graph had cuts of 135 %."""
    image = keras.Input((12, 12, 3), name="image")
    trunk = layers.Conv2D(4, 3, name="trunk")(image)
    small = layers.Dense(2, name="small")(layers.GlobalAveragePooling2D(name="pool")(trunk))
    large = layers.Conv2D(32, 3, name="large")(trunk)
    model = keras.Model(image, [small, large])
    trunk_cost, head_cost = 10 * 10 * 3 * 3 * 3 * 4, 8 * 8 * 3 * 3 * 4 * 32
    for graph in (read_graph(model), read_frozen(freeze_model(model, tmp_path))):
        shares = {point.name: point.compute_below for point in list_cuts(graph)}
        assert max(shares.values()) <= 1
        assert shares["trunk"] == pytest.approx(trunk_cost / (trunk_cost + head_cost), rel=0.02)


def test_the_default_says_why():
    (reason,) = [p.reason for p in list_cuts(read_graph(network())) if p.reason]
    assert reason == "the input of final_output (Dense), the last layer with weights"


# A random small network: each new node takes one or two of the tensors there are.

steps = st.lists(
    st.tuples(
        st.sampled_from(["dense", "tanh", "add", "multiply", "norm"]),
        st.integers(0, 20),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=8,
)


def random_network(plan, seed=0):
    keras.utils.set_random_seed(seed)
    tensors = [keras.Input((5,))]
    for kind, first, second in plan:
        a, b = tensors[-1 - first % len(tensors)], tensors[-1 - second % len(tensors)]
        tensors.append(
            {
                "dense": lambda a, b: layers.Dense(5)(a),
                "tanh": lambda a, b: layers.Activation("tanh")(a),
                "add": lambda a, b: layers.Add()([a, b]),
                "multiply": lambda a, b: layers.Multiply()([a, b]),
                "norm": lambda a, b: layers.LayerNormalization()(a),
            }[kind](a, b)
        )
    return keras.Model(tensors[0], layers.Dense(3, activation="softmax")(tensors[-1]))


@settings(max_examples=25, deadline=None)
@given(steps)
def test_trunk_then_tail_is_the_model_at_every_bottleneck(plan):
    model = random_network(plan)
    graph = read_graph(model)
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    whole = np.asarray(model(x))
    found = [point for point in list_cuts(graph) if point.is_bottleneck and point.input]
    assert found
    for point in found[:-1]:
        features = build_trunk(graph, [Cut(point)])(x)
        np.testing.assert_allclose(build_tail(graph, point)(features), whole, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_bottlenecks_are_those_found_by_taking_each_node_away(plan):
    graph = read_graph(random_network(plan))
    numbers = graph.below(graph.outputs[0])

    def reaches_input_without(removed: int) -> bool:
        stack, seen = [graph.outputs[0].node], set()
        while stack:
            number = stack.pop()
            if number == removed or number in seen:
                continue
            seen.add(number)
            if graph.nodes[number].is_input:
                return True
            stack += [parent.node for parent in graph.nodes[number].inputs]
        return False

    expected = {number for number in numbers if not reaches_input_without(number)}
    assert {ref.node for ref in graph.bottlenecks(graph.outputs[0])} == expected


@settings(max_examples=15, deadline=None)
@given(steps, st.integers(0, 7))
def test_the_fingerprint_changes_with_any_weight_below_the_cut_and_with_none_above(plan, which):
    model = random_network(plan)
    before = read_graph(model)
    points = list_cuts(before)
    weighted = [layer for layer in model.layers if layer.weights]
    layer = weighted[which % len(weighted)]
    first, *rest = layer.get_weights()
    layer.set_weights([first + 0.5, *rest])
    after = read_graph(model)
    changed = next(n for n, node in enumerate(after.nodes) if node.operation is layer)
    for number, (point, new) in enumerate(zip(points, list_cuts(after), strict=True)):
        assert (new.fingerprint != point.fingerprint) == bool(after.ancestry[number, changed])


def test_verify_finds_a_model_that_is_right_and_one_that_is_not(monkeypatch):
    graph = read_graph(network())
    x = np.random.default_rng(0).random((6, 12, 12, 3), np.float32)
    checks = verify_graph(graph, list_cuts(graph), x)
    assert len(checks) >= 4
    assert all(check.ok for check in checks)
    real = TensorFlowEngine.run
    monkeypatch.setattr(
        TensorFlowEngine, "run", lambda self, b: [o + len(b) * 1e-3 for o in real(self, b)]
    )
    wrong = [check.what for check in verify_graph(graph, list_cuts(graph), x) if not check.ok]
    assert "batches of 1 and of 6 give the same rows" in wrong


def test_verify_is_stored_and_fails_with_one_line(ready, run, monkeypatch):
    assert run("backbone", "verify", "net", "--dataset", "pics").code == 0
    (latest, *_) = ready.runs.find_latest()
    assert (latest.kind, latest.subject, latest.status) == ("verify", "net:1", "done")
    assert "verified done, " in " ".join(run("backbone", "show", "net").out.split())
    from headstart.extractors.run import verification

    monkeypatch.setattr(verification, "share_of_largest", lambda *_: float("nan"))
    ran = run("backbone", "verify", "net", "--json")
    assert ran.code == 1
    assert not any(check["ok"] for check in ran.json)
    assert ran.err.strip() == "error: backbone 'net' is not verified"
    assert ready.runs.find_latest()[0].status == "failed"


def test_samples_that_the_model_cannot_compute_are_one_line(ws, fails, tmp_path):
    x = keras.Input((None,), name="x")
    ws.backbones.add(
        "net", keras.Model(x, layers.Dense(2)(layers.Reshape((4,))(x))), preprocess="array"
    )
    line = fails("backbone", "verify", "net")
    assert "backbone 'net' cannot run on a batch of shape (32, 16) and dtype float32 (" in line
    assert "--dataset" in line


# Poolings of sequences


def sequence_network(mask_zero: bool):
    keras.utils.set_random_seed(0)
    tokens = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 4, mask_zero=mask_zero, name="words")(tokens)
    x = layers.LSTM(5, return_sequences=True, name="steps")(x)
    return keras.Model(tokens, layers.Dense(2)(layers.LSTM(3)(x)))


TOKENS = np.array([[3, 4, 5, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7]], np.int32)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_poolings_of_sequences_leave_masked_steps_out(mask_zero):
    graph = read_graph(sequence_network(mask_zero))
    points = list_cuts(graph)
    names = ("steps", "steps|mean", "steps|max", "steps|cls", "steps|last")
    cuts = [resolve(points, name) for name in names]
    whole, mean, highest, first, last = TensorFlowEngine(build_trunk(graph, cuts)).run(TOKENS)
    lengths = [3, 1, 7] if mask_zero else [7, 7, 7]
    for row, length in enumerate(lengths):
        real = whole[row, :length]
        np.testing.assert_allclose(mean[row], real.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(highest[row], real.max(axis=0), atol=1e-6)
        np.testing.assert_allclose(first[row], real[0], atol=1e-6)
        np.testing.assert_allclose(last[row], real[-1], atol=1e-6)


def test_poolings_of_sequences_are_refused_for_maps():
    points = list_cuts(read_graph(network()))
    with pytest.raises(LayerNotFound, match=r"for sequences .* shape \(12, 12, 6\). Use |gap"):
        resolve(points, "relu|mean")


def renamed(model):
    """The same model with other layer names, under another head."""

    def clone(layer):
        config = layer.get_config()
        return type(layer).from_config({**config, "name": f"other_{config['name']}"})

    other = keras.models.clone_model(model, clone_function=clone)
    other.set_weights(model.get_weights())
    return keras.Model(other.input, layers.Dense(7)(other.layers[-1].output))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@settings(max_examples=10, deadline=None)
@given(steps)
def test_the_fingerprint_is_the_same_from_every_format_and_under_other_names(plan):
    model = random_network(plan)
    points = list_cuts(read_graph(model))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("model.keras", "model.h5"):
            file = Path(folder) / name
            model.save(file)
            again = list_cuts(read_graph(load_model(file)))
            assert [p.fingerprint for p in again] == [p.fingerprint for p in points]
    others = list_cuts(read_graph(renamed(model)))
    assert {p.fingerprint for p in points} <= {p.fingerprint for p in others}


@settings(max_examples=10, deadline=None)
@given(steps)
def test_the_fingerprint_changes_with_any_setting_below_the_cut(plan):
    before = read_graph(random_network([*plan, ("tanh", 0, 0)]))
    points = list_cuts(before)
    changed = next(n for n, node in enumerate(before.nodes) if node.kind == "Activation")
    before.nodes[changed].operation.activation = keras.activations.sigmoid
    after = list_cuts(KerasGraph(before.nodes, before.inputs, before.outputs, ["out"]))
    for number, (point, new) in enumerate(zip(points, after, strict=True)):
        assert (new.fingerprint != point.fingerprint) == bool(before.ancestry[number, changed])


@settings(max_examples=8, deadline=None)
@given(steps)
def test_the_frozen_graph_of_a_model_is_cut_like_the_model(plan):
    """Trunk then tail is the model at every bottleneck, and the defaults have the same numbers."""
    model = random_network(plan)
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    whole = np.asarray(model(x))
    with tempfile.TemporaryDirectory() as folder:
        graph = read_frozen(freeze_model(model, Path(folder)))
    points = list_cuts(graph)
    for point in [point for point in points if point.is_bottleneck and point.input][:-1]:
        features = build_trunk(graph, [Cut(point)])(x)
        np.testing.assert_allclose(build_tail(graph, point)(features), whole, atol=1e-5)
    plain = read_graph(model)
    ours = build_trunk(graph, [resolve(points, None)])(x)
    theirs = build_trunk(plain, [resolve(list_cuts(plain), None)])(x)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
