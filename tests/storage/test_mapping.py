"""Files that are mapped, and let go."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

from headstart.storage.shards.mapping import mapped_file
from headstart.storage.shards.own_memory import can_copy

pytestmark = pytest.mark.skipif(not can_copy(), reason="shards are mapped on Linux alone")


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def is_mapped(path):
    return str(path) in Path("/proc/self/maps").read_text()


def test_all_of_a_file_is_mapped_as_long_as_somebody_has_it_and_no_file_is_open(tmp_path):
    path, content = tmp_path / "file", os.urandom(10_001)
    path.write_bytes(content)
    before = open_files()
    found = mapped_file(path)
    assert open_files() == before
    assert found is not None and found.size == len(content) and found.to_pybytes() == content
    path.unlink()
    part = np.frombuffer(found, np.uint8)[5:9]
    del found
    gc.collect()
    assert part.tobytes() == content[5:9] and is_mapped(path)
    del part
    gc.collect()
    assert not is_mapped(path)


def test_what_cannot_be_mapped_is_none(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for path in (empty, tmp_path, tmp_path / "missing", "a\0b"):
        before = open_files()
        assert mapped_file(path) is None
        assert open_files() == before
