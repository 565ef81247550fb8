"""What garbage collection takes, and what it leaves."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from cache_read import EAGER, kinds, shard_files
from sqlalchemy import text, update

import headstart as hs
from conftest import clean_environment, draw
from headstart.errors import FeaturesMissing
from headstart.extractors.cache.gc import Choice
from headstart.registry.features import FeatureRepository
from headstart.registry.tables import feature_sets
from headstart.storage.manifest_parts import parts_folder
from headstart.storage.objects import shared_folder

# Collect


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
    assert kinds(ready.cache.find_garbage()) == []  # it only looked
    with pytest.raises(FeaturesMissing):
        ready.features("net", "pics")
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
        "print('open', flush=True); time.sleep(600)"
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
    monkeypatch.setattr(shared_folder, "clock_of", lambda _folder: later)
    ready.cache.collect(ready.cache.find_garbage())
    assert len(list(ready.config.manifests.iterdir())) == 1
    assert ready.extract("net", "pics").report.computed == 37


def test_a_machine_whose_clock_is_ahead_does_not_take_young_files_for_old(ready, monkeypatch):
    """What is compared is what the file system says of time, of all its files."""
    (ready.config.manifests / "young").write_bytes(b"of a dataset that is about to be registered")
    stray = ready.config.root / "artifacts" / "ab" / f"ab{'0' * 62}.keras"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"of a backbone that is about to be registered")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3 * 24 * 3600)
    assert ready.cache.find_garbage() == []


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
    monkeypatch.setattr(shared_folder, "clock_of", lambda _folder: later)
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


def test_who_slept_while_it_had_a_set_alone_deletes_nothing(
    tmp_path, temporary, model_file, pictures
):
    """Its hold ran out, and another one's may be there by now."""
    ws = hs.init(tmp_path / "zoo-2", store=f"file://{tmp_path}/bucket")
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.datasets.add("pics", pictures)
    key = ws.extract("net", "pics").report.feature_key
    found = ws.cache.find_garbage(Choice(sets=(key,)))
    real = ws.context.feature_sets.find_set

    def slept(asked):
        with ws.database.writing() as connection:
            connection.execute(text("DELETE FROM holds"))
        return real(asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureRepository, "find_set", lambda _self, asked: slept(asked))
        assert ws.cache.collect(found) == []
    assert len(ws.features("net", "pics").to_numpy()) == 36
    assert len(ws.cache.collect(ws.cache.find_garbage(Choice(sets=(key,))))) == 1
