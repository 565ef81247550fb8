"""Files that stay open, so that it is seen whether somebody wrote to them."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rows_in_shards import ROWS, path_in, view_of

from headstart.errors import ShardDamaged
from headstart.storage.files import state_of
from headstart.storage.local_store import LocalStore
from headstart.storage.shard_store import watch
from headstart.storage.shards import own_memory
from headstart.storage.shards import watch as watching
from headstart.storage.shards.watch import watch_of

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")


def written(path):
    with path.open("r+b") as file:
        file.write(b"c")


def cut(path):
    os.truncate(path, 1)


def replaced(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def set_back(path):
    """Written to, and its mtime is what it was."""
    before = path.stat()
    written(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@POSIX
@pytest.mark.parametrize("change", [written, cut, replaced, set_back, Path.unlink])
def test_what_is_done_to_a_file_is_seen(tmp_path, change):
    path = tmp_path / "file"
    path.write_bytes(b"ab")
    os.utime(path, ns=(1, 1))
    look = watch_of(str(path))
    assert look is not None and look() == look() == state_of(path)
    before = look()
    change(path)
    assert look() != before
    assert look() == state_of(path) or change in (replaced, Path.unlink)


def test_a_store_says_of_what_is_not_there_what_it_always_says(tmp_path):
    store = LocalStore(tmp_path, tmp_path / "locks")
    assert store.watch("ab/cd/missing.h5") is None
    assert watch(store, "ab/cd/missing.h5")() == ()


def test_a_store_that_knows_nothing_of_it_is_asked_as_ever():
    class Old:
        def stat_of(self, name):
            return (len(name),)

    old: Any = Old()
    assert watch(old, "abc")() == (3,)


def test_so_many_files_stay_open_and_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "_LEFT", type(watching._LEFT)([None] * 2))
    path = tmp_path / "file"
    path.touch()
    for _ in range(3):
        looks = [watch_of(str(path)) for _ in range(3)]
        assert [look is None for look in looks] == [False, False, True]
        assert watch_of(str(tmp_path / "missing")) is None
        del looks
        gc.collect()
        assert watch_of(str(tmp_path / "missing")) is None  # which keeps none
        assert len(watching._LEFT) == 2


@pytest.mark.skipif(not own_memory.can_copy(), reason="nothing is mapped here")
def test_a_view_of_more_shards_than_may_be_open_notices_all_the_same(store, monkeypatch):
    monkeypatch.setattr(watching, "_LEFT", type(watching._LEFT)([None]))
    view, plain = view_of(store, (100,))
    view.to_numpy()
    assert view[range(ROWS)].tobytes() == plain.tobytes()
    looks = view._reader._mapped._known.looks.values()
    assert sorted(type(look).__name__ for look in looks) == ["_Watch", "partial", "partial"]
    for number in (0, 2):
        os.utime(path_in(view, store, number), ns=(1, 1))
    (path_in(view, store, 2)).write_bytes(b"")
    with pytest.raises(ShardDamaged, match=str(path_in(view, store, 2))):
        view[range(ROWS)]


FORKED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from rows_in_shards import damage, path_in, view_of
from headstart.errors import ShardDamaged
from headstart.storage.local_store import LocalStore

store = LocalStore(Path(sys.argv[2]) / "features", Path(sys.argv[2]) / "locks")
view, plain = view_of(store, (100,))
view.to_numpy()
assert (view[:50] == plain[:50]).all()

def read(damaged):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        same = all(a.tobytes() == b.tobytes() for (a, _), (b, _) in zip(
            view.batches(9, shuffle=True), view.batches(9, shuffle=True), strict=True))
        os._exit(0 if same and (view[:50] == plain[:50]).all() else 1)
    except ShardDamaged:
        os._exit(7)

assert read(False) == 0
assert (view[50:99] == plain[50:99]).all()
damage(path_in(view, store), view)
assert read(True) == 7
try:
    view[:]
except ShardDamaged:
    print("damaged")
"""


@POSIX
def test_after_a_fork_both_processes_read_rows_and_notice(tmp_path):
    tests = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", FORKED, tests, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "damaged\n"


def test_a_file_that_somebody_else_opened_by_its_number_stays_open(tmp_path):
    path, other = tmp_path / "shard", tmp_path / "other"
    path.write_bytes(b"rows")
    look = watch_of(str(path))
    number = look._file
    os.close(number)  # as who makes a daemon of a process does
    other.write_bytes(b"theirs")
    theirs = os.open(other, os.O_RDONLY)
    if theirs != number:
        os.dup2(theirs, number)
        os.close(theirs)
    del look
    gc.collect()
    assert os.read(number, 6) == b"theirs"
    os.close(number)
