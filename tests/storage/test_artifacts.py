"""Artifacts are kept by content and checked whenever they are read."""

import pytest

from headstart.errors import ArtifactDamaged
from headstart.storage.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(range(256)) * 5000)
    return file


def test_a_file_comes_back_as_it_was(store, source):
    artifact = store.put(source, ".keras")
    path = store.get(artifact, ".keras")
    assert path.read_bytes() == source.read_bytes()
    assert path.name == f"{artifact.digest}.keras"


def test_the_same_content_is_kept_once(store, source, tmp_path, files_of):
    store.put(source, ".keras")
    store.put(source, ".keras")
    assert len(files_of(tmp_path / "artifacts")) == 1


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_damage_is_found_and_adding_again_mends_it(store, source, damage):
    artifact = store.put(source, ".keras")
    path = store.get(artifact, ".keras")
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[:-1])
    else:
        content[1000] ^= 1
        path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match="Add the same thing again"):
        store.get(artifact, ".keras")
    store.put(source, ".keras")
    assert store.get(artifact, ".keras").read_bytes() == source.read_bytes()
