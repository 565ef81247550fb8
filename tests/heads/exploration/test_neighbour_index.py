"""An index finds what brute force finds, nearly always, and says how often."""

import builtins
from dataclasses import replace

import numpy as np
import pytest

from headstart.errors import ArtifactDamaged, FeatureError
from headstart.heads.exploration import neighbour_index
from headstart.heads.exploration.neighbour_index import NeighbourIndex
from headstart.heads.exploration.similarity import most_similar
from headstart.heads.rows import ChosenRows


def features(count: int, width: int = 96, seed: int = 0) -> np.ndarray:
    """Rows as backbones give them: classes of several kinds each, a few directions in which most
    of it varies and many in which little does, and none below 0."""
    rng = np.random.default_rng(seed)
    spread = (np.arange(1, width + 1) ** -0.7)[None]
    turned = np.linalg.qr(rng.normal(size=(width, width)))[0]
    classes = rng.normal(size=(20, width)) * spread
    kinds = classes[rng.integers(0, 20, 200)] + 0.6 * rng.normal(size=(200, width)) * spread
    rows = kinds[rng.integers(0, 200, count)] + 0.5 * rng.normal(size=(count, width)) * spread
    return np.maximum(rows @ turned + 0.2, 0).astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return features(12_000)


@pytest.fixture(scope="module")
def index(rows):
    return NeighbourIndex.build(ChosenRows(rows))


def recall(found, expected):
    shares = [len({*a} & {*b}) / len(b) for a, b in zip(found, expected, strict=True)]
    return float(np.mean(shares))


def test_the_ten_nearest_are_found_and_their_cosines_are_exact(rows, index):
    queries = features(12_300)[12_000:]
    exact, expected = most_similar(queries, rows, 10)
    cosines, found = index.most_similar(queries, ChosenRows(rows), 10)
    assert recall(found, expected) >= 0.97
    is_same = found == expected
    np.testing.assert_allclose(cosines[is_same], exact[is_same], atol=1e-6)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    np.testing.assert_allclose(cosines, np.einsum("qw,qkw->qk", asked, unit[found]), atol=1e-5)
    assert (np.diff(cosines, axis=1) <= 0).all()


def test_it_says_how_often_it_finds_them(rows, index):
    facts = index.facts
    assert facts.rows == len(rows) and facts.tried == 200
    assert facts.recall >= 0.97 and facts.looked_at in neighbour_index.LOOKED_AT


def test_it_looks_further_until_it_finds_enough(rows, monkeypatch):
    monkeypatch.setattr(neighbour_index, "LOOKED_AT", (11, 512))
    for name in ("SHORTLIST", "SHORTEST"):  # what is on the list is looked at in any case
        monkeypatch.setattr(neighbour_index, name, 1)
    monkeypatch.setattr(neighbour_index, "RECALL", 0.999)
    assert NeighbourIndex.build(rows[:6000]).facts.looked_at == 512


def test_a_saved_one_finds_the_same(rows, index, tmp_path):
    index.save(tmp_path / "one.index")
    again = NeighbourIndex.open(tmp_path / "one.index", index.facts)
    for one, other in zip(
        again.most_similar(rows[:50], rows, 7), index.most_similar(rows[:50], rows, 7), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_file_of_other_rows_is_none_of_it(index, tmp_path):
    index.save(tmp_path / "one.index")
    with pytest.raises(ArtifactDamaged, match=r"is of 12,000 rows of 96 numbers, not of 11"):
        NeighbourIndex.open(tmp_path / "one.index", replace(index.facts, rows=11))
    (tmp_path / "one.index").write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactDamaged, match="cannot be opened"):
        NeighbourIndex.open(tmp_path / "one.index", index.facts)


def test_of_few_rows_all_are_given_the_first_of_equal_ones_first():
    rows = np.repeat(np.eye(3, 8, dtype=np.float32), 2, axis=0)
    cosines, found = NeighbourIndex.build(rows).most_similar(rows[:1], rows, 10)
    assert found.tolist() == [[0, 1, 2, 3, 4, 5]]
    np.testing.assert_allclose(cosines, [[1, 1, 0, 0, 0, 0]], atol=1e-6)


def test_only_rows_near_a_query_are_read(rows, index):
    read = []

    class Counted(ChosenRows):
        def _read(self, wanted):
            read.append(len(np.arange(len(rows))[wanted]))
            return super()._read(wanted)

    index.most_similar(rows[:1], Counted(rows), 10)
    assert sum(read) <= neighbour_index.SHORTEST


def test_without_usearch_it_is_said_what_to_install(rows, monkeypatch):
    plain = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("usearch"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(FeatureError, match="USearch, which is not installed") as raised:
        NeighbourIndex.build(rows)
    assert "headstart[search]" in str(raised.value.hint)
