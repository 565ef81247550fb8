"""Neighbours of many rows: those that comparing all pairs finds, in blocks or from cells."""

import numpy as np
import pytest

from headstart.heads import nearest, neighbour_search
from headstart.heads.cells import WholePlaces
from headstart.heads.largest import largest
from headstart.heads.nearest import nearest_by_cells, nearest_other
from headstart.heads.projection import DIMENSIONS, of_length_one
from headstart.notices import HeadstartWarning


def features(count, width=48, inside=12, seed=0):
    """As a network makes them: clusters in few dimensions, cut off at 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, inside)) @ rng.normal(size=(inside, width)) / np.sqrt(inside)
    x += 1.5 * rng.normal(size=(10, width))[rng.integers(0, 10, count)]
    return np.maximum(x + 0.1 * rng.normal(size=x.shape), 0).astype(np.float32)


@pytest.mark.parametrize("width", [48, 4 * DIMENSIONS])
def test_cells_hold_nearly_all_of_the_nearest(width):
    rows = features(4_000, width)
    unit, all_ = of_length_one(rows), np.arange(len(rows))
    exact, theirs = nearest_other(unit, all_, unit, 16)
    distances, found = nearest_by_cells(rows, 16)
    kept = np.mean(
        [len({*a} & {*b}) / 16 for a, b in zip(found.tolist(), theirs.tolist(), strict=True)]
    )
    assert kept > 0.97
    assert (found != all_[:, None]).all()
    assert (np.diff(distances, axis=1) >= 0).all() and (distances >= exact - 1e-6).all()
    np.testing.assert_allclose(np.median(distances, axis=0), np.median(exact, axis=0), rtol=0.01)
    again = nearest_by_cells(rows, 16)
    assert np.array_equal(again[0], distances) and np.array_equal(again[1], found)


@pytest.mark.parametrize("rows", [np.zeros((400, 5)), np.ones((400, 5))], ids=["zeros", "copies"])
def test_rows_without_a_difference_have_neighbours_too(rows):
    distances, found = nearest_by_cells(rows.astype(np.float32), 8)
    assert (distances == 0).all()
    assert all(len({*own}) == 8 and row not in own for row, own in enumerate(found.tolist()))


def test_no_block_grows_with_the_rows_of_one_content(monkeypatch):
    """Half of the rows are equal but for their lengths; the others have the neighbours that they
    have among the first of them."""
    rows, blocks = features(3_000), []
    white = np.outer(2.0 ** (np.arange(3_000) % 5), rows[0]).astype(np.float32)
    few, theirs = nearest_by_cells(np.concatenate([rows, white[:8]]), 8)

    def watched(alike, wanted):
        blocks.append(alike.shape[1])
        return largest(alike, wanted)

    monkeypatch.setattr(neighbour_search, "largest", watched)
    distances, found = nearest_by_cells(np.concatenate([rows, white]), 8)
    assert max(blocks[1:]) < 2_000  # the first are some rows with all others
    np.testing.assert_array_equal(distances[:3_000], few[:3_000])
    np.testing.assert_array_equal(found[:3_000], theirs[:3_000])
    assert (distances[3_000:] == 0).all()
    assert all(
        len({*own}) == 8 and row not in own and {*own} <= {0, *range(3_000, 6_000)}
        for row, own in enumerate(found[3_000:].tolist(), start=3_000)
    )


@pytest.mark.parametrize("numbers", [2, 5])
def test_equal_rows_of_other_numbers_are_neighbours(numbers):
    rows, apart = np.repeat(features(20), 50, axis=0), np.arange(1_000) % numbers
    distances, found = nearest_by_cells(rows, 8, apart=apart)
    assert (distances == 0).all() and (found // 50 == np.arange(1_000)[:, None] // 50).all()
    assert (apart[found] != apart[:, None]).all()


def test_rows_of_one_number_are_no_neighbours():
    rows = np.concatenate([features(300), features(300) + np.float32(1e-3)])
    of = np.arange(600) % 300
    distances, found = nearest_by_cells(rows, 8)
    assert (found[:, 0] == (np.arange(600) + 300) % 600).mean() > 0.99
    distances, found = nearest_by_cells(rows, 8, apart=of)
    assert np.isfinite(distances).all() and (of[found] != of[:, None]).all()
    distances, _ = nearest_by_cells(rows[:20], 8, apart=np.arange(20) // 14)
    some = np.isfinite(distances).sum(axis=1)  # in cells that no row names there may be one more
    assert (some[:14] <= 6).all() and (some >= 5).all()


def in_noise(count, width, seed=0):
    """Rows that lie in no few dimensions, of which a projection keeps little; a tenth have a twin
    behind the last."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, width)).astype(np.float32)
    twins = rows[: count // 10] + 0.05 * rng.normal(size=(count // 10, width)).astype(np.float32)
    return np.concatenate([rows, twins])


def test_twins_are_found_where_few_dimensions_keep_little_of_the_distances():
    rows = in_noise(4_000, 6 * DIMENSIONS)
    with pytest.warns(HeadstartWarning, match="are found"):  # the others of the eight
        distances, found = nearest_by_cells(rows, 8)
    is_twin = found[:400, 0] == np.arange(4_000, 4_400)
    assert is_twin.mean() > 0.95
    unit = of_length_one(rows)
    apart = 0.5 * ((unit[:400] - unit[4_000:]) ** 2).sum(axis=1)
    np.testing.assert_allclose(distances[:400, 0][is_twin], apart[is_twin], rtol=1e-4)


@pytest.fixture
def looks(monkeypatch):
    """By what it was seen whether neighbours are found: places, cells looked into, what came."""
    seen, real = [], nearest._Drawn.found_in

    def found_in(self, search, places, cells, pool):
        found = real(self, search, places, cells, pool)
        seen.append((type(places), cells.probed, found))
        return found

    monkeypatch.setattr(nearest._Drawn, "found_in", found_in)
    return seen


def spread_out():
    """Rows in a cloud of 32 dimensions, whose neighbours lie in many cells."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(6_000, 32)) @ rng.normal(size=(32, 100))).astype(np.float32)


def test_more_cells_are_looked_into_before_all_numbers_of_the_rows_count(looks):
    rows = spread_out()
    distances, found = nearest_by_cells(rows, 8)
    (_, few, before), (places, more, after) = looks
    assert places is np.ndarray and more == nearest.FURTHER * few
    assert before[0] < nearest.FOUND < after[1]
    unit = of_length_one(rows)
    exact, theirs = nearest_other(unit, np.arange(len(rows)), unit, 8)
    kept = [len({*a} & {*b}) / 8 for a, b in zip(found.tolist(), theirs.tolist(), strict=True)]
    assert abs(np.mean(kept) - after[1]) < 0.02
    assert (distances >= exact - 1e-6).all()


def test_more_work_than_there_is_time_for_is_not_done_and_told(looks, monkeypatch):
    monkeypatch.setattr(nearest, "WORK", 0)
    with pytest.warns(HeadstartWarning, match="are found"):
        nearest_by_cells(spread_out(), 8)
    assert [places for places, _, _ in looks] == [np.ndarray, WholePlaces]
    assert len({probed for _, probed, _ in looks}) == 1


def test_more_threads_find_the_same(monkeypatch):
    rows, apart = features(3_000, 100), np.arange(3_000) % 3
    found = []
    for cores in (1, 3):
        monkeypatch.setattr("headstart.heads.standardisation.cores", lambda cores=cores: cores)
        found.append(nearest_by_cells(rows, 5, apart=apart))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
