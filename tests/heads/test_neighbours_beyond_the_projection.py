"""Neighbours that few dimensions do not tell are found by all, and what is missed is said."""

import warnings

import numpy as np
import pytest

from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.evaluation.ranking import cross_by_cells
from headstart.heads.kind import Part
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.nearest import nearest_by_cells, nearest_other
from headstart.heads.projection import DIMENSIONS, of_length_one
from headstart.heads.rows import ChosenRows
from headstart.notices import HeadstartWarning

LOUD = 2.5
"""Times the spread of a column by which classes differ."""


def of_many_classes(rows=6_000, width=4 * DIMENSIONS, classes=200, noise=1.0):
    """Classes that span more dimensions than there are in a projection."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, rows)
    x = rng.normal(size=(classes, width))[targets] + noise * rng.normal(size=(rows, width))
    return x.astype(np.float32), targets


def with_loud_directions(rows=6_000):
    """As many loud columns, which say nothing, as a projection has dimensions."""
    x, targets = of_many_classes(rows, noise=0.3)
    x[:, :DIMENSIONS] = LOUD * np.random.default_rng(1).normal(size=(rows, DIMENSIONS))
    return x, targets


def found_again(rows, found):
    unit = of_length_one(rows)
    count = found.shape[1]
    _, theirs = nearest_other(unit, np.arange(len(rows)), unit, count)
    pairs = zip(found.tolist(), theirs.tolist(), strict=True)
    return np.mean([len({*a} & {*b}) / count for a, b in pairs])


@pytest.mark.parametrize("made", [of_many_classes, with_loud_directions])
def test_neighbours_are_those_of_all_dimensions(made):
    rows, _ = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error", HeadstartWarning)
        distances, found = nearest_by_cells(rows, 10)
    assert found_again(rows, found) > 0.97
    again = nearest_by_cells(ChosenRows(rows), 10)
    np.testing.assert_array_equal(again[0], distances)
    np.testing.assert_array_equal(again[1], found)


def test_loud_directions_hide_no_neighbours_from_a_ranking():
    x, y = with_loud_directions()
    folds = split_into_folds(y, 3, classes=[str(one) for one in range(200)])
    (exact,) = cross([Neighbours(10, calibrated=False)], Part(x, y), folds, jobs=1)
    assert exact.accuracy > 0.5
    assert abs(cross_by_cells(Part(x, y), folds, 10).accuracy - exact.accuracy) < 0.02


def test_where_cells_miss_many_neighbours_it_is_said_how_many():
    rows = np.random.default_rng(0).normal(size=(6_000, 100)).astype(np.float32)
    with pytest.warns(HeadstartWarning, match="neighbours by these features are found") as told:
        _, found = nearest_by_cells(rows, 10)
    (said,) = [str(one.message) for one in told if "are found" in str(one.message)]
    share = float(said.split("only about ")[1].split("%")[0]) / 100
    assert 0.1 < share < 0.9 and abs(found_again(rows, found) - share) < 0.05
