"""The features that heads are tried on: of the same samples, and known to lose nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs
from headstart.errors import FeaturesMissing, HeadError
from headstart.jobs.auto import attempts
from headstart.jobs.auto import pool as pools
from headstart.jobs.auto.budget import Budget
from headstart.jobs.auto.found import Wanted
from headstart.jobs.auto.pool import Pool
from headstart.origins.blocks import blocks_of


@pytest.fixture
def pool(rows):
    said = lambda _now: None  # noqa: E731
    return Pool(rows.context, rows.context.datasets.get("rows"), Wanted(), Budget(60), said)


@pytest.fixture
def features(rows):
    return blocks_of(rows.context, "flat@as_it_is")


def lacking(monkeypatch, count):
    """Lets the views of whole datasets be without their last rows that are no test samples."""
    given = pools.features_of_blocks

    def fewer(*args):
        view = given(*args)
        learnt = np.flatnonzero([one != "test" for one in view.samples.splits])
        return view.take(np.delete(np.arange(len(view)), learnt[len(learnt) - count :]))

    monkeypatch.setattr(pools, "features_of_blocks", fewer)
    return given


def test_features_that_lack_samples_are_left_out_with_their_number(pool, features, monkeypatch):
    whole = pool.load(features, None)
    lacking(monkeypatch, 3)
    with pytest.raises(FeaturesMissing, match=f"lacks 3 of the {len(whole.rows)} samples"):
        pool.load(features, None)


def test_features_of_more_samples_are_tried_on_those_of_the_default(pool, features, monkeypatch):
    given = lacking(monkeypatch, 3)
    first = pool.load(features, None)
    monkeypatch.setattr(pools, "features_of_blocks", given)
    other = pool.load(features, None)
    assert len(other.rows) == len(first.rows)
    np.testing.assert_array_equal(other.features[:], first.features[:])
    np.testing.assert_array_equal(other.rows.targets, first.rows.targets)
    for one, same in zip(other.folds, first.folds, strict=True):
        np.testing.assert_array_equal(one.test, same.test)


def test_a_part_of_the_samples_is_without_what_the_default_lacks(pool, features, monkeypatch):
    given = lacking(monkeypatch, 3)
    first = pool.load(features, None)
    monkeypatch.setattr(pools, "features_of_blocks", given)
    learnt = np.flatnonzero([one != "test" for one in pool.samples.splits])
    part = pool.load(features, learnt[-60:])
    assert len(part.rows) == 57 < len(first.rows)


def test_heads_whose_probabilities_are_no_numbers_are_refused(pool, features, monkeypatch):
    lost = SimpleNamespace(mean=float("nan"))
    broken = SimpleNamespace(outcomes=lambda _score: lost, task=hs.Classification())
    monkeypatch.setattr(attempts, "cross", lambda *_given, **_how: [broken])
    with pytest.raises(HeadError, match="are too large for float32"):
        attempts.Attempts(pool, Budget(60), lambda _now: None).make(features, [hs.Ridge()], None)
