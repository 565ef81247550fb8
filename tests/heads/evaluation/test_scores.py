"""Every score has an interval that holds the truth as often as it says, and what was not tested is
said."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score

import headstart as hs
from headstart.heads.evaluation import scores
from headstart.heads.evaluation.bootstrap import DRAWS, bootstrap_interval, mean_interval
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import (
    interval_of,
    interval_text,
    score_text,
    share_text,
    wilson_interval,
)
from headstart.heads.evaluation.paired import PAIRED, paired_interval
from headstart.heads.evaluation.per_class import majority_of
from headstart.heads.evaluation.scores import INTERVALS, scores_of


def guesses(rng, samples, classes=3, right=0.8):
    """Probabilities of a head that is right so often, and the truth."""
    targets = rng.integers(0, classes, samples)
    said = np.where(rng.random(samples) < right, targets, rng.integers(0, classes, samples))
    sure = rng.uniform(0.6, 0.9, (samples, 1))
    outputs = np.where(np.eye(classes)[said] > 0, sure, (1 - sure) / (classes - 1))
    return outputs.astype(np.float32), targets


def judged(task, outputs, targets, classes=("a", "b", "c")):
    return scores_of(task, outputs, targets, list(classes))


def several(rng, samples):
    targets = (rng.random((samples, 3)) < 0.4).astype(np.float32)
    outputs = np.clip(targets * 0.5 + rng.random((samples, 3)) * 0.6, 0, 1).astype(np.float32)
    return outputs, targets


def numbers(rng, samples):
    targets = rng.normal(size=(samples, 1)).astype(np.float32)
    return targets + rng.normal(0, 0.5, targets.shape).astype(np.float32), targets


WAYS = [
    (hs.Classification(), guesses),
    (hs.Ordinal(order=("a", "b", "c")), guesses),
    (hs.MultiLabel(), several),
    (hs.Regression(), numbers),
]


@pytest.mark.parametrize(("task", "made"), WAYS, ids=lambda one: getattr(one, "name", ""))
def test_every_score_has_an_interval_around_it_that_narrows_with_samples(task, made):
    rng = np.random.default_rng(0)
    widths = []
    for samples in (40, 4000):
        found = judged(task, *made(rng, samples))
        scores = {name for name, value in found.items() if isinstance(value, float)}
        assert scores == set(found["intervals"])
        for name, (low, high) in found["intervals"].items():
            assert low < found[name] < high, name
        widths.append({name: high - low for name, (low, high) in found["intervals"].items()})
    for name, wide in widths[0].items():
        assert widths[1][name] < wide / 4, name


def test_the_draws_of_each_score_are_those_of_scikit_learn(monkeypatch):
    """What is computed of weighted samples is what scikit-learn says of the samples drawn."""
    rng = np.random.default_rng(1)
    truth, guess = numbers(rng, 60)
    seen = []

    def interval(of, samples, **_):
        rows = np.random.default_rng(2).integers(0, samples, (5, samples))
        times = np.stack([np.bincount(row, minlength=samples) for row in rows]).astype(float)
        seen.extend(zip(of(times, rng), rows, strict=True))
        return 0.0, 1.0

    monkeypatch.setattr("headstart.heads.evaluation.bootstrap.bootstrap_interval", interval)
    INTERVALS["r2"](truth, guess)
    for ours, rows in seen:
        assert ours == pytest.approx(r2_score(guess[rows], truth[rows]), abs=1e-6)


@pytest.mark.parametrize(
    ("classes", "samples", "right"),
    [
        (2, 12, 0.95),
        (3, 40, 0.7),
        (10, 100, 0.95),
        (40, 400, 0.8),
        (100, 600, 0.8),
        (100, 600, 0.95),
    ],
)
def test_the_interval_of_macro_f1_holds_the_truth_as_often_as_it_says(classes, samples, right):
    rng = np.random.default_rng(0)
    outputs, targets = guesses(rng, 200_000, classes, right)
    truth = f1_score(targets, outputs.argmax(axis=1), average="macro")
    held = 0
    for start in range(0, 150 * samples, samples):
        rows = slice(start, start + samples)
        low, high = INTERVALS["macro_f1"](outputs[rows], targets[rows])
        held += low <= truth <= high
    assert held >= 0.9 * 150


def test_the_interval_of_macro_f1_of_several_labels_holds_the_truth():
    rng, held, wide = np.random.default_rng(1), 0, 0.0
    shares, recalls = rng.uniform(0.05, 0.3, 20), rng.uniform(0.5, 0.95, 20)
    alarms = rng.uniform(0.01, 0.1, 20)
    each = 2 * shares * recalls / (shares + shares * recalls + (1 - shares) * alarms)
    for _ in range(100):
        truth = rng.random((200, 20)) < shares
        said = rng.random((200, 20)) < np.where(truth, recalls, alarms)
        low, high = INTERVALS["macro_f1"](1.0 * said, 1.0 * truth)
        held += low <= each.mean() <= high
        wide += (high - low) / 100
    assert held >= 92 and wide < 0.1
    low, high = INTERVALS["macro_f1"](np.ones((10, 50)), np.ones((10, 50)))
    assert high == 1 and low < 0.75  # of ten samples, however many labels they have


@pytest.mark.parametrize("task", [hs.Classification(), hs.MultiLabel()], ids=lambda one: one.name)
def test_macro_f1_is_corrected_by_what_leaving_out_each_sample_does_to_it(task):
    """Classes of several samples, so that none is left without."""
    from headstart.heads.evaluation.per_class import _bias
    from headstart.heads.evaluation.scores import by_class

    outputs, targets = (several if task == hs.MultiLabel() else guesses)(
        np.random.default_rng(5), 40
    )
    truth, said = by_class(outputs, targets)
    counts = [np.asarray(one.sum(axis=0)).ravel() for one in (truth.multiply(said), truth, said)]
    rows = np.arange(40)
    without = [
        task.evaluate(outputs[rows != row], targets[rows != row], list("abc"))["macro_f1"]
        for row in rows
    ]
    value = task.evaluate(outputs, targets, list("abc"))["macro_f1"]
    assert _bias(*counts, 40) == pytest.approx(39 * (np.mean(without) - value), abs=1e-9)


def test_ten_that_are_all_right_prove_little():
    targets = np.arange(10) % 2
    outputs = np.eye(2, dtype=np.float32)[targets]
    found = judged(hs.Classification(), outputs, targets, "ab")
    for name in ("accuracy", "macro_f1"):
        low, high = found["intervals"][name]
        assert found[name] == high == 1.0 and low < 0.9


def test_a_single_sample_has_no_interval_but_that_of_shares():
    found = judged(hs.Classification(), np.array([[0.9, 0.1]], np.float32), np.array([0]), "ab")
    assert set(found["intervals"]) == {"accuracy", "balanced_accuracy", "ece", "ece_debiased"}
    assert "auroc" not in found and "auprc" not in found  # there is nothing to tell it from
    assert bootstrap_interval(lambda times, _: times.sum(axis=1), 1) is None


def test_many_samples_have_fewer_draws_and_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(size=60_000)
    drawn = []

    def score(times, _):
        drawn.append(len(times))
        return times @ values / len(values)

    found = bootstrap_interval(score, len(values))
    assert sum(drawn) == DRAWS[0]
    assert found == bootstrap_interval(score, len(values))
    assert mean_interval(values) == pytest.approx(found, abs=0.2 * (found[1] - found[0]))


@pytest.mark.parametrize("samples", [3, 4, 5, 12])
def test_r2_of_a_handful_has_an_interval_that_can_be_believed_or_none(samples):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        targets = rng.normal(0, 10, (samples, 1)) + 0.1
        outputs = targets + rng.normal(0, 1, targets.shape)
        found = INTERVALS["r2"](outputs, targets)
        drawn = paired_interval(
            PAIRED["r2"](outputs, targets), PAIRED["r2"](targets * 0.9, targets), samples
        )
        assert (found is None) == (drawn is None) == (samples < 5)
        for ends in (found, drawn):
            assert ends is None or np.abs(ends).max() < 1e6
        four = Clusters.of(np.arange(2 * samples) % 4)
        twice = np.r_[outputs, outputs], np.r_[targets, targets]
        assert INTERVALS["r2"](*twice, four) is None


@pytest.mark.parametrize("samples", [12, 2500])
@pytest.mark.parametrize("groups", [None, 6])
def test_where_nothing_varies_there_is_none_of_what_has_no_bound(samples, groups):
    targets = np.arange(samples) % 3
    outputs = np.eye(3, dtype=np.float32)[targets]
    clusters = Clusters.of(np.arange(samples) // 2 % groups) if groups else None
    found = scores_of(hs.Ordinal(order=("a", "b", "c")), outputs, targets, list("abc"), clusters)
    assert found["steps_off"] == 0
    # all right so far: how sure of it the head is tells what the next may cost
    for name, most in (("steps_off", 1), ("log_loss", 36.05), ("brier", 2)):
        low, high = found["intervals"][name]
        assert low == found[name] == pytest.approx(0) and 0 < high < most
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):
        low, high = found["intervals"][name]
        assert low < 1 == high
    for name in ("steps_off", "log_loss", "macro_f1"):
        same = PAIRED[name](outputs, targets)
        assert paired_interval(same, same, samples, clusters) is None
    numbers = targets[:, None].astype(float)
    found = scores_of(hs.Regression(), numbers + 0.1, numbers, [], clusters)
    assert not {"mean_absolute_error", "root_mean_squared_error"} & set(found["intervals"])
    assert interval_text(found, "mean_absolute_error") == "no interval"


# What was not tested


def test_a_class_without_a_test_sample_is_named_and_left_out_of_the_macro_average():
    targets = np.array([0, 0, 1, 1])
    outputs = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]  # the last class is guessed, wrongly
    found = judged(hs.Classification(), outputs, targets)
    assert found["untested"] == ["c"]
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert judged(hs.Classification(), outputs, np.array([0, 0, 1, 2]))["untested"] == []


def test_labels_of_several_without_a_test_sample_likewise():
    targets = np.array([[1, 0, 0], [1, 1, 0]], np.float32)
    outputs = np.array([[0.9, 0.2, 0.8], [0.8, 0.7, 0.1]], np.float32)
    found = judged(hs.MultiLabel(), outputs, targets)
    assert found["untested"] == ["c"] and found["macro_f1"] == 1.0
    assert judged(hs.Regression(), np.ones((2, 1)), np.ones((2, 1)), ())["untested"] == []


# As people read it


def test_what_is_nearly_sure_is_not_shown_as_sure():
    assert [share_text(one) for one in (1.0, 0.99999, 0.9994, 0.0, 1e-5)] == [
        "1.000",
        ">0.999",
        "0.999",
        "0.000",
        "<0.001",
    ]
    assert score_text("accuracy", 0.99999) == ">0.999" and score_text("log_loss", 1e-9) == "0.000"


def test_heads_of_before_intervals_have_those_of_shares():
    old = {"accuracy": 0.9, "macro_f1": 0.8, "n_test": 50}
    assert interval_of(old, "accuracy") == wilson_interval(45, 50)
    assert interval_of(old, "macro_f1") is None
    assert interval_of({**old, "intervals": {"macro_f1": [0.7, 0.9]}}, "macro_f1") == (0.7, 0.9)


@pytest.mark.parametrize(("right", "total"), [(0, 5), (5, 5), (1, 1), (33, 47), (9_999, 10_000)])
def test_wilsons_interval_is_scipys(right, total):
    from scipy.stats import binomtest

    theirs = binomtest(right, total).proportion_ci(method="wilson")
    assert wilson_interval(right, total) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_chance_level_of_an_accuracy_is_the_share_of_the_most_frequent_class():
    targets = np.repeat([0, 1, 2], [5, 70, 25])
    outputs = np.full((100, 3), 1 / 3)
    found = scores_of(hs.Classification(), outputs, targets, list("abc"))
    assert majority_of(found) == 0.7
    assert majority_of({"accuracy": 0.7}) is None  # a head of before


def test_intervals_are_the_same_whether_marks_are_sparse_or_dense(monkeypatch):
    rng = np.random.default_rng(0)
    for samples, classes in ((3, 2), (200, 10), (57, 40)):
        targets = rng.integers(0, classes, samples)
        outputs = rng.random((samples, classes)) + 0.6 * np.eye(classes)[targets]
        dense = INTERVALS["macro_f1"](outputs, targets)
        with monkeypatch.context() as patch:
            patch.setattr(scores, "DENSE", 0)
            assert INTERVALS["macro_f1"](outputs, targets) == dense
