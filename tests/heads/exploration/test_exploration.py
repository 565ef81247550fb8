"""Looking around among features: against what brute force says."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from headstart.errors import HeadError
from headstart.heads.exploration.clusters import grouped
from headstart.heads.exploration.coordinates import coordinates_of
from headstart.heads.exploration.cover import cover
from headstart.heads.exploration.outliers import distance_to_others
from headstart.heads.exploration.similarity import most_similar
from headstart.heads.rows import ChosenRows

RNG = np.random.default_rng(3)


def clusters(count: int = 400, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Rows in five bunches of different sizes, and the bunch of each."""
    centres = 4 * RNG.normal(size=(5, width))
    own = np.sort(RNG.choice(5, count, p=[0.4, 0.25, 0.2, 0.1, 0.05]))
    return (centres[own] + RNG.normal(size=(count, width))).astype(np.float32), own


def cosines(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    one, other = queries.astype(np.float64), rows.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(other, axis=1)
    return one @ other.T / lengths


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_most_similar_rows_are_those_of_brute_force(on_disk, monkeypatch):
    monkeypatch.setattr("headstart.heads.rows.BLOCK_BYTES", 4 * 12 * 37)
    rows, _ = clusters()
    queries = RNG.normal(size=(7, 12)).astype(np.float32)
    held = ChosenRows(rows) if on_disk else rows
    found, numbers = most_similar(queries, held, 10)
    expected = np.argsort(-cosines(queries, rows), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_allclose(
        found, np.take_along_axis(cosines(queries, rows), expected, axis=1), atol=1e-6
    )


def test_of_equal_rows_the_first_come_first_and_no_more_are_given_than_there_are():
    rows = np.ones((3, 4), np.float32)
    found, numbers = most_similar(rows[:1], rows, 10)
    assert numbers.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(found, 1, atol=1e-6)


def test_of_many_equal_rows_the_first_come_first(monkeypatch):
    monkeypatch.setattr("headstart.heads.rows.BLOCK_BYTES", 4 * 4 * 150)
    rows = np.tile(np.eye(4, dtype=np.float32), (200, 1))
    _, numbers = most_similar(rows[:2], rows, 10)
    np.testing.assert_array_equal(numbers[0], 4 * np.arange(10))
    np.testing.assert_array_equal(numbers[1], 4 * np.arange(10) + 1)
    _, numbers = most_similar(rows[:1], rows, 210)
    assert numbers[0, :200].tolist() == [*range(0, 800, 4)]
    assert numbers[0, 200:].tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11, 13]


def test_many_queries_take_no_more_memory_than_some():
    rows = RNG.normal(size=(20_000, 16)).astype(np.float32)
    peaks = []
    for count in (1_000, 8_000):
        tracemalloc.start()
        most_similar(rows[:count], rows, 5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 400e6 and peaks[1] < 1.2 * peaks[0]


def test_a_row_of_zeros_is_similar_to_nothing():
    rows = np.array([[0, 0], [1, 0], [-1, 0]], np.float32)
    found, numbers = most_similar(rows[1:2], rows, 3)
    assert numbers.tolist() == [[1, 0, 2]]
    assert found.tolist() == [[1, 0, -1]]


def test_the_outlier_is_the_row_far_from_all_and_not_one_of_a_small_bunch():
    rows, _ = clusters()
    odd = np.full((1, 12), -9, np.float32)
    odd[0, :6] = 9
    away = distance_to_others(np.concatenate([rows, odd]))
    whole = cosines(np.concatenate([rows, odd]), np.concatenate([rows, odd]))
    np.fill_diagonal(whole, -np.inf)
    tenth = 1 - np.sort(whole, axis=1)[:, -10]
    np.testing.assert_allclose(away, tenth, atol=1e-5)
    assert away.argmax() == len(rows)


def test_a_few_rows_have_their_furthest_neighbour():
    away = distance_to_others(np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    np.testing.assert_allclose(away, [1, 1, 1], atol=1e-6)


def plain_cover(rows: np.ndarray, count: int, known: list[int]) -> list[int]:
    """The definition, on a matrix of all distances."""
    away, taken = 1 - cosines(rows, rows), list(known)
    if not taken:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        taken.append(int((unit @ unit.sum(axis=0)).argmax()))
    while len(taken) - len(known) < count:
        taken.append(int(away[taken].min(axis=0).argmax()))
    return taken[len(known) :]


@pytest.mark.parametrize("known", [[], [3, 200, 17]])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_cover_takes_the_furthest_row_again_and_again(known, on_disk, monkeypatch):
    monkeypatch.setattr("headstart.heads.exploration.cover.KNOWN_AT_ONCE", 2)
    rows, _ = clusters()
    held = ChosenRows(rows) if on_disk else rows
    found, radius = cover(held, 25, np.array(known, np.int64))
    assert found.tolist() == plain_cover(rows, 25, known)
    nearest = (1 - cosines(rows, rows))[[*known, *found]].min(axis=0)
    assert radius == pytest.approx(nearest.max(), abs=1e-5)


def test_a_cover_stops_where_only_copies_are_left():
    rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found, radius = cover(rows, 10)
    assert len(found) == 3 and radius == 0


def test_bunches_are_found_again_the_largest_first():
    rows, own = clusters(1000)
    for held in (rows, ChosenRows(rows)):
        numbers, away = grouped(held, 5)
        sizes = np.bincount(numbers, minlength=5)
        assert (np.diff(sizes) <= 0).all()
        assert (away >= 0).all() and len(away) == len(rows)
        same = numbers[:, None] == numbers
        assert (same == (own[:, None] == own)).mean() > 0.97


def test_groups_are_the_same_for_the_same_seed():
    rows, _ = clusters()
    np.testing.assert_array_equal(grouped(rows, 7, seed=5)[0], grouped(rows, 7, seed=5)[0])


def test_rows_that_lie_by_bunch_are_grouped_on_the_disk_as_in_memory(monkeypatch):
    monkeypatch.setattr("headstart.heads.rows.BLOCK_BYTES", 4 * 32 * 500)
    own = np.repeat(np.arange(20), 500)
    rows = RNG.normal(size=(20, 32))[own] + 0.3 * RNG.normal(size=(len(own), 32))
    rows = rows.astype(np.float32)
    numbers, away = grouped(ChosenRows(rows), 20)
    assert adjusted_rand_score(own, numbers) > 0.95
    in_memory, theirs = grouped(rows, 20)
    np.testing.assert_array_equal(numbers, in_memory)
    np.testing.assert_allclose(away, theirs, atol=1e-6)


def test_bunches_that_few_rows_are_drawn_of_are_found_in_passes_over_all(monkeypatch):
    monkeypatch.setattr("headstart.heads.exploration.clusters.DRAWN", 300)
    rows, own = clusters(6_000)
    assert adjusted_rand_score(own, grouped(ChosenRows(rows), 5)[0]) > 0.95


@pytest.mark.filterwarnings("error")
def test_of_copies_some_groups_stay_empty():
    rows = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    numbers, away = grouped(rows, 5)
    assert np.bincount(numbers, minlength=5).tolist() == [10, 10, 10, 0, 0]
    np.testing.assert_allclose(away, 0, atol=1e-6)


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e25])
def test_equal_rows_make_no_map(method, value):
    with pytest.raises(HeadError, match="120 samples are all equal"):
        coordinates_of(np.full((120, 8), value, np.float32), method, 0)


def test_rows_too_far_apart_for_float32_make_no_map():
    rows = clusters()[0] * np.float32(1e30)
    with pytest.raises(HeadError, match="differ by more than float32 holds"):
        coordinates_of(rows, "pca", 0)
