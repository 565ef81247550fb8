"""Fixtures of tests of verbs."""

import shutil

import pytest

import headstart as hs
from conftest import draw_classes, network


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
