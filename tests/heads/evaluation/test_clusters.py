"""Samples of one group are no evidence of their own: intervals count groups."""

import numpy as np
import pytest

import headstart as hs
from headstart.cli.output import share_cell
from headstart.heads.evaluation.bootstrap import bootstrap_interval, mean_interval, r2_interval
from headstart.heads.evaluation.clusters import Clusters, cluster_share_interval, clusters_of
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.heads.evaluation.per_class import class_scores
from headstart.heads.evaluation.scores import scores_of
from headstart.plots.by_task import told
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Sample


def in_groups(rng, count, correlation, share, largest=50):
    """Where samples in groups of 1 to `largest` are right, and the group of each."""
    sizes = rng.integers(1, largest + 1, count)
    if correlation == 0:
        shares = np.full(count, share)
    elif correlation == 1:
        shares = (rng.random(count) < share).astype(float)
    else:
        spread = 1 / correlation - 1
        shares = rng.beta(share * spread, (1 - share) * spread, count)
    groups = np.repeat(np.arange(count), sizes)
    return rng.random(len(groups)) < shares[groups], groups


def covered(count, correlation, share, made, times=400):
    """How often an interval of samples in groups holds the truth."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(times):
        low, high = made(*in_groups(rng, count, correlation, share))
        hits += low <= share <= high
    return hits / times


def of_groups(right, groups):
    return cluster_share_interval(right, Clusters(groups))


@pytest.mark.parametrize("count", [10, 30, 100])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.98])
@pytest.mark.parametrize("correlation", [0, 0.2, 1])
def test_an_interval_of_groups_holds_the_truth_as_often_as_it_says(count, share, correlation):
    """Within two standard errors of the simulation's of 93 %."""
    assert covered(count, correlation, share, of_groups) >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / 400)


def test_an_interval_of_samples_does_not_and_that_of_groups_is_no_wider_than_it_must_be():
    def of_samples(right, _):
        return wilson_interval(int(right.sum()), len(right))

    assert covered(30, 0.5, 0.8, of_samples) < 0.5
    rng = np.random.default_rng(1)
    for correlation, most in ((0, 1.3), (0.2, 3.0)):
        right, groups = in_groups(rng, 100, correlation, 0.8)
        low, high = of_groups(right, groups)
        own = of_samples(right, groups)
        assert 1 <= (high - low) / (own[1] - own[0]) < most


def test_a_right_group_counts_once_and_one_group_proves_nothing():
    right, groups = np.ones(500, bool), np.repeat(np.arange(10), 50)
    low, high = of_groups(right, groups)
    assert low < wilson_interval(10, 10)[0] < wilson_interval(500, 500)[0] and high == 1
    assert of_groups(right, np.zeros(500, int)) == (0, 1)
    assert of_groups(~right, groups)[0] == 0


def test_groups_of_one_sample_are_samples():
    assert Clusters.of(None) is None and Clusters.of(np.arange(9)) is None
    right = np.arange(300) % 4 > 0
    found = of_groups(right, np.arange(300))
    assert found == pytest.approx(wilson_interval(225, 300), abs=2e-3)


@pytest.mark.parametrize(("count", "spread"), [(10, 0.3), (100, 0.5)])
def test_the_mean_of_values_in_groups_is_held_as_often_as_it_says(count, spread):
    """Losses are skewed: most are small, and whole groups have large ones."""
    rng = np.random.default_rng(0)
    truth, hits, alone, times = np.exp((spread**2 + 1) / 2), 0, 0, 150
    for _ in range(times):
        groups = np.repeat(np.arange(count), rng.integers(1, 51, count))
        values = np.exp(rng.normal(0, spread, count)[groups] + rng.normal(0, 1, len(groups)))
        low, high = mean_interval(values, clusters=Clusters(groups))
        hits += low <= truth <= high
        alone += abs(values.mean() - truth) <= 1.96 * values.std() / np.sqrt(len(values))
    assert hits / times >= 0.92 > 0.8 > alone / times


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_few_groups_tell_nearly_nothing_of_r2_nor_of_a_mean(count):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(count), 10)
    targets = rng.normal(size=(len(groups), 1))
    errors = (0.1 + 0.1 * groups[:, None]) * rng.normal(size=targets.shape)
    found = r2_interval(targets + errors, targets, Clusters(groups))
    assert (found is None) == (count < 5)
    if found is not None:
        own = r2_interval(targets + errors, targets)
        assert found[0] < own[0] and np.ptp(found) > np.ptp(own)
    low, high = mean_interval(errors[:, 0] ** 2, clusters=Clusters(groups))
    assert high - low > np.ptp(mean_interval(errors[:, 0] ** 2))


def test_whole_groups_are_drawn():
    groups = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 6])
    seen = []

    def score(times, _):
        seen.append(times)
        return times.sum(axis=1)

    low, high = bootstrap_interval(score, 21, clusters=Clusters(groups))
    times = np.concatenate(seen)
    assert all(
        (times[:, groups == one] == times[:, groups == one][:, :1]).all() for one in range(6)
    )
    assert (times[:, [0, 1, 3, 6, 10, 15]].sum(axis=1) == 6).all()
    assert low < 21 < high
    assert bootstrap_interval(score, 21, clusters=Clusters(np.zeros(21, int))) is None


WAYS = [
    hs.Classification(),
    hs.Ordinal(order=("a", "b", "c")),
    hs.MultiLabel(),
    hs.Regression(),
]


@pytest.mark.parametrize("task", WAYS, ids=lambda one: one.name)
def test_every_score_is_less_sure_of_groups_than_of_samples(task):
    """Each sample ten times: it is known no better than once."""
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet([1, 1, 1], 60).astype(np.float32)
    if isinstance(task, hs.Regression):
        outputs = rng.normal(size=(60, 1)).astype(np.float32)
        targets = outputs + rng.normal(0, 0.5, (60, 1)).astype(np.float32)
    elif isinstance(task, hs.MultiLabel):
        targets = (rng.random((60, 3)) < outputs).astype(np.float32)
    else:
        targets = np.array([rng.choice(3, p=row / row.sum()) for row in outputs.astype(float)])
    ten, clusters = np.repeat(np.arange(60), 10), Clusters(np.repeat(np.arange(60), 10))
    once = scores_of(task, outputs, targets, list("abc"))
    many = scores_of(task, outputs[ten], targets[ten], list("abc"), clusters)
    assert once["interval_assumes"] == "independent samples"
    assert many["interval_assumes"] == "independent groups (60)"
    for name, (low, high) in many["intervals"].items():
        wide = once["intervals"][name][1] - once["intervals"][name][0]
        assert 0.9 * wide < high - low < 2 * wide, name


@pytest.mark.parametrize("task", WAYS[:3], ids=lambda one: one.name)
def test_the_scores_of_a_class_are_less_sure_of_groups_than_of_samples(task):
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet([1, 1, 1], 60).astype(np.float32)
    targets = rng.integers(0, 3, 60)
    if isinstance(task, hs.MultiLabel):
        targets = (rng.random((60, 3)) < outputs).astype(np.float32)
    ten, clusters = np.repeat(np.arange(60), 10), Clusters(np.repeat(np.arange(60), 10))
    once = scores_of(task, outputs, targets, list("abc"))
    many = scores_of(task, outputs[ten], targets[ten], list("abc"), clusters)
    for alone, grouped in zip(class_scores(once, "abc"), class_scores(many, "abc"), strict=True):
        for name in ("precision", "recall", "f1"):
            value, low, high = getattr(grouped, name)
            own = getattr(alone, name)
            assert low < value < high and value == pytest.approx(own[0])
            assert high - low > 0.9 * (own[2] - own[1]), name
    assert many["per_class"]["intervals"]["recall"][0] == list(
        class_scores(many, "abc")[0].recall[1:]
    )


def test_heads_of_before_have_no_intervals_of_classes_in_groups():
    old = {"confusion": [[20, 10], [5, 25]], "groups": 12}
    (first, _), same = class_scores(old, "ab"), class_scores({"confusion": old["confusion"]}, "ab")
    assert first.recall == (20 / 30, None, None) and first.f1[1:] == (None, None)
    assert same[0].recall == (20 / 30, *wilson_interval(20, 30))
    assert share_cell(first.recall) == ("0.667", "no interval")
    assert told(first.recall) == "0.667 (no interval)"


def test_copies_join_the_groups_that_they_are_filed_under():
    """a is of one group with b, whose copy c is of another with d; e is a copy of d, of no group,
    and f is like nobody."""
    groups = {"a": "p", "b": "p", "c": "q", "d": "q", "e": None, "f": None, "g": "r"}
    contents = {"a": 1, "b": 2, "c": 2, "d": 3, "e": 3, "f": 4, "g": 5}
    samples = [
        Sample(name, digest_of(bytes([contents[name]])), "x", "train", name, group=group)
        for name, group in groups.items()
    ]
    assert clusters_of(samples).numbers.tolist() in ([0, 0, 0, 0, 0, 1, 2], [1, 1, 1, 1, 1, 0, 2])
    assert clusters_of(samples[5:]) is None


@pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
def test_groups_are_said_where_scores_are(ready, pictures, run):
    ready.datasets.add("grouped", pictures, group_pattern="[a-z]+/[0-9]")
    found = run("head", "train", "h", "net", "grouped")
    assert "in 3 groups, which the scores are measured on" in found.out
    assert "intervals of 3 groups say little" in found.err
    metrics = ready.heads.get("h").metrics
    assert metrics["groups"] == 3 and metrics["interval_assumes"] == "independent groups (3)"
    low, high = metrics["intervals"]["accuracy"]
    own = wilson_interval(round(metrics["accuracy"] * metrics["n_test"]), metrics["n_test"])
    assert high - low > own[1] - own[0]
    assert "in 3 groups" in run("head", "list").out
