"""Copies from memory that may be gone."""

import mmap
import os
import subprocess
import sys

import numpy as np
import pytest

from headstart.storage.shards.own_memory import AT_ONCE, can_copy, is_copied

pytestmark = pytest.mark.skipif(not can_copy(), reason="the system copies nothing")


def addresses(block, places):
    return np.uint64(block.ctypes.data) + np.asarray(places, np.uint64)


@pytest.mark.parametrize("count", [1, AT_ONCE, 2 * AT_ONCE + 3])
def test_bytes_come_from_any_places_in_their_order(count):
    block = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8)
    places = np.random.default_rng(1).integers(0, 99_000, count)
    out = np.zeros((count, 77), np.uint8)
    assert is_copied(addresses(block, places), 77, out)
    np.testing.assert_array_equal(out, block[places[:, None] + np.arange(77)])


def test_a_file_that_was_cut_short_is_an_answer(tmp_path):
    path, size = tmp_path / "file", 4 * mmap.PAGESIZE
    path.write_bytes(b"a" * size)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        block, out = np.frombuffer(mapped, np.uint8), np.zeros((2, 10), np.uint8)
        there = addresses(block, [0, 3 * mmap.PAGESIZE])
        assert is_copied(there, 10, out)
        os.truncate(path, mmap.PAGESIZE)
        assert not is_copied(there, 10, out)
        assert is_copied(there[:1], 10, out[:1])
        del block


FORKED = """
import os
import numpy as np
from headstart.storage.shards.own_memory import is_copied

block, out = np.zeros(8, np.uint8), np.zeros(8, np.uint8)
assert is_copied(np.array([block.ctypes.data], np.uint64), 8, out)
child = os.fork()
if not child:
    block[:] = 7
    done = is_copied(np.array([block.ctypes.data], np.uint64), 8, out)
    os._exit(0 if done and (out == 7).all() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_was_forked_copies_from_its_own_memory():
    assert subprocess.run([sys.executable, "-c", FORKED]).returncode == 0
