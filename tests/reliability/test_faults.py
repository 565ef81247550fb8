"""Kills, damage and company: nothing committed is lost, no wrong row is served."""

import hashlib
import json
import shutil
import sqlite3
import threading

import h5py
import numpy as np
import pytest

import headstart as hs
from conftest import draw, rows_in
from headstart.errors import FeaturesMissing, ShardDamaged
from headstart.extractors.run import extraction
from headstart.registry.features import FeatureRepository

TOLERANCE = 1e-5
EAGER = hs.Settings(batch_size=4, commit_seconds=0)
"""Commits every batch."""


# Interruption


def test_ctrl_c_keeps_what_was_computed_and_the_next_call_goes_on(ready, monkeypatch, run):
    real = extraction.Extraction._finish
    calls = []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(extraction.Extraction, "_finish", interrupted)
    ran = run("extract", "net", "pics", "--batch-size", "4")
    assert ran.code == 130
    assert "interrupted. What was committed is kept" in ran.err
    kept = rows_in(ready)
    assert kept >= 12  # and what the workers had finished by then
    (latest, *_) = ready.runs.find_latest()
    assert (latest.status, latest.counts["computed"]) == ("interrupted", kept)
    monkeypatch.undo()
    report = ready.extract("net", "pics").report
    assert (report.computed, report.reused) == (36 - kept, kept)


def test_features_are_committed_by_and_by(ready, monkeypatch):
    seen = []
    ready.extract(
        "net", "pics", settings=EAGER, progress=lambda done, total: seen.append(rows_in(ready))
    )
    # A thread commits one batch while the next is computed.
    assert all(rows in (4 * n, 4 * n + 4) for n, rows in enumerate(seen)), seen
    assert len(seen) == 9
    assert rows_in(ready) == 36


def test_a_file_without_a_row_in_the_database_does_not_exist(ready, monkeypatch):
    """A crash between the file and its row leaves an orphan that nobody reads."""

    def dies(self, shards, **more):
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(FeatureRepository, "commit_shards", dies)
        with pytest.raises(SystemError):
            ready.extract("net", "pics")
    assert list(ready.config.features.rglob("*.h5"))
    assert rows_in(ready) == 0
    with pytest.raises(FeaturesMissing, match="36 of 36 samples have no features"):
        ready.features("net", "pics")
    assert ready.extract("net", "pics").report.computed == 36


# Damage


def shard_files(ws):
    return sorted(ws.config.features.rglob("*.h5"))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "swapped", "emptied"])
def test_a_damaged_shard_is_put_aside_and_only_its_rows_are_computed_again(ready, model, damage):
    first = ready.extract("net", "pics", settings=EAGER)
    expected = first.to_numpy()
    victim, other, *_ = shard_files(ready)
    content = bytearray(victim.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    elif damage == "truncated":
        victim.write_bytes(content[:-100])
    elif damage == "missing":
        victim.unlink()
    elif damage == "swapped":
        victim.write_bytes(other.read_bytes())
    else:
        victim.write_bytes(b"")
    again = ready.extract("net", "pics")
    assert (again.report.computed, again.report.reused) == (4, 32)
    assert again.report.quarantined == 1
    np.testing.assert_allclose(again.to_numpy(), expected, atol=TOLERANCE)
    assert ready.extract("net", "pics").report.computed == 0


def test_verify_computes_rows_again_and_counts_damage(ready, run):
    ready.extract("net", "pics", settings=EAGER)
    ran = run("features", "verify", "net", "pics", "--rows", "10", "--json").json
    assert (ran["rows"], ran["corrupt"]) == (10, 0)
    assert ran["max_abs_diff"] <= TOLERANCE
    shard_files(ready)[0].write_bytes(b"x")
    damaged = run("features", "verify", "net", "pics", "--json")
    found = json.loads(damaged.out)
    assert (damaged.code, found["corrupt"], found["ok"]) == (1, 1, False)
    assert "put aside: 1. Compute their rows with `headstart extract net pics`" in damaged.err
    again = run("features", "verify", "net", "pics", "--json")
    assert (again.code, json.loads(again.out)["ok"]) == (0, True)


@pytest.mark.parametrize("options", [(), ("--full",)], ids=str)
def test_verify_of_features_that_are_all_damaged_fails_and_says_what_to_do(ready, run, options):
    ready.extract("net", "pics")
    (file,) = shard_files(ready)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    ran = run("features", "verify", "net", "pics", "--json", *options)
    found = json.loads(ran.out)
    assert (found["rows"], found["corrupt"], found["ok"], ran.code) == (0, 1, False, 1)
    assert "`headstart extract net pics`" in ran.err
    nothing = run("features", "verify", "net", "pics")
    assert nothing.code == 1 and "no cached rows to compare" in nothing.err
    ready.extract("net", "pics")
    assert run("features", "verify", "net", "pics", *options).code == 0


def test_verify_finds_a_wrong_number_with_a_right_hash(ready):
    """What no hash can tell: rows that were computed wrongly."""
    view = ready.extract("net", "pics")
    (file,) = shard_files(ready)
    with h5py.File(file, "a") as shard:
        shard["features"][...] = shard["features"][...] + 0.5
    with sqlite3.connect(ready.config.sqlite_file) as connection:
        content = file.read_bytes()
        connection.execute(
            "UPDATE shards SET sha256 = ?, size = ?",
            [hashlib.sha256(content).hexdigest(), len(content)],
        )
    connection.close()
    assert ready.verify("net", "pics", rows=5)["max_abs_diff"] == pytest.approx(0.5, abs=1e-4)
    del view


def test_damage_found_while_reading_a_view_says_what_to_do(ready):
    view = ready.extract("net", "pics")
    shard_files(ready)[0].write_bytes(b"x")
    with pytest.raises(ShardDamaged, match="Run `headstart extract` again"):
        view.to_numpy()


def test_a_damaged_model_file_is_not_run(ready):
    (file,) = (f for f in ready.config.artifacts.rglob("*.keras"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(hs.HeadstartError, match="is damaged: its sha256 is another"):
        ready.extract("net", "pics", settings=hs.Settings(engine="tensorflow"))
    assert ready.extract("net", "pics").report.computed  # by the trunk that was converted before


# Two at once


def test_threads_may_extract_different_datasets_at_once(ready, pictures):
    shutil.copytree(pictures, pictures.with_name("copy"))
    draw(pictures.with_name("copy") / "red" / "one.png", 31337)
    ready.datasets.add("copy", pictures.with_name("copy"))
    ready.extract("net", "pics")
    found = {}
    threads = [
        threading.Thread(target=lambda n=name: found.update({n: ready.extract("net", n)}))
        for name in ("pics", "copy")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found["pics"].report.computed, found["copy"].report.computed) == (0, 1)
