"""The index finds every row, and only what is there; a dict is the reference."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.storage.index import ABSENT, Index, IndexedShard, Segment
from headstart.storage.keys import pack_digests
from headstart.storage.shards.format import Layout
from headstart.storage.shards.shard import ShardFile

# Few different first bytes, so that rows share their first word and are told apart by the rest.
digests = st.builds(
    lambda first, last: (bytes([first]) * 8 + b"\0" * 23 + bytes([last])).hex(),
    st.integers(0, 2),
    st.integers(0, 5),
)


def indexed(name: str, rows: int) -> IndexedShard:
    empty = np.empty(0, np.int64)
    return IndexedShard(ShardFile(name, "k", rows, 0, ""), Layout(1, empty, empty, empty), ())


def segment(shards: list[np.ndarray], name: str = "s") -> Segment:
    files = [indexed(f"{name}{number}", len(rows)) for number, rows in enumerate(shards)]
    return Segment.build(files, shards)


@given(st.lists(st.lists(digests, unique=True, max_size=8), max_size=4), st.lists(digests))
def test_an_index_is_a_dict_in_which_the_first_shard_counts(shards, wanted):
    reference = {}
    for number, rows in enumerate(shards):
        for row, digest in enumerate(rows):
            reference.setdefault(digest, (number, row))
    index = Index([segment([pack_digests(rows) for rows in shards])])
    places = index.find(wanted)
    found = list(zip(places.shard.tolist(), places.row.tolist(), strict=True))
    assert found == [reference.get(digest, (ABSENT, ABSENT)) for digest in wanted]
    assert places.present.tolist() == [digest in reference for digest in wanted]


def test_an_empty_index_finds_nothing():
    assert not Index().find(["00" * 32]).present.any()
    assert len(Index().find([]).shard) == 0


def test_a_hundred_thousand_rows_are_all_found():
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (100_000, 32), dtype=np.uint8)
    index = Index([segment([packed])])
    order = rng.permutation(len(packed))
    text = packed.tobytes().hex()
    places = index.find([text[64 * row : 64 * row + 64] for row in order])
    np.testing.assert_array_equal(places.row, order)


@given(st.lists(st.lists(digests, unique=True, max_size=6), min_size=1, max_size=5), st.data())
def test_segments_added_and_merged_find_what_one_would(shards, data):
    """However shards came, and whichever of them count no more."""
    parts = [segment([pack_digests(rows)], f"{n}-") for n, rows in enumerate(shards)]
    dead = [data.draw(st.booleans()) for _ in parts]
    alive = [
        replace(part, alive=np.array([not gone])) for part, gone in zip(parts, dead, strict=True)
    ]
    grown = Index()
    for part in alive:
        grown = grown.with_added(Index([part]))
    wanted = sorted({digest for rows in shards for digest in rows})
    for index in (Index(alive), grown, Index([Segment.merge(alive)])):
        places = index.find(wanted)
        found = {
            digest: (index.shards[shard].file.name, row)
            for digest, shard, row in zip(
                wanted, places.shard.tolist(), places.row.tolist(), strict=True
            )
            if shard != ABSENT
        }
        reference = {}
        for number, rows in enumerate(shards):
            for row, digest in enumerate(rows):
                if not dead[number]:
                    reference.setdefault(digest, (f"{number}-0", row))
        assert found == reference
        assert len(index) == sum(len(r) for r, gone in zip(shards, dead, strict=True) if not gone)
