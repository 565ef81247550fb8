"""`features gc` and data in memory that are added again meanwhile."""

import os

import numpy as np
import pytest

import headstart as hs
from headstart.extractors.cache.gc import MANIFEST_SECONDS
from headstart.jobs.datasets import add as adding
from headstart.storage.contents import HELD_AS, Contents
from headstart.storage.locks import Hold

X, Y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2


@pytest.fixture
def old(ws):
    """A content and a manifest that no dataset needs any more, as `features gc` finds them."""
    ws.datasets.add("d", X, Y)
    ws.datasets.remove("d")
    age(ws)
    return [one for one in ws.cache.find_garbage() if one.kind in ("content", "manifest")]


def age(ws):
    for folder in (ws.config.contents, *ws.config.root.glob("manifest*")):
        for path in folder.glob("*"):
            os.utime(path, (0, MANIFEST_SECONDS))


def test_what_is_needed_again_since_it_was_found_is_kept(ws, old):
    assert {one.kind for one in old} == {"content", "manifest"}
    ws.datasets.add("again", X, Y)
    age(ws)
    assert {one.kind for one in ws.cache.collect(old)} <= {
        "manifest"
    }  # the file is of another time now
    assert len(ws.datasets.manifest("again").samples) == 20
    assert ws.datasets.refresh("again").samples == 20


def test_what_is_young_again_since_it_was_found_is_kept(ws, old):
    for one in old:
        os.utime(one.files[0])
    assert ws.cache.collect(old) == []
    assert all(one.files[0].exists() for one in old)


def test_nothing_is_deleted_while_somebody_keeps_data(ws, old):
    with Hold(ws.config.locks, HELD_AS):
        assert all(one.held for one in ws.cache.find_garbage() if one.kind == "content")
        assert ws.cache.collect(old) == []
    assert len(ws.cache.collect(old)) == len(old)


@pytest.mark.parametrize("verb", ["add", "get_or_add"])
def test_who_adds_data_holds_them_until_they_are_registered(ws, old, monkeypatch, verb):
    real, deleted = adding.described, []

    def described(*given, **named):
        age(ws)  # as if the data were looked at for a day
        deleted.extend(ws.cache.collect(old))
        return real(*given, **named)

    monkeypatch.setattr(adding, "described", described)
    added = ws.datasets.add("e", X, Y) if verb == "add" else ws.datasets.get_or_add((X, Y))
    assert deleted == [] and ws.datasets.refresh(added.name).samples == 20


def write(file):
    file.write(b"some")


def test_a_file_that_goes_before_it_is_touched_is_written_again(tmp_path, monkeypatch):
    contents = Contents(tmp_path)
    path = contents.keep(write, ".bin")
    real = os.utime

    def utime(path, *times):
        path.unlink()
        real(path, *times)

    monkeypatch.setattr(os, "utime", utime)
    assert contents.keep(write, ".bin") == path
    assert path.read_bytes() == b"some" and list(tmp_path.iterdir()) == [path]


def test_contents_are_kept_where_the_workspace_is_opened_by_a_link(ws, tmp_path):
    (tmp_path / "link").symlink_to(ws.config.root)
    linked = hs.open(tmp_path / "link")
    linked.datasets.add("d", X, Y)
    age(ws)
    assert not [one for one in ws.cache.find_garbage() if one.kind == "content"]
    assert linked.datasets.get("d").source.startswith(str(tmp_path / "link"))
