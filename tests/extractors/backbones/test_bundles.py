"""A bundle carries a backbone to another workspace, or is refused."""

import json
import shutil
import zipfile

import numpy as np
import pytest

import headstart as hs
from conftest import keras, network
from headstart.errors import BackboneError, FeatureError, UnsafeModel
from headstart.extractors.safety import first_load


@pytest.fixture
def other(tmp_path):
    return hs.init(tmp_path / "other")


def test_a_backbone_with_features_serves_them_in_another_workspace(
    ready, other, pictures, tmp_path, run
):
    ready.backbones.tag("net", {"team": "a"})
    view = ready.extract("net@features,relu|gap", "pics")
    file = tmp_path / "net.zip"
    assert run("backbone", "export", "net", file, "--features").code == 0
    done = run("backbone", "import", file, "--workspace", other.config.root, "--json").json
    assert done == {"name": "net", "version": 1, "rows": 72}
    there, here = other.backbones.get("net"), ready.backbones.get("net")
    for name in ("cuts", "preprocessing", "licence", "tags", "source", "artifact_digest"):
        assert getattr(there, name) == getattr(here, name), name
    other.datasets.add("same", pictures)
    served = other.extract("net@features,relu|gap", "same")
    assert served.report.computed == 0
    np.testing.assert_array_equal(served.to_numpy(), view.to_numpy())
    assert other.verify("net", "same", full=True)["max_abs_diff"] <= 1e-5
    again = run("backbone", "import", file, "--workspace", other.config.root, "--json").json
    assert again == {"name": "net", "version": 1, "rows": 0}
    assert other.cache.find_garbage() == []


def test_a_bundle_without_features_and_under_another_name(ready, other, pictures, tmp_path):
    ready.extract("net", "pics")
    ready.backbones.export("net", tmp_path / "net.zip")
    backbone, rows = other.backbones.import_(tmp_path / "net.zip", "renamed")
    assert (backbone.name, rows) == ("renamed", 0)
    other.datasets.add("pics", pictures)
    assert other.extract("renamed", "pics").report.computed == 36


def test_a_frozen_graph_and_a_tokenizer_travel_too(ws, other, tmp_path):
    class Doubled(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x * 2)

    model = Doubled()
    model(np.zeros((1, 5), np.float32))
    model.export(str(tmp_path / "saved"), verbose=False)
    ws.backbones.add("saved", tmp_path / "saved", preprocess="array")
    ws.backbones.export("saved", tmp_path / "b.zip")
    backbone, _ = other.backbones.import_(tmp_path / "b.zip")
    assert backbone.format == "tensorflow"
    assert backbone.cuts == ws.backbones.get("saved").cuts


def rewritten(source, target, change):
    """A copy of a bundle whose contents went through `change(name, content)`."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


@pytest.fixture
def bundle(ready, tmp_path):
    ready.extract("net", "pics")
    return ready.backbones.export("net", tmp_path / "net.zip", features=True)


@pytest.mark.parametrize("victim", ["model", "features/"])
def test_a_changed_file_in_a_bundle_is_refused(bundle, other, tmp_path, victim, files_of):
    def change(name, content):
        return content[:-1] + bytes([content[-1] ^ 1]) if name.startswith(victim) else content

    damaged = rewritten(bundle, tmp_path / "damaged.zip", change)
    with pytest.raises(BackboneError, match="has another sha256"):
        other.backbones.import_(damaged)
    assert not [name for name in files_of(other.config.features) if name.endswith(".h5")]


def head_changed(**values):
    def change(name, content):
        if name != "bundle.json":
            return content
        head = json.loads(content)
        for path, value in values.items():
            owner = head
            *most, last = path.split("__")
            for part in most:
                owner = owner[part]
            owner[last] = value
        return json.dumps(head).encode()

    return change


def test_what_is_not_what_it_says_is_refused(bundle, other, tmp_path, fails):
    def refused(change):
        file = rewritten(bundle, tmp_path / "changed.zip", change)
        return fails("backbone", "import", file, "--workspace", other.config.root)

    assert "other fingerprints" in refused(head_changed(backbone__cuts={"features": "0" * 64}))
    assert "this code reads headstart.bundle 1" in refused(head_changed(version=2))
    assert "no model format" in refused(head_changed(backbone__artifact="model.sh"))
    assert "cannot read" in refused(lambda name, content: b"" if name == "bundle.json" else content)
    assert other.backbones.list() == []
    (tmp_path / "no.zip").write_bytes(b"no zip")
    assert "Give a file that `headstart backbone export` wrote" in fails(
        "backbone", "import", tmp_path / "no.zip"
    )


def test_features_of_another_backbone_in_a_bundle_are_refused(ready, other, tmp_path, pictures):
    network(seed=5).save(tmp_path / "five.keras")
    ready.backbones.add("five", tmp_path / "five.keras", preprocess="unit")
    ready.extract("five", "pics")
    ready.backbones.export("five", tmp_path / "five.zip", features=True)
    ready.backbones.export("net", tmp_path / "net.zip")
    with zipfile.ZipFile(tmp_path / "five.zip") as five:
        head = json.loads(five.read("bundle.json"))
        (shard,) = head["shards"]
        mixed = rewritten(
            tmp_path / "net.zip", tmp_path / "mixed.zip", head_changed(shards=head["shards"])
        )
        with zipfile.ZipFile(mixed, "a") as archive:
            archive.writestr(shard["name"], five.read(shard["name"]))
    with pytest.raises(FeatureError, match="which are not of net"):
        other.backbones.import_(mixed)
    assert not list(other.config.features.rglob("*.h5"))


def test_a_model_that_brings_code_is_refused_in_a_bundle_too(ready, other, tmp_path):
    layers = keras.layers
    image = keras.Input((4,))
    evil = keras.Model(image, layers.Lambda(lambda x: x * 2)(layers.Dense(2)(image)))
    evil.save(tmp_path / "evil.keras")
    content = (tmp_path / "evil.keras").read_bytes()
    bundle = ready.backbones.export("net", tmp_path / "net.zip")
    digest = __import__("hashlib").sha256(content).hexdigest()
    changed = rewritten(
        bundle, tmp_path / "one.zip", head_changed(backbone__artifact_digest=digest)
    )
    evil_bundle = rewritten(
        changed, tmp_path / "evil.zip", lambda n, c: content if n == "model.keras" else c
    )
    with pytest.raises(UnsafeModel):
        other.backbones.import_(evil_bundle)
    assert other.backbones.list() == []


def test_a_bundle_is_there_as_a_whole_or_not_at_all(ready, tmp_path):
    ready.extract("net", "pics")
    (shard,) = ready.config.features.rglob("*.h5")
    shard.write_bytes(b"x")
    with pytest.raises(BackboneError, match="is not what was committed"):
        ready.backbones.export("net", tmp_path / "out" / "net.zip", features=True)
    assert list((tmp_path / "out").iterdir()) == []
    shutil.rmtree(tmp_path / "out")


@pytest.mark.converts
def test_what_a_first_load_found_is_kept_by_an_import_too(bundle, other, monkeypatch):
    ran = []
    real = first_load.server.run
    monkeypatch.setattr(first_load.server, "run", lambda r: ran.append(r["task"]) or real(r))
    monkeypatch.setattr(first_load, "NOTICEABLE_SECONDS", 0.0)
    said = []
    other.backbones.import_(bundle, "one", say=said.append)
    other.backbones.import_(bundle, "two", say=said.append)
    assert ran == ["file"]
    (loaded, *converted) = said
    assert loaded.startswith(f"{bundle / 'model.keras'} was loaded in a process of its own first")
    assert len(converted) == 2 and all("openvino" in line for line in converted)  # once for both


def test_a_model_that_may_take_more_is_imported_with_leave(
    ready, other, tmp_path, run, monkeypatch
):
    """Its layers claim more numbers than are stored, and are refused without a word of the user."""
    file = ready.backbones.export("net", tmp_path / "net.zip")
    monkeypatch.setenv("HEADSTART_HOME", str(other.config.root))
    monkeypatch.setattr("headstart.extractors.safety.inspected.NUMBERS", -1_000)
    ran = run("backbone", "import", file)
    assert ran.code == 7
    assert f"{file / 'model.keras'} is refused: its layers would hold" in ran.err
    assert "--max-model-bytes" in ran.err
    assert run("backbone", "import", file, "--max-model-bytes", 1 << 20).code == 0
