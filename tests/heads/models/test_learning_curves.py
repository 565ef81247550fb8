"""Learning curves of data whose truth is known."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.heads.kind import Fitted, Part
from headstart.heads.models.learning_curves import (
    NothingLeftOut,
    Recipe,
    band_text,
    curve_interval,
    curve_of,
    in_proportion,
)
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
    with pytest.raises(NothingLeftOut, match="no sample can be left out"):
        curve(rows(2))


def test_what_a_curve_is_is_said():
    assert "the test split was not looked at" in band_text(curve(rows(60), draws=3))


def accuracy_of(x, y):
    """The true accuracy of the rule of nearest means, from its training rows."""
    means = np.stack([x[y == one].mean(axis=0) for one in (0, 1)])
    direction = means[1] - means[0]
    length = np.linalg.norm(direction)
    middle = means.mean(axis=0) @ direction / length
    ahead = APART * direction[0] / length
    return 0.5 * (norm.cdf(middle) + norm.cdf(ahead - middle))


def simulated(size, count, rng, width=20):
    """Where nearest means of `size` rows, of each of five folds, are right on their fold."""
    y = np.arange(count) % 2
    x = rng.normal(size=(count, width))
    x[:, 0] += APART * y
    found = []
    for fold in np.array_split(rng.permutation(count), 5):
        rest = rng.permutation(np.setdiff1d(np.arange(count), fold))
        some = np.concatenate([rest[y[rest] == one][: size // 2] for one in (0, 1)])
        means = np.stack([x[some][y[some] == one].mean(axis=0) for one in (0, 1)])
        near = ((x[fold][:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        found.append(near == y[fold])
    return found


@pytest.mark.parametrize(("size", "count"), [(4, 100), (4, 1000), (40, 100), (400, 1000)])
def test_the_band_holds_the_mean_accuracy_of_such_heads(size, count):
    rng = np.random.default_rng(0)
    truths = []
    for _ in range(2000):
        y = np.arange(size) % 2
        x = rng.normal(size=(size, 20))
        x[:, 0] += APART * y
        truths.append(accuracy_of(x, y))
    truth = np.mean(truths)
    held, plain = [], []
    for _ in range(400):
        right = simulated(size, count, rng)
        low, high = curve_interval([right])
        held.append(low <= truth <= high)
        every = np.concatenate(right)
        low, high = wilson_interval(int(every.sum()), len(every))
        plain.append(low <= truth <= high)
    assert np.mean(held) >= 0.92, (np.mean(held), np.mean(plain))
