"""What lost its model file, or its backbone, is whole again once the same trunk is added."""

import pytest

from conftest import keras, network
from headstart.errors import ArtifactDamaged, HeadError
from headstart.extractors.backbones.sources import archive
from headstart.jobs.features import jobs
from headstart.notices import HeadstartNote
from headstart.storage.artifacts import ArtifactStore


def saved_again(tmp_path):
    """The model of the fixture `net` in an archive of other bytes, as Keras writes the time."""
    file = tmp_path / "again.keras"
    network().save(file)
    return file


def model_file_of(ws, name="net"):
    backbone = ws.backbones.get(name)
    return ws.context.artifacts.path_of(backbone.artifact_digest, ".keras")


def stored_models(ws):
    return [file for file in ws.context.artifacts.files() if file.suffix == ".keras"]


def model_files(run):
    (check,) = [one for one in run("doctor", "--json").json if one["what"] == "model files"]
    return check


def test_a_lost_model_file_comes_back_with_the_same_trunk_from_another_file(ready, run, tmp_path):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    lost = model_file_of(ready)
    lost.unlink()
    assert not model_files(run)["ok"]
    with pytest.raises(ArtifactDamaged, match=r"is missing\. Add the same thing again"):
        head.attach()
    with pytest.warns(HeadstartNote, match="the lost model file of backbone 'net' is restored"):
        backbone = ready.backbones.add("net", saved_again(tmp_path), preprocess="unit")
    assert (backbone.version, len(ready.backbones.list())) == (1, 1)
    assert model_file_of(ready) != lost
    assert model_files(run)["ok"]
    head.attach()


def test_a_removed_backbones_heads_are_on_the_same_trunk_when_it_is_back(ready, fails, tmp_path):
    ready.heads.train("h", ready.extract("net", "pics"))
    ready.backbones.remove("net", force=True)
    with pytest.raises(HeadError, match=r"was removed\. Add it again, by any name"):
        ready.heads.get("h").attach()
    ready.backbones.add("other", network(seed=3), preprocess="unit")  # another trunk: not its own
    assert ready.heads.get("h").record.backbone_id is None
    with pytest.warns(HeadstartNote, match="head 'h:1' is on backbone 'back' again"):
        ready.backbones.add("back", saved_again(tmp_path), preprocess="unit")
    head = ready.heads.get("h")
    assert head.record.backbone == "back:1"
    head.attach()
    assert "head 'h'" in fails("backbone", "remove", "back")  # it is in use again


def test_a_model_added_again_from_another_file_leaves_no_second_file(ready, tmp_path):
    before = stored_models(ready)
    ready.backbones.add("net", saved_again(tmp_path), preprocess="unit")
    assert stored_models(ready) == before


def test_a_model_saved_twice_has_the_same_bytes(tmp_path, monkeypatch):
    twice = []
    for number, moment in enumerate(("2001", "2002")):
        activation = keras.layers.ReLU()  # another object each time, and shared by two layers
        x = image = keras.Input((4,), name="x")
        for name in "ab":
            x = keras.layers.Dense(4, activation, kernel_initializer="ones", name=name)(x)
        activation.name = "shared"
        file = tmp_path / f"{number}.keras"
        archive.save_model(keras.Model(image, x, name="m"), file)
        twice.append(file.read_bytes())
        assert moment.encode() not in twice[-1]
        loaded = keras.models.load_model(file)
        assert loaded.get_layer("a").activation.name == "shared"
    assert twice[0] == twice[1]


def test_a_model_in_memory_is_one_artifact_however_often_it_is_added(ws):
    model = network()
    added = [ws.backbones.add(name, model, preprocess="unit") for name in "ab"]
    assert added[0].artifact_digest == added[1].artifact_digest


def test_nobody_waits_in_a_transaction_for_files_that_may_lie_in_a_bucket(
    ready, tmp_path, monkeypatch
):
    """Whether a model's file is there, and a job's list of samples, is asked before it begins."""
    model_file_of(ready).unlink()
    ready.jobs.add("net", "pics")
    asked = []

    def outside(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **more):
            asked.append(name)
            assert ready.database._joined() is None
            return real(*arguments, **more)

        monkeypatch.setattr(owner, name, call)

    outside(ArtifactStore, "has")
    outside(jobs, "planned_samples")
    with pytest.warns(HeadstartNote, match="the lost model file of backbone 'net' is restored"):
        ready.backbones.add("net", saved_again(tmp_path), preprocess="unit")
    ready.jobs.retry(1)
    assert set(asked) == {"has", "planned_samples"}
