"""Intervals of what probabilities are worth: areas, calibration, losses, recalls.

Each is tried in two worlds. Constants of the intervals were chosen in the first, if anywhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from headstart.heads.evaluation.areas import area_difference, areas_of
from headstart.heads.evaluation.bootstrap import mean_interval
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.paired import mean_difference
from headstart.heads.evaluation.per_class import balanced_accuracy, class_scores
from headstart.heads.evaluation.reliability import BINS, Reliability, briers_of, unseen_of
from headstart.heads.kinds.losses import log_losses_of
from simulations import Case, Simulation

LARGE, TIMES = 40_000, 10
"""Samples that stand for all, so many times."""
TRIED = 400
"""Splits whose mean stands for that of all splits of a size."""
EASE = (1.0, 2.0, 3.5)
"""How far apart classes lie."""
LOSSES = {"brier": briers_of, "log_loss": log_losses_of}

Judged = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Probabilities, the truth, and each sample's group, in which what is said is off alike."""
World = Callable[[np.random.Generator, int, Case, float], Judged]


def calibrated(rng: np.random.Generator, samples: int, case: Case, ease: float) -> Judged:
    """A head that knows the world; normal noise, classes as frequent as each other."""
    targets = rng.integers(0, case.classes, samples)
    groups = rng.integers(0, max(case.groups, 1), samples)
    logits = rng.normal(size=(samples, case.classes))
    if case.groups:
        own = rng.normal(size=(case.groups, case.classes))
        logits = 0.6**0.5 * logits + 0.4**0.5 * own[groups]
    logits[np.arange(samples), targets] += ease
    return softmax(ease * logits), targets, groups


def overconfident(rng: np.random.Generator, samples: int, case: Case, ease: float) -> Judged:
    """A head that is surer than it should be by half; heavy tails (Student's t, 5 degrees of
    freedom), the classes' frequencies as 1, 1 / 2, 1 / 3 and so on."""
    shares = 1 / np.arange(1, case.classes + 1)
    targets = rng.choice(case.classes, samples, p=shares / shares.sum())
    groups = rng.integers(0, max(case.groups, 1), samples)
    logits = rng.standard_t(5, (samples, case.classes))
    if case.groups:
        own = rng.standard_t(5, (case.groups, case.classes))[groups]
        logits = np.where(rng.random(logits.shape) < 0.4, own, logits)  # as each alone
    logits[np.arange(samples), targets] += 1.3 * ease
    return softmax(1.5 * 0.6 * ease * logits), targets, groups


def softmax(logits: np.ndarray) -> np.ndarray:
    outputs = np.exp(logits - logits.max(axis=1, keepdims=True))
    return outputs / outputs.sum(axis=1, keepdims=True)


def clusters_of(case: Case, groups: np.ndarray) -> Clusters | None:
    return Clusters.of(groups) if case.groups else None


@cache
def truth_of(world: World, classes: int, ease: float, name: str) -> np.ndarray:
    """What very large splits say: of each class, or of all, (classes,) or (1,); groups change no
    mean."""
    rng, found = np.random.default_rng(0), []
    if name == "ece" and world is calibrated:
        return np.zeros(1)
    for _ in range(TIMES):
        large, targets, _ = world(rng, LARGE, Case(classes=classes), ease)
        right = large.argmax(axis=1) == targets
        if name == "auroc":
            found.append(np.array(areas_of(large, targets).roc, float))
        elif name == "recall":
            counts = np.maximum(np.bincount(targets, minlength=classes), 1)
            found.append(np.bincount(targets, right, classes) / counts)
        elif name == "ece":
            sure = large.max(axis=1)
            bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
            found.append(np.bincount(bins, right - sure, BINS) / LARGE)
        else:
            found.append(LOSSES[name](large, targets).mean(keepdims=True))
    mean = np.mean(found, axis=0)
    return np.abs(mean).sum(keepdims=True) if name == "ece" else mean


@cache
def precision_of(world: World, case: Case, ease: float) -> np.ndarray:
    """What splits of this size say of AUPRC, of each class, (classes,)."""
    rng = np.random.default_rng(0)
    total, known = np.zeros(case.classes), np.zeros(case.classes)
    for _ in range(TRIED):
        outputs, truth, _ = world(rng, case.n, case, ease)
        row = np.array(areas_of(outputs, truth).precision, float)
        total += np.nan_to_num(row)
        known += ~np.isnan(row)
    return total / np.maximum(known, 1)


def of_probabilities(rng: np.random.Generator, case: Case, world: World, name: str) -> bool | None:
    """A score of a split, whose truth is that of the classes which occur in it."""
    ease = float(rng.choice(EASE))
    outputs, targets, groups = world(rng, case.n, case, ease)
    clusters, occur = clusters_of(case, groups), np.unique(targets)
    if name == "recall":
        found = balanced_accuracy(outputs.argmax(axis=1), targets, clusters)[1]
    elif name in ("auroc", "auprc"):
        areas = areas_of(outputs, targets, clusters)
        scored = areas.auroc if name == "auroc" else areas.auprc
        found = None if scored is None else scored[1]
    elif name == "ece":
        found = Reliability.of(outputs, targets, clusters).interval()
    else:
        value_of = LOSSES[name]
        unseen = unseen_of(value_of, outputs, targets)
        values = value_of(outputs, targets)
        found = mean_interval(values, clusters=clusters, unseen=unseen)
    if found is None:
        return None
    if name == "auprc":
        truth = precision_of(world, Case(case.n, case.classes), ease)
    else:
        truth = truth_of(world, case.classes, ease, name)
    value = float(truth.mean() if len(truth) == 1 else truth[occur].mean())
    return found[0] - 1e-9 <= value <= found[1] + 1e-9


def of_two_heads(rng: np.random.Generator, case: Case, world: World, name: str) -> bool | None:
    """What a second head, of half the ease and with noise of its own, loses more than the first;
    of AUROC how much less it has."""
    ease = float(rng.choice(EASE))
    one, other, targets, groups = two_heads(rng, case.n, case, world, ease)
    clusters = clusters_of(case, groups)
    if name == "auroc":
        found = area_difference(name, one, other, targets, clusters)[0]
    else:
        found = mean_difference(name, one, other, targets, clusters)[0]
    if found is None:
        return None
    return found[0] <= difference_of(world, case.classes, ease, name) <= found[1]


def two_heads(
    rng: np.random.Generator, samples: int, case: Case, world: World, ease: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    one, targets, groups = world(rng, samples, case, ease)
    logits = np.log(np.maximum(one, 1e-300))
    other = softmax(0.7 * logits + 0.5 * ease * rng.normal(size=logits.shape))
    return one, other, targets, groups


@cache
def difference_of(world: World, classes: int, ease: float, name: str) -> float:
    rng, found = np.random.default_rng(0), []
    for _ in range(TIMES):
        one, other, targets, _ = two_heads(rng, LARGE, Case(classes=classes), world, ease)
        if name == "auroc":
            areas = [np.mean(np.array(areas_of(said, targets).roc, float)) for said in (one, other)]
            found.append(areas[1] - areas[0])
        else:
            value_of = LOSSES[name]
            found.append((value_of(other, targets) - value_of(one, targets)).mean())
    return float(np.mean(found))


def of_calibration(rng: np.random.Generator, case: Case, off: float) -> bool:
    """The calibration error of a head that is by so much less often right than it says."""
    large = 1 - np.random.default_rng(0).beta(1, 3, 400_000) * 0.6
    bins = np.ceil(large * 15).astype(int)
    gaps = np.bincount(bins, np.clip(large - off, 0, 1) - large) / len(large)
    sure = 1 - rng.beta(1, 3, case.n) * 0.6
    right = rng.random(case.n) < np.clip(sure - off, 0, 1)
    found = Reliability.of(np.stack([sure, 1 - sure], axis=1), np.where(right, 0, 1)).interval()
    return found[0] <= float(np.abs(gaps).sum()) + 1e-9 and float(np.abs(gaps).sum()) <= found[1]


def of_f1(rng: np.random.Generator, case: Case) -> bool | None:
    """F1 of one class: a third of the samples is of it, a recall and a false alarm rate."""
    recall, alarm = rng.uniform(0.3, 0.97), rng.uniform(0.01, 0.3)
    truth = rng.random(case.n) < 1 / 3
    said = rng.random(case.n) < np.where(truth, recall, alarm)
    confusion = np.zeros((2, 2), int)
    np.add.at(confusion, (truth.astype(int), said.astype(int)), 1)
    found = class_scores({"confusion": confusion.tolist()}, "nu")[1].f1
    value = 2 * recall / 3 / (1 / 3 + recall / 3 + 2 * alarm / 3)
    if found is None or found[1] is None or found[2] is None:
        return None
    return found[1] <= value <= found[2]


SIZES = {50: 10, 350: 50, 2000: 100}
"""Samples, and how many groups they stand in where they do."""
GRID = [
    Case(n, classes, groups=groups)
    for classes in (2, 10, 100)
    for n, some in SIZES.items()
    for groups in (0, some)
]
FEWER = [one for one in GRID if not one.groups or one.n == 350]
PAIRS = [Case(n, classes, 2) for classes in (2, 10) for n in SIZES] + [Case(350, 2, 2, 50)]
NAMES = {
    "AUROC: influences": "auroc",
    "AUPRC, of what splits of its size give: influences": "auprc",
    "balanced accuracy: influences": "recall",
    "Brier score: Bayesian bootstrap, an unseen sample added": "brier",
    "log loss: Bayesian bootstrap, an unseen sample added": "log_loss",
    "ECE of softmax outputs: inverted test": "ece",
}
ELSEWHERE = ("brier", "log_loss", "ece")
"""What has constants or heuristics of its own, and is tried in a second world."""
DIFFERENCES = {
    "compare: log losses, paired Bayesian bootstrap": "log_loss",
    "compare: Brier scores, paired Bayesian bootstrap": "brier",
    "compare: AUROC, differences of influences": "auroc",
}
COSTS = {"ece": 4}
WORLDS: dict[str, World] = {"calibrated": calibrated, "overconfident": overconfident}
SIMULATIONS = [
    *(
        Simulation(
            f"{name}; {words}",
            0.95,
            partial(covered, world=world, name=score),
            cases,
            cost=COSTS.get(score, 1) if covered is of_probabilities else 2,
        )
        for words, world in WORLDS.items()
        for covered, cases, names in (
            (of_probabilities, GRID if world is calibrated else FEWER, NAMES),
            (of_two_heads, PAIRS, DIFFERENCES),
        )
        for name, score in names.items()
        if world is calibrated or score in ELSEWHERE
    ),
    *(
        Simulation(
            f"ECE, {off:g} off: inverted test",
            0.95,
            partial(of_calibration, off=off),
            [Case(n) for n in SIZES],
            cost=2,
        )
        for off in (0.0, 0.03, 0.1)
    ),
    Simulation("F1 of a class: Wilson's of a Jaccard", 0.95, of_f1, [Case(n) for n in SIZES]),
]
