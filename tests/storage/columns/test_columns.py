"""Samples in columns are the samples that they were made of, whatever is asked of them."""

import hashlib
import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.storage.columns.arrays import spelled
from headstart.storage.columns.block import Block, Lists
from headstart.storage.columns.comparison import same_places, same_stats
from headstart.storage.columns.finder import ABSENT, LOOKS, DigestFinder, IdFinder, LocationFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.keys import canonical_json, digest_of_bytes
from headstart.storage.manifest import Manifest, Sample

SOURCE = "/p"
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
labels = st.none() | texts | st.integers() | st.booleans() | st.sampled_from(["3", 3, "null", '"'])
numbers = st.integers(-(2**70), 2**70) | st.integers(0, 9)
samples = st.lists(
    st.builds(
        Sample,
        texts,
        st.integers(0, 5).map(lambda n: digest_of_bytes(bytes([n]))),
        labels,
        st.sampled_from(["train", "validation", "test"]),
        texts | st.integers(0, 2**62) | st.just("/p/"),
        st.lists(numbers, max_size=3).map(tuple),
        st.none() | texts,
    ),
    max_size=12,
)


def of(given, block=3):
    """The columns of samples, in blocks of a few."""
    parts = [given[start : start + block] for start in range(0, len(given), block)]
    return SampleColumns(SOURCE, [Block.of(Lists.of(part), SOURCE) for part in parts])


@given(samples)
def test_columns_give_the_samples_that_they_were_made_of(given):
    columns = of(given)
    assert list(columns) == given and columns == given and len(columns) == len(given)
    assert [columns[n] for n in range(len(given))] == given
    assert [type(one.label) for one in columns] == [type(one.label) for one in given]
    assert columns[1:] == given[1:] and columns[::-2] == given[::-2]
    assert columns == SampleColumns.of(given, SOURCE)
    assert columns.ids == [one.id for one in given]
    assert columns.labels == [one.label for one in given]
    assert columns.splits == [one.split for one in given]
    assert columns.groups == [one.group for one in given]
    assert columns.locations == [one.location for one in given]
    assert columns.stats == [one.stat for one in given]
    assert columns.different_labels == {one.label for one in given} - {None}
    assert columns.has_groups == any(one.group is not None for one in given)
    assert pickle.loads(pickle.dumps(columns)) == given


@given(samples, st.randoms(use_true_random=False))
def test_some_of_the_samples_are_taken_in_any_order_and_more_than_once(given, chance):
    rows = [chance.randrange(len(given)) for _ in range(len(given) and 20)]
    part = of(given).take(np.array(rows, np.int64))
    assert part == [given[row] for row in rows]
    assert part.take(np.arange(len(rows))[::-1]) == [given[row] for row in rows[::-1]]
    assert part.where(part.split_codes == 0) == [s for s in part if s.split == "train"]


@given(samples)
def test_the_first_of_each_content_and_those_that_have_one_are_found(given):
    columns, first = of(given), {}
    for row, one in enumerate(given):
        first.setdefault(one.digest, row)
    assert columns.first_rows.tolist() == sorted(first.values())
    assert columns.unique == len(first)
    wanted = {one.digest for one in given[::2]} | {"0" * 64}
    assert columns.have(wanted).tolist() == [one.digest in wanted for one in given]


def test_contents_whose_digests_begin_alike_are_told_apart():
    heads = ["ab" * 8 + f"{n:048x}" for n in (1, 2, 1, 3)]
    columns = of([Sample(str(n), head, None, "train", n) for n, head in enumerate(heads)])
    assert columns.first_rows.tolist() == [0, 1, 3]
    assert columns.have({heads[1]}).tolist() == [False, True, False, False]
    found = DigestFinder(columns).find(columns.take(np.array([0, 3, 1])).digests)
    assert found.tolist() == [2, 3, 1]  # of copies the last


@given(samples, samples)
def test_equal_columns_are_those_of_equal_samples(one, other):
    assert (of(one) == of(other)) == (one == other)
    assert of(one) == of(one, 2)
    changed = one[:-1] + other[:1]
    assert (of(one) == of(changed)) == (one == changed)


@pytest.mark.parametrize("given", [[1.0], [1, 1.0, 2], [1.0, 1], ["1", True, 1, 1.0]])
def test_a_label_with_a_point_is_refused_beside_its_equal_too(given):
    with pytest.raises(TypeError, match=r"the label 1\.0 is neither a text nor a whole number"):
        spelled(given)


@given(st.lists(texts | st.integers(0, 99), max_size=30), st.lists(texts, max_size=9))
def test_a_key_is_found_where_it_stands_last(known, wanted):
    rows = list(enumerate(known))
    at = LocationFinder(of([Sample(str(n), "0" * 64, None, "train", key) for n, key in rows]))
    named = IdFinder(of([Sample(str(key), "0" * 64, None, "train", n) for n, key in rows]))
    last, last_of = {key: row for row, key in rows}, {str(key): row for row, key in rows}
    keys = [*wanted, *known]
    for _ in range(LOOKS + 1):  # at last by their order
        assert at.find(keys).tolist() == [last.get(key, ABSENT) for key in keys]
        found = named.find([str(key) for key in keys]).tolist()
        assert found == [last_of.get(str(key), ABSENT) for key in keys]


@given(st.lists(texts, max_size=30), st.lists(texts, max_size=9))
def test_what_lies_in_the_source_under_its_id_is_found_by_its_place(ids, wanted):
    lying = [Sample(id_, "0" * 64, None, "train", f"{SOURCE}/{id_}") for id_ in ids]
    finder = LocationFinder(of(lying))
    last = {f"{SOURCE}/{id_}": row for row, id_ in enumerate(ids)}
    keys = [*last, *wanted, *(f"{SOURCE}/{one}" for one in wanted), 3]
    for _ in range(LOOKS + 1):  # at last by their order
        assert finder.find(keys).tolist() == [last.get(key, ABSENT) for key in keys]


@given(samples)
def test_the_digest_is_of_the_samples_spelled_as_json_line_by_line(given):
    content = hashlib.sha256(b"headstart.manifest/1\0")
    for one in given:
        said = [one.id, one.digest, one.label, one.split]
        said += [] if one.group is None else [one.group]
        content.update(canonical_json(said) + b"\n")
    assert Manifest("csv", SOURCE, of(given)).digest == content.hexdigest()


@given(samples, samples)
def test_samples_are_compared_place_by_place_as_by_themselves(one, other):
    count = min(len(one), len(other))
    mixed = [mine if n % 2 else its for n, (mine, its) in enumerate(zip(one, other, strict=False))]
    own, its = (of(some, 99).window(0, count) for some in (one[:count], mixed))
    pairs = list(zip(one[:count], mixed, strict=True))
    is_placed = same_places(own, its).tolist()
    assert all(
        a.location == b.location for (a, b), same in zip(pairs, is_placed, strict=True) if same
    )
    assert all(same for (a, b), same in zip(pairs, is_placed, strict=True) if a is b)
    assert same_stats(own, its).tolist() == [bool(a.stat) and a.stat == b.stat for a, b in pairs]


@given(samples)
def test_a_manifest_comes_back_from_the_disk_as_it_was(tmp_path_factory, given):
    folder = tmp_path_factory.mktemp("m") / "manifests"
    manifest = Manifest("csv", SOURCE, tuple(given))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.storage.manifest.LARGEST_WHOLE", 1)
        patch.setattr("headstart.storage.manifest_parts.MEAN", 4)
        name = manifest.write(folder)
    again = Manifest.read(folder / name)
    assert again == manifest and again.samples == given
    assert again.digest == manifest.digest
    chance = random.Random(0)
    shuffled = tuple(chance.sample(given, len(given)))
    assert (Manifest("csv", SOURCE, shuffled).digest == again.digest) == (
        [(s.id, s.digest, s.label, s.split, s.group) for s in shuffled]
        == [(s.id, s.digest, s.label, s.split, s.group) for s in given]
    )
