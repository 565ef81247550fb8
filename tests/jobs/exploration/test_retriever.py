"""Similar samples by an index, made once, kept by feature key, and made anew if it is damaged."""

import os
import sys

import numpy as np
import pytest

from headstart.errors import FeatureError
from headstart.heads.exploration import neighbour_index
from headstart.heads.exploration.similarity import most_similar
from headstart.jobs.exploration import opened_index
from headstart.notices import HeadstartNote, HeadstartWarning

CUT = "flat@as_it_is"


def files(ws):
    return [one.path for one in ws.context.artifacts.stored() if one.path.suffix == ".index"]


@pytest.fixture
def made(monkeypatch):
    """How many indexes are made."""
    count = []
    plain = opened_index.NeighbourIndex.build

    def build(*arguments, **given):
        count.append(1)
        return plain(*arguments, **given)

    monkeypatch.setattr(opened_index.NeighbourIndex, "build", staticmethod(build))
    return count


def test_what_an_index_finds_is_what_all_comparisons_find(rows):
    ids = rows.features(CUT, "rows").ids[:20]
    exact = rows.similar(CUT, "rows", ids=ids, count=5)
    indexed = rows.similar(CUT, "rows", ids=ids, count=5, index=True)
    for one, other in zip(indexed, exact, strict=True):
        assert [m.sample.id for m in one.matches] == [m.sample.id for m in other.matches]
        assert [m.similarity for m in one.matches] == pytest.approx(
            [m.similarity for m in other.matches], abs=1e-6
        )
        assert other.recall is None and one.recall == 1.0


def test_a_retriever_is_asked_again_and_again(rows):
    view = rows.features(CUT, "rows")
    _, expected = most_similar(view.to_numpy(), view.to_numpy(), 4)
    for index in (False, True):
        retriever = rows.retriever(CUT, "rows", index=index)
        for row in (3, 77, 3):
            (found,) = retriever.similar(ids=view.ids[row], count=3)
            others = [view.ids[place] for place in expected[row] if place != row]
            assert [match.sample.id for match in found.matches] == others[:3]
        assert retriever.to_json()["samples"] == 240


def test_an_index_is_made_once_and_again_when_the_dataset_changed(rows, made):
    ids = rows.features(CUT, "rows").ids
    for _ in range(2):
        rows.similar(CUT, "rows", ids=ids[0], index=True)
    assert len(made) == 1 and len(files(rows)) == 1
    rows.datasets.exclude("rows", [ids[1]])
    (found,) = rows.similar(CUT, "rows", ids=ids[0], index=True, count=300)
    assert len(made) == 2 and ids[1] not in [one.sample.id for one in found.matches]


def test_of_more_than_a_million_an_index_is_made_unasked(rows, made, monkeypatch):
    ids = rows.features(CUT, "rows").ids
    rows.similar(CUT, "rows", ids=ids[0])
    assert not made
    monkeypatch.setattr(opened_index, "MILLION", 239)
    rows.similar(CUT, "rows", ids=ids[0], index=False)
    rows.similar(CUT, "rows", ids=ids[0], limit=239)
    assert not made
    assert rows.similar(CUT, "rows", ids=ids[0])[0].recall is not None and made


def test_without_usearch_all_are_compared_with_a_word(rows, made, monkeypatch):
    ids = rows.features(CUT, "rows").ids
    expected = rows.similar(CUT, "rows", ids=ids[0])
    monkeypatch.setattr(opened_index, "MILLION", 239)
    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.warns(HeadstartNote, match="all 240 samples are compared, which takes long"):
        assert rows.similar(CUT, "rows", ids=ids[0]) == expected
    with pytest.raises(FeatureError, match="USearch, which is not installed"):
        rows.similar(CUT, "rows", ids=ids[0], index=True)
    assert not made


def test_an_index_of_some_samples_stays_beside_that_of_all(rows):
    for limit in (None, 200):
        rows.retriever(CUT, "rows", index=True, limit=limit)
    for path in files(rows):
        os.utime(path, (1, 1))
    waste = [path for one in rows.cache.find_garbage() for path in one.files or ()]
    assert len(files(rows)) == 2 and not {*files(rows)} & {*waste}


def test_a_damaged_index_is_made_anew_with_a_word(rows, made):
    ids = rows.features(CUT, "rows").ids
    before = rows.similar(CUT, "rows", ids=ids[0], index=True)
    (path,) = files(rows)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.warns(HeadstartNote, match="its sha256 is another: it is made again"):
        assert rows.similar(CUT, "rows", ids=ids[0], index=True) == before
    path = files(rows)[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(HeadstartNote, match="is damaged: 100 bytes, not"):
        rows.similar(CUT, "rows", ids=ids[0], index=True)
    assert len(made) == 3


def test_an_index_whose_recall_was_measured_otherwise_is_made_anew(rows, made, monkeypatch):
    ids = rows.features(CUT, "rows").ids
    with monkeypatch.context() as before:
        for module in (opened_index, neighbour_index):
            before.setattr(module, "FORMAT", "headstart.neighbours/1")
        rows.similar(CUT, "rows", ids=ids[0], index=True)
    rows.similar(CUT, "rows", ids=ids[0], index=True)
    rows.similar(CUT, "rows", ids=ids[0], index=True)
    assert len(made) == 2


def test_an_index_that_finds_too_few_says_so(rows, monkeypatch):
    monkeypatch.setattr(opened_index, "RECALL", 1.1)
    with pytest.warns(HeadstartWarning, match="finds 100.0% of the ten nearest of 200 samples"):
        rows.retriever(CUT, "rows", index=True)


def test_gc_takes_an_index_whose_features_or_dataset_are_gone(rows):
    rows.similar(CUT, "rows", ids=rows.features(CUT, "rows").ids[0], index=True)
    (path,) = files(rows)
    os.utime(path, (1, 1))
    assert path not in [one.files[0] for one in rows.cache.find_garbage() if one.files]
    rows.datasets.remove("rows", force=True)
    assert path in [one.files[0] for one in rows.cache.find_garbage() if one.files]


def test_the_command_says_how_it_looked(rows, run):
    id_ = rows.features(CUT, "rows").ids[0]
    asked = ("similar", id_, "rows", "--backbone", CUT, "--n", "3")
    indexed, exact = run(*asked, "--index"), run(*asked, "--exact")
    assert "an index was asked, which finds 100.0% of the ten nearest" in " ".join(
        indexed.out.split()
    )
    assert "index" not in exact.out
    assert run(*asked, "--index", "--json").json[0]["recall"] == 1.0


def test_several_queries_have_a_block_each_that_names_it(rows, run, tmp_path):
    view = rows.features(CUT, "rows")
    np.save(tmp_path / "asked.npy", np.load(rows.datasets.get("rows").source)["x"][:2])
    out = run("similar", tmp_path / "asked.npy", "rows", "--backbone", CUT, "--n", "2").out
    out = "".join(out.split())  # a long path is broken anywhere
    first, second = out.index("asked.npy[0]"), out.index("asked.npy[1]")
    assert first < out.index(view.ids[0], first) < second


def test_a_vector_of_length_0_is_similar_to_nothing(rows, tmp_path):
    """Ten samples of similarity 0 were given, others by the index than without it."""
    np.save(tmp_path / "two.npy", np.stack([np.zeros(6), np.ones(6)]).astype(np.float32))
    for index in (False, True):
        with pytest.warns(HeadstartWarning, match=r"'.*two\.npy\[0\]' are all 0: a vector of"):
            found = rows.similar(CUT, "rows", [tmp_path / "two.npy"], index=index)
        assert [len(one.matches) for one in found] == [0, 10]
