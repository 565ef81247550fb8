"""Care of the cache, as a user does it: explain, collect, compact, reindex, import."""

import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
from sqlalchemy import text, update

import headstart as hs
from conftest import clean_environment, direct, draw, network, rows_in
from headstart.errors import FeaturesMissing, StorageError
from headstart.extractors.cache.gc import Choice
from headstart.registry.features import FeatureRepository
from headstart.registry.tables import feature_sets
from headstart.storage.locks import Hold
from headstart.storage.manifest_parts import parts_folder

EAGER = hs.Settings(batch_size=4, commit_seconds=0)


def shard_files(ws):
    return sorted(ws.config.features.rglob("*.h5"))


def rows_of(file):
    with h5py.File(file) as shard:
        return len(shard["digests"])


# Explain


def reasons(explanation, cut=0):
    return {reason.why: reason.samples for reason in explanation.cuts[cut].reasons}


def test_explain_says_what_is_new_and_forecasts_by_measured_rates(ready, pictures, run):
    before = ready.cache.explain("net", "pics")
    assert (before.to_compute, before.seconds, before.bytes) == (36, None, 36 * (8 * 4 + 32))
    assert "no run has been measured" in run("features", "explain", "net", "pics").out
    report = ready.extract("net", "pics").report
    after = ready.cache.explain("net", "pics")
    assert (after.to_compute, after.cuts[0].present) == (0, 36)
    draw(pictures / "red" / "new.png", 999)
    ready.datasets.refresh("pics")
    found = ready.cache.explain("net@features,relu|gap", "pics")
    assert reasons(found) == {"new sample: its content was never seen at this cut": 1}
    assert found.cuts[0].reasons[0].example == "red/new.png"
    assert reasons(found, 1) == {"new sample: its content was never seen at this cut": 37}
    assert found.to_compute == 37
    assert found.seconds == pytest.approx(37 * report.seconds / 36, rel=0.05, abs=0.1)
    shown = run("features", "explain", "net@features,relu|gap", "pics").out
    assert "37 of 37 contents to compute" in shown
    assert "red/new.png" in shown


def test_explain_names_the_field_of_the_preprocessing_that_differs(ready, model_file, tmp_path):
    ready.extract("net", "pics")
    steps = ready.backbones.get("net").preprocessing["steps"]
    changed = [
        {**step, "method": "nearest"} if step["step"] == "resize" else step for step in steps
    ]
    assert changed != steps
    pipeline = {"steps": changed}
    (tmp_path / "p.json").write_text(__import__("json").dumps(pipeline))
    ready.backbones.add("net", model_file, preprocess=str(tmp_path / "p.json"))
    (why,) = reasons(ready.cache.explain("net", "pics"))
    assert why.startswith("other preprocessing: steps[resize].method")
    assert "→ nearest" in why


def test_explain_tells_other_weights_and_other_poolings(ready, tmp_path):
    ready.extract("net@relu|gap", "pics")
    network(seed=1).save(tmp_path / "other.keras")
    assert reasons(ready.cache.explain("net@relu|gmp", "pics")) == {
        "other pooling: it was computed for relu|gap": 36
    }
    ready.backbones.add("net", tmp_path / "other.keras", preprocess="unit")
    assert reasons(ready.cache.explain("net@relu|gap", "pics")) == {
        "other weights: it was computed by net": 36
    }


def test_explain_counts_damaged_shards_and_unreadable_samples(ready, pictures):
    (pictures / "red" / "00.jpg").write_bytes(b"no picture")
    ready.extract("net", "pics", settings=hs.Settings(4, "skip", 0))
    # One without the unreadable sample: names are hashes, so which is first is chance.
    damaged = next(file for file in shard_files(ready) if rows_of(file) == 4)
    damaged.write_bytes(b"x")
    found = ready.cache.explain("net", "pics")
    assert found.to_compute == 4
    # The first call put it aside while it looked.
    cut = ready.cache.explain("net", "pics").cuts[0]
    assert (cut.damaged_shards, cut.unreadable, cut.missing) == (1, 1, 4)


# Collect


def kinds(garbage):
    return sorted(one.kind for one in garbage)


def test_gc_shows_first_and_deletes_only_when_told(ready, run, monkeypatch):
    def dies(self, shards, **more):
        raise SystemError("killed")

    ready.extract("net", "pics", settings=EAGER)
    expected = ready.features("net", "pics").to_numpy()
    with monkeypatch.context() as patch:
        patch.setattr(FeatureRepository, "commit_shards", dies)
        with pytest.raises(SystemError):
            ready.extract("net@relu|gap", "pics")
    victim = shard_files(ready)[0]
    (victim.parent / ".half.h5.0123.partial").write_bytes(b"half")
    files = shard_files(ready)
    shown = run("features", "gc")
    assert "nothing was deleted. Add --apply" in shown.out
    assert shard_files(ready) == files
    done = run("features", "gc", "--apply", "--json").json
    assert sorted(one["kind"] for one in done["found"]) == ["orphan", "orphan"]
    assert len(done["deleted"]) == 2
    assert done["bytes"] > 0
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), expected)
    assert "Nothing to collect" in run("features", "gc").out
    assert ready.extract("net@relu|gap", "pics").report.computed == 36


def test_damaged_shards_are_collected_after_their_rows_were_computed_again(ready):
    ready.extract("net", "pics", settings=EAGER)
    shard_files(ready)[0].write_bytes(b"x")
    ready.cache.explain("net", "pics")
    assert kinds(ready.cache.find_garbage()) == ["damaged"]
    ready.cache.collect(ready.cache.find_garbage())
    assert len(shard_files(ready)) == 8
    assert ready.extract("net", "pics").report.computed == 4


def test_what_a_view_holds_is_not_collected_and_the_view_reads_on(ready):
    view = ready.extract("net", "pics")
    expected = view.to_numpy()
    (found,) = ready.cache.find_garbage(Choice(sets=(view.key[:10],)))
    assert found.held
    assert ready.cache.collect([found]) == []
    part = view.split("train")
    del view
    assert ready.cache.find_garbage(Choice(sets=(part.key,)))[0].held  # the part holds it too
    assert len(part.to_numpy()) == len(part) < len(expected)
    del part
    (found,) = ready.cache.find_garbage(Choice(sets=(found.key,)))
    assert not found.held
    assert ready.cache.collect([found]) == [found]
    assert shard_files(ready) == []
    with pytest.raises(FeaturesMissing):
        ready.features("net", "pics")


def test_what_another_process_holds_is_not_collected(ready):
    key = ready.extract("net", "pics").key
    script = (
        "import headstart as hs, sys, time\n"
        f"view = hs.open({str(ready.config.root)!r}).features('net', 'pics')\n"
        "print('open', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=clean_environment(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    assert ready.cache.find_garbage(Choice(sets=(key,)))[0].held
    process.kill()
    process.wait()
    process.stdout.close()
    assert not ready.cache.find_garbage(Choice(sets=(key,)))[0].held


def test_a_view_that_nobody_can_reach_any_more_holds_nothing(ready):
    """As one in the frames of an error's traceback that refers to itself, on a full disk."""
    ring = [ready.extract("net", "pics")]
    ring.append(ring)
    choice = Choice(sets=(ring[0].key,))
    assert [one.held for one in ready.cache.find_garbage(choice)] == [True]
    del ring
    assert [one.held for one in ready.cache.find_garbage(choice)] == [False]
    assert len(ready.cache.collect(ready.cache.find_garbage(choice))) == 1


def test_sets_that_no_backbone_gives_go_when_asked_for(ready):
    ready.extract("net", "pics")
    assert ready.cache.find_garbage(Choice(unreachable=True)) == []
    ready.backbones.remove("net", force=True)
    assert ready.cache.find_garbage() == []
    assert kinds(ready.cache.find_garbage(Choice(unreachable=True))) == ["unreachable"]


def test_the_set_used_longest_ago_goes_first_under_a_quota(ready, run):
    for cut in ("features", "relu|gap", "relu|gmp"):
        ready.extract(f"net@{cut}", "pics")
    with ready.database.writing() as connection:  # read three, two and one day ago
        for days, cut in ((3, "relu|gap"), (2, "features"), (1, "relu|gmp")):
            chosen = update(feature_sets).where(feature_sets.c.cut == cut)
            connection.execute(chosen.values(used_at=hs_now() - timedelta(days=days)))
    total = sum(path.stat().st_size for path in ready.config.features.rglob("*") if path.is_file())
    found = ready.cache.find_garbage(Choice(quota=total - 1))
    assert [one.what.partition("@")[2] for one in found] == ["relu|gap"]
    assert run("features", "gc", "--quota", "0", "--json").json["bytes"] == total
    ready.features("net@relu|gap", "pics")  # is used again, so that another is the oldest
    found = ready.cache.find_garbage(Choice(quota=total - 1))
    assert [one.what.partition("@")[2] for one in found] == ["features"]
    assert "is not a size" in run("features", "gc", "--quota", "many").err


def hs_now():
    from headstart.registry.tables import now

    return now().replace(tzinfo=None)


def test_old_manifests_that_no_dataset_needs_are_collected(ready, pictures, monkeypatch):
    draw(pictures / "red" / "new.png", 999)
    ready.datasets.refresh("pics")
    assert len(list(ready.config.manifests.iterdir())) == 2
    assert ready.cache.find_garbage() == []  # too young
    later = time.time() + 2 * 24 * 3600
    monkeypatch.setattr("headstart.extractors.cache.gc.time.time", lambda: later)
    ready.cache.collect(ready.cache.find_garbage())
    assert len(list(ready.config.manifests.iterdir())) == 1
    assert ready.extract("net", "pics").report.computed == 37


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"garbage")])
def test_while_a_manifest_cannot_be_read_no_part_of_any_is_collected(
    ready, pictures, run, monkeypatch, damage
):
    monkeypatch.setattr("headstart.storage.manifest.LARGEST_WHOLE", 4)
    for name in ("one", "two"):
        draw(pictures / "red" / f"{name}.png", len(name))
        ready.datasets.add(name, pictures)
    parts = parts_folder(ready.config.manifests)
    (parts / f"{'0' * 64}.json").write_text("garbage of old")
    kept = sorted(parts.iterdir())
    later = time.time() + 2 * 24 * 3600
    monkeypatch.setattr("headstart.extractors.cache.gc.time.time", lambda: later)
    manifest = ready.config.manifests / ready.datasets.get("one").manifest
    whole = manifest.read_bytes()
    damage(manifest)
    ran = run("features", "gc", "--apply")
    assert ran.code == 0
    assert f"{manifest} " in ran.err
    assert "no part of any manifest is deleted" in ran.err
    assert sorted(parts.iterdir()) == kept
    manifest.write_bytes(whole)
    assert run("features", "gc", "--apply").err == ""
    assert len(list(parts.iterdir())) == len(kept) - 1
    assert len(ready.datasets.manifest("one").samples) == 37


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
    assert ready.cache.explain("net", "pics").to_compute == 4
    away.rename(victim)
    assert ready.cache.reindex().restored == 1
    assert ready.extract("net", "pics").report.computed == 0


def test_an_empty_features_folder_is_a_disk_that_is_not_mounted(ready):
    ready.extract("net", "pics")
    away = ready.config.features.rename(ready.config.features.with_name("away"))
    ready.config.features.mkdir()
    with pytest.raises(StorageError, match="is empty, and the registry knows 1 shards"):
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
