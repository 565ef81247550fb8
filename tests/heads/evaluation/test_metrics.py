"""The scores that reviewers ask for are scikit-learn's, with intervals that need no draws."""

import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

import headstart as hs
from headstart.heads.evaluation.areas import areas_of
from headstart.heads.evaluation.bootstrap import (
    bootstrap_interval,
    mean_interval,
)
from headstart.heads.evaluation.clusters import Clusters, independent
from headstart.heads.evaluation.intervals import share_interval, wilson_interval
from headstart.heads.evaluation.per_class import class_scores
from headstart.heads.evaluation.reliability import BINS, Reliability
from headstart.heads.evaluation.scores import scores_of


def said(classes=4, samples=300, seed=0, apart=1.5):
    """Probabilities, some of them equal, and the truth; the last class is rare."""
    rng = np.random.default_rng(seed)
    shares = np.r_[np.ones(classes - 1), 0.1]
    targets = rng.choice(classes, samples, p=shares / shares.sum())
    logits = rng.normal(size=(samples, classes))
    logits[np.arange(samples), targets] += apart
    outputs = np.exp(logits.round(1))
    return (outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32), targets


def labels(samples=300, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((samples, 3)) < [0.5, 0.2, 0.05]).astype(np.float32)
    outputs = (0.3 * targets + rng.random((samples, 3)) * 0.7).round(2).astype(np.float32)
    return outputs, targets


def scores(task, outputs, targets, clusters=None):
    classes = [f"c{n}" for n in range(outputs.shape[1])]
    return scores_of(task, outputs, targets, classes, clusters)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_scores_of_one_class_a_sample_are_scikit_learns(classes):
    outputs, targets = said(classes)
    found, wide = scores(hs.Classification(), outputs, targets), outputs.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    guesses, numbers = outputs.argmax(axis=1), range(classes)
    one_hot = np.eye(classes)[targets]
    theirs = {
        "balanced_accuracy": balanced_accuracy_score(targets, guesses),
        "auroc": roc_auc_score(one_hot, wide, average="macro"),
        "auprc": average_precision_score(one_hot, wide, average="macro"),
        "brier": brier_score_loss(targets, wide if classes > 2 else wide[:, 1], labels=numbers),
        "log_loss": log_loss(targets, wide, labels=numbers),
    }
    for name, value in theirs.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
    if classes > 2:
        theirs = roc_auc_score(targets, wide, multi_class="ovr", average="macro")
        assert found["auroc"] == pytest.approx(theirs, abs=1e-6)
    each = precision_recall_fscore_support(
        targets, guesses, labels=numbers, zero_division=np.nan, average=None
    )
    for name, value in zip(("precision", "recall", "f1", "support"), each, strict=True):
        np.testing.assert_allclose(np.array(found["per_class"][name], float), value, atol=1e-12)


def test_the_scores_of_several_labels_are_scikit_learns():
    outputs, targets = labels()
    found, guesses = scores(hs.MultiLabel(), outputs, targets), outputs >= 0.5
    theirs = {
        "mean_average_precision": average_precision_score(targets, outputs, average="macro"),
        "auroc": roc_auc_score(targets, outputs, average="macro"),
        "brier": np.mean([brier_score_loss(targets[:, n], outputs[:, n]) for n in range(3)]),
        "macro_f1": f1_score(targets, guesses, average="macro"),
    }
    for name, value in theirs.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
    each = precision_recall_fscore_support(targets, guesses, zero_division=np.nan, average=None)
    for name, value in zip(("precision", "recall", "f1", "support"), each, strict=True):
        np.testing.assert_allclose(np.array(found["per_class"][name], float), value, atol=1e-12)


def test_the_calibration_error_is_that_of_its_definition():
    outputs, targets = said(3)
    sure, right = outputs.max(axis=1).astype(np.float64), outputs.argmax(axis=1) == targets
    error, bias, rng = 0.0, 0.0, np.random.default_rng(0)
    for number in range(BINS):
        rows = (sure > number / BINS) & (sure <= (number + 1) / BINS)
        count = rows.sum()
        if not count:
            continue
        gap = abs(right[rows].mean() - sure[rows].mean())
        likely = (right[rows].sum() + sure[rows].mean()) / (count + 1)
        drawn = np.abs(rng.normal(gap, np.sqrt(likely * (1 - likely) / count), 100_000)).mean()
        error += count / len(sure) * gap
        bias += count / len(sure) * (drawn - gap)
    found = scores(hs.Classification(), outputs, targets)
    assert found["ece"] == pytest.approx(error, abs=1e-9)
    assert found["ece_debiased"] == pytest.approx(error - bias, abs=1e-3)
    assert bias > 0.003


def test_a_calibrated_head_is_not_said_to_be_off():
    """The plain error says .1 of 50 samples where 0 is true; its interval holds 0."""
    rng, held, errors = np.random.default_rng(0), 0, []
    for _ in range(100):
        sure = 1 - rng.beta(1, 3, 50) * 0.5
        right = rng.random(50) < sure
        found = Reliability.of(np.c_[sure, 1 - sure], np.where(right, 0, 1))
        held += found.interval()[0] == 0
        errors.append((found.error, found.debiased))
    plain, debiased = np.mean(errors, axis=0)
    assert held >= 93
    assert plain > 0.08 and debiased < 0.8 * plain


def test_how_many_samples_a_bin_has_is_chance_too():
    """Half is as right as said, half far from it: the error was held 51 times, for the numbers of
    samples in bins were taken for given, and smaller errors tried in steps of a thirtieth."""
    rng, held = np.random.default_rng(5), 0
    for _ in range(60):
        is_off = rng.random(2000) < 0.5
        sure, right = np.where(is_off, 0.95, 0.55), rng.random(2000) < np.where(is_off, 0.05, 0.5)
        low, high = Reliability.of(np.c_[sure, 1 - sure], np.where(right, 0, 1)).interval()
        held += low <= 0.475 <= high
    assert held >= 54


def test_ten_that_are_all_right_do_not_prove_a_sure_head():
    """One in ten is wrong in truth: the interval held that in 60 %, as it ended at 0.00001."""
    rng, held = np.random.default_rng(3), 0
    sure = np.full(10, 0.99999)
    for _ in range(100):
        right = rng.random(10) < 0.9
        low, high = Reliability.of(np.c_[sure, 1 - sure], np.where(right, 0, 1)).interval()
        held += low <= 0.1 - 1e-5 <= high
    assert held >= 93


@pytest.mark.parametrize(
    ("sure", "right"), [([0.5] * 20, [0, 1] * 10), ([0.75], [1]), ([0.875] * 3, [1] * 3)]
)
def test_where_no_bin_has_a_gap_at_all_there_is_an_interval(sure, right):
    """Half a sample more, and the gaps were 0: their proportions NaN, and training ended so."""
    sure = np.array(sure)
    outputs, targets = np.c_[sure, 1 - sure], np.where(right, 0, 1)
    found = Reliability.of(outputs, targets)
    low, high = found.interval()
    assert 0 == low < found.error + 0.1 < high < 1
    assert scores(hs.Classification(), outputs, targets)["intervals"]["ece"] == [low, high]


def test_a_calibrated_head_is_not_said_to_be_off_of_samples_in_groups():
    """Whose groups say nothing more: of 1,000 in 50 groups it was said in a third of draws, for
    fewer samples, as which they were taken, would have left more gaps by chance."""
    rng, held = np.random.default_rng(0), 0
    clusters = Clusters(np.arange(1000) % 50)
    for _ in range(20):
        sure = 1 - rng.beta(1, 3, 1000) * 0.5
        right = rng.random(1000) < sure
        low, high = Reliability.of(
            np.c_[sure, 1 - sure], np.where(right, 0, 1), clusters
        ).interval()
        held += low == 0 < high
    assert held >= 18


def test_influences_are_the_derivatives_by_the_weights_of_samples():
    from headstart.heads.evaluation.areas import _both

    outputs, targets = said(3, samples=40, apart=1.0)
    column, is_class = outputs[:, 2], targets == 0
    column = column.round(1)
    roc, precision = _both(column, is_class)
    step = 1e-6
    for place in range(40):
        weights = np.ones(40)
        weights[place] += step
        moved = roc_auc_score(is_class, column, sample_weight=weights)
        mean = np.sqrt(
            (is_class == is_class[place]).sum() / ((is_class == is_class[place]).sum() - 1)
        )
        assert roc.influence[place] == pytest.approx(mean * (moved - roc.value) / step, abs=1e-5)
        moved = average_precision_score(is_class, column, sample_weight=weights)
        slope = (moved - precision.value) / step
        assert precision.influence[place] == pytest.approx(slope, abs=1e-5)


def test_the_draws_of_a_score_are_those_of_scipy():
    from scipy.stats import bootstrap

    errors = np.random.default_rng(3).exponential(size=200) ** 2
    theirs = bootstrap((errors,), np.mean, method="percentile", n_resamples=20_000, rng=1)
    low, high = bootstrap_interval(lambda times, _: times @ errors / 200, 200)
    middle, wider = errors.mean(), independent(200).widening()
    for ours, ends in (
        (low, theirs.confidence_interval.low),
        (high, theirs.confidence_interval.high),
    ):
        assert ours == pytest.approx(middle + wider * (ends - middle), abs=0.08)
    studentised = mean_interval(errors)
    assert low - 0.1 < studentised[0] <= low + 0.02
    assert studentised[1] > high + 0.1  # of what is skewed the upper end is further off


# Losses: most of the mean may come from a few samples


# Edges


def alone(classes, samples, seed=0):
    rng = np.random.default_rng(seed)
    outputs = rng.dirichlet(np.ones(classes), samples).astype(np.float32)
    return outputs, rng.integers(0, classes, samples)


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (alone(3, 40)[0], np.zeros(40, int)),
        (alone(3, 40)[0], alone(2, 40)[1]),
        (np.full((30, 3), 1 / 3, np.float32), alone(3, 30)[1]),
        (np.eye(2, dtype=np.float32)[np.arange(20) % 2], np.arange(20) % 2),
        (np.eye(2, dtype=np.float32)[np.arange(20) % 2], (np.arange(20) + 1) % 2),
        (alone(3, 2)[0], np.array([0, 1])),
        (alone(3, 1)[0], np.array([2])),
        (alone(50, 50)[0], np.arange(50)),
        (np.array([[1, 0], [1, 0]], np.float32), np.array([0, 0])),
    ],
    ids=[
        "one class",
        "untested",
        "constant",
        "all right",
        "all wrong",
        "two",
        "one",
        "each once",
        "sure",
    ],
)
@pytest.mark.parametrize("groups", [None, 1, 2])
def test_there_is_always_a_number_or_nothing(outputs, targets, groups):
    clusters = Clusters.of(np.arange(len(targets)) % groups) if groups else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores(hs.Classification(), outputs, targets, clusters)
    json.dumps(found, allow_nan=False)
    for name, (low, high) in found["intervals"].items():
        assert low <= found[name] <= high, name
    each = class_scores(found, range(outputs.shape[1]))
    for one in each:
        assert (one.recall is None) == (one.support == 0) == (one.f1 is None)
    is_one = len(set(targets.tolist())) == 1
    assert ("auroc" in found) is not is_one


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_labels_that_none_or_all_samples_have(share):
    outputs, _ = labels(20)
    found = scores(hs.MultiLabel(), outputs, np.full((20, 3), share, np.float32))
    json.dumps(found, allow_nan=False)
    assert "auroc" not in found and "mean_average_precision" not in found


@pytest.mark.parametrize("groups", [1, 2])
def test_several_labels_in_one_group_have_scores(groups):
    outputs, targets = labels(20)
    clusters = Clusters.of(np.arange(20) % groups)
    found = scores(hs.MultiLabel(), outputs, targets, clusters)
    json.dumps(found, allow_nan=False)
    assert found["groups"] == groups
    assert ("micro_f1" in found["intervals"]) is (groups > 1)


def test_constant_probabilities_put_nothing_in_order():
    targets = np.arange(30) % 3
    found = scores(hs.Classification(), np.full((30, 3), 1 / 3, np.float32), targets)
    assert found["auroc"] == 0.5 and found["auprc"] == pytest.approx(1 / 3)
    low, high = found["intervals"]["auroc"]
    assert low < 0.5 < high


def test_ten_that_are_in_the_right_order_prove_little():
    targets = np.arange(10) % 2
    outputs = np.eye(2, dtype=np.float32)[targets] * 0.8 + 0.1
    found = scores(hs.Classification(), outputs, targets)
    assert found["auroc"] == found["auprc"] == found["balanced_accuracy"] == 1.0
    for name in ("auroc", "auprc", "balanced_accuracy"):
        assert found["intervals"][name][0] < 0.75


def test_the_two_areas_of_two_classes_are_one():
    """Each is the other turned round: two do not make it surer."""
    outputs, targets = said(2, 200)
    found = areas_of(outputs, targets)
    assert found.roc[0] == pytest.approx(found.roc[1])
    area = areas_of(outputs[:, 1:], (targets == 1).astype(np.float32)[:, None])
    assert found.auroc[1] == pytest.approx(area.auroc[1])


def test_a_share_of_samples_has_wilsons_interval():
    assert share_interval(0.8, variance=0.8 * 0.2 / 50, most=50) == pytest.approx(
        wilson_interval(40, 50)
    )
    assert share_interval(1.0, variance=0.0, most=50) == wilson_interval(50, 50)


def test_a_rare_label_that_is_never_said_has_no_f1():
    """Its micro F1 was the accuracy once: .95 where nothing is found."""
    truth = (np.arange(1000) % 20 == 0).astype(np.float32)[:, None]
    found = scores(hs.MultiLabel(), np.full((1000, 1), 0.05, np.float32), truth)
    assert found["micro_f1"] == found["macro_f1"] == 0 and found["exact"] == 0.95
    assert found["per_class"]["recall"] == [0.0] and found["per_class"]["precision"] == [None]
    assert found["auroc"] == 0.5 and found["mean_average_precision"] == pytest.approx(0.05)


def test_heads_of_before_have_the_scores_of_classes_that_their_confusion_gives():
    outputs, targets = said(4)
    found = scores(hs.Classification(), outputs, targets)
    old = {"confusion": found["confusion"]}
    for now, then in zip(class_scores(found, "abcd"), class_scores(old, "abcd"), strict=True):
        assert (now.precision, now.recall, now.f1) == (then.precision, then.recall, then.f1)
        assert then.auroc is None and now.auroc is not None
    assert class_scores({"accuracy": 1.0}, "ab") == []
