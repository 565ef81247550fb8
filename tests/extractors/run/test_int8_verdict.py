"""What int8 costs beside float32: a verdict by a linear head, or by the mean relative error."""

import numpy as np
import pytest

from headstart.errors import BackboneError
from headstart.heads.evaluation.paired import often_right
from headstart.jobs.features.verdict import check_loss, right_of, verdict_of
from headstart.notices import HeadstartWarning


def features(samples=120, width=16, classes=3, noise=0.3):
    rng = np.random.default_rng(0)
    targets = np.arange(samples) % classes
    centres = rng.standard_normal((classes, width))
    return centres[targets] + noise * rng.standard_normal((samples, width)), targets


def test_a_verdict_has_the_paired_loss_of_a_linear_head_and_its_interval():
    whole, targets = features()
    labels = [f"c{target}" for target in targets]
    same = verdict_of(whole, whole, labels, [None] * len(labels))
    assert same["relative_error"] == 0 and same["accuracy"]["loss_points"] == 0
    check_loss("net", "pics", same, 0.5)
    noise = np.random.default_rng(1).standard_normal(whole.shape)
    lost = verdict_of(whole, noise, labels, [None] * len(labels))
    low, high = lost["accuracy"]["interval_points"]
    assert 0.5 < low < lost["accuracy"]["loss_points"] < high
    groups = [f"\0{row}" for row in range(len(labels))]  # each on its own, as there
    was, now = (right_of(x, targets, groups) for x in (whole, noise))
    ends = often_right(was, now).interval
    assert high - low == pytest.approx(150 * (ends[1] - ends[0]))  # heads of folds are alike
    with pytest.raises(BackboneError, match=r"points of accuracy .* more than 0\.5 allowed"):
        check_loss("net", "pics", lost, 0.5)
    check_loss("net", "pics", lost, 100)


def test_a_loss_that_may_be_chance_is_a_warning():
    whole, targets = features(30)
    labels = list(map(str, targets))
    worse = whole.copy()
    worse[0] = -worse[0]
    found = verdict_of(whole, worse, labels, [None] * 30)
    assert found["accuracy"]["loss_points"] > 0.5 > found["accuracy"]["interval_points"][0]
    with pytest.warns(HeadstartWarning, match="may be chance"):
        check_loss("net", "pics", found, 0.5)


@pytest.mark.parametrize("labels", [[None] * 60, [0.5 * n for n in range(60)], ["one"] * 60])
def test_without_classes_the_mean_relative_error_decides(labels):
    whole, _ = features(60)
    found = verdict_of(whole, 1.1 * whole, labels, [None] * 60)
    assert "accuracy" not in found
    check_loss("net", "pics", found, 0.5)
    far = verdict_of(whole, 1.6 * whole, labels, [None] * 60)
    with pytest.raises(BackboneError, match=r"mean relative error on 60 samples of pics is 0\.6"):
        check_loss("net", "pics", far, 0.5)
    broken = verdict_of(whole, np.full_like(whole, np.nan), ["a", "b"] * 30, [None] * 60)
    with pytest.raises(BackboneError, match="gives other features"):
        check_loss("net", "pics", broken, 0.5)


@pytest.mark.parametrize("number", [1, 3, 4])
def test_with_fewer_groups_than_folds_the_mean_relative_error_decides_and_that_is_said(number):
    whole, targets = features(60)
    labels = list(map(str, targets))
    groups = [f"g{row % number}" for row in range(60)]
    found = verdict_of(whole, 1.1 * whole, labels, groups)
    assert "accuracy" not in found and found["few_groups"] == number
    with pytest.warns(HeadstartWarning, match=rf"error of 0\.1 .* of {number} groups?, and 5 are"):
        check_loss("net", "pics", found, 0.5)
    far = verdict_of(whole, 1.6 * whole, labels, groups)
    with pytest.raises(BackboneError, match=rf"is 0\.6, .* of {number} groups?, and 5 are"):
        check_loss("net", "pics", far, 0.5)


def test_classes_that_are_groups_of_their_own_have_a_verdict():
    """Folds are trained on one class then."""
    whole, _ = features(60)
    labels = ["a"] * 50 + ["b"] * 10
    groups = [f"a{row % 4}" for row in range(50)] + ["b"] * 10
    found = verdict_of(whole, whole, labels, groups)
    assert found["accuracy"]["loss_points"] == 0
