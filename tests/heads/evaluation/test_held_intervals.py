"""Intervals of losses, of R2 and of shares hold the truth, of few samples too."""

import numpy as np
import pytest

import headstart as hs
from headstart.heads.evaluation.bootstrap import (
    Unseen,
    mean_interval,
    r2_interval,
)
from headstart.heads.evaluation.reliability import briers_of
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.kinds.losses import log_losses_of


def losses_held(rng, samples, spoilt=0.0, sharper=1.0, repeats=400):
    """How often the intervals of log loss and Brier score hold the truth: two classes of 3.5
    standard deviations apart, of which a share has the other label, and a head so much surer than
    it should be. Also the width of the log loss's."""
    apart, held, widths = 3.5, [], []

    def judged(count):
        targets = rng.integers(0, 2, count)
        logits = apart * sharper * (apart * (2 * targets - 1) + 2**0.5 * rng.normal(size=count))
        wrong = rng.random(count) < spoilt
        ones = 1 / (1 + np.exp(-logits))
        return np.stack([1 - ones, ones], axis=1), np.where(wrong, 1 - targets, targets)

    large = judged(400_000)
    truths = log_losses_of(*large).mean(), briers_of(*large).mean()
    for _ in range(repeats):
        outputs, targets = judged(samples)
        classes = [f"c{number}" for number in range(outputs.shape[1])]
        found = scores_of(hs.Classification(), outputs, targets, classes, None)["intervals"]
        ends = found["log_loss"], found["brier"]
        held.append([low <= one <= high for (low, high), one in zip(ends, truths, strict=True)])
        widths.append(ends[0][1] - ends[0][0])
    return *np.mean(held, axis=0), float(np.median(widths))


@pytest.mark.parametrize(
    ("spoilt", "sharper"),
    [
        pytest.param(0, 1, id="calibrated", marks=pytest.mark.slow),
        pytest.param(0, 2, id="too sure", marks=pytest.mark.slow),
        pytest.param(0.03, 2, id="spoilt"),
    ],
)
def test_losses_of_which_a_small_split_may_have_none_are_held(spoilt, sharper):
    """BCa held log loss and Brier score of 50 samples in 41 to 81 %, of 350 in 82 to 95 %."""
    rng = np.random.default_rng(0)
    for samples in (50, 350):
        log_loss, brier, width = losses_held(rng, samples, spoilt, sharper, 200)
        assert log_loss >= 0.93 and brier >= 0.93, samples
    assert width < 36 / 20  # which is no bound of what can be, which would say nothing


@pytest.mark.parametrize("outputs", [1, 3])
def test_r2_of_few_samples_is_held(outputs):
    """The percentiles of the bootstrap held it in 91 %, the mean of three in 88 %."""
    rng, held = np.random.default_rng(1), []
    for _ in range(400):
        truth = rng.uniform(0.2, 0.95)
        targets = rng.normal(size=(50, outputs))
        errors = rng.normal(0, (1 - truth) ** 0.5, targets.shape)
        low, high = r2_interval(targets + errors, targets)
        held.append(low <= truth <= high)
    assert 0.93 <= np.mean(held) <= 0.98


def test_of_a_share_such_an_interval_is_clopper_and_pearsons():
    from scipy.stats import binomtest

    for wrong in (0, 1, 20, 50):
        theirs = binomtest(wrong, 50).proportion_ci(method="exact")
        ours = mean_interval(1.0 * (np.arange(50) < wrong), unseen=Unseen(0.0, 1.0))
        assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)
