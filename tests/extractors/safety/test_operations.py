"""The operations that a graph may hold: a list, held against TensorFlow's own registry."""

import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework import node_def_pb2, op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from conftest import keras
from headstart.backbone_model import load_graph
from headstart.errors import UnsafeModel
from headstart.extractors.safety.allowed_operations import ALLOWED, STATEFUL, STATELESS
from headstart.extractors.safety.operations import OUTSIDE, refuse_operations

layers = keras.layers
SAVED_MODELS = Path(__file__).parents[2] / "assets" / "saved_models"
TOUCHING = re.compile(
    r"File|Path|Save|Restore|Checkpoint|Dataset|Iterator|Summary|PyFunc|Print|Send|Recv|Remote|Rpc|"
    r"Queue|Barrier|Reader|Socket|Process|Proto|Debug|Dump|Download|Url|Exec|Abort|Collective|Nccl|"
    r"Device|Infeed|Outfeed|Timestamp|Stack(Push|Pop)|Memory|Host|Worker|Server|Compile|Launch"
)
NAMING = re.compile(
    r"file|path(?!s$)|address|url|region|descriptor_source|socket|^host(name)?$|endpoint|command"
)
"""What an argument is called that names something outside of the graph."""


@pytest.fixture(scope="module")
def registry():
    content = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return {op.name: op for op in op_def_pb2.OpList.FromString(content).op}


def names(groups):
    return [name for group in groups.values() for name in group.split()]


def test_each_operation_is_listed_once_and_known_to_tensorflow(registry):
    listed = names(STATELESS) + names(STATEFUL)
    assert len(listed) == len(set(listed)) == len(ALLOWED)
    assert registry.keys() >= ALLOWED


def test_no_listed_operation_has_the_name_of_one_that_touches_the_outside():
    assert [name for name in ALLOWED if TOUCHING.search(name) or OUTSIDE.search(name)] == []


def test_no_listed_operation_takes_an_argument_that_names_something_outside(registry):
    for name in ALLOWED:
        op = registry[name]
        taken = [one.name for one in (*op.input_arg, *op.attr) if NAMING.search(one.name)]
        assert taken == [], name


def test_what_tensorflow_calls_stateful_stands_among_the_stateful(registry):
    """So that a new one can come in under no other heading than those that were thought about."""
    assert [name for name in names(STATELESS) if registry[name].is_stateful] == []
    assert [name for name in names(STATEFUL) if not registry[name].is_stateful] == []


def test_every_operation_that_is_not_listed_is_refused_in_a_line(registry):
    """Those of a later TensorFlow are, too: nothing is allowed for what it is called."""
    refused = 0
    for name in registry.keys() - ALLOWED:
        with pytest.raises(UnsafeModel, match=re.escape(f"the operation 'n' ({name})")) as error:
            refuse_operations([node_def_pb2.NodeDef(name="n", op=name)], [], "it")
        assert "--trust" in str(error.value)
        refused += 1
    assert refused > 1000
    with pytest.raises(UnsafeModel, match="is not one of TensorFlow's"):
        refuse_operations([node_def_pb2.NodeDef(name="n", op="OfTheYear2030")], [], "it")


@pytest.mark.parametrize("dtype", [tf.resource, tf.variant])
def test_a_constant_that_makes_up_a_handle_is_refused(dtype):
    node = node_def_pb2.NodeDef(name="n", op="Const")
    node.attr["dtype"].type = dtype.as_datatype_enum
    with pytest.raises(UnsafeModel, match="stands for something in memory"):
        refuse_operations([node], [], "it")


def with_unlisted(folder):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
        def __call__(self, x):
            return x + tf.raw_ops.SobolSample(dim=2, num_results=1, skip=1)

    tf.saved_model.save(Module(), str(folder))
    return folder


def test_an_operation_that_is_not_listed_needs_trust_and_stays_loadable(ws, fails, tmp_path):
    folder = with_unlisted(tmp_path / "model")
    message = fails("backbone", "add", "x", folder, "--preprocess", "array")
    assert "(SobolSample) is not listed as doing nothing but compute" in message
    assert "add it with --trust" in message
    assert ws.backbones.list() == []
    backbone = ws.backbones.add("x", folder, preprocess="array", trust=True)
    assert load_graph(ws.context, backbone).outputs
    file = tmp_path / "graph.pb"
    (stored,) = ws.config.artifacts.rglob("*.pb")
    shutil.copy(stored, file)
    assert "(SobolSample) is not listed" in fails("backbone", "add", "y", file)
    ws.backbones.add("y", file, preprocess="array", trust=True)


def test_a_stored_graph_that_nobody_trusted_is_looked_at_again_when_it_is_loaded(ws, tmp_path):
    """As an older version may have stored it, or somebody by hand."""
    from dataclasses import replace

    trusted = ws.backbones.add("x", with_unlisted(tmp_path / "m"), preprocess="array", trust=True)
    with pytest.raises(UnsafeModel, match="SobolSample"):
        load_graph(ws.context, replace(trusted, trust=None))


def rnn(kind):
    return keras.Sequential([keras.Input((5, 3)), kind(4, return_sequences=True), kind(2)])


def attention():
    x = keras.Input((5, 8))
    y = layers.MultiHeadAttention(2, 4)(x, x)
    y = layers.LayerNormalization()(layers.Add()([x, layers.Dropout(0.1)(y)]))
    return keras.Model(x, layers.Dense(3, activation="gelu")(y))


def pictures():
    x = keras.Input((None, None, 3))
    y = layers.Resizing(16, 16)(layers.Rescaling(1 / 255)(x))
    y = layers.RandomFlip()(layers.CenterCrop(12, 12)(y))
    y = layers.SeparableConv2D(4, 3)(y)
    y = layers.Conv2DTranspose(4, 3)(layers.UpSampling2D(interpolation="bilinear")(y))
    y = layers.SpatialDropout2D(0.1)(layers.GroupNormalization(2)(y))
    return keras.Model(x, layers.GlobalMaxPooling2D()(layers.DepthwiseConv2D(3)(y)))


def tokens():
    x = keras.Input((None,), dtype="int32")
    y = layers.Embedding(20, 6)(x)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(y)
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(layers.Conv1D(3, 2)(y))))


@pytest.mark.parametrize(
    "build",
    [
        *(lambda kind=kind: rnn(kind) for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN)),
        attention,
        pictures,
        tokens,
    ],
    ids=["lstm", "gru", "rnn", "attention", "pictures", "tokens"],
)
def test_what_keras_exports_is_all_listed(tmp_path, build):
    keras.utils.set_random_seed(0)
    build().export(tmp_path / "model", verbose=False)
    check_saved_model(tmp_path / "model")


@pytest.mark.parametrize(
    "folder", sorted(p for p in SAVED_MODELS.iterdir() if p.is_dir()), ids=lambda path: path.name
)
def test_the_saved_models_of_the_tests_are_all_listed(folder):
    check_saved_model(folder)


def check_saved_model(folder):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    from headstart.extractors.backbones.sources.saver import with_restore_alone, without_saver

    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for meta in saved.meta_graphs:
        cut = without_saver if meta.HasField("object_graph_def") else with_restore_alone
        cut(meta, str(folder))


class Written(tf.Module):
    """Operations of every kind that is prepared in a graph: texts, pictures, ragged, random."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="texts")])
    def texts(self, texts):
        words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(texts), "[.,]", ""))
        hashed = tf.strings.to_hash_bucket_fast(words.flat_values, 100)
        rows = words.with_values(hashed).to_tensor(0, shape=(None, 8))
        characters = tf.strings.unicode_decode(texts, "UTF-8").to_tensor()
        return tf.cast(rows, tf.float32) + tf.cast(tf.reduce_sum(characters), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="files")])
    def files(self, files):
        def one(content):
            image = tf.io.decode_image(content, 3, expand_animations=False)
            image = tf.image.convert_image_dtype(image, tf.float32)
            return tf.image.resize(tf.image.resize_with_crop_or_pad(image, 9, 9), (4, 4), "bicubic")

        return tf.map_fn(one, files, fn_output_signature=tf.TensorSpec((4, 4, 3), tf.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
    def loops(self, x):
        total = tf.zeros_like(x)
        for step in tf.range(3):
            if tf.reduce_sum(total) > 1.0:
                total += tf.nn.dropout(x, 0.5)
            else:
                total += tf.random.stateless_normal(tf.shape(x), [1, 2]) * tf.cast(step, x.dtype)
        total = tf.quantization.fake_quant_with_min_max_args(total)
        top, _ = tf.math.top_k(tf.signal.rfft(total, [4])[:, :2].__abs__(), 2)
        return tf.linalg.matmul(top, tf.eye(2)) + tf.math.segment_sum(top, tf.range(tf.shape(x)[0]))


def test_what_is_prepared_in_a_graph_is_all_listed(tmp_path):
    module = Written()
    signatures = {name: getattr(module, name) for name in ("texts", "files", "loops")}
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=signatures)
    check_saved_model(tmp_path / "model")
