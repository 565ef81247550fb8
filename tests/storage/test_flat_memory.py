"""What goes through all rows takes little more memory the more there are, and finds the same."""

import os
import tracemalloc

import numpy as np
import pytest

from headstart.errors import DatasetError
from headstart.storage import index as index_module
from headstart.storage import manifest_parts
from headstart.storage.columns.block import Block, Lists
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.index import Index, IndexedShard, Segment
from headstart.storage.index_files import load_segment, save_index
from headstart.storage.manifest import Manifest
from headstart.storage.shards.format import Layout
from headstart.storage.shards.shard import ShardFile

KEY = "ab" * 32
ROWS = 60_000


@pytest.fixture(scope="module")
def digests():
    """Of which some are the same, and some have the same first 8 bytes."""
    found = np.random.default_rng(0).integers(0, 256, (ROWS, 32), np.uint8)
    found[100::1000] = found[99::1000][: len(found[100::1000])]
    found[200::1000, :8] = found[199::1000, :8]
    return found


def manifest_of(digests):
    blocks, step = [], 1 << 14
    for start in range(0, len(digests), step):
        numbers = range(start, min(len(digests), start + step))
        lists = Lists(
            [f"row {number}" for number in numbers],
            digests[start : start + step],
            [f"c{number % 10}" for number in numbers],
            [("train", "test")[number % 5 == 0] for number in numbers],
            list(numbers),
            [(1, 2, number % 2) for number in numbers],
            [f"g{number}" if number % 3 else None for number in numbers],
        )
        blocks.append(Block.of(lists, "/somewhere"))
    return Manifest("csv", "/somewhere", SampleColumns("/somewhere", blocks))


@pytest.fixture(scope="module")
def written(tmp_path_factory, digests):
    folder = tmp_path_factory.mktemp("zoo") / "manifests"
    folder.mkdir()
    manifest = manifest_of(digests)
    return manifest, folder / manifest.write(folder)


def shard_of(number, rows):
    file = ShardFile(f"ab/{KEY}/{number}.h5", KEY, rows, 1, "0" * 64)
    layout = Layout(1, *(np.zeros(1, np.uint64) for _ in range(3)))
    return IndexedShard(file, layout, (number,))


@pytest.fixture
def in_memory(digests):
    """An index over the even rows, in shards of some thousand."""
    parts = np.array_split(digests[::2], 7)
    shards = [shard_of(number, len(part)) for number, part in enumerate(parts)]
    return Index([Segment.build(shards, parts)])


@pytest.fixture
def mapped(in_memory, tmp_path):
    save_index(tmp_path, in_memory)
    return Index([load_segment(tmp_path / "base.index")])


# Parts of a manifest


@pytest.mark.parametrize("kept", [0, 1 << 18, 1 << 30])
def test_a_manifest_is_the_same_however_little_of_it_stays_mapped(written, monkeypatch, kept):
    monkeypatch.setattr(manifest_parts, "KEPT_BYTES", kept)
    manifest, path = written
    again = Manifest.read(path)
    assert again == manifest and again.digest == manifest.digest
    rows = np.random.default_rng(1).permutation(ROWS)[:500]
    assert list(again.columns.take(rows)) == list(manifest.columns.take(rows))
    assert again.samples[12_345] == manifest.samples[12_345]
    np.testing.assert_array_equal(again.columns.first_rows, manifest.columns.first_rows)
    assert len(again.columns.different) == again.unique == len(again.columns.first_rows)


def test_of_many_parts_some_stay_mapped(written, monkeypatch):
    monkeypatch.setattr(manifest_parts, "KEPT_BYTES", 1 << 18)
    parts = Manifest.read(written[1]).columns._blocks
    assert 1 <= len(parts._known) < len(parts) / 2
    assert sum(block.batch.nbytes for block in parts._known.values()) <= 1 << 18


def test_a_part_is_checked_once_and_again_when_somebody_wrote_to_it(written, monkeypatch):
    monkeypatch.setattr(manifest_parts, "KEPT_BYTES", 0)
    monkeypatch.setattr(manifest_parts, "_CHECKED", {})
    seen, real = [], manifest_parts.from_arrow
    monkeypatch.setattr(
        manifest_parts, "from_arrow", lambda *given: (seen.append(1), real(*given))[1]
    )
    manifest, path = written
    again = Manifest.read(path)
    assert len(seen) == len(again.parts)
    assert again.columns.ids == manifest.columns.ids
    assert Manifest.read(path).columns.ids == manifest.columns.ids
    assert len(seen) == len(again.parts)
    file = manifest_parts.parts_folder(path.parent) / again.parts[3].file
    before = file.read_bytes()
    os.utime(file, ns=(1, 1))  # written, perhaps, and what there was
    assert again.columns.ids == manifest.columns.ids
    assert len(seen) == len(again.parts) + 1
    file.write_bytes(before[:5000] + bytes([before[5000] ^ 1]) + before[5001:])
    with pytest.raises(DatasetError, match="is damaged"):
        _ = again.columns.ids
    file.write_bytes(before)
    assert again.columns.ids == manifest.columns.ids


# The index


@pytest.mark.parametrize("large, few, together", [(1 << 17, 4096, 1 << 15), (500, 16, 1000)])
def test_a_mapped_index_looked_at_range_by_range_finds_what_one_in_memory_finds(
    in_memory, mapped, digests, monkeypatch, large, few, together
):
    for name, value in (("LARGE", large), ("FEW", few), ("TOGETHER", together)):
        monkeypatch.setattr(index_module, name, value)
    blocks = np.array_split(digests, 37)
    whole, found = in_memory.find_packed(digests), mapped.find_blocks(blocks)
    for one, other in ((whole.shard, found.shard), (whole.row, found.row)):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(mapped.find_absent(blocks), np.flatnonzero(~whole.present))
    assert whole.present[::2].all() and not whole.present[3::2].all()
    few_found = mapped.find_packed(digests[:5])
    np.testing.assert_array_equal(few_found.row, whole.row[:5])


def test_nothing_is_looked_for_in_an_empty_index_and_nothing_in_any(mapped, digests):
    assert len(Index().find_absent([digests])) == ROWS
    assert len(mapped.find_absent([])) == len(mapped.find_blocks([]).row) == 0
    assert len(mapped.find_packed(digests[:0]).row) == 0


# Memory


def peak_of_looking(digests, folder):
    """The most bytes of Python's and NumPy's own that it takes to look for all samples."""
    folder.mkdir()
    columns = Manifest.read(folder / manifest_of(digests).write(folder)).columns
    index = Index([Segment.build([shard_of(0, len(digests))], [digests])])
    tracemalloc.start()
    try:
        wanted = columns.different
        assert not len(index.find_absent(wanted.digest_blocks()))
        assert index.find_blocks(columns.digest_blocks()).present.all()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_looking_for_all_rows_takes_few_bytes_for_each(tmp_path, monkeypatch):
    """8 for a place and 8 for the beginning of a digest, and little besides."""
    monkeypatch.setattr(index_module, "TOGETHER", 2048)
    drawn = np.random.default_rng(0).integers(0, 256, (90_000, 32), np.uint8)
    few, many = (peak_of_looking(drawn[:n], tmp_path / str(n)) for n in (20_000, 90_000))
    assert many - few < 25 * 70_000  # it was 40 for each
