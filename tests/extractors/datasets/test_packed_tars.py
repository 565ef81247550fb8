"""Packed tars, here and at an address: unpacked once, or said what is wrong with them."""

import gzip
import lzma
import tarfile
from pathlib import Path

import pytest
from layout_makers import members, put, write_tar
from remote_makers import a_dozen, same, tars_of

from headstart.errors import DatasetError
from headstart.notices import HeadstartNote

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")


@pytest.fixture
def pictures(tmp_path) -> Path:
    return a_dozen(tmp_path / "pictures")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst"])
def test_tars_of_numbers_on_the_web_packed_or_not(ws, web, pictures, ending):
    for name, content in tars_of(pictures, ending).items():
        web.files[f"/far/{name}"] = packed(content, ending)
    ws.datasets.add("here", pictures)
    address = f"{web.address}/far/s-{{000..002}}{ending}"
    ws.datasets.add("far", address)
    assert same(ws)
    assert not list(ws.config.contents.rglob("*.partial"))
    assert {one.suffix for one in ws.config.contents.rglob("s-*")} == {".tar"}
    web.log.clear()
    ws.datasets.refresh("far")
    assert web.asked("GET") == [] and len(web.asked("HEAD")) == 3


def packed(content: bytes, ending: str) -> bytes:
    if ending == ".tar.xz":
        return lzma.compress(content)
    if ending == ".tar.zst":
        import pyarrow as pa

        return pa.Codec("zstd").compress(content, asbytes=True)
    return content if ending == ".tar" else gzip.compress(content)


@pytest.mark.parametrize("place", ["here", "web"])
def test_a_packed_tar_is_unpacked_once(ws, web, pictures, tmp_path, place):
    ws.datasets.add("here", pictures)
    path = tmp_path / "p.tar.gz"
    one = write_tar(tmp_path / "p.tar", members(pictures))
    path.write_bytes(gzip.compress(one.read_bytes()))
    web.files["/p.tar.gz"] = path.read_bytes()
    address = f"{web.address}/p.tar.gz"
    with pytest.warns(HeadstartNote, match=r"p\.tar\.gz is packed: its .* are unpacked once"):
        ws.datasets.add("far", path if place == "here" else address)
    assert same(ws)
    assert ws.datasets.refresh("far").samples == 12
    if place == "web":
        asked = web.asked("GET").count("/p.tar.gz")
        ws.datasets.add("far", address)
        assert web.asked("GET").count("/p.tar.gz") == asked


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"no tar", mtime=0), "ends at|is no tar"),
        (gzip.compress(bytes(10240), mtime=0)[:40], r"is damaged: no \.tar\.gz"),
        (b"no gzip", r"is damaged: no \.tar\.gz"),
    ],
    ids=["no tar", "cut off", "no gzip"],
)
@pytest.mark.parametrize("place", ["here", "far"])
def test_damaged_packed_tars_are_named(ws, web, tmp_path, content, words, place):
    (tmp_path / "p.tar.gz").write_bytes(content)
    web.files["/p.tar.gz"] = content
    source = tmp_path / "p.tar.gz" if place == "here" else f"{web.address}/p.tar.gz"
    with pytest.raises(DatasetError, match=f"p.tar.gz.*({words})") as error:
        ws.datasets.add("d", source)
    assert "contents/" not in str(error.value)
    assert [one for one in ws.config.contents.glob("*") if one.suffix == ".partial"] == []


def test_a_tar_that_is_packed_too_well_is_refused(ws, tmp_path, monkeypatch):
    from headstart.extractors.datasets.sources import numpy_files

    monkeypatch.setattr(numpy_files, "SMALL", 1 << 16)
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        put(archive, "a.txt", bytes(1 << 22))
    with pytest.raises(DatasetError, match=r"b\.tar\.gz: .* more than \d+ times the whole file"):
        ws.datasets.add("d", tmp_path / "b.tar.gz")
    assert not list(ws.config.contents.glob("*"))
