"""The index finds every row, and only what is there; a dict is the reference."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.storage.index import ABSENT, Index
from headstart.storage.keys import pack_digests
from headstart.storage.shards import ShardFile

# Few different first bytes, so that rows share their first word and are told apart by the rest.
digests = st.builds(
    lambda first, last: (bytes([first]) * 8 + b"\0" * 23 + bytes([last])).hex(),
    st.integers(0, 2),
    st.integers(0, 5),
)


@given(st.lists(st.lists(digests, unique=True, max_size=8), max_size=4), st.lists(digests))
def test_an_index_is_a_dict_in_which_the_first_shard_counts(shards, wanted):
    reference = {}
    for number, rows in enumerate(shards):
        for row, digest in enumerate(rows):
            reference.setdefault(digest, (number, row))
    files = [ShardFile(Path(str(n)), "k", len(rows), 0, "") for n, rows in enumerate(shards)]
    index = Index(files, [pack_digests(rows) for rows in shards])
    places = index.find(wanted)
    found = list(zip(places.shard.tolist(), places.row.tolist(), strict=True))
    assert found == [reference.get(digest, (ABSENT, ABSENT)) for digest in wanted]
    assert places.present.tolist() == [digest in reference for digest in wanted]


def test_an_empty_index_finds_nothing():
    assert not Index([], []).find(["00" * 32]).present.any()
    assert len(Index([], []).find([]).shard) == 0


def test_a_hundred_thousand_rows_are_all_found():
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (100_000, 32), dtype=np.uint8)
    index = Index([ShardFile(Path("a"), "k", len(packed), 0, "")], [packed])
    order = rng.permutation(len(packed))
    text = packed.tobytes().hex()
    places = index.find([text[64 * row : 64 * row + 64] for row in order])
    np.testing.assert_array_equal(places.row, order)
