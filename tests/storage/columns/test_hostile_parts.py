"""A part of a manifest may have been made by anyone: it is refused in words, or it is right."""

import hashlib
import random
import struct

import numpy as np
import pyarrow as pa
import pytest

from headstart.errors import DatasetError
from headstart.storage.columns.arrow_file import from_arrow, to_arrow
from headstart.storage.columns.block import SAME_STAT, TYPES, Block, Lists
from headstart.storage.keys import digest_of_bytes
from headstart.storage.manifest import Manifest, Sample
from headstart.storage.manifest_parts import FORMAT, Part, parts_folder, read_part

ROWS = 5


def samples(count=ROWS, label="cat", stat=None):
    return [
        Sample(
            f"é{n}",
            digest_of_bytes(bytes([n])),
            label,
            "train",
            f"/q/{n}",
            (n, 2) if stat is None else stat,
            "g",
        )
        for n in range(count)
    ]


def block(**more):
    return Block.of(Lists.of(samples(**more)), "/p")


def stream(batch, batches=1, metadata=None, **options):
    schema = batch.schema.with_metadata({**FORMAT, **(metadata or {})})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for _ in range(batches):
            writer.write_batch(batch.cast(schema))
    return sink.getvalue()


def with_column(name, array):
    """The batch of a good part with another column."""
    batch = block().batch
    columns = {one: batch.column(one) for one in batch.schema.names} | {name: array}
    order = [*(one for one in TYPES if one in columns), *(columns.keys() - TYPES.keys())]
    return pa.record_batch([columns[one] for one in order], names=order)


def without_column(name):
    return block().batch.drop_columns([name])


def dictionary(indices, texts):
    array = pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.array(texts), safe=False
    )
    return array


def texts_beyond_their_bytes():
    ends = pa.py_buffer(np.array([0, 1, 10**6, 3, 4, 5], np.int32))
    return pa.Array.from_buffers(pa.string(), ROWS, [None, ends, pa.py_buffer(b"abcde")])


def no_utf8():
    ends = pa.py_buffer(np.arange(ROWS + 1, dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), ROWS, [None, ends, pa.py_buffer(b"\xff" * ROWS)])


def bomb():
    """A gigabyte of zeros in some kilobytes."""
    zeros = pa.array([b"\0" * (1 << 20)] * 64, pa.binary()).cast(pa.string())
    return pa.record_batch([zeros], names=["id"])


BAD = {
    "packed by zstd": lambda: stream(block().batch, compression="zstd"),
    "packed by lz4": lambda: stream(block().batch, compression="lz4"),
    "a bomb": lambda: stream(bomb(), compression="zstd"),
    "two batches": lambda: stream(block().batch, batches=2),
    "no batch": lambda: stream(block().batch, batches=0),
    "too many rows": lambda: stream(block(count=6).batch),
    "a column more": lambda: stream(with_column("size", pa.array(range(ROWS)))),
    "no digests": lambda: stream(without_column("digest")),
    "digests of 16 bytes": lambda: stream(with_column("digest", pa.array([b"0" * 16] * ROWS))),
    "a missing id": lambda: stream(with_column("id", pa.array([None, *"abcd"]))),
    "an unknown split": lambda: stream(
        with_column("split", dictionary([0] * ROWS, ["dev"]).cast(TYPES["split"][0]))
    ),
    "a label of labels": lambda: stream(with_column("label", dictionary([0] * ROWS, ["[1]"]))),
    "a label that is no JSON": lambda: stream(with_column("label", dictionary([0] * ROWS, ["x"]))),
    "a deep label": lambda: stream(with_column("label", dictionary([0] * ROWS, ["[" * 200_000]))),
    "a label beyond the last": lambda: stream(
        with_column("label", dictionary([0, 0, 7, 0, 0], ['"a"']))
    ),
    "a label before the first": lambda: stream(
        with_column("label", dictionary([0, -9, 0, 0, 0], ['"a"']))
    ),
    "texts beyond their bytes": lambda: stream(with_column("id", texts_beyond_their_bytes())),
    "no UTF-8": lambda: stream(with_column("id", no_utf8())),
    "an odd stat": lambda: stream(with_column("stat", pa.array(["{}"] * ROWS))),
    "an odd common stat": lambda: stream(without_column("stat"), metadata={SAME_STAT: b'"x"'}),
    "two stats": lambda: stream(block().batch, metadata={SAME_STAT: b"[1]"}),
    "another version": lambda: stream(block().batch, metadata={b"version": b"9"}),
    "nothing": lambda: pa.py_buffer(b""),
    "JSON": lambda: pa.py_buffer(b'{"format": "headstart.manifest-part"}'),
    "a size of the whole memory": lambda: pa.py_buffer(struct.pack("<II", 0xFFFFFFFF, 2**31 - 1)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_part_that_is_none_is_damaged(tmp_path, kind):
    content = bytes(BAD[kind]())
    part = Part(hashlib.sha256(content).hexdigest(), ROWS)
    (tmp_path / part.file).write_bytes(content)
    before = pa.total_allocated_bytes()
    with pytest.raises(DatasetError, match=r"the part .* of a manifest is damaged\. Add"):
        read_part(tmp_path, "/p", part)
    assert pa.total_allocated_bytes() - before < 1 << 24


def test_a_good_part_is_mapped_and_not_copied(tmp_path):
    content = bytes(stream(block().batch))
    part = Part(hashlib.sha256(content).hexdigest(), ROWS)
    (tmp_path / part.file).write_bytes(content)
    before = pa.total_allocated_bytes()
    read = read_part(tmp_path, "/p", part)
    assert list(read.samples()) == samples()
    assert pa.total_allocated_bytes() == before


@pytest.mark.parametrize("seed", range(8))
def test_bytes_that_were_changed_are_refused_or_harmless(seed):
    """Whatever is not refused can be gone through."""
    good, chance, refused = bytearray(to_arrow(block(), FORMAT)), random.Random(seed), 0
    for _ in range(250):
        content = bytearray(good)
        for _ in range(chance.choice([1, 1, 2, 8])):
            content[chance.randrange(len(content))] = chance.choice([0, 1, 0x7F, 0xFF, 0x80, 4])
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        try:
            read = from_arrow(pa.py_buffer(bytes(content)), "/p", FORMAT, ROWS)
        except (ValueError, TypeError, RecursionError):
            refused += 1
        else:
            assert len(list(read.samples())) == ROWS
    assert refused


def test_parts_are_the_same_bytes_whatever_they_were_made_of():
    whole = block()
    parts = [whole.slice(0, 2), whole.slice(2, 3), whole.take(np.array([3, 4]))]
    assert to_arrow(Block.joined(parts, "/p"), FORMAT) == to_arrow(whole, FORMAT)
    again = from_arrow(to_arrow(whole, FORMAT), "/p", FORMAT, ROWS)
    assert to_arrow(again, FORMAT) == to_arrow(whole, FORMAT)


@pytest.mark.parametrize("stat", [(), (1, 2, 3), (2**64, 1)])
def test_what_all_share_of_a_stat_is_said_once(stat):
    made = block(stat=stat)
    assert made.column("stat") is None and made.stats == [stat] * ROWS
    again = from_arrow(to_arrow(made, FORMAT), "/p", FORMAT, ROWS)
    assert list(again.samples()) == samples(stat=stat)


def test_a_part_is_read_when_one_of_its_samples_is_asked_for(tmp_path):
    folder = tmp_path / "manifests"
    many = tuple(
        Sample(f"{n:06}", digest_of_bytes(str(n).encode()), "a", "train", n) for n in range(9_000)
    )
    path = folder / Manifest("csv", "/p", many).write(folder)
    first = Manifest.read(path).parts[0]
    (parts_folder(folder) / first.file).write_bytes(b"damaged")
    opened = Manifest.open(path)
    assert len(opened.samples) == 9_000 and opened.samples[-1] == many[-1]
    with pytest.raises(DatasetError, match="is damaged"):
        opened.samples[0]
    with pytest.raises(DatasetError, match="is damaged"):
        Manifest.read(path)


def test_anyone_with_arrow_can_read_a_part():
    with pa.ipc.open_stream(to_arrow(block(), FORMAT)) as reader:
        table = reader.read_all()
    assert table.schema.metadata[b"format"] == b"headstart.manifest-part"
    assert table.column("id").to_pylist() == [f"é{n}" for n in range(ROWS)]
    assert table.column("label").to_pylist() == ['"cat"'] * ROWS
