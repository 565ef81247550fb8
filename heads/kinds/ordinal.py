"""Classes in an order: one direction in the features, and a threshold between neighbours.

The all-threshold logistic loss of Rennie and Srebro, Loss functions for preference levels, 2005:
each threshold says whether a sample lies above it, and all share one direction. The loss is convex,
and at its minimum the thresholds are in order (their section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.heads.dense_stack import DenseStack, Layer, outputs_of
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.grid import PLAIN, Choice, nearest
from headstart.heads.kinds.losses import loss_of
from headstart.heads.standardisation import Standardisation, one_thread_a_core

ITERATIONS = 500


def fit_ordinal(train: Part, validation: Part, classes: int, strengths: Sequence[float]) -> Fitted:
    """Fit for each strength; the one with the least log loss on the validation split wins.

    Args:
        train: class numbers in their order, 0 to `classes` - 1.
        validation: likewise; without it the only strength is taken, or the one nearest to `PLAIN`.
        classes: how many, 2 or more.
        strengths: candidates for C, the inverse of the L2 penalty on standardised features.

    Returns:
        Two layers: the probability that a sample is at most of a class, and the differences of
        those, which are the classes' probabilities.
    """
    with one_thread_a_core() as pool:
        scale = Standardisation.of([train], pool)
    z = scale.apply(train.features[:]).astype(np.float64)
    candidates = sorted(set(strengths))
    taken = None if len(validation) else nearest(candidates, PLAIN, "there is no validation split")
    if taken is not None:
        candidates = [taken.value]
    judge = validation if len(validation) else train
    x = _start(train.targets, classes, z.shape[1])
    found = []
    for strength in candidates:
        x = _minimise(x, z, train, classes, 1.0 / (strength * train.mass))
        layers = _layers(x, scale, classes)
        given = outputs_of(DenseStack(layers, tuple(range(classes))), judge)
        loss = loss_of("softmax", given, judge.targets, judge.weights)
        found.append((loss, strength, layers))
    loss, strength, layers = min(found, key=lambda one: one[0])
    path = [{"strength": c, "log_loss": value} for value, c, _ in found]
    chosen = taken or Choice(strength, layers, [(c, value) for value, c, _ in found])
    judged = len(validation) if len(candidates) > 1 else 0
    details = {
        "strength": strength,
        "log_loss": loss,
        "path": path,
        **chosen.remarks(),
        "judged_on": {"train": 0, "validation": judged},
    }
    return Fitted(layers, details)


def _start(targets: np.ndarray, classes: int, width: int) -> np.ndarray:
    below = np.cumsum(np.bincount(targets, minlength=classes))[:-1] / len(targets)
    clipped = np.clip(below, 1e-3, 1 - 1e-3)
    return np.concatenate([np.zeros(width), np.log(clipped / (1 - clipped))])


def _minimise(
    start: np.ndarray, z: np.ndarray, part: Part, classes: int, penalty: float
) -> np.ndarray:
    from scipy.optimize import minimize

    found = minimize(
        lambda x: evaluate(x, z, part, classes, penalty),
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "ftol": 1e-10, "gtol": 1e-7},
    )
    return found.x


def evaluate(
    x: np.ndarray, z: np.ndarray, part: Part, classes: int, penalty: float
) -> tuple[float, np.ndarray]:
    """The mean over the samples of the sum over the thresholds, and its gradient.

    Args:
        x: direction (width,) and thresholds (classes - 1,).
        z: standardised features, (n, width).
        part: targets and weights of the rows.
        classes: how many.
        penalty: of the squared direction, halved.
    """
    from scipy.special import expit

    direction, thresholds = x[: z.shape[1]], x[z.shape[1] :]
    sign = np.where(part.targets[:, None] <= np.arange(classes - 1), 1.0, -1.0)
    margins = sign * (thresholds - (z @ direction)[:, None])
    shares = 1.0 / part.mass if part.weights is None else part.weights[:, None] / part.mass
    value = float((np.logaddexp(0, -margins) * shares).sum())
    slopes = -sign * expit(-margins) * shares
    gradient = np.concatenate([penalty * direction - z.T @ slopes.sum(axis=1), slopes.sum(axis=0)])
    return value + 0.5 * penalty * float(direction @ direction), gradient


def _layers(x: np.ndarray, scale: Standardisation, classes: int) -> tuple[Layer, ...]:
    width = len(scale.mean)
    # In order they are at the minimum; the stop is a little before it.
    thresholds = np.maximum.accumulate(x[width:])
    kernel = np.repeat(-x[:width, None], classes - 1, axis=1)
    differences = np.zeros((classes - 1, classes), np.float32)
    places = np.arange(classes - 1)
    differences[places, places] = 1
    differences[places, places + 1] = -1
    last = np.zeros(classes, np.float32)
    last[-1] = 1
    return (
        Layer(*scale.fold(kernel, thresholds), "sigmoid"),
        Layer(differences, last, "linear"),
    )
