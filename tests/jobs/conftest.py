"""Fixtures of tests of verbs."""

import json
import shutil

import numpy as np
import pytest

import headstart as hs
from conftest import draw_classes, keras, network


@pytest.fixture(scope="session")
def with_two(tmp_path_factory, with_net):
    """A workspace with backbones of two sizes of pictures, and their features; to be copied."""
    place = tmp_path_factory.mktemp("two")
    shutil.copytree(with_net[1], place / "zoo")
    ws = hs.open(place / "zoo")
    network(seed=5, size=16).save(place / "other.keras")
    ws.backbones.add("other", place / "other.keras", preprocess="unit")
    ws.datasets.add("pics", draw_classes(place / "pictures"))
    how = hs.Settings(engine="tensorflow")
    for backbone in ("net@features,pool", "other@features"):
        ws.extract(backbone, "pics", settings=how)
    ws.database.close()
    return place / "zoo"


@pytest.fixture
def two(tmp_path, temporary, with_two):
    """A copy of that workspace."""
    shutil.copytree(with_two, tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


@pytest.fixture
def cached(ready):
    """A workspace with features of three cuts."""
    how = hs.Settings(batch_size=4)  # several tasks: one alone tells no cost of a sample
    ready.extract("net@features,pool,relu|gmp", "pics", settings=how)
    return ready


WORDS = ("kind", "a", "b", "c", "both")


@pytest.fixture(scope="module")
def tower_file(tmp_path_factory):
    """A model of texts whose features are where the samples of `rows` of a class lie that a text
    names; of `both` between a and b."""
    place = tmp_path_factory.mktemp("tower")
    table = np.zeros((2 + len(WORDS), 6), np.float32)
    table[3], table[4], table[5] = 5 * np.eye(3, 6)
    table[6] = table[3] + table[4]
    words = keras.Input((4,), dtype="int32", name="words")
    each = keras.layers.Embedding(*table.shape, name="each")(words)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(each)
    model = keras.Model(words, keras.layers.Dense(2, name="out")(x))
    model.get_layer("each").set_weights([table])
    model.save(place / "texts.keras")
    (place / "words.txt").write_text("\n".join(WORDS))
    step = {"step": "vectorize", "file": "words.txt", "length": 4}
    (place / "steps.json").write_text(json.dumps({"steps": [step]}))
    return place / "texts.keras"


@pytest.fixture
def towers(rows, tower_file):
    how = {"preprocess": str(tower_file.parent / "steps.json")}
    rows.backbones.add("texts", tower_file, **how)
    return rows


@pytest.fixture
def linked(towers):
    towers.backbones.tag("flat", {"text-backbone": "texts@mean"})
    return towers
