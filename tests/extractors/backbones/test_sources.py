"""Sources: what can be opened, and a clear word about what cannot."""

import importlib
import zipfile

import h5py
import numpy as np
import pytest

from conftest import keras, network
from headstart.backbone_model import build_trunk, open_engine
from headstart.errors import ModelFileError, WeightsOnly
from headstart.extractors.backbones.cuts import list_cuts
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.sources import applications
from headstart.extractors.backbones.sources.files import check_model

layers = keras.layers
legacy = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


@legacy
@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.hdf5"])
def test_a_saved_model_is_registered_with_its_file(ws, tmp_path, name):
    model = network()
    saved = tmp_path / name
    model.save(tmp_path / "saved.h5" if name.endswith("hdf5") else saved)
    if name.endswith("hdf5"):
        (tmp_path / "saved.h5").rename(saved)
    backbone = ws.backbones.add("net", saved, preprocess="unit")
    assert backbone.format == ("keras" if name == "net.keras" else "h5")
    assert backbone.artifact_size == saved.stat().st_size
    assert backbone.parameters == model.count_params()
    saved.unlink()  # the workspace has its own copy
    build_trunk(ws.context, backbone, [ws.context.resolve("net")[1][0]])


@legacy
def test_an_old_optimizer_does_not_break_the_load(ws, tmp_path):
    """`compile=False`: what the file says of training is not even looked at."""
    model = network()
    model.compile("adam", "categorical_crossentropy")
    model.save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "a") as file:
        assert "training_config" in file.attrs
        file.attrs["training_config"] = '{"optimizer_config": {"class_name": "Gone", "config": {}}}'
    assert ws.backbones.add("net", tmp_path / "old.h5", preprocess="unit").version == 1


def test_a_missing_file_is_named(fails, ws, tmp_path):
    message = fails("backbone", "add", "x", tmp_path / "none.keras")
    assert f"no model file {tmp_path / 'none.keras'}" in message


@legacy
@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "flipped"])
def test_a_corrupt_file_is_refused_and_nothing_is_left(ws, fails, tmp_path, files_of, name, damage):
    file = tmp_path / name
    network().save(file)
    content = bytearray(file.read_bytes())
    if damage == "empty":
        content = bytearray()
    elif damage == "text":
        content = bytearray(b"this is not a model " * 100)
    elif damage == "truncated":
        content = content[: len(content) // 2]
    else:
        content[:64] = b"\0" * 64
    file.write_bytes(content)
    before = files_of(ws.config.root)
    message = fails("backbone", "add", "x", file)
    assert str(file) in message
    assert "damaged or not a model file" in message
    assert ws.backbones.list() == []
    assert {f for f in files_of(ws.config.root) if "headstart.db" not in f} == {
        f for f in before if "headstart.db" not in f
    }


def test_a_wrong_checksum_inside_the_archive_is_found(fails, ws, tmp_path):
    file = tmp_path / "net.keras"
    network().save(file)
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo("model.weights.h5")
    content[info.header_offset + info.file_size // 2] ^= 1
    file.write_bytes(content)
    assert "checksum of model.weights.h5 is wrong" in fails("backbone", "add", "x", file)


@pytest.mark.parametrize("name", ["net.weights.h5", "weights.h5"])
def test_weights_alone_are_refused_with_the_way_on(fails, ws, tmp_path, name):
    network().save_weights(tmp_path / "net.weights.h5")
    if name == "weights.h5":
        (tmp_path / "net.weights.h5").rename(tmp_path / name)
    message = fails("backbone", "add", "x", tmp_path / name)
    assert "holds weights but no architecture" in message
    assert f"applications:NAME?weights={name}" in message


@legacy
def test_hdf5_of_others_is_opened_in_another_process_alone(tmp_path, monkeypatch):
    def opens(name, *args, **kwargs):
        raise AssertionError(f"{name} is opened in this process")

    network().save(tmp_path / "net.h5")
    network().save_weights(tmp_path / "only.weights.h5")
    (tmp_path / "only.weights.h5").rename(tmp_path / "only.h5")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "net.h5").read_bytes()[:-1000])
    monkeypatch.setattr(h5py, "File", opens)
    check_model(tmp_path / "net.h5")
    with pytest.raises(WeightsOnly, match="holds weights but no architecture"):
        check_model(tmp_path / "only.h5")
    with pytest.raises(ModelFileError, match="damaged or not a model file"):
        check_model(tmp_path / "cut.h5")


def test_a_file_of_another_kind_is_refused(fails, ws, tmp_path):
    (tmp_path / "net.xyz").write_bytes(b"x")
    assert "its name ends in .xyz" in fails("backbone", "add", "x", tmp_path / "net.xyz")
    assert "holds no saved_model.pb" in fails("backbone", "add", "x", tmp_path)
    assert "no backbone source of kind 'hub'" in fails("backbone", "add", "x", "hub:thing")


def test_a_model_with_code_of_its_own_is_refused(fails, ws, tmp_path):
    x = keras.Input((3,))
    keras.Model(x, layers.Lambda(lambda v: v + 1, output_shape=(3,))(x)).save(tmp_path / "l.keras")
    message = fails("backbone", "add", "x", tmp_path / "l.keras")
    assert "a Lambda layer runs code that the file brings" in message
    assert ws.backbones.list() == []


def test_a_model_in_memory_is_registered_like_its_file(ws, model, model_file):
    from_memory = ws.backbones.add("memory", model, preprocess="unit")
    from_file = ws.backbones.add("file", model_file, preprocess="unit")
    assert from_memory.source == "in memory: Functional"
    assert [c.fingerprint for c in from_memory.cuts] == [c.fingerprint for c in from_file.cuts]
    with pytest.raises(ModelFileError, match="a dict is not a Keras model"):
        ws.backbones.add("x", {"a": 1})


def test_a_lambda_in_memory_is_kept_as_what_it_computes(ws):
    x = keras.Input((3,))
    y = layers.Lambda(lambda v: v + 1, output_shape=(3,), name="more")(x)
    backbone = ws.backbones.add("x", keras.Model(x, layers.Dense(2)(y)))
    assert (backbone.format, backbone.default_cut.name) == ("tensorflow", "more")
    _, cuts = ws.context.resolve("x")
    np.testing.assert_array_equal(
        open_engine(ws.context, backbone, cuts).run(np.zeros((2, 3), np.float32))[0],
        np.ones((2, 3)),
    )


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_sequential_model_that_was_never_built_is_refused(fails, ws, tmp_path):
    keras.Sequential([layers.Dense(3), layers.Dense(2)]).save(tmp_path / "never.keras")
    message = fails("backbone", "add", "x", tmp_path / "never.keras")
    assert "was saved before it was built" in message
    assert "Call it on data" in message


def test_a_sequential_model_built_by_its_data_is_taken(ws, tmp_path):
    model = keras.Sequential([layers.Dense(3, name="hidden"), layers.Dense(2)])
    model(np.zeros((1, 4), np.float32))
    model.save(tmp_path / "called.keras")
    backbone = ws.backbones.add("x", tmp_path / "called.keras")
    assert backbone.default_cut.name == "hidden"
    assert backbone.inputs[0]["shape"] == [4]


def test_an_unknown_cut_at_add_is_refused(fails, ws, model_file):
    message = fails("backbone", "add", "x", model_file, "--cut", "feature")
    assert "Did you mean 'features'?" in message
    assert ws.backbones.list() == []


def test_a_cut_at_probabilities_is_allowed_with_a_warning(run, ws, model_file):
    ran = run("backbone", "add", "x", model_file, "--cut", "final_output", "--preprocess", "unit")
    assert ran.code == 0
    assert "warning: final_output gives class probabilities (3 of them), not features" in ran.err
    assert ws.backbones.get("x").default_cut.name == "final_output"


def test_a_preprocessing_that_is_only_guessed_is_warned_of(run, ws, model_file):
    ran = run("backbone", "add", "x", model_file)
    assert "warning: no preprocessing was given: pixels go in as 0..255" in ran.err
    assert "--preprocess" in ran.err
    assert "warning" not in run("backbone", "add", "y", model_file, "--preprocess", "raw").err


def test_a_model_that_rescales_by_itself_is_not_warned_of(run, ws, tmp_path):
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(image))
    keras.Model(image, layers.Dense(2)(layers.Flatten()(x))).save(tmp_path / "r.keras")
    assert "warning" not in run("backbone", "add", "x", tmp_path / "r.keras").err


def test_a_preprocessing_of_another_size_is_refused(fails, ws, model_file, tmp_path):
    (tmp_path / "p.toml").write_text('[[steps]]\nstep = "decode_image"\n[[steps]]\nstep = "resize"')
    message = fails("backbone", "add", "x", model_file, "--preprocess", tmp_path / "p.toml")
    assert "gives images of shape (224, 224, 3), the backbone takes (12, 12, 3)" in message


# keras.applications


def test_a_model_of_keras_applications_is_added_with_its_own_preprocessing(ws):
    backbone = ws.backbones.add("mobile", "applications:MobileNetV2?weights=none&size=32")
    assert backbone.default_cut.name == "global_average_pooling2d"
    assert backbone.inputs[0]["shape"] == [32, 32, 3]
    assert {"step": "normalize", "version": 1, "mode": "tf"} in backbone.preprocessing["steps"]
    assert backbone.warnings == ()


def test_weights_can_come_from_a_local_file(ws, tmp_path):
    keras.utils.set_random_seed(3)
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    model.save_weights(tmp_path / "mine.weights.h5")
    source = f"applications:MobileNetV2?weights={tmp_path / 'mine.weights.h5'}&size=32"
    backbone = ws.backbones.add("mobile", source)
    cuts = list_cuts(read_graph(model))
    assert backbone.default_cut.fingerprint == next(c for c in cuts if c.is_default).fingerprint


def test_a_model_without_its_top_gives_its_pooled_output(ws):
    backbone = ws.backbones.add("mobile", "applications:MobileNetV2?weights=none&size=32&top=false")
    assert backbone.default_cut.shape == (1280,)
    assert backbone.default_cut.name.startswith("global_average_pooling2d")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("applications:VGG15", "Did you mean 'VGG19' or 'VGG16'?"),
        ("zoo:efficientnet-lite9", "Did you mean 'efficientnet-lite"),
        ("applications:VGG16?wights=none", "Did you mean 'weights'?"),
        ("applications:VGG16?size=big", "size is 'big'"),
        ("applications:VGG16?top=maybe", "top is 'maybe'"),
        ("applications:VGG16?weights=/none.h5", "no weights file /none.h5"),
    ],
)
def test_a_source_that_means_nothing_is_explained(fails, ws, source, message):
    assert message in fails("backbone", "add", "x", source)
    assert ws.backbones.list() == []


def test_weights_of_another_model_are_refused(fails, ws, tmp_path):
    network().save_weights(tmp_path / "mine.weights.h5")
    source = f"applications:MobileNetV2?weights={tmp_path / 'mine.weights.h5'}&size=32"
    message = fails("backbone", "add", "x", source)
    assert "cannot be built with weights=" in message
    assert "Check that the weights are of this model" in message


def test_without_a_network_imagenet_weights_are_an_error_with_the_way_on(ws, run, monkeypatch):
    """The real download path of Keras, towards an address where nobody answers."""
    module = importlib.import_module("keras.src.applications.mobilenet_v2")
    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/nobody/")
    ran = run("backbone", "add", "x", "applications:MobileNetV2?size=96")
    message = ran.err.splitlines()[-1]
    assert ran.code == 8
    assert "the ImageNet weights of MobileNetV2 could not be downloaded" in message
    assert "Check the network, or give a local file: 'applications:MobileNetV2?weights=FILE'" in (
        message
    )
    assert ws.backbones.list() == []


@pytest.mark.slow
def test_layer_names_do_not_depend_on_what_was_built_before(ws):
    layers.GlobalAveragePooling2D()
    source = "applications:MobileNetV2?weights=none&size=32"
    names = [ws.backbones.add(name, source).default_cut.name for name in ("one", "two")]
    assert names == ["global_average_pooling2d"] * 2
    assert layers.GlobalAveragePooling2D().name != "global_average_pooling2d"


def test_options_are_read():
    choice = applications.parse("vgg16?weights=none")
    assert (choice.entry.name, choice.weights, choice.size, choice.top) == (
        "VGG16",
        "none",
        224,
        True,
    )
