"""Classes in an order: one direction in the features, and a threshold between neighbours.

The all-threshold logistic loss of Rennie and Srebro, Loss functions for preference levels, 2005:
each threshold says whether a sample lies above it, and all share one direction. The loss is convex,
and at its minimum the thresholds are in order (their section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from headstart.heads.calibration.judge import ENOUGH
from headstart.heads.calibration.out_of_fold import inner_folds, sides
from headstart.heads.dense_stack import DenseStack, Layer, outputs_of
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.grid import PLAIN, Choice, nearest
from headstart.heads.kinds.losses import loss_of
from headstart.heads.standardisation import Standardisation, one_thread_a_core

ITERATIONS = 500
FOLDS = 5


def fit_ordinal(train: Part, validation: Part, classes: int, strengths: Sequence[float]) -> Fitted:
    """Fit for each strength; the one with the least log loss on rows that were not fitted wins.

    Args:
        train: class numbers in their order, 0 to `classes` - 1; where the validation split is
            small, or there is none, rows of it are asked by fits that they are left out of. Where
            none can be, the only strength is taken, or the one nearest to `PLAIN`.
        validation: likewise, may be empty.
        classes: how many, 2 or more.
        strengths: candidates for C, the inverse of the L2 penalty on standardised features.

    Returns:
        Two layers: the probability that a sample is at most of a class, and the differences of
        those, which are the classes' probabilities.
    """
    # All of it: vectors of one direction are short, and threads of BLAS that wait for each other on
    # a busy machine have made a fit of milliseconds one of seconds.
    with one_thread_a_core() as pool:
        scale = Standardisation.of([train], pool)
        return _fit(train, validation, classes, strengths, scale)


def _fit(
    train: Part,
    validation: Part,
    classes: int,
    strengths: Sequence[float],
    scale: Standardisation,
) -> Fitted:
    z = scale.apply(train.features[:]).astype(np.float64)
    candidates = sorted(set(strengths))
    is_asked = len(candidates) > 1 and len(validation) < ENOUGH
    folds = inner_folds(train, 0, FOLDS) if is_asked else np.full(len(train), -1)
    asked = int((folds >= 0).sum())
    judged = {"train": asked, "validation": len(validation) if len(candidates) > 1 else 0}
    taken = None if any(judged.values()) else nearest(candidates, PLAIN, "no row could be left out")
    if taken is not None:
        candidates = [taken.value]
    layers = dict(zip(candidates, _path(z, train, scale, classes, candidates), strict=True))
    heard = [(validation, list(layers.values()))] if judged["validation"] else []
    for fitted, left_out in sides(folds):
        part = train.rows(fitted)
        heard.append(
            (train.rows(left_out), list(_path(z[fitted], part, scale, classes, candidates)))
        )
    heard = heard or [(train, list(layers.values()))]
    losses = dict(zip(candidates, _losses(heard, classes), strict=True))
    strength = min(candidates, key=lambda one: losses[one])
    chosen = taken or Choice(strength, layers[strength], list(losses.items()))
    details = {
        "strength": strength,
        "log_loss": losses[strength],
        "path": [{"strength": c, "log_loss": loss} for c, loss in losses.items()],
        **chosen.remarks(),
        "judged_on": judged,
    }
    return Fitted(layers[strength], details)


def _losses(heard: Sequence[tuple[Part, list[tuple[Layer, ...]]]], classes: int) -> list[float]:
    """The mean log loss over some parts, each with the layers of every strength."""
    labels, sums = tuple(range(classes)), 0.0
    for part, every in heard:
        given = [outputs_of(DenseStack(layers, labels), part) for layers in every]
        losses = [loss_of("softmax", one, part.targets, part.weights) for one in given]
        sums += part.mass * np.array(losses)
    return (np.asarray(sums) / sum(part.mass for part, _ in heard)).tolist()


def _path(
    z: np.ndarray, part: Part, scale: Standardisation, classes: int, strengths: Sequence[float]
) -> Iterator[tuple[Layer, ...]]:
    """The layers of each strength, each fit from the one before."""
    x = _start(part.targets, classes, z.shape[1])
    for strength in strengths:
        x = _minimise(x, z, part, classes, 1.0 / (strength * part.mass))
        yield _layers(x, scale, classes)


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
