"""Intervals of what probabilities are worth: areas, calibration, losses, recalls, R2."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from headstart.heads.evaluation.areas import areas_of
from headstart.heads.evaluation.bootstrap import mean_interval, r2_interval
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.per_class import balanced_accuracy, class_scores
from headstart.heads.evaluation.reliability import Reliability, briers_of
from headstart.heads.kinds.losses import losses_of
from simulations import Case, Known, Simulation

LARGE = 40_000
"""Samples that stand for all."""
TRIED = 400
"""Splits whose mean stands for that of all splits of a size."""
EASE = (1.0, 2.0, 3.5)
"""How far apart classes lie."""
RARE = "a few mistakes make up the mean, and a small split may have none of them"
SKEWED = "squared errors are skewed, and so is a share of them"
TOO_NARROW = {
    "brier": {
        Case(50, 2): Known(0.78, RARE),
        Case(350, 2): Known(0.90, RARE),
        Case(350, 10): Known(0.91, RARE),
    },
    "log_loss": {
        Case(50, 2): Known(0.78, RARE),
        Case(50, 10): Known(0.90, RARE),
        Case(350, 2): Known(0.90, RARE),
    },
    "r2": {Case(50): Known(0.91, SKEWED), Case(350): Known(0.91, SKEWED)},
}
"""Where intervals are known to hold the truth less often than they say."""


def judged(
    rng: np.random.Generator, samples: int, case: Case, ease: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a head that knows the world, the truth, and each sample's group, in which
    what is said is off in the same direction."""
    targets = rng.integers(0, case.classes, samples)
    groups = rng.integers(0, max(case.groups, 1), samples)
    logits = rng.normal(size=(samples, case.classes))
    if case.groups:
        own = rng.normal(size=(case.groups, case.classes))
        logits = 0.6**0.5 * logits + 0.4**0.5 * own[groups]
    logits[np.arange(samples), targets] += ease
    logits *= ease
    outputs = np.exp(logits - logits.max(axis=1, keepdims=True))
    return outputs / outputs.sum(axis=1, keepdims=True), targets, groups


def clusters_of(case: Case, groups: np.ndarray) -> Clusters | None:
    return Clusters.of(groups) if case.groups else None


def plain(case: Case) -> Case:
    """The same samples, each on its own: groups change no mean."""
    return Case(case.n, case.classes)


@cache
def true_of(case: Case, ease: float) -> dict[str, np.ndarray]:
    """By class what a very large split says, and what splits of this size say of AUPRC."""
    rng = np.random.default_rng(0)
    large, targets, _ = judged(rng, LARGE, plain(case), ease)
    right = large.argmax(axis=1) == targets
    counts = np.maximum(np.bincount(targets, minlength=case.classes), 1)
    curves = np.full((TRIED, case.classes), np.nan)
    for row in curves:
        outputs, truth, _ = judged(rng, case.n, plain(case), ease)
        row[:] = [np.nan if one is None else one for one in areas_of(outputs, truth).precision]
    return {
        "auroc": np.array(areas_of(large, targets).roc, float),
        "auprc": np.nanmean(curves, axis=0),
        "recall": np.bincount(targets, right, case.classes) / counts,
        "brier": np.array([briers_of(large, targets).mean()]),
        "log_loss": np.array([losses_of("softmax", large, targets).mean()]),
    }


def of_probabilities(rng: np.random.Generator, case: Case, name: str) -> bool:
    """A score of a split, whose truth is that of the classes which occur in it."""
    ease = float(rng.choice(EASE))
    outputs, targets, groups = judged(rng, case.n, case, ease)
    clusters, occur = clusters_of(case, groups), np.unique(targets)
    if name == "recall":
        found = balanced_accuracy(outputs.argmax(axis=1), targets, clusters)[1]
    elif name in ("auroc", "auprc"):
        areas = areas_of(outputs, targets, clusters)
        scored = areas.auroc if name == "auroc" else areas.auprc
        found = (0.0, 1.0) if scored is None else scored[1]
    else:
        of = briers_of(outputs, targets)
        values = of if name == "brier" else losses_of("softmax", outputs, targets)
        found = mean_interval(values, clusters=clusters) or (0.0, np.inf)
    truth = true_of(plain(case), ease)[name]
    value = float(truth.mean() if len(truth) == 1 else truth[occur].mean())
    return found[0] <= value <= found[1]


def of_calibration(rng: np.random.Generator, case: Case, off: float) -> bool:
    """The calibration error of a head that is by so much less often right than it says."""
    large = 1 - np.random.default_rng(0).beta(1, 3, 400_000) * 0.6
    bins = np.ceil(large * 15).astype(int)
    gaps = np.bincount(bins, np.clip(large - off, 0, 1) - large) / len(large)
    sure = 1 - rng.beta(1, 3, case.n) * 0.6
    right = rng.random(case.n) < np.clip(sure - off, 0, 1)
    found = Reliability.of(np.stack([sure, 1 - sure], axis=1), np.where(right, 0, 1)).interval()
    return found[0] <= float(np.abs(gaps).sum()) + 1e-9 and float(np.abs(gaps).sum()) <= found[1]


def of_f1(rng: np.random.Generator, case: Case) -> bool:
    """F1 of one class: a third of the samples is of it, a recall and a false alarm rate."""
    recall, alarm = rng.uniform(0.3, 0.97), rng.uniform(0.01, 0.3)
    truth = rng.random(case.n) < 1 / 3
    said = rng.random(case.n) < np.where(truth, recall, alarm)
    confusion = np.zeros((2, 2), int)
    np.add.at(confusion, (truth.astype(int), said.astype(int)), 1)
    found = class_scores({"confusion": confusion.tolist()}, "nu")[1].f1
    value = 2 * recall / 3 / (1 / 3 + recall / 3 + 2 * alarm / 3)
    if found is None:
        return True
    _, low, high = found
    return low is not None and high is not None and low <= value <= high


def of_r2(rng: np.random.Generator, case: Case) -> bool:
    """R2 of guesses with errors as normal as the numbers: .2 to .95."""
    truth = rng.uniform(0.2, 0.95)
    targets = rng.normal(size=(case.n, 1))
    outputs = targets + rng.normal(0, (1 - truth) ** 0.5, (case.n, 1))
    low, high = r2_interval(outputs, targets) or (-np.inf, np.inf)
    return low <= truth <= high


SIZES = (50, 350, 2000)
ALONE = [Case(n, classes) for n in SIZES for classes in (2, 10)]
MANY = [Case(2000, 100)]
GROUPED = [Case(350, 3, groups=30), Case(2000, 3, groups=100)]
NAMES = {
    "AUROC: influences": "auroc",
    "AUPRC, of what splits of its size give: influences": "auprc",
    "balanced accuracy: influences": "recall",
    "Brier score: BCa": "brier",
    "log loss: BCa": "log_loss",
}
SIMULATIONS = [
    *(
        Simulation(
            name,
            0.95,
            partial(of_probabilities, name=score),
            [*ALONE, *MANY, *GROUPED],
            known=TOO_NARROW.get(score, {}),
        )
        for name, score in NAMES.items()
    ),
    *(
        Simulation(
            f"ECE, {off:g} off: inverted test",
            0.95,
            partial(of_calibration, off=off),
            [Case(n) for n in SIZES],
        )
        for off in (0.0, 0.03, 0.1)
    ),
    Simulation("F1 of a class: Wilson's of a Jaccard", 0.95, of_f1, [Case(n) for n in SIZES]),
    Simulation(
        "R2: percentile bootstrap",
        0.95,
        of_r2,
        [Case(n) for n in SIZES],
        known=TOO_NARROW["r2"],
    ),
]
