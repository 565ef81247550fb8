"""Shards in a bundle that were changed by hand, with the sha256 that belongs to them.

Each is refused in one clear line, and nothing is left behind; see `refused`.
"""

import struct
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from bundle_parts import with_bytes, with_shard
from h5py import h5d, h5p, h5s, h5t

from headstart.errors import ShardDamaged
from headstart.extractors.safety import shards_apart
from headstart.extractors.safety.confinement import offered
from headstart.extractors.safety.shards_apart import ShardsApart

GIBIBYTE = 1 << 30


def packed_zeros(size):
    """So many zeros, deflated; the same block stands there again and again."""
    block = 1 << 20
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * (size // block - 1) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def repacked(filters, chunk=None):
    """The features with other filters, and perhaps one chunk of other bytes."""

    def change(file):
        rows = file["features"][()]
        if chunk is not None:
            rows = np.zeros((len(rows), 256), rows.dtype)  # HDF5 writes no long chunk of less
        del file["features"]
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk(rows.shape)
        for put in filters:
            put(plist)
        made = h5d.create(
            file.id, b"features", h5t.IEEE_F32LE, h5s.create_simple(rows.shape), dcpl=plist
        )
        if chunk is None:
            made.write(h5s.ALL, h5s.ALL, rows)
        else:
            made.write_direct_chunk((0,) * rows.ndim, chunk)
        if any(put in (deflate, twice) for put in filters):
            file.attrs["compression"] = '"gzip"'

    return change


def shuffle(plist):
    plist.set_shuffle()


def deflate(plist):
    plist.set_deflate(4)


def twice(plist):
    plist.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (4,))


def unknown(plist):
    plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL, ())


def dataset(name, make):
    def change(file):
        del file[name]
        make(file)

    return change


def group_of_other_names(file):
    for name in list(file):
        file.move(name, f"other/{name}")
    file["features"], file["digests"] = file["other/features"], file["other/digests"]


CHANGES = {
    "a chunk that unpacks to gibibytes": repacked([shuffle, deflate], packed_zeros(3 * GIBIBYTE)),
    "features that are only shuffled": repacked([shuffle]),
    "features that are packed and not shuffled": repacked([deflate]),
    "chunks that are packed twice": repacked([shuffle, deflate, twice]),
    "a filter of another library": repacked([unknown]),
    "digests that were never written": dataset(
        "digests", lambda file: file.create_dataset("digests", (33_000_000, 32), "u1", chunks=True)
    ),
    "features that were never written": dataset(
        "features",
        lambda file: file.create_dataset("features", (4, 1 << 25), "f4", chunks=(4, 1 << 25)),
    ),
    "references": dataset(
        "features",
        lambda file: file.create_dataset("features", (4, 8), h5py.ref_dtype, chunks=(4, 8)),
    ),
    "texts of any length": dataset(
        "features",
        lambda file: file.create_dataset("features", (4, 8), h5py.string_dtype(), chunks=(4, 8)),
    ),
    "a compound": dataset(
        "features",
        lambda file: file.create_dataset("features", (4, 8), np.dtype("f4,f4"), chunks=(4, 8)),
    ),
    "numbers of the other order": dataset(
        "features",
        lambda file: file.create_dataset("features", data=np.ones((4, 8), ">f4"), chunks=(4, 8)),
    ),
    "a virtual dataset": dataset("features", lambda file: virtual(file)),
    "external storage": dataset(
        "features",
        lambda file: file.create_dataset(
            "features", (4, 8), "f4", external=[("/etc/passwd", 0, 128)]
        ),
    ),
    "an external link": dataset(
        "features", lambda file: file.__setitem__("features", h5py.ExternalLink("/etc/passwd", "x"))
    ),
    "a link to itself": dataset(
        "features", lambda file: file.__setitem__("features", h5py.SoftLink("/features"))
    ),
    "attributes that are no text": lambda file: file.attrs.__setitem__("view", np.zeros(9)),
    "an attribute of references": lambda file: file.attrs.__setitem__("view", file.ref),
    "very many attributes": lambda file: [
        file.attrs.__setitem__(f"a{n}", "[" * 900) for n in range(900)
    ],
}


def virtual(file):
    layout = h5py.VirtualLayout((4, 8), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 8))
    file.create_virtual_dataset("features", layout)


@pytest.mark.parametrize("name", CHANGES)
def test_a_shard_that_was_changed_by_hand_is_refused(parts, refused, name):
    assert "shard" in refused(with_shard(parts, CHANGES[name]))


def test_an_attribute_of_very_many_copies_of_one_text_is_refused(parts, refused):
    """A text stands once in the file, and is read as often as the attribute names it."""
    text, count = '"' + "x" * (4 << 20) + '"', 3000

    def change(file):
        file.attrs.create("all", ["y"] * count, dtype=h5py.string_dtype())
        file.attrs["text"] = text

    changed = with_shard(parts, change)
    content = bytearray(changed.members[changed.shard["name"]])
    at = content.find(struct.pack("<I", len(text)))
    entry = bytes(content[at : at + 16])
    start = first_entry(content, count)
    content[start : start + 16 * count] = entry * count
    assert "shard" in refused(with_bytes(changed, bytes(content)))


def first_entry(content, count):
    """Where the references of an attribute of so many texts of one letter begin: each is the
    letters, the address of a heap, and a number there."""
    one = struct.pack("<I", 1)
    at = content.find(one)
    while at >= 0:
        if all(content[at + 16 * n : at + 16 * n + 4] == one for n in range(count)):
            return at
        at = content.find(one, at + 1)
    raise AssertionError("the attribute was not found")


def test_every_cut_and_many_flips_of_a_shard_are_refused_or_read(parts):
    """HDF5 reads them in a process that may die; this one does not."""
    content, apart = parts.members[parts.shard["name"]], ShardsApart()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(60):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        for case in (bytes(changed), content[: rng.integers(len(content))]):
            try:
                apart.check("x", case)
            except ShardDamaged:
                refused += 1
    apart.check("x", content)
    apart.close()
    assert refused > 60


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            "os.abort()",
            r"cannot be read within 31 s of the processor and 1 GiB \(SIGABRT\)\. It is d",
        ),
        (
            "sys.exit(3)",
            "was not read within 31 s .* ended with exit code 3. Nothing of it was kept",
        ),
    ],
)
def test_a_process_that_ends_is_one_clear_line(monkeypatch, tmp_path, ends, said):
    (tmp_path / "dies.py").write_text(f"import os, sys; sys.stdin.buffer.read(20); {ends}")
    monkeypatch.setattr(shards_apart, "_COMMAND", [sys.executable, tmp_path / "dies.py"])
    apart = ShardsApart()
    with pytest.raises(ShardDamaged, match=said):
        apart.check("x", bytes(shards_apart.BYTES_A_SECOND))
    apart.close()


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux gives")
def test_shards_are_read_where_nothing_can_be_written_or_reached(parts):
    given, apart = offered(), ShardsApart()
    apart.check("x", parts.members[parts.shard["name"]])
    assert apart._process is not None
    place = Path("/proc") / str(apart._process.pid)
    status = (place / "status").read_text()
    is_alone = (place / "ns" / "net").readlink() != Path("/proc/self/ns/net").readlink()
    assert is_alone == ("no network" in given)
    binds = "writes only in its own folder, starts no program" in given
    assert ("NoNewPrivs:\t1" in status) == binds
    assert "\nThreads:\t1\n" in status
    limits = (place / "limits").read_text()
    assert f"Max file size             {shards_apart.FOR_ALL.file_bytes} " in limits
    assert "Max core file size        0 " in limits
    apart.close()
