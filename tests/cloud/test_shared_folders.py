"""Models, manifests and compiled models in a bucket: written on one machine, read on another."""

import hashlib

import numpy as np
import pytest
from meddling_proxy import FLIP

import headstart as hs
from headstart.config import create_config
from headstart.errors import ArtifactDamaged, ManifestDamaged, StorageError
from headstart.extractors.cache import strays
from headstart.extractors.engines.compiled import Compiled, CompiledStore
from headstart.registry import tables as t
from headstart.registry.database import Database
from headstart.registry.runs import RunRepository
from headstart.storage.artifacts import Artifact, ArtifactStore
from headstart.storage.locks import FileHolds
from headstart.storage.manifest import Manifest
from headstart.storage.objects.manifests import Manifests
from headstart.storage.samples import Sample

CONTENT = bytes(range(256)) * 300


@pytest.fixture
def artifacts(tmp_path, bucket):
    return lambda machine: ArtifactStore(tmp_path / machine / "artifacts", bucket)


def keys(bucket):
    return [found.key for found in bucket.listed("")]


def test_a_file_that_one_machine_puts_another_gets(artifacts, bucket, tmp_path, files_of):
    source = tmp_path / "model.keras"
    source.write_bytes(CONTENT)
    put = artifacts("one").put(source, ".keras")
    other = artifacts("other")
    assert other.has(put.digest, ".keras", put.size)
    assert not other.has(put.digest, ".keras", put.size + 1)
    assert files_of(tmp_path / "other") == set()
    assert other.get(put, ".keras").read_bytes() == CONTENT
    part = other.keep(b"tokenizer")
    assert artifacts("one").read(part) == b"tokenizer"
    digests = sorted([f"{put.digest}.keras", f"{part}.part"])
    assert sorted(key.rpartition("/")[2] for key in keys(bucket)) == digests
    missing = Artifact("0" * 64, 1)
    with pytest.raises(ArtifactDamaged, match="is missing"):
        other.get(missing, ".keras")


def test_a_file_is_put_once_and_a_damaged_one_again(artifacts, bucket, proxy):
    one = artifacts("one")
    put = one.put_bytes(CONTENT, ".h5")
    proxy.seen.clear()
    one.put_bytes(CONTENT, ".h5")
    assert proxy.of("PUT") == []
    (key,) = keys(bucket)
    bucket.put(key, CONTENT[::-1])
    with pytest.raises(StorageError, match=r"its sha256 is another.*Add the same thing again"):
        artifacts("other").get(put, ".h5")
    one.put_bytes(CONTENT, ".h5")
    assert artifacts("other").get(put, ".h5").read_bytes() == CONTENT


def test_a_damaged_copy_here_is_never_put_over_what_all_have(artifacts, bucket, tmp_path):
    source = tmp_path / "model.h5"
    source.write_bytes(CONTENT)
    put = artifacts("one").put(source, ".h5")
    path = artifacts("one").path_of(put.digest, ".h5")
    path.write_bytes(CONTENT[::-1])
    artifacts("one").put(source, ".h5")
    assert path.read_bytes() == artifacts("other").get(put, ".h5").read_bytes() == CONTENT


def test_a_byte_that_is_flipped_on_the_way_is_fetched_again(artifacts, proxy):
    put = artifacts("one").put_bytes(CONTENT, ".h5")
    proxy.once(FLIP, "GET", times=2)
    assert artifacts("other").get(put, ".h5").read_bytes() == CONTENT
    proxy.once(FLIP, "GET", times=9)
    with pytest.raises(StorageError, match="its sha256 is another"):
        artifacts("third").get(put, ".h5")


def test_a_large_file_comes_in_parts(artifacts, proxy, monkeypatch):
    monkeypatch.setattr("headstart.storage.objects.bucket.PART", 10_000)
    put = artifacts("one").put_bytes(CONTENT, ".h5")
    proxy.seen.clear()
    assert artifacts("other").get(put, ".h5").read_bytes() == CONTENT
    assert len(proxy.of("GET")) == -(-len(CONTENT) // 10_000)


def test_strays_in_the_bucket_are_found_and_removed(artifacts, bucket, tmp_path, monkeypatch):
    one, other = artifacts("one"), artifacts("other")
    kept, stray = one.put_bytes(b"kept", ".h5"), one.put_bytes(b"stray", ".h5")
    collector = strays.Strays(other, FileHolds(tmp_path / "locks"), lambda: {kept.digest})
    assert collector.find() == ([], False)  # it is young
    monkeypatch.setattr(strays, "STRAY_SECONDS", -60)
    (found,), is_held = collector.find()
    assert (found.path.stem, found.size, is_held) == (stray.digest, 5, False)
    assert collector.remove([found.path])
    assert [key.rpartition("/")[2] for key in keys(bucket)] == [f"{kept.digest}.h5"]
    assert not one.has("f" * 64, ".h5")


def samples(count):
    return [
        Sample(
            f"{n:05}", hashlib.sha256(str(n).encode()).hexdigest(), "a", "train", f"/x/{n}", (n,)
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [10, 6000])
def test_a_manifest_is_read_on_another_machine(tmp_path, bucket, proxy, count):
    one = Manifests(tmp_path / "one" / "manifests", bucket)
    other = Manifests(tmp_path / "other" / "manifests", bucket)
    manifest = Manifest("folder", "/x", samples(count))
    name = one.write(manifest)
    found = other.read(name)
    assert (found.digest, len(found.samples)) == (manifest.digest, count)
    parts = one.part_names(name)
    assert bool(parts) == (count > 4096)
    assert {key.rpartition("/")[2] for key in keys(bucket)} == {name, *parts}
    more = [*samples(count), *samples(count + 1)[-1:]]
    proxy.seen.clear()
    again = one.write(Manifest("folder", "/x", more), one.read(name))
    assert len(proxy.of("PUT")) == (2 if parts else 1)  # the part that is new, and the whole
    assert len(other.read(again).samples) == count + 1


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("count", [10, 6000])
def test_a_damaged_manifest_here_is_fetched_anew(tmp_path, bucket, proxy, count):
    one = Manifests(tmp_path / "one" / "manifests", bucket)
    name = one.write(Manifest("folder", "/x", samples(count)))
    parts = [one.parts.root / part for part in sorted(one.part_names(name))]
    for path in [one.whole.root / name, *parts]:
        before = path.read_bytes()
        damage(path)
        proxy.seen.clear()
        assert len(one.read(name).samples) == count
        assert len(proxy.of("GET")) == 1
        assert path.read_bytes() == before
    bucket.delete(keys(bucket))
    last = [one.whole.root / name, *parts][-1]
    damage(last)
    before = last.read_bytes()
    with pytest.raises(ManifestDamaged, match="Add the dataset again"):
        one.read(name)
    assert last.read_bytes() == before  # there is no other


@pytest.mark.parametrize("count", [10, 6000])
def test_writing_a_manifest_again_puts_damaged_objects_back(tmp_path, bucket, count):
    def open_(machine):
        return Manifests(tmp_path / machine / "manifests", bucket)

    manifest = Manifest("folder", "/x", samples(count))
    name = open_("one").write(manifest)
    for number, key in enumerate(keys(bucket)):
        content = bytes(bucket.get(key))
        bucket.put(key, content[::-1])
        other = open_(f"other{number}")
        with pytest.raises(ManifestDamaged, match=r"sha256 is another.*Add the dataset again"):
            other.read(name)
        assert other.write(manifest) == name
        assert bytes(bucket.get(key)) == content
        assert len(open_(f"third{number}").read(name).samples) == count


def test_adding_a_dataset_again_puts_its_damaged_manifest_back(tmp_path):
    ws = hs.init(tmp_path / "zoo", store=f"file://{tmp_path / 'store'}")
    np.savez(tmp_path / "rows.npz", x=np.eye(12, dtype=np.float32), y=np.arange(12) % 2)
    ws.datasets.add("rows", tmp_path / "rows.npz")
    (name,) = [path.name for path in (tmp_path / "store" / "manifests").iterdir()]
    damage(tmp_path / "store" / "manifests" / name)
    (ws.config.manifests / name).unlink()
    with pytest.raises(ManifestDamaged, match="sha256 is another"):
        ws.context.manifest("rows")
    ws.datasets.add("rows", tmp_path / "rows.npz")
    (ws.config.manifests / name).unlink()
    assert len(ws.context.manifest("rows").samples) == 12


def test_what_one_machine_compiled_another_finds_unless_it_was_changed(tmp_path, bucket):
    database = Database(create_config(tmp_path / "zoo"))
    t.metadata.create_all(database.engine)

    def store(machine):
        return CompiledStore(tmp_path / machine, bucket, RunRepository(database))

    key, compiled = {"trunk": "x"}, Compiled({"problem": None}, CONTENT)
    assert store("one").find(key) is None
    store("one").keep(key, compiled)
    assert store("other").find(key) == compiled
    (name,) = keys(bucket)
    body = b'{"problem": null}\n' + CONTENT[::-1]
    bucket.put(name, body + hashlib.sha256(body).digest())  # whole, and somebody else's
    assert store("third").find(key) is None
    assert store("other").find(key) == compiled
    database.close()
