"""Learning curves of data whose truth is known."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.evaluation.clusters import Clusters, cluster_share_interval
from headstart.heads.kind import Fitted, Part
from headstart.heads.models.curves import NoCurve, Recipe, band_text
from headstart.heads.models.learning_curves import (
    CurvePoint,
    curve_interval,
    curve_of,
    in_proportion,
)
from headstart.heads.models.score_curves import scores_of_pool
from headstart.heads.tasks import Classification

APART = 1.5


def rows(count, share=0.5, width=4, seed=0):
    """Two classes, one of them of a share of the rows; the means are APART from each other."""
    rng = np.random.default_rng(seed)
    targets = (np.arange(count) >= round(count * share)).astype(np.int64)
    x = rng.normal(size=(count, width))
    x[:, 0] += APART * targets
    order = rng.permutation(count)
    return Part(x[order].astype(np.float32), targets[order])


def best(share):
    """The accuracy of the rule that knows the truth."""
    cut = APART / 2 - np.log((1 - share) / share) / APART
    return share * norm.cdf(cut) + (1 - share) * norm.cdf(APART - cut)


def curve(pool, task=None, kind=None, first=None, **more):
    task, kind = task or Classification(), kind or hs.Linear((0.1,))
    return curve_of(pool, len(pool) if first is None else first, Recipe(kind, task, (0, 1)), **more)


def test_a_curve_of_unequal_classes_rises_to_the_truth():
    points = curve(rows(1000, 0.95))
    found = [one.accuracy for one in points]
    assert min(found) > 0.88, found
    assert found[-1] == pytest.approx(best(0.95), abs=0.015)
    assert all(later > earlier - 0.02 for earlier, later in pairwise(found))
    for one in points:
        assert one.interval[0] <= one.accuracy <= one.interval[1]
        assert len(one.draws) == 5 and one.scored == 1000


def test_a_point_is_read_from_what_it_is_in_json():
    point = CurvePoint(9, "accuracy", 1.0, 0.75, (0.5, 0.9), (0.7, 0.8), 12)
    told = point.to_json()
    assert (told["accuracy"], told["train_accuracy"]) == (point.accuracy, point.train_accuracy)
    assert not {"objective", "score", "train_score"} & set(told)
    assert CurvePoint.of(**told).to_json() == told


def test_balanced_heads_are_balanced_once():
    pool = rows(1000, 0.95)
    points = curve(pool, Classification(balanced=True))
    # at equal weights both classes are right as often: with these means at .77
    assert [one.accuracy for one in points[4:]] == pytest.approx(
        [norm.cdf(APART / 2)] * 3, abs=0.06
    )


def test_classes_keep_their_shares_at_each_size_and_none_is_left_out():
    rng = np.random.default_rng(0)
    targets = rng.permutation(np.repeat([0, 1, 2, 3], [500, 300, 195, 5]))
    order = in_proportion(targets, rng)
    assert sorted(order.tolist()) == list(range(1000))
    for size in (4, 8, 20, 100, 400, 1000):
        counts = np.bincount(targets[order[:size]], minlength=4)
        assert counts.min() >= 1
        assert np.abs(counts - size * np.array([0.5, 0.3, 0.195, 0.005])).max() < 3


class Seen(hs.Prototype):
    """A kind that tells which rows it was given."""

    given: list = []  # noqa: RUF012

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        self.given.append((train, validation))
        return super().fit(train, validation, classes, seed)


def test_no_head_is_scored_on_what_it_has_seen_and_each_row_is_asked_once_a_repeat():
    pool = rows(200, 0.7)
    Seen.given.clear()
    points = curve(pool, kind=Seen(), first=150, draws=10)
    known = {row.tobytes(): number for number, row in enumerate(pool.features)}
    assert {one.scored for one in points} == {200}
    for train, validation in Seen.given:
        inside = {known[row.tobytes()] for row in train.features}
        aside = {known[row.tobytes()] for row in validation.features}
        assert not inside & aside
        assert max(inside) < 150 and (not aside or min(aside) >= 150)
        assert len(inside | aside) <= 0.8 * 200 + 2
    sizes = [len(train) for train, _ in Seen.given]
    assert sizes == [one.samples for one in points for _ in range(10)]


def test_groups_are_left_out_whole():
    pool = rows(120)
    groups = np.arange(120) // 4
    pool = Part(pool.features, pool.targets, groups=groups)
    Seen.given.clear()
    curve(pool, kind=Seen())
    sizes = {len(train) for train, _ in Seen.given}
    largest = [set(train.groups.tolist()) for train, _ in Seen.given if len(train) == max(sizes)]
    assert max(len(one) for one in largest) <= 25


def test_one_draw_and_one_sample_of_each_class_have_no_curve():
    with pytest.raises(HeadError, match="draws is 1"):
        curve(rows(50), draws=1)
    with pytest.raises(NoCurve, match="no sample can be left out"):
        curve(rows(2))


def test_what_a_curve_is_is_said():
    assert "the test split was not looked at" in band_text(curve(rows(60), draws=3))


def test_repeats_of_the_same_groups_do_not_narrow_the_band():
    """Of 31 groups, each right or wrong as a whole, it was [.532, .950] with one repeat and
    [.678, .800] with 25, which had 31 groups as before."""
    groups = np.repeat(np.arange(31), 10)
    rng = np.random.default_rng(0)
    right = (rng.random(31) < 0.75)[groups]

    def repeats(count):
        dealt = [rng.permutation(31)[groups] % 5 for _ in range(count)]
        rows = [[np.flatnonzero(fold == one) for one in range(5)] for fold in dealt]
        return [[(own, right[own]) for own in each] for each in rows]

    clusters = Clusters.of(groups)
    widths = []
    for count in (1, 5, 25):
        low, high = curve_interval(repeats(count), 0.1, clusters)
        alone = cluster_share_interval(right, clusters)
        assert low <= alone[0] + 0.01 and high >= alone[1] - 0.01
        widths.append(high - low)
    assert widths[2] > 0.8 * widths[0]
    assert curve_interval(repeats(1), 0.8, Clusters(np.zeros(310, int))) == (0.0, 1.0)


def test_the_groups_of_a_curve_are_said():
    pool = rows(60)
    points = curve(Part(pool.features, pool.targets, groups=np.arange(60) // 4))
    assert points[-1].groups == 15 and "(60 in all, in 15 groups)" in band_text(points)
    assert curve(pool)[-1].groups is None


@pytest.mark.parametrize("groups", [2, 4])
def test_a_curve_of_numbers_of_few_groups_leaves_out_one_at_a_time(groups):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    pool = Part(x, x[:, :1] + 0.1 * rng.normal(size=(80, 1)), None, np.arange(80) % groups)
    recipe = Recipe(hs.Ridge((1.0,)), hs.Regression(), ())
    points = scores_of_pool(pool, len(pool), recipe)
    assert points[-1].samples == 80 - 80 // groups and points[-1].groups == groups
    assert points[-1].score > 0.9 and points[-1].scored == 80


def test_a_curve_of_numbers_of_one_group_is_none():
    x = np.arange(20.0, dtype=np.float32)[:, None]
    pool = Part(x, x.astype(np.float64), None, np.zeros(20, np.int64))
    with pytest.raises(NoCurve, match="all are of one group"):
        scores_of_pool(pool, 20, Recipe(hs.Ridge((1.0,)), hs.Regression(), ()))
