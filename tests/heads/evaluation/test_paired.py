"""Two heads on the same samples: McNemar's mid-p, intervals over pairs, equal to the scores."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from headstart.heads.combined.gain import shown_to_help
from headstart.heads.evaluation.areas import BY_INFLUENCES, area_difference, areas_of
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import NONE
from headstart.heads.evaluation.paired import (
    PAIRED,
    VALUES,
    mcnemar,
    mean_difference,
    often_right,
    paired_interval,
    share_difference,
)
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification, MultiLabel, Ordinal
from headstart.heads.trials.crossed import Crossed

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (5, 0), (3, 9), (7, 7), (40, 21)])
def test_mid_p_is_the_papers(fixed, broken):
    """Fagerland, Lydersen and Laake 2013: the exact p less half of what was seen, on both sides."""
    total = fixed + broken
    exact = min(1.0, 2 * sum(binom.pmf(k, total, 0.5) for k in range(min(fixed, broken) + 1)))
    seen = binom.pmf(min(fixed, broken), total, 0.5)
    expected = 1 - seen / 2 if fixed == broken else exact - seen
    assert mcnemar(fixed, broken) == pytest.approx(expected if total else 1.0)


def test_two_equally_good_heads_are_called_different_one_in_twenty_times():
    rng = np.random.default_rng(1)
    differ = rng.binomial(300, 0.2, 4000)
    fixed = rng.binomial(differ, 0.5)
    found = {pair: mcnemar(*pair) for pair in set(zip(fixed, differ - fixed, strict=True))}
    called = [found[pair] < 0.05 for pair in zip(fixed, differ - fixed, strict=True)]
    assert 0.04 < np.mean(called) < 0.06


def test_the_paired_interval_of_accuracies_holds_their_difference():
    rng = np.random.default_rng(2)
    held = []
    for _ in range(4000):
        fixed, broken, _ = rng.multinomial(120, [0.12, 0.06, 0.82])
        low, high = share_difference(fixed, broken, 120)
        held.append(low <= 0.06 <= high)
    assert 0.94 < np.mean(held) < 0.97


def outputs_of(task, samples=90):
    """What a head of a task may say, and the truth."""
    if isinstance(task, Regression):
        targets = RNG.normal(size=(samples, 2))
        return targets + RNG.normal(size=targets.shape), targets, []
    if isinstance(task, MultiLabel):
        targets = (RNG.random((samples, 4)) < 0.4).astype(np.float32)
        return np.clip(targets * 0.4 + RNG.random((samples, 4)) * 0.6, 0, 1), targets, list("abcd")
    targets = np.arange(samples) % 4
    scores = RNG.random((samples, 4)) + 0.5 * np.eye(4)[targets]
    return scores / scores.sum(axis=1, keepdims=True), targets, list("abcd")


@pytest.mark.parametrize(
    "task", [Classification(), Ordinal(decision="mode"), MultiLabel(), Regression()]
)
def test_what_is_drawn_once_has_the_scores_of_the_task(task):
    said, truth, classes = outputs_of(task)
    scores = scores_of(task, said, truth, classes)
    once = np.ones((1, len(said)))
    for name in PAIRED.keys() & scores.keys():
        (found,) = PAIRED[name](said, truth)(once, RNG)
        assert found == pytest.approx(scores[name], abs=1e-9), name
    twice = np.zeros((1, len(said)))
    rows = RNG.integers(0, len(said), len(said))
    np.add.at(twice[0], rows, 1)
    again = scores_of(task, said[rows], truth[rows], classes)
    for name in PAIRED.keys() & scores.keys():
        (found,) = PAIRED[name](said, truth)(twice, RNG)
        assert found == pytest.approx(again[name], abs=1e-9), name


def test_balanced_accuracy_is_scikit_learns():
    from sklearn.metrics import balanced_accuracy_score

    said, truth, _ = outputs_of(Classification())
    (found,) = PAIRED["balanced_accuracy"](said, truth)(np.ones((1, len(said))), RNG)
    assert found == pytest.approx(balanced_accuracy_score(truth, said.argmax(axis=1)))


def test_groups_are_drawn_together():
    rng = np.random.default_rng(3)
    values = [np.repeat(rng.normal(size=30), 20) for _ in range(2)]
    scores = [lambda times, _, own=own: times @ own / times.sum(axis=1) for own in values]
    alone = paired_interval(*scores, 600)
    together = paired_interval(*scores, 600, Clusters.of(np.repeat(np.arange(30), 20)))
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


def test_two_heads_that_agree_on_all_groups_may_differ_on_the_next():
    """The bootstrap had +0.000 to +0.000 here."""
    right, clusters = np.arange(200) % 7 > 0, Clusters.of(np.repeat(np.arange(10), 20))
    found = often_right(right, right, clusters)
    low, high = found.interval
    assert low < -0.05 and high > 0.05 and found.p_value is None
    assert often_right(right, right, Clusters(np.zeros(200, int))).interval is None


def test_the_interval_over_groups_holds_the_difference():
    rng = np.random.default_rng(4)
    clusters = Clusters.of(np.repeat(np.arange(20), 15))
    held, alone = [], []
    for _ in range(1000):
        groups = rng.standard_normal((2, 20))[:, clusters.numbers]
        latent = 0.6**0.5 * groups + 0.4**0.5 * rng.standard_normal((2, 300))
        was, now = latent < norm.ppf([[0.8], [0.85]])
        low, high = often_right(was, now, clusters).interval
        held.append(low <= 0.05 <= high)
        low, high = often_right(was, now).interval
        alone.append(low <= 0.05 <= high)
    assert 0.93 <= np.mean(held) <= 0.99
    assert np.mean(alone) < 0.75


def labels_of(rng, samples, labels, groups=0):
    """Several labels, and what two heads say of them, who find the same samples hard."""
    truth = (rng.random((samples, labels)) < 0.3).astype(np.float32)
    common, *own = rng.standard_normal((3, samples, labels))
    if groups:
        common = rng.standard_normal((groups, labels))[np.arange(samples) % groups]
    return truth, *(norm.cdf(truth + 0.7 * common + 0.7 * one) for one in own)


def test_the_difference_of_areas_has_the_interval_of_drawn_samples():
    rng = np.random.default_rng(5)
    truth, one, other = labels_of(rng, 150, 3)

    def difference(name, rows):
        found = [getattr(areas_of(said[rows], truth[rows]), name)[0] for said in (one, other)]
        return found[1] - found[0]

    for name in ("auroc", "auprc"):
        drawn = [difference(name, rng.integers(0, 150, 150)) for _ in range(500)]
        (low, high), procedure = area_difference(name, one, other, truth)
        assert procedure == BY_INFLUENCES
        assert (low + high) / 2 == pytest.approx(difference(name, np.arange(150)))
        assert high - low == pytest.approx(4 * np.std(drawn), rel=0.15), name


def test_the_difference_of_areas_is_held_in_groups_too():
    rng = np.random.default_rng(6)
    held = []
    for _ in range(300):
        truth, one, other = labels_of(rng, 300, 2, groups=20)
        clusters = Clusters.of(np.arange(300) % 20)
        (low, high), _ = area_difference("auroc", one, other, truth, clusters)
        held.append(low <= 0 <= high)
    assert 0.92 <= np.mean(held) <= 0.99


def test_many_labels_of_many_samples_have_an_interval_and_one_order_has_none():
    """Of more than 500,000 outputs there was none, and of fewer it took minutes."""
    truth, one, other = labels_of(np.random.default_rng(7), 3000, 200)
    (low, high), _ = area_difference("mean_average_precision", one, other, truth)
    assert low < high < low + 0.02
    assert area_difference("auroc", one, one, truth) == (None, NONE)
    together = Clusters(np.zeros(3000, int))
    assert area_difference("auroc", one, other, truth, together) == (None, NONE)


def test_calibration_errors_have_no_interval_of_their_difference():
    """Drawn samples held it in 1 of 12 cases: it is a distance, which noise makes larger."""
    assert not {"ece", "ece_debiased"} & set(PAIRED)


def two_sure_heads(rng, samples):
    """Logits of two classes 7 apart, and a second head that reads them with noise."""
    targets = rng.integers(0, 2, samples)
    logits = 3.5 * (3.5 * (2 * targets - 1) + 2**0.5 * rng.normal(size=samples))
    other = 0.7 * logits + 2.5 * rng.normal(size=samples)
    ones = (1 / (1 + np.exp(-one)) for one in (logits, other))
    return *(np.stack([1 - one, one], axis=1) for one in ones), targets


@pytest.mark.parametrize("name", ["log_loss", "brier", "auroc"])
def test_the_difference_of_two_sure_heads_is_held_of_few_samples(name):
    """What either may yet lose: its own draws alone held those of losses in 76 and 73 %."""
    rng = np.random.default_rng(2)
    large = two_sure_heads(rng, 200_000)
    if name == "auroc":
        first, second = (np.mean(areas_of(one, large[2]).roc) for one in large[:2])
        truth = second - first
    else:
        value_of = VALUES[name]
        truth = (value_of(large[1], large[2]) - value_of(large[0], large[2])).mean()
    held = []
    for _ in range(100):
        one, other, targets = two_sure_heads(rng, 50)
        if name == "auroc":
            found, procedure = area_difference(name, one, other, targets)
        else:
            found, procedure = mean_difference(name, one, other, targets)
        if found is not None:
            held.append(found[0] <= truth <= found[1])
            assert "MOVER" in procedure  # what was done is named
    assert len(held) > 40 and np.mean(held) >= 0.93


def test_one_of_many_joins_has_to_be_better_by_more_to_be_called_so():
    hits = np.arange(400) % 5 > 0
    said = np.full((400, 2), 0.5, np.float32)
    none = np.zeros(400, np.int64)
    tried = Crossed(
        settings={},
        probabilities=said,
        targets=none,
        hits=hits[None],
        losses=np.ones((1, 400), np.float32),
        draws=none[None],
        taken=0.8,
    )
    close, clear = (tried, (0.001, 0.05)), (tried, (0.03, 0.05))
    assert shown_to_help([close]) == [True]
    assert shown_to_help([close, close]) == [False, False]
    assert shown_to_help([close, (tried, None), clear]) == [
        True,
        False,
        True,
    ]  # one is left by then
    assert shown_to_help([clear, (tried, (-0.01, 0.02)), close]) == [True, False, False]
    assert shown_to_help([]) == []


def test_the_share_of_right_answers_of_several_labels_is_called_exact():
    told = {
        "settings": {"kind": "linear"},
        "probabilities": np.eye(2),
        "hits": np.ones((1, 2), bool),
        "losses": np.zeros((1, 2), np.float32),
        "draws": np.zeros((1, 2), int),
        "taken": 0.5,
    }
    one, several = (Crossed(targets=targets, **told) for targets in (np.arange(2), np.eye(2)))
    assert "linear, accuracy 1.00" in one._line() and "accuracy" in one._facts()
    assert "linear, exact 1.00" in several._line() and "accuracy" not in several._facts()
