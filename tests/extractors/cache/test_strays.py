"""`features gc` finds files of the artifact store that nothing names."""

import hashlib
import os
import time

from headstart.extractors.cache.strays import STRAY_SECONDS
from headstart.storage.artifacts import HELD_AS
from headstart.storage.locks import Hold

TRUNK = 3
"""Parts of a converted trunk: the engine's two files, and the features to compare with."""


def stray(ws, content, suffix=".part", age=2 * STRAY_SECONDS):
    """A file of the store that no row names, put there so many seconds ago."""
    path = ws.context.artifacts.path_of(hashlib.sha256(content).hexdigest(), suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def made_old(ws):
    for path in ws.context.artifacts.files():
        os.utime(path, (1, 1))


def test_what_nothing_names_is_collected_and_what_is_named_stays(ready, run):
    ready.extract("net", "pics")
    ready.heads.train("h", ready.features("net", "pics"))
    made_old(ready)
    needed = set(ready.context.artifacts.files())
    assert len(needed) == 5  # a model, a head, and the parts of a converted trunk
    strays = {stray(ready, b"1"), stray(ready, b"2", ".keras")}
    found = run("features", "gc", "--json").json["found"]
    assert {one["what"] for one in found} == {str(path) for path in strays}
    assert {one["kind"] for one in found} == {"artifact"}
    assert set(ready.context.artifacts.files()) == needed | strays
    assert run("features", "gc", "--apply", "--json").json["deleted"]
    assert set(ready.context.artifacts.files()) == needed
    assert ready.cache.find_garbage() == []


def test_the_parts_of_a_preprocessing_are_named_by_it(ready, run, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]))
    from conftest import keras

    tokens = keras.Input((4,), dtype="int32", name="tokens")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(8, 3)(tokens))
    keras.Model(tokens, keras.layers.Dense(2)(pooled)).save(tmp_path / "text.keras")
    file = tmp_path / "text.keras"
    assert run("backbone", "add", "text", file, "--preprocess", words).code == 0
    made_old(ready)
    assert len(ready.context.artifacts.files()) == 3 + 2 * TRUNK
    assert ready.cache.find_garbage() == []
    ready.backbones.remove("text")
    assert len(ready.cache.find_garbage()) == 2 + TRUNK


def test_what_is_young_or_held_is_left_alone(ready):
    stray(ready, b"young", age=STRAY_SECONDS / 2)
    assert ready.cache.find_garbage() == []
    old = stray(ready, b"old")
    with Hold(ready.config.locks, HELD_AS):  # as `backbone add` and `backbone import` do
        (found,) = ready.cache.find_garbage()
        assert found.held
        assert ready.cache.collect([found]) == []
        assert old.exists()
    (found,) = ready.cache.find_garbage()
    with Hold(ready.config.locks, HELD_AS):
        assert ready.cache.collect([found]) == []
    assert ready.cache.collect([found]) == [found]
    assert not old.exists()


def test_what_came_to_be_named_meanwhile_stays(ready, model_file):
    backbone = ready.backbones.get("net")
    ready.backbones.remove("net")
    made_old(ready)
    found = ready.cache.find_garbage()
    assert len(found) == 1 + TRUNK
    ready.backbones.register(backbone)
    assert ready.cache.collect(found) == []
    assert ready.context.artifacts.path_of(backbone.artifact_digest, ".keras").exists()


def test_adding_again_what_is_there_keeps_it_from_being_collected(ready, model_file):
    ready.backbones.remove("net")
    made_old(ready)
    assert len(ready.cache.find_garbage()) == 1 + TRUNK
    model = ready.context.artifacts.put(model_file, ".keras")
    left = ready.cache.find_garbage()
    assert len(left) == TRUNK and not any(model.digest in one.what for one in left)
