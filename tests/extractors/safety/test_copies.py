"""A model that somebody exchanges while it is opened: what was looked at is what is loaded."""

import json
import os
import shutil
import sys
import threading
import zipfile

import pytest

from conftest import keras, network
from headstart.errors import ModelFileError, UnsafeModel
from headstart.extractors.backbones.sources import files, kerashub, weights
from headstart.extractors.safety import copies, first_load
from headstart.extractors.safety.copies import copy_file, copy_folder
from headstart.storage.files import sha256_of_file

layers = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def with_lambda(path, canary):
    """A model file that makes the canary when it is loaded and trusted, in this process or not."""
    os.environ["CANARY"] = str(canary)
    x = keras.Input((4,))

    def touch(v):
        __import__("pathlib").Path(__import__("os").environ["CANARY"]).touch()
        return v

    keras.Model(x, layers.Dense(2)(layers.Lambda(touch)(x))).save(path)
    assert canary.exists()  # it would do harm
    canary.unlink()
    return path


@pytest.fixture
def swapped(monkeypatch):
    """Exchange a file for another one right after something was called."""

    def swap(module, name, target, other):
        real = getattr(module, name)

        def swapping(*arguments, **more):
            found = real(*arguments, **more)
            shutil.copy(other, target)
            return found

        monkeypatch.setattr(module, name, swapping)

    return swap


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("moment", ["after the look", "after the first load"])
def test_a_file_that_is_exchanged_after_it_was_looked_at_is_never_loaded(
    ws, tmp_path, swapped, suffix, moment
):
    canary = tmp_path / "canary"
    file = tmp_path / f"model{suffix}"
    network().save(file)
    looked_at = sha256_of_file(file)
    hostile = with_lambda(tmp_path / f"hostile{suffix}", canary)
    if moment == "after the look":
        swapped(files, "check_model", file, hostile)
    else:
        swapped(first_load.server, "run", file, hostile)
    backbone = ws.backbones.add("net", file, preprocess="unit")
    assert sha256_of_file(file) == sha256_of_file(hostile)
    assert backbone.artifact_digest == looked_at
    assert not canary.exists()


def test_what_is_exchanged_all_the_time_is_one_or_the_other(ws, tmp_path, model_file):
    canary = tmp_path / "canary"
    hostile = with_lambda(tmp_path / "hostile.keras", canary)
    good = sha256_of_file(model_file)
    both = [
        shutil.copy(path, tmp_path / f"{n}.keras") for n, path in enumerate((model_file, hostile))
    ]
    stop = threading.Event()

    def exchange():
        while not stop.is_set():
            for path in both:
                shutil.copy(path, tmp_path / "next").replace(model_file)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for number in range(6):
            try:
                assert (
                    ws.backbones.add(f"n{number}", model_file, preprocess="unit").artifact_digest
                    == good
                )
            except UnsafeModel as error:
                assert "a Lambda layer" in str(error)
                assert f"{model_file} is refused" in str(error)
    finally:
        stop.set()
        thread.join()
    assert not canary.exists()


def test_weights_and_architecture_are_loaded_as_they_were_looked_at(ws, tmp_path, swapped):
    model = network()
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    config = json.loads(model.to_json())
    config["config"]["layers"][1]["class_name"] = "Lambda"
    (tmp_path / "hostile.json").write_text(json.dumps(config))
    swapped(weights, "check_files", tmp_path / "model.json", tmp_path / "hostile.json")
    ws.backbones.add(
        "net", tmp_path / "model.weights.h5", architecture=tmp_path / "model.json",
        preprocess="unit",
    )  # fmt: skip


def test_messages_name_what_the_user_gave(ws, fails, tmp_path):
    file = tmp_path / "model.keras"
    network().save(file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b'"ReLU"', b'"Lambda"')
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    for given in (file, tmp_path / "garbage.h5", tmp_path / "graph.pb"):
        if given != file:
            given.write_bytes(b"garbage")
        message = fails("backbone", "add", "x", given)
        assert str(given) in message
        assert "given-" not in message


def test_nothing_is_copied_that_is_larger_than_what_is_free(tmp_path):
    with (tmp_path / "holes.keras").open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).free + (64 << 30))
    with pytest.raises(OSError, match="no space is left"):
        copy_file(tmp_path / "holes.keras", tmp_path)


def test_a_link_out_of_a_folder_is_no_part_of_it(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    for link, target in (("file", "outside/secret"), ("folder", "outside")):
        (folder / "variables" / link).symlink_to(tmp_path / target)
        with pytest.raises(UnsafeModel, match=r"is a link to .*outside.*, outside of the model"):
            copy_folder(folder, tmp_path, "the model")
        (folder / "variables" / link).unlink()
    (folder / "inside").write_text("inside")
    (folder / "variables" / "link").symlink_to(folder / "inside")
    copy = copy_folder(folder, tmp_path, "the model")
    assert (copy.path / "variables" / "link").read_text() == "inside"
    assert not (copy.path / "variables" / "link").is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells where a file lies")
def test_a_link_that_is_turned_while_it_is_looked_at_gives_nothing_of_outside(
    tmp_path, monkeypatch
):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "inside").write_text("inside")
    (tmp_path / "secret").write_text("secret")
    link = folder / "link"
    link.symlink_to(tmp_path / "secret")
    real = copies.open_regular

    def turning(path):
        opened = real(path)
        if path == link:
            link.unlink()
            link.symlink_to(folder / "inside")
        return opened

    monkeypatch.setattr(copies, "open_regular", turning)
    with pytest.raises(UnsafeModel, match="is a link to"):
        copy_folder(folder, tmp_path, "the model")


def test_a_link_out_of_the_variables_of_a_saved_model_is_refused(ws, fails, tmp_path):
    network(0).export(tmp_path / "model", verbose=False)
    network(1).export(tmp_path / "other", verbose=False)
    data = "variables/variables.data-00000-of-00001"
    (tmp_path / "model" / data).unlink()
    (tmp_path / "model" / data).symlink_to(tmp_path / "other" / data)
    message = fails("backbone", "add", "x", tmp_path / "model")
    assert "outside of the SavedModel" in message


def test_a_preset_that_is_exchanged_after_the_look_is_never_loaded(ws, tmp_path, monkeypatch):
    keras_hub = pytest.importorskip("keras_hub")
    keras_hub.models.BertBackbone(
        vocabulary_size=9, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4,
        max_sequence_length=8,
    ).save_to_preset(str(tmp_path / "preset"))  # fmt: skip
    real = kerashub.check_preset

    def swapping(*arguments, **more):
        real(*arguments, **more)
        shutil.rmtree(tmp_path / "preset")

    monkeypatch.setattr(kerashub, "check_preset", swapping)
    ws.backbones.add("net", f"kerashub:{tmp_path / 'preset'}", preprocess="array")


@pytest.mark.parametrize("file", ["model.safetensors.index.json", "model.weights.json"])
@pytest.mark.parametrize("named", ["../../secret", ["shard.h5", "/etc/passwd"], "a\\b"])
def test_an_index_of_weights_that_names_a_file_elsewhere_is_refused(
    ws, fails, tmp_path, file, named
):
    pytest.importorskip("keras_hub")
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "preset" / file).write_text(json.dumps({"weight_map": {"x": named}}))
    message = fails("backbone", "add", "x", f"kerashub:{tmp_path / 'preset'}")
    assert "which is not a file next to it" in message
    assert str(tmp_path / "preset" / file) in message


def test_weights_that_are_an_index_of_other_files_are_refused(ws, tmp_path):
    (tmp_path / "x.weights.json").write_text(json.dumps({"weight_map": {"/a/vars": "../b.h5"}}))
    with pytest.raises(ModelFileError, match="not a file of weights that can be read"):
        ws.backbones.add("x", f"applications:MobileNet?weights={tmp_path / 'x.weights.json'}")
