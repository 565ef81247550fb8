"""Large arrays are read where they lie, and never in memory as a whole."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from conftest import clean_environment
from headstart.errors import DatasetError
from headstart.extractors.datasets import load_arrays, open_source
from headstart.extractors.datasets.memory import unpacked
from headstart.notices import HeadstartNote

LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
import headstart as hs
from headstart.extractors.datasets import open_source
import headstart.extractors.datasets.sources.arrays
held = int(next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (held + (96 << 20),) * 2)
try:
    np.ones(200 << 20, np.uint8)
except MemoryError:
    made = open_source("arrays", sys.argv[1], {})
    entries = list(made.scan())
    print(len(entries), int(made.read(199)[0]), made.read(0).shape)
"""
ROW = 1 << 20


@pytest.fixture
def large():
    """200 rows of a mebibyte, each of its own number."""
    return np.repeat(np.arange(200, dtype=np.uint8), ROW).reshape(200, ROW)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux'")
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_is_not_loaded_whole(tmp_path, large, suffix):
    path = tmp_path / f"large{suffix}"
    np.save(path, large) if suffix == ".npy" else np.savez(path, x=large)
    del large
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert ran.stdout == f"200 199 ({ROW},)\n", ran.stderr[-2000:]


def test_a_compressed_one_is_unpacked_once_and_said(ws, tmp_path, monkeypatch, large):
    monkeypatch.setattr(unpacked, "LARGE", 1 << 16)
    rows = np.random.default_rng(0).normal(size=(100, 200))
    np.savez_compressed(tmp_path / "c.npz", x=rows, y=np.arange(100) % 2)
    with pytest.warns(HeadstartNote, match=r"c\.npz is compressed: .* unpacked once, into .*conte"):
        added = ws.datasets.add("c", tmp_path / "c.npz")
    assert added.source.startswith(str(ws.config.contents))
    assert added.options["origin"] == f"{tmp_path / 'c.npz'}, unpacked"
    values = load_arrays(ws.config.contents / added.source.rpartition("/")[2], {})["values"]
    assert isinstance(values, np.memmap) and (values == rows).all()
    ws.datasets.add("again", tmp_path / "c.npz")
    assert len(list(ws.config.contents.iterdir())) == 1


def test_arrays_with_odd_places_in_their_archive_are_read_as_they_are(tmp_path):
    """A name of an odd length moves all numbers behind it."""
    arrays = {"x": np.arange(36.0).reshape(12, 3), "y": np.arange(12) % 2, "ids": np.arange(12)}
    np.savez(tmp_path / "a.npz", **arrays)
    fortran = {**arrays, "x": np.asfortranarray(arrays["x"])}
    np.savez(tmp_path / "f.npz", **fortran)
    for name in "af":
        made = open_source("arrays", str(tmp_path / f"{name}.npz"), {})
        assert [made.read(row).tolist() for row in range(12)] == arrays["x"].tolist()
        assert all(made.read(row).flags.aligned for row in range(12))


def test_a_bit_that_fell_over_in_what_is_mapped_is_found(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((12, 9000)), y=np.arange(12) % 2)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        start = archive.getinfo("x.npy").header_offset
    content[start + 500_000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.npz is not a readable NumPy file .*checksum of x"):
        list(open_source("arrays", str(tmp_path / "a.npz"), {}).scan())
