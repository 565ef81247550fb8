"""Stores that are folders: what writers leave there that were killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.leftovers import is_leftover, leftovers

KILLED = """
import os, signal, sys
import obstore
from obstore.store import LocalStore
writer = obstore.open_writer(LocalStore(sys.argv[1]), sys.argv[2], buffer_size=1 << 20)
writer.write(bytes(6 << 20))
writer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def ready(tmp_path, temporary, model_file, pictures):
    """A workspace with features in a folder that is spoken to as a bucket."""
    ws = hs.init(tmp_path / "zoo", store=f"file://{tmp_path / 'store'}")
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.datasets.add("pics", pictures)
    ws.extract("net", "pics", engine="tensorflow")
    return ws


def leave(store, key):
    """What a process leaves that is killed in the middle of writing an object."""
    command = [sys.executable, "-c", KILLED, store, key]
    assert subprocess.run(command, env=clean_environment()).returncode == -signal.SIGKILL
    (left,) = [path for path in (Path(store) / key).parent.iterdir() if is_leftover(path.name)]
    return left


def test_what_a_killed_writer_left_is_an_orphan(ready, tmp_path, run):
    store = tmp_path / "store"
    (shard,) = store.rglob("*.h5")
    expected = ready.features("net", "pics").to_numpy()
    left = leave(store, shard.relative_to(store).with_name("new.h5").as_posix())
    listed = [one.key for one in Bucket(parse(f"file://{store}")).listed("features")]
    assert left.relative_to(store).as_posix() not in listed
    found = ready.cache.find_garbage()
    assert [(one.kind, Path(one.what).name, one.size) for one in found] == [
        ("orphan", left.name, left.stat().st_size)
    ]
    assert f"{left.name}" in run("features", "gc").out
    assert len(ready.cache.collect(found)) == 1
    assert not left.exists() and shard.exists()
    assert ready.cache.find_garbage() == []
    np.testing.assert_array_equal(ready.features("net", "pics").to_numpy(), expected)


def test_one_of_a_model_is_found_when_it_is_old_though_the_model_is_needed(ready, tmp_path):
    store = tmp_path / "store"
    (model,) = store.rglob("*.keras")
    model.rename(model.with_suffix(".aside"))
    left = leave(store, model.relative_to(store).as_posix())
    model.with_suffix(".aside").rename(model)
    assert ready.cache.find_garbage() == []  # its writer may be at work
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(left, (long_ago, long_ago))
    (found,) = ready.cache.find_garbage()
    assert (found.kind, Path(found.what).name) == ("artifact", left.name)
    assert len(ready.cache.collect([found])) == 1
    assert not left.exists() and model.exists()


@pytest.mark.parametrize("looks", [0, 1])
def test_what_gets_its_name_while_it_is_looked_at_fails_nothing(tmp_path, monkeypatch, looks):
    (tmp_path / "s").mkdir()
    for name in ("x#1", "y#2"):
        (tmp_path / "s" / name).write_bytes(b"1")
    real, seen = Path.stat, []

    def renamed(self, **options):
        if self.name == "x#1":
            if len(seen) == looks:
                self.rename(self.with_name("x"))
            seen.append(self)
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", renamed)
    found = [key for key, *_ in leftovers(tmp_path, "s")]
    assert found == (["s/x#1", "s/y#2"] if looks else ["s/y#2"])
