"""Rows that are copied are the same rows, and nothing of them stays."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import StorageError
from headstart.heads import copied_rows
from headstart.heads.bounds import Bounds
from headstart.heads.copied_rows import CopiedRows, copied
from headstart.heads.rows import ChosenRows, check_rows, some_of
from headstart.notices import HeadstartNote


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(700, 9)).astype(np.float32)


@pytest.fixture
def chosen(rows):
    own = np.flatnonzero(np.arange(700) % 7 < 5)
    return ChosenRows(rows).only(own), rows[own]


def test_they_are_the_same_rows(chosen, tmp_path, monkeypatch):
    monkeypatch.setattr(copied_rows, "AT_ONCE", 1_000)
    lazy, expected = chosen
    found = CopiedRows(lazy, tmp_path)
    assert found.shape == expected.shape and len(found) == len(expected)
    np.testing.assert_array_equal(found[:], expected)
    np.testing.assert_array_equal(found[100:200], expected[100:200])
    some = np.array([5, 400, 3])
    np.testing.assert_array_equal(found[some], expected[some])
    np.testing.assert_array_equal(some_of(found, some)[1:], expected[some[1:]])
    for odd in (np.arange(500) % 3 == 0, np.array([-1, 0]), np.array([2, 3, 4, 9]), some[:0]):
        np.testing.assert_array_equal(found[odd], expected[odd])
    with pytest.raises(OSError, match="nothing at"):
        found[np.array([500])]
    low, high = (np.full(9, end, np.float32) for end in (-0.5, 0.5))
    ones = np.ones(9, np.float32)
    held = found.less(ones).held(Bounds(low, high))
    np.testing.assert_array_equal(held[:50], np.clip(expected[:50] - 1, -0.5, 0.5))
    check_rows(found)


def test_a_slice_is_no_copy_and_cannot_be_written_to(chosen, tmp_path):
    found = CopiedRows(chosen[0], tmp_path)
    assert np.shares_memory(found[3:9], found[:])
    with pytest.raises(ValueError, match="read-only"):
        found[3:9][0] = 1


def test_nobody_sees_the_file(chosen, tmp_path):
    found = CopiedRows(chosen[0], tmp_path)
    assert not [*tmp_path.iterdir()]
    np.testing.assert_array_equal(found[:2], chosen[1][:2])


def test_rows_are_those_of_the_mapping_where_the_system_has_no_other_way(
    chosen, tmp_path, monkeypatch
):
    monkeypatch.delattr(os, "preadv")
    found, some = CopiedRows(chosen[0], tmp_path), np.array([5, 400, 3])
    np.testing.assert_array_equal(found[some], chosen[1][some])


def test_what_was_let_go_is_there_again(chosen, tmp_path, monkeypatch):
    monkeypatch.setattr(copied_rows, "MOST", 500)
    found, (_, expected) = CopiedRows(chosen[0], tmp_path), chosen
    held = found[:]
    for start in range(0, len(expected), 10):
        np.testing.assert_array_equal(found[start : start + 10], expected[start : start + 10])
    np.testing.assert_array_equal(held, expected)


def test_they_are_copied_to_where_temporary_files_are_to_be(chosen, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    made, whole = [], CopiedRows.__init__

    def noted(self, lazy, folder):
        made.append(folder)
        whole(self, lazy, folder)

    monkeypatch.setattr(CopiedRows, "__init__", noted)
    assert isinstance(copied(chosen[0]), CopiedRows)
    assert made == [tmp_path]
    assert copied(rows) is rows


def test_without_room_they_stay_where_they_are_which_is_said(chosen, monkeypatch):
    monkeypatch.setattr(copied_rows, "LEFT", 1e15)
    with pytest.warns(HeadstartNote, match="read where they lie.*TMPDIR"):
        assert copied(chosen[0]) is chosen[0]


def test_rows_that_cannot_be_read_are_no_lack_of_room(chosen, monkeypatch, recwarn):
    def refuse(self, rows):
        raise StorageError("the bucket does not answer")

    monkeypatch.setattr(ChosenRows, "_read", refuse)
    with pytest.raises(StorageError, match="does not answer"):
        copied(chosen[0])
    assert not recwarn.list


def test_nothing_is_copied_to_a_folder_that_is_memory_which_is_said(chosen, monkeypatch):
    memory = Path("/dev/shm")
    if "tmpfs /dev/shm " not in Path("/proc/mounts").read_text():
        pytest.skip("/dev/shm is no memory here")
    monkeypatch.setattr(copied_rows, "_folder", lambda: memory)
    with pytest.warns(HeadstartNote, match="/dev/shm .it is memory, no disk"):
        assert copied(chosen[0]) is chosen[0]


def test_room_is_taken_before_a_row_is_copied(chosen, tmp_path, monkeypatch):
    asked = []

    def refuse(file, start, size):
        asked.append((start, size))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    monkeypatch.setattr(copied_rows, "_folder", lambda: tmp_path)
    monkeypatch.setattr(ChosenRows, "_read", lambda self, rows: pytest.fail("read"))
    with pytest.warns(HeadstartNote, match="No space left"):
        assert copied(chosen[0]) is chosen[0]
    assert asked == [(0, chosen[1].nbytes)]


def test_rows_are_copied_where_no_room_can_be_taken_beforehand(chosen, tmp_path, monkeypatch):
    def refuse(file, start, size):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    np.testing.assert_array_equal(CopiedRows(chosen[0], tmp_path)[:], chosen[1])
