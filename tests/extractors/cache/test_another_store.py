"""All of the cache with its shards elsewhere than in files: in memory."""

import pickle

import numpy as np
import pytest
from memory_store import MemoryStore
from sqlalchemy import text

import headstart as hs
from conftest import direct
from headstart.context import Context
from headstart.errors import FeaturesMissing, StorageError
from headstart.extractors.cache.gc import Choice
from headstart.storage.local_store import LocalStore
from headstart.workspace import Workspace

EAGER = hs.Settings(batch_size=4, commit_seconds=0)


@pytest.fixture
def shards(tmp_path):
    return MemoryStore(tmp_path / "index")


@pytest.fixture
def elsewhere(ready, shards):
    """The workspace `ready`, its shards in memory."""
    ready.context.database.close()
    return Workspace(ready.config, shards)


def names_in(shards):
    return [entry.name for entry in shards.entries()]


def test_features_are_extracted_and_read_back_and_no_file_is_written(
    elsewhere, shards, model, files_of
):
    view = elsewhere.extract("net@features,relu|gap", "pics", settings=EAGER)
    expected = direct(elsewhere, view, model)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    assert len(names_in(shards)) == 18
    again = elsewhere.extract("net", "pics")
    assert (again.report.computed, again.report.reused) == (0, 36)
    np.testing.assert_array_equal(again.to_numpy(), view.to_numpy())
    assert elsewhere.verify("net", "pics", full=True)["ok"]
    assert files_of(elsewhere.config.features) == set()


def test_a_warm_view_asks_once_for_each_shard_and_opens_it_once(elsewhere, shards):
    elsewhere.extract("net", "pics", settings=EAGER)
    elsewhere.features("net", "pics")
    shards.calls.clear()
    view = elsewhere.features("net", "pics")
    assert shards.calls == {"stat_of": 9, "is_empty": 1}
    shards.opened.clear()
    view.to_numpy()
    assert sorted(shards.opened) == names_in(shards)
    assert shards.calls["stat_of"] == 9


def test_compact_gc_and_reindex(elsewhere, shards, tmp_path):
    expected = elsewhere.extract("net", "pics", settings=EAGER).to_numpy()
    old = names_in(shards)
    view = elsewhere.features("net", "pics")
    assert elsewhere.cache.compact() == (9, 1)
    np.testing.assert_array_equal(view.to_numpy(), expected)  # the old ones are held
    del view
    found = elsewhere.cache.find_garbage()
    assert sorted(one.what for one in found) == [shards.place_of(name) for name in old]
    assert len(elsewhere.cache.collect(found)) == 9
    (name,) = names_in(shards)
    with elsewhere.context.database.writing() as connection:
        connection.execute(text("DELETE FROM feature_sets"))
    report = elsewhere.cache.reindex()
    assert (report.files, report.added, report.rows) == (1, 1, 36)
    view = elsewhere.extract("net", "pics")
    assert view.report.computed == 0
    np.testing.assert_array_equal(view.to_numpy(), expected)
    key = view.key
    folder = shards.index_folder(key)
    assert folder.exists()
    (held,) = elsewhere.cache.find_garbage(Choice(sets=(key,)))
    assert held.held
    del view
    elsewhere.cache.collect(elsewhere.cache.find_garbage(Choice(quota=0)))
    assert names_in(shards) == []
    assert not folder.exists()
    assert name not in names_in(shards)


def test_a_damaged_shard_is_put_aside_computed_again_and_collected(elsewhere, shards):
    view = elsewhere.extract("net", "pics", settings=EAGER)
    expected = view.to_numpy()
    del view
    victim, *_ = names_in(shards)
    shards.put(victim, shards.read(victim)[:-1] + b"x")
    assert elsewhere.cache.explain("net", "pics").to_compute == 4
    assert elsewhere.cache.find_garbage() == []  # it only looked
    with pytest.raises(FeaturesMissing):
        elsewhere.features("net", "pics")
    (found,) = elsewhere.cache.find_garbage()
    assert (found.kind, found.what) == ("damaged", shards.place_of(victim))
    elsewhere.cache.collect([found])
    assert victim not in names_in(shards)
    view = elsewhere.extract("net", "pics")
    assert view.report.computed == 4
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-6)
    shards.put(victim, b"no shard")
    assert [one["file"] for one in elsewhere.cache.reindex().damaged] == [shards.place_of(victim)]


def test_a_store_that_does_not_answer_is_an_error_and_no_shard_is_put_aside(elsewhere, shards):
    view = elsewhere.extract("net", "pics", settings=EAGER)
    expected = view.to_numpy()
    shards.is_away = True
    for ask in (
        view.to_numpy,
        lambda: elsewhere.features("net", "pics"),
        lambda: elsewhere.extract("net@relu|gap", "pics"),
        lambda: elsewhere.verify("net", "pics", full=True),
        elsewhere.cache.find_garbage,
        elsewhere.cache.reindex,
    ):
        with pytest.raises(StorageError, match="does not answer"):
            ask()
    shards.is_away = False
    np.testing.assert_array_equal(view.to_numpy(), expected)
    assert elsewhere.extract("net", "pics").report.computed == 0
    assert elsewhere.cache.explain("net", "pics").cuts[0].damaged_shards == 0


def test_a_store_that_does_not_answer_for_a_moment_while_an_index_is_opened(elsewhere, shards):
    """The mark of a shard changed, so that it is read; and then it cannot be."""
    elsewhere.extract("net", "pics", settings=EAGER)
    for name in names_in(shards):
        shards.put(name, shards.read(name))
    real = shards.read

    def away(name):
        raise StorageError("memory: does not answer")

    shards.read = away
    with pytest.raises(StorageError, match="does not answer"):
        elsewhere.features("net", "pics")
    shards.read = real
    assert len(elsewhere.features("net", "pics")) == 36


def test_a_store_that_is_full(elsewhere, shards):
    shards.capacity = 1000
    with pytest.raises(StorageError, match="are free where memory: is"):
        elsewhere.extract("net", "pics")
    assert names_in(shards) == []


def test_exports_and_bundles_go_from_store_to_store(elsewhere, shards, tmp_path, pictures):
    view = elsewhere.extract("net", "pics", settings=EAGER)
    expected = view.to_numpy()
    with np.load(view.export(tmp_path / "features.npz")) as exported:
        np.testing.assert_array_equal(exported["features"], expected)
    bundle = elsewhere.backbones.export("net", tmp_path / "net.zip", features=True)
    files = hs.init(tmp_path / "files")
    memory = Workspace(hs.init(tmp_path / "memory").config, MemoryStore(tmp_path / "other"))
    for there in (files, memory):
        assert there.backbones.import_(bundle)[1] == 36
        there.datasets.add("pics", pictures)
        served = there.extract("net", "pics")
        assert served.report.computed == 0
        np.testing.assert_array_equal(served.to_numpy(), expected)
    assert len(list(files.config.features.rglob("*.h5"))) == 9
    assert not list(memory.config.features.rglob("*.h5"))
    lost = names_in(shards)[0]
    shards.delete(lost)
    with pytest.raises(hs.errors.BackboneError, match=rf"memory:{lost} is not what was committed"):
        elsewhere.backbones.export("net", tmp_path / "again.zip", features=True)


def test_a_bundle_that_fails_half_way_leaves_no_shard(elsewhere, shards, tmp_path):
    elsewhere.extract("net", "pics", settings=EAGER)
    bundle = elsewhere.backbones.export("net", tmp_path / "net.zip", features=True)
    other = MemoryStore(tmp_path / "other")
    memory = Workspace(hs.init(tmp_path / "memory").config, other)
    size = max(entry.size for entry in shards.entries())
    other.capacity = 3 * size
    with pytest.raises(StorageError, match="no space is left"):
        memory.backbones.import_(bundle)
    assert names_in(other) == []
    other.capacity = None
    assert memory.backbones.import_(bundle)[1] == 36


def sent(one):
    return pickle.loads(pickle.dumps(one))


def test_a_context_that_is_pickled_keeps_the_store_that_it_was_given(ready, tmp_path):
    given = LocalStore(tmp_path / "disk", tmp_path / "locks")
    view = Workspace(ready.config, given).extract("net", "pics")
    assert list((tmp_path / "disk").rglob("*.h5"))
    assert not list(ready.config.features.rglob("*.h5"))
    for one in (Context(ready.config, given), Workspace(ready.config, given)):
        there = sent(one)
        context = there if isinstance(there, Context) else there.context
        assert len(context.cache().open_index(view.key)) == 36
    assert len(sent(ready.context).cache().store.entries()) == 0
