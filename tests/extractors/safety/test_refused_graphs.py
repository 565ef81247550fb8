"""SavedModels and graphs that are refused: hostile, damaged, or of a kind that cannot be cut."""

import gc
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from conftest import keras
from headstart.errors import ModelFileError, UnsafeModel

layers = keras.layers
ASSETS = Path(__file__).parents[2] / "assets" / "saved_models"
SEEDS = Path(__file__).parents[2] / "assets" / "hostile" / "seeds"


def hostile(folder, body, assets=None):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def __call__(self, x):
            return body(x)

    tf.saved_model.save(Module(), str(folder))
    return folder


def write_file(target):
    def body(x):
        with tf.control_dependencies([tf.io.write_file(str(target), "touched")]):
            return tf.identity(x) * 2

    return body


def read_file(_target):
    def body(x):
        return x * tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)

    return body


def python_function(target):
    def body(x):
        tf.py_function(lambda: Path(target).write_text("touched"), [], [])
        return x * 2

    return body


def print_to_file(target):
    def body(x):
        tf.print("touched", output_stream=f"file://{target}")
        return x * 2

    return body


def mapped_file(_target):
    """A file of the user's, mapped into memory; TensorFlow calls it stateless."""

    def body(x):
        secret = tf.raw_ops.ImmutableConst(
            dtype=tf.uint8, shape=[2], memory_region_name="/etc/hostname"
        )
        return x + tf.cast(secret, tf.float32)

    return body


def compared_file(_target):
    def body(x):
        found = tf.raw_ops.GenerateVocabRemapping(
            new_vocab_file="/etc/passwd",
            old_vocab_file="/etc/passwd",
            new_vocab_offset=0,
            num_new_vocab=1,
        )
        return x + tf.cast(found.num_present, tf.float32)

    return body


def ended_process(_target):
    def stop():
        tf.raw_ops.Abort(exit_without_error=True)
        return tf.constant(0.0)

    def body(x):
        return x + tf.cond(tf.reduce_sum(x) > 1e30, stop, lambda: tf.constant(0.0))

    return body


@pytest.mark.parametrize(
    ("make", "operation"),
    [
        (write_file, "WriteFile"),
        (mapped_file, "ImmutableConst"),
        (compared_file, "GenerateVocabRemapping"),
        (ended_process, "Abort"),
        (read_file, "ReadFile"),
        (python_function, "EagerPyFunc"),
        (print_to_file, "PrintV2"),
    ],
)
def test_a_graph_that_reaches_outside_is_refused(ws, tmp_path, fails, files_of, make, operation):
    canary = tmp_path / "canary"
    hostile(tmp_path / "model", make(canary))
    before = files_of(tmp_path / "zoo")
    message = fails("backbone", "add", "net", tmp_path / "model")
    assert f"({operation}) reaches outside of the graph" in message
    assert "--trust" in message
    assert files_of(tmp_path / "zoo") == before
    assert not canary.exists()


def test_a_function_that_passes_for_the_saver_is_found_where_it_is_called(ws, tmp_path):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = hostile(tmp_path / "model", write_file(tmp_path / "canary"))
    file = folder / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    (meta,) = saved.meta_graphs
    called = next(n for n in meta.graph_def.node if n.op == "StatefulPartitionedCall")
    meta.saver_def.save_tensor_name = f"{called.name}:0"
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(UnsafeModel, match="reaches outside of the graph"):
        ws.backbones.add("net", folder)
    assert not (tmp_path / "canary").exists()


def smuggled(folder, canary):
    """A SavedModel with a function that writes, which nothing but the saver seems to call.

    Gives the parsed file, its graph, and the name of the function.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def __call__(self, x):
            return x @ tf.ones((2, 3))

        @tf.function(input_signature=[])
        def harmless(self):
            return tf.constant(1.0)

        @tf.function(input_signature=[])
        def evil(self):
            with tf.control_dependencies([tf.io.write_file(str(canary), "touched")]):
                return tf.constant(1.0)

    module = Module()
    tf.saved_model.save(module, str(folder), signatures=module.__call__.get_concrete_function())
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = saved.meta_graphs
    (name,) = [n for n in meta.object_graph_def.concrete_functions if "evil" in n]
    del meta.object_graph_def.concrete_functions[name]
    for node in meta.object_graph_def.nodes:
        bare = node.bare_concrete_function.concrete_function_name
        if name in (bare, *node.function.concrete_functions):
            node.Clear()
            node.user_object.identifier = "_generic_user_object"
    call = meta.graph_def.node.add(name="hidden", op="StatefulPartitionedCall")
    call.attr["Tin"].list.SetInParent()
    call.attr["Tout"].list.type.append(1)
    call.attr["f"].func.name = name
    saving = meta.saver_def.save_tensor_name.split(":")[0]
    next(n for n in meta.graph_def.node if n.name == saving).input.append("^hidden")
    return saved, meta, name


@pytest.mark.parametrize("place", ["_initialize", "_create_resource", "_destroy_resource"])
def test_a_function_of_the_saver_that_a_resource_calls_is_never_run(ws, fails, tmp_path, place):
    folder, canary = tmp_path / "model", tmp_path / "canary"
    saved, meta, evil = smuggled(folder, canary)
    graph = meta.object_graph_def
    (harmless,) = [name for name in graph.concrete_functions if "harmless" in name]
    resource, number = graph.nodes.add(), len(graph.nodes) - 1
    resource.resource.SetInParent()
    graph.nodes[0].children.add(node_id=number, local_name="table")
    for local in {place, "_create_resource"}:
        graph.nodes[number].children.add(node_id=len(graph.nodes), local_name=local)
        function = graph.nodes.add().bare_concrete_function
        function.concrete_function_name = evil if local == place else harmless
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    message = fails("backbone", "add", "x", folder, "--preprocess", "array")
    gc.collect()  # TensorFlow calls the last one when the object goes
    assert "(WriteFile) reaches outside of the graph" in message
    assert not canary.exists()


def test_what_only_the_saver_calls_is_cut_out_and_not_run(ws, tmp_path):
    folder, canary = tmp_path / "model", tmp_path / "canary"
    saved, _meta, _name = smuggled(folder, canary)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    ws.backbones.add("x", folder, preprocess="array")
    assert not canary.exists()


@pytest.mark.parametrize("place", ["output", "restore"])
def test_a_node_that_hides_below_the_saver_is_found_where_it_is_run(ws, tmp_path, place):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = tmp_path / "model"
    shutil.copytree(ASSETS / "tensorflow1", folder)
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = saved.meta_graphs
    nodes = {node.name: node for node in meta.graph_def.node}
    evil = meta.graph_def.node.add(name="evil", op="WriteFile", input=["save/Const", "save/Const"])
    nodes[meta.saver_def.save_tensor_name.split(":")[0]].input.append(f"^{evil.name}")
    run = "probabilities" if place == "output" else meta.saver_def.restore_op_name
    nodes[run].input.append(f"^{evil.name}")
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(UnsafeModel, match="WriteFile"):
        ws.backbones.add("net", folder)


def test_a_graph_in_memory_with_python_code_is_refused(ws):
    class Model(keras.Model):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), x.shape)

    model = Model()
    model(np.ones((1, 2), np.float32))
    with pytest.raises(UnsafeModel, match="PyFunc"):
        ws.backbones.add("net", model)


def test_trust_does_not_let_a_graph_be_kept_that_does_more_than_compute(ws, tmp_path):
    folder = hostile(tmp_path / "model", read_file(None))
    with pytest.raises(UnsafeModel, match="A graph that is kept may only compute"):
        ws.backbones.add("net", folder, trust=True)
    assert ws.backbones.list() == []


def test_a_constant_of_absurd_size_is_refused(ws, tmp_path):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = hostile(tmp_path / "model", lambda x: x * 2)
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    node = saved.meta_graphs[0].graph_def.node.add(name="bomb", op="Const")
    node.attr["dtype"].type = 1
    node.attr["value"].tensor.dtype = 1
    node.attr["value"].tensor.tensor_shape.dim.add(size=1 << 40)
    node.attr["value"].tensor.float_val.append(1.0)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(UnsafeModel, match="absurd size"):
        ws.backbones.add("net", folder)


def test_many_large_constants_of_which_one_number_is_stored_are_refused(ws, fails, tmp_path):
    """20 GB in a file of some kilobytes, as a SavedModel and as a frozen graph."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = hostile(tmp_path / "model", lambda x: x * 2)
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = saved.meta_graphs
    for number in range(10):
        node = meta.graph_def.node.add(name=f"bomb{number}", op="Const")
        node.attr["dtype"].type = 1
        node.attr["value"].tensor.dtype = 1
        node.attr["value"].tensor.tensor_shape.dim.add(size=500_000_000)
        node.attr["value"].tensor.float_val.append(1.0)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert "its constants claim 20,000" in fails("backbone", "add", "x", folder)
    del meta.graph_def.library.function[:]
    kept = [node for node in meta.graph_def.node if node.op in ("Const", "Placeholder")]
    del meta.graph_def.node[:]
    meta.graph_def.node.extend(kept)
    (tmp_path / "frozen.pb").write_bytes(meta.SerializeToString())
    assert "its constants claim 20,000" in fails("backbone", "add", "x", tmp_path / "frozen.pb")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "no variables", "empty"])
def test_a_damaged_folder_is_refused_and_nothing_is_left(ws, fails, tmp_path, files_of, damage):
    folder = tmp_path / "model"
    shutil.copytree(ASSETS / "keras2", folder)
    file = folder / "saved_model.pb"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "garbage":
        file.write_bytes(b"garbage")
    elif damage == "no variables":
        shutil.rmtree(folder / "variables")
    else:
        file.unlink()
    before = files_of(tmp_path / "zoo")
    assert str(folder) in fails("backbone", "add", "net", folder)
    assert files_of(tmp_path / "zoo") == before


def test_a_graph_that_calls_a_function_which_is_gone_is_refused_before_it_is_loaded(ws, tmp_path):
    """TensorFlow would quote every function there is, and search that text for half a minute."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = tmp_path / "model"
    shutil.copytree(SEEDS / "saved_model", folder)
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    library = saved.meta_graphs[0].graph_def.library.function
    (gone,) = [n for n, f in enumerate(library) if "wrapper___call___458" in f.signature.name]
    del library[gone]
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(ModelFileError, match=r"calls the function '__inference_signature_wrapper"):
        ws.backbones.add("net", folder)


def test_a_fixed_batch_is_refused_with_the_way_on(ws, tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 2), tf.float32, name="x")])
        def __call__(self, x):
            return x @ tf.ones((2, 3))

    tf.saved_model.save(Module(), str(tmp_path / "model"))
    with pytest.raises(ModelFileError, match="batches of exactly 1") as error:
        ws.backbones.add("net", tmp_path / "model")
    assert "open batch dimension" in str(error.value)


def test_a_table_of_words_is_refused_with_the_way_on(ws, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            layers.StringLookup(vocabulary=["a", "b"]),
            layers.Embedding(4, 3),
        ]
    )
    model.export(tmp_path / "model", verbose=False)
    with pytest.raises(ModelFileError, match="table"):
        ws.backbones.add("net", tmp_path / "model")


@pytest.mark.slow
def test_a_graph_that_takes_gigabytes_to_be_read_is_ended_apart(ws, fails, tmp_path):
    """TensorFlow computes constants while it finds out shapes: here 24 GB, of a file of 1 kB.

    It waits for memory three times, ten seconds each, before it gives up."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2), name="x")
        many = tf.raw_ops.Fill(dims=[1], value=tf.constant(1, tf.int64))
        count = tf.cast(tf.raw_ops.Sum(input=many, axis=[0]), tf.int32)
        shape = tf.stack([tf.constant(1), tf.math.floordiv(count, count)])
        tf.raw_ops.Tile(input=x, multiples=shape, name="y")
    definition = graph.as_graph_def()
    (dims,) = [n for n in definition.node if n.op == "Fill"]
    (size,) = [n for n in definition.node if n.name == dims.input[0]]
    size.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([3_000_000_000], tf.int64))
    size.attr["dtype"].type = dims.attr["index_type"].type = tf.int64.as_datatype_enum
    meta = tf.compat.v1.MetaGraphDef(graph_def=definition)
    meta.signature_def["serving_default"].inputs["x"].name = "x:0"
    meta.signature_def["serving_default"].outputs["y"].name = "y:0"
    (tmp_path / "graph.pb").write_bytes(meta.SerializeToString())
    message = fails("backbone", "add", "x", tmp_path / "graph.pb")
    assert "graph.pb" in message
    assert "memory" in message or "cannot be loaded" in message
    assert ws.backbones.list() == []
