"""How a linear head's strength is chosen."""

import numpy as np
import pytest

import headstart as hs
from headstart.heads.calibration import strength
from headstart.heads.kind import Part
from headstart.heads.kinds.lbfgs import RightSide, solve_together

STRENGTHS = tuple(np.logspace(-4, 2, 13).tolist())


def rows(seed=0, count=300, width=60, classes=3):
    """Features that tell little of the classes, so that weak penalties are far behind."""
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    x = rng.normal(size=(count, width)) + 0.3 * rng.normal(size=(classes, width))[targets]
    return x.astype(np.float32), targets


def fitted(x, y, validation=0, **given):
    train, tail = (Part(x[part], y[part]) for part in (slice(validation, None), slice(validation)))
    return hs.Linear(**given).fit(train, tail, 3, 0)


@pytest.mark.parametrize("validation", [0, 40])
def test_strengths_far_behind_the_best_are_not_tried_and_the_best_is_that_of_all(
    monkeypatch, validation
):
    x, y = rows()
    few = fitted(x, y, validation, strengths=STRENGTHS)
    monkeypatch.setattr(strength, "RISEN", np.inf)
    every = fitted(x, y, validation, strengths=STRENGTHS)
    tried = len(few.details["path"])
    assert 3 <= tried < len(every.details["path"]) == len(STRENGTHS)
    assert few.details["path"] == every.details["path"][:tried]
    assert few.details["strength"] == every.details["strength"]
    np.testing.assert_array_equal(few.layers[0].kernel, every.layers[0].kernel)


@pytest.mark.parametrize("validation", [0, 40, 200])
def test_a_head_is_what_its_strength_alone_gives(validation):
    x, y = rows(count=500)
    chosen = fitted(x, y, validation, strengths=STRENGTHS[:6])
    alone = fitted(x, y, validation, strengths=(chosen.details["strength"],))
    np.testing.assert_array_equal(chosen.layers[0].kernel, alone.layers[0].kernel)
    np.testing.assert_array_equal(chosen.layers[0].bias, alone.layers[0].bias)


def test_where_fits_do_not_go_side_by_side_every_strength_is_tried(monkeypatch):
    monkeypatch.setattr("headstart.heads.kinds.paths.TOGETHER", 6)  # two of five folds
    assert len(fitted(*rows(), strengths=STRENGTHS).details["path"]) == len(STRENGTHS)


@pytest.mark.parametrize(
    ("losses", "has_risen"),
    [
        ([3.0, 2.0], False),
        ([3.0, 2.0, 2.5], False),
        ([3.0, 2.0, 2.5, 2.6], True),
        ([3.0, 2.0, 2.6, 2.5], False),
        ([1.0, 1.001, 1.002], False),
        ([1.0, 1.01, 1.03], True),
        ([2.0, 1.0, 1.5, 1.4, 1.45], False),
    ],
)
def test_a_loss_has_risen_where_it_did_twice_and_is_far_from_the_least(losses, has_risen):
    assert strength._has_risen(losses) is has_risen


def test_what_one_solver_solves_for_several_is_each_ones_own():
    asked = []

    def double(values):
        asked.append(values.shape[1])
        return values * 2

    def halve(values):
        return values / 2

    values = [np.full((4, columns), columns, np.float32) for columns in (1, 2, 3)]
    wanted = {
        5: RightSide(double, values[0]),
        1: RightSide(halve, values[1]),
        7: RightSide(double, values[2]),
    }
    found = solve_together(wanted)
    assert asked == [4]
    for number, share, own in zip((5, 1, 7), (2, 0.5, 2), values, strict=True):
        np.testing.assert_array_equal(found[number], own * share)
