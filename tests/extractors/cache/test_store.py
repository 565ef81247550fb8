"""Care of the cache, as a user does it: explain, collect, compact, reindex, import."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from cache_read import EAGER, kinds, shard_files
from sqlalchemy import text

import headstart as hs
from conftest import direct, draw, rows_in
from headstart.errors import FeaturesMissing, LeaseLost, StorageError
from headstart.extractors.cache import feature_cache
from headstart.extractors.cache.feature_cache import Rows
from headstart.extractors.cache.gc import Choice
from headstart.registry.features import FeatureRepository
from headstart.storage import index_files
from headstart.storage.locks import Hold

# Compact


def test_compact_merges_small_shards_and_changes_no_number(ready, run):
    view = ready.extract("net", "pics", settings=EAGER)
    expected = view.to_numpy()
    assert len(shard_files(ready)) == 9
    assert run("features", "compact", "--json").json == {"before": 9, "after": 1}
    assert len(shard_files(ready)) == 10  # the view still holds the old ones
    np.testing.assert_array_equal(view.to_numpy(), expected)
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), expected)
    key = view.key
    del view
    assert kinds(ready.cache.find_garbage()) == ["orphan"] * 9
    ready.cache.collect(ready.cache.find_garbage())
    assert len(shard_files(ready)) == 1
    assert ready.extract("net", "pics").report.computed == 0
    assert ready.verify("net", "pics", full=True)["max_abs_diff"] <= 1e-5
    assert run("features", "compact", key[:8], "--json").json == {"before": 1, "after": 1}
    assert rows_in(ready) == 36


def test_what_others_commit_is_read_once_and_nothing_else_again(ready, monkeypatch):
    """Behind each claim a worker asks what is there; that costs what is new."""
    for number in range(3):
        draw(ready.config.root.parent / "more" / "c" / f"{number}.png", 500 + number, (12, 12))
    ready.datasets.add("more", ready.config.root.parent / "more")
    key = ready.extract("net", "pics", batch_size=4, commit_seconds=0.0).report.feature_key
    cache = ready.context.cache()
    assert len(cache.open_index(key)) == 36
    ready.extract("net", "more", batch_size=1, commit_seconds=0.0)
    read, rows = [], []
    for where in (feature_cache, index_files):
        real = where.check_shard
        monkeypatch.setattr(where, "check_shard", lambda *a, r=real: (read.append(a), r(*a))[1])
    find = type(ready.context.feature_sets).find_shards
    monkeypatch.setattr(
        type(ready.context.feature_sets),
        "find_shards",
        lambda *a, **m: (rows.extend(found := find(*a, **m)), found)[1],
    )
    assert len(cache.open_index(key, fresh=True)) == 39
    assert len(cache.open_index(key, fresh=True)) == 39
    assert len(read) == len(rows) <= 3
    ready.cache.compact(key)  # what went is seen as well
    rows.clear()
    assert len(cache.open_index(key, fresh=True)) == 39
    assert len({shard.file for shard in cache.open_index(key).living}) == len(rows) == 1


def test_compact_computes_what_is_damaged_no_sooner_than_asked(ready):
    ready.extract("net", "pics", settings=EAGER)
    shard_files(ready)[3].write_bytes(b"x")
    assert ready.cache.compact() == (8, 1)
    report = ready.extract("net", "pics").report
    assert (report.computed, report.reused) == (4, 32)


def test_compacting_half_width_and_compressed_sets_keeps_their_bits(ready):
    settings = hs.Settings(4, commit_seconds=0, storage="bfloat16", compression="gzip")
    expected = ready.extract("net", "pics", settings=settings).to_numpy()
    assert ready.cache.compact()[1] == 1
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), expected)


# Reindex


def test_reindex_brings_back_what_the_database_lost(ready, model, run, tmp_path, pictures):
    expected = ready.extract("net@features,relu|gap", "pics", settings=EAGER).to_numpy()
    keys = sorted(one.key for one in ready.context.feature_sets.find_sets())
    ready.database.close()
    for path in ready.config.root.glob("headstart.db*"):
        path.unlink()
    assert run("db", "upgrade").code == 0
    assert "18 registered" in run("features", "reindex").out
    assert run("features", "reindex", "--json").json["added"] == 0
    ws = hs.open(ready.config.root)
    assert sorted(one.key for one in ws.context.feature_sets.find_sets()) == keys
    ws.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    ws.datasets.add("pics", pictures)
    view = ws.extract("net@features,relu|gap", "pics")
    assert (view.report.computed, view.report.reused) == (0, 36)
    np.testing.assert_array_equal(view.to_numpy(), expected)


@pytest.mark.parametrize("ends", [None, LeaseLost("lost"), StorageError("the disk is full")])
def test_a_shard_that_reindex_finds_before_its_row_is_there_stays(ready, monkeypatch, ends):
    """The writer took the row for another's, or had to give up, and deleted the file it names."""
    view = ready.extract("net", "pics", batch_size=36)
    rows, ids = view.to_numpy(), [sample.digest for sample in view.samples]
    (feature_set,) = ready.context.feature_sets.find_sets()
    del view
    ready.cache.collect(ready.cache.find_garbage(Choice(sets=(feature_set.key,))))
    feature_set = ready.context.feature_sets.ensure_set(feature_set)
    cache, real = ready.context.cache(), FeatureRepository.commit_shards

    def beside(self, *arguments, **more):
        monkeypatch.setattr(FeatureRepository, "commit_shards", real)
        assert ready.cache.reindex().added == 1
        if ends is not None:
            raise ends
        return real(self, *arguments, **more)

    monkeypatch.setattr(FeatureRepository, "commit_shards", beside)
    with nullcontext() if ends is None else pytest.raises(type(ends)):
        cache.commit([Rows(feature_set, ids, rows)], "tensorflow", {})
    (shard,) = ready.context.feature_sets.find_shards(feature_set.id)
    assert [one.name for one in ready.context.shard_store.entries()] == [shard.file]
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), rows)


def test_reindex_leaves_out_what_is_damaged_or_is_not_what_it_says(ready, run):
    ready.extract("net", "pics", settings=EAGER)
    files = shard_files(ready)
    with ready.database.writing() as connection:
        connection.execute(text("DELETE FROM feature_sets"))
    content = bytearray(files[0].read_bytes())
    content[5000] ^= 1
    files[0].write_bytes(content)
    files[1].rename(files[1].with_name(files[2].name.replace(files[2].name[-11:-3], "00000000")))
    (files[3].parent / ("0" * 64 + "-abcd1234.h5")).write_bytes(b"no shard")
    elsewhere = files[4].parent.with_name("ff" * 32)
    elsewhere.mkdir()
    files[4].rename(elsewhere / files[4].name)
    ran = run("features", "reindex", "--json")
    assert (ran.json["added"], len(ran.json["damaged"])) == (6, 4)
    assert "its sha256 is not the one in its name" in ran.err
    assert ready.extract("net", "pics").report.computed == 12


def test_shards_put_aside_while_their_disk_was_away_come_back(ready):
    ready.extract("net", "pics", settings=EAGER)
    victim = shard_files(ready)[0]
    away = victim.rename(victim.with_suffix(".away"))
    assert ready.cache.explain("net", "pics").to_compute == 4  # who explains puts nothing aside
    with pytest.raises(FeaturesMissing, match="4 of 36"):
        ready.features("net", "pics").to_numpy()
    away.rename(victim)
    assert ready.cache.reindex().restored == 1
    assert ready.extract("net", "pics").report.computed == 0


def test_an_empty_features_folder_is_a_disk_that_is_not_mounted(ready):
    ready.extract("net", "pics")
    away = ready.config.features.rename(ready.config.features.with_name("away"))
    ready.config.features.mkdir()
    with pytest.raises(StorageError, match="is empty, and the registry knows 1 shard"):
        ready.extract("net", "pics")
    ready.config.features.rmdir()
    away.rename(ready.config.features)
    assert ready.extract("net", "pics").report.computed == 0


# Storage


@pytest.mark.parametrize("storage", ["float16", "bfloat16"])
def test_features_stored_in_half_the_width_are_near(ready, model, storage, run, fails):
    view = ready.extract("net", "pics", settings=hs.Settings(storage=storage, compression="gzip"))
    exact = direct(ready, view, model)
    assert view.dtype == np.float32
    np.testing.assert_allclose(view.to_numpy(), exact, rtol=2.0**-8, atol=1e-6)
    assert (view.to_numpy() != exact).any()
    shown = run("features", "show", view.key[:8]).out
    assert f"{storage}, compression gzip" in shown
    assert ready.extract("net", "pics").report.computed == 0  # it stays as it is
    line = fails("extract", "net", "pics", "--storage", "float32")
    assert f"are stored with storage {storage}, not float32" in line


def test_show_says_what_compression_of_sparse_features_would_save(ready, run):
    view = ready.extract("net@relu", "pics")
    view.key[:8]
    found = run("features", "show", view.key[:8], "--json").json["savings"]
    assert found["sizes"]["float32/none"] == pytest.approx(1, abs=0.01)
    assert found["sizes"]["float32/gzip"] < 1
    zeros = float((view.to_numpy() == 0).mean())
    assert found["zeros"] == pytest.approx(zeros, abs=0.01)
    assert ("of the numbers are 0" in run("features", "show", view.key[:8]).out) == (zeros > 0.3)


def test_numbers_too_large_for_float16_stop_the_run_and_are_named(ws, tmp_path, fails):
    from conftest import keras

    image = keras.Input((4,))
    big = keras.layers.Rescaling(1e5, name="big")(image)
    keras.Model(image, keras.layers.Dense(2)(big)).save(tmp_path / "big.keras")
    np.save(tmp_path / "x.npy", np.array([[1, 2, 3, 4], [0, 0, 0, 0]], np.float32) / 5)
    ws.backbones.add("big", tmp_path / "big.keras", preprocess="array")
    np.save(tmp_path / "y.npy", np.array([0, 1]))
    ws.datasets.add("x", tmp_path / "x.npy", labels=tmp_path / "y.npy")
    line = fails("extract", "big@big", "x", "--storage", "float16")
    assert "holds 80000, more than float16 can" in line
    (kept,) = ws.context.feature_sets.find_sets()
    ws.cache.collect(ws.cache.find_garbage(Choice(sets=(kept.key,))))
    assert ws.extract("big@big", "x", settings=hs.Settings(storage="bfloat16")).report.computed == 2


def test_a_hold_ends_with_its_process_or_its_object(tmp_path):
    from headstart.storage.locks import Alone

    hold = Hold(tmp_path, "a", "b")
    with Alone(tmp_path, "a") as lock:
        assert not lock.is_held
    with Hold(tmp_path, "a"), Alone(tmp_path, "c") as lock:
        assert lock.is_held
    hold.release()
    with Alone(tmp_path, "a") as lock:
        assert lock.is_held


def test_where_a_file_system_has_no_locks_reading_works_and_gc_deletes_nothing(ready, monkeypatch):
    import errno

    from headstart.storage import locks

    view = ready.extract("net", "pics")

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), view.to_numpy())
    found = ready.cache.find_garbage(Choice(sets=(view.key,)))
    assert ready.cache.collect(found) == []
    assert found[0].held


def test_an_odd_name_beside_shards_is_told_and_stops_no_reindexing(ready):
    view = ready.extract("net", "pics")
    (shard,) = ready.config.features.glob("??/*/*.h5")
    shutil.copy(shard, shard.with_name("copy of shard.h5"))
    shard.with_name("loop.h5").symlink_to("loop.h5")
    found = ready.cache.reindex()
    assert {Path(one["file"]).name for one in found.damaged} == {"copy of shard.h5", "loop.h5"}
    assert len(ready.features("net", "pics")) == len(view)
