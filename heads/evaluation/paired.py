"""Two heads on the same samples: what one does better, and how sure that is.

Both are asked about the same samples, so what is compared is pairs: most of what makes a sample
easy or hard is the same for both and drops out, and intervals of the two scores say little about
their difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from headstart.heads.evaluation.bootstrap import (
    Interval,
    Score,
    Unseen,
    bootstrap_interval,
    mean_interval,
    r2_score,
)
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE, NONE, difference_interval
from headstart.heads.evaluation.reliability import (
    ValueOf,
    briers_of,
    unseen_difference,
    unseen_of,
)
from headstart.heads.evaluation.scores import by_class
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.regression import SHARE_BELOW, shares_below
from headstart.heads.tasks import SAID_FROM

PROCEDURE = "McNemar's mid-p test"


def mcnemar(fixed: int, broken: int) -> float:
    """The mid-p value of McNemar's test, of both sides: how probable it is that what two equally
    good ways differ on is divided so unevenly.

    Fagerland, Lydersen and Laake: The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional, 2013.

    Args:
        fixed: samples that only the one was right on.
        broken: samples that only the other was right on.
    """
    from scipy.stats import binom

    total, fewer = fixed + broken, min(fixed, broken)
    if fixed == broken:
        return 1 - float(binom.pmf(fewer, total, 0.5)) / 2 if total else 1.0
    return float(2 * binom.cdf(fewer, total, 0.5) - binom.pmf(fewer, total, 0.5))


def share_difference(
    fixed: int, broken: int, samples: int, confidence: float = CONFIDENCE
) -> Interval:
    """The interval of the difference of two shares of the same samples, of which `fixed` add to it
    and `broken` take from it: Wald's with one more sample of each.

    Bonett and Price: Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data, 2012.
    """
    more, less = (fixed + 1) / (samples + 2), (broken + 1) / (samples + 2)
    middle = more - less
    error = math.sqrt((more + less - middle**2) / (samples + 2))
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return max(middle - reach, -1.0), min(middle + reach, 1.0)


def grouped_difference(
    fixed: np.ndarray, broken: np.ndarray, clusters: Clusters, confidence: float = CONFIDENCE
) -> Interval | None:
    """The same of samples in groups, by how the groups differ, with Student's t for so many; None
    of a single group.

    Groups on which two heads agree have no variance: so half a fixed and half a broken group are
    added, as `Clusters.worth` has it, as large as `Clusters.together` says.

    Args:
        fixed: bool, (n,).
        broken: likewise.
        clusters: which samples belong together.
        confidence: share of such intervals that hold the truth.
    """
    count = len(clusters)
    if count < 2:
        return None
    more = 0.5 * clusters.together(~(fixed | broken))
    total = len(fixed) + 2 * more
    sums = clusters.sums(1.0 * fixed - 1.0 * broken)
    middle = float(sums.sum()) / total
    apart = float(((sums - middle * clusters.sizes) ** 2).sum())
    apart += 4 * more**2 * (1 + middle**2)  # half a group of 2 * more, each
    reach = clusters.t(confidence) * math.sqrt(apart * (1 + 1 / count)) / total
    return max(middle - reach, -1.0), min(middle + reach, 1.0)


BY_SHARES = "Bonett and Price's paired interval"
BY_GROUPS = "linearised variance between groups, Student's t"
BY_WEIGHTS = "paired Bayesian bootstrap, an unseen sample added"
BY_WEIGHTS_OF_BOTH = f"{BY_WEIGHTS}, and MOVER, as far as either reaches"
BY_STUDENT = "paired bootstrap, percentiles and studentised"


@dataclass(frozen=True)
class OftenRight:
    """Which of two heads is right more often, on the same samples.

    Attributes:
        fixed: where only the second is right, bool, (n,).
        broken: where only the first is, likewise.
        p_value: McNemar's mid-p; None of samples in groups, as it takes each for evidence of its
            own.
        interval: of the second's accuracy less the first's; None of a single group.
        procedure: by which that was found.
    """

    fixed: np.ndarray
    broken: np.ndarray
    p_value: float | None
    interval: Interval | None
    procedure: str

    @property
    def difference(self) -> float:
        return float(self.fixed.mean() - self.broken.mean())


def often_right(was: np.ndarray, now: np.ndarray, clusters: Clusters | None = None) -> OftenRight:
    """Compare where two heads are right, bool, (n,), n from 1."""
    fixed, broken = now & ~was, was & ~now
    if clusters is not None:
        interval = grouped_difference(fixed, broken, clusters)
        return OftenRight(fixed, broken, None, interval, NONE if interval is None else BY_GROUPS)
    counts = int(fixed.sum()), int(broken.sum())
    interval = share_difference(*counts, len(was))
    return OftenRight(fixed, broken, mcnemar(*counts), interval, BY_SHARES)


def paired_interval(
    one: Score,
    other: Score,
    samples: int,
    clusters: Clusters | None = None,
    *,
    cost: int = 1,
    seed: int = 0,
) -> Interval | None:
    """The percentile interval of what another head's score is above one's, over samples drawn with
    replacement, the same for both; groups of samples are drawn together.

    Args:
        one: its score of how many times each sample was drawn; see `PAIRED`.
        other: that of the other.
        samples: how many.
        clusters: which samples belong together.
        cost: how many times as long as means the scores take.
        seed: of the draws.
    """

    def difference(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return other(times, rng) - one(times, rng)

    return bootstrap_interval(difference, samples, clusters=clusters, cost=cost, seed=seed)


def mean_difference(
    name: str,
    one: np.ndarray,
    other: np.ndarray,
    targets: np.ndarray,
    clusters: Clusters | None = None,
    value_of: ValueOf | None = None,
) -> tuple[Interval | None, str]:
    """The interval of what the mean loss of another head is above one's, of the differences on each
    sample, and by what it was found; see `mean_interval`.

    Args:
        name: of the loss, see `VALUES`.
        one: outputs, (n, outputs).
        other: likewise.
        targets: as `VALUES` takes them.
        clusters: which samples belong together.
        value_of: the loss, where its name alone does not tell: that of numbers.
    """
    of_numbers = value_of is not None or name == "mean_absolute_error"
    value_of = value_of or VALUES[name]
    values = value_of(one, targets), value_of(other, targets)
    if not np.isfinite(values).all():
        return None, NONE
    apart = values[1] - values[0]
    if of_numbers:
        procedure, unseen = BY_STUDENT, None
    elif name == "steps_off":  # one step more apart than they are on any sample
        most = min(float(np.abs(apart).max(initial=0)) + 1, one.shape[1] - 1.0)
        procedure, unseen = BY_WEIGHTS, Unseen(-most, most)
    else:
        procedure = BY_WEIGHTS_OF_BOTH
        unseen = unseen_difference(value_of, one, other, targets)
    found = mean_interval(apart, clusters=clusters, unseen=unseen)
    if found is None:
        return None, NONE
    if name in OF_PROBABILITIES:
        low, high = _from_both(value_of, one, other, targets, clusters)
        found = min(found[0], low), max(found[1], high)
    return found, procedure


OF_PROBABILITIES = ("log_loss", "brier")


def _from_both(
    value_of: ValueOf,
    one: np.ndarray,
    other: np.ndarray,
    targets: np.ndarray,
    clusters: Clusters | None,
) -> Interval:
    """What a head loses more than one by the intervals of both: what either may lose on a sample
    that is of no kind among these, the difference may be, too."""
    scored, parts = [], []
    for outputs in (other, one):
        values = value_of(outputs, targets)
        mean, unseen = float(values.mean()), unseen_of(value_of, outputs, targets)
        found = mean_interval(values, clusters=clusters, unseen=unseen)
        scored.append((mean, found or (mean, mean)))
        parts.append(values - mean if clusters is None else clusters.sums(values - mean))
    lengths = float(np.sqrt((parts[0] @ parts[0]) * (parts[1] @ parts[1])))
    alike = float(parts[0] @ parts[1]) / lengths if lengths else 0.0
    return difference_interval(scored[0], scored[1], alike)


def _mean(values: np.ndarray) -> Score:
    """Of the mean of a value of each sample, (n,)."""

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        return times @ values / times.sum(axis=1)

    return score


def _means(
    value_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray], Score]:
    return lambda outputs, targets: _mean(value_of(outputs, targets))


def _f1(*, is_macro: bool) -> Callable[[np.ndarray, np.ndarray], Score]:
    """Of the F1 score: the mean over the classes that were drawn, or that of all together."""

    def made(outputs: np.ndarray, targets: np.ndarray) -> Score:
        truth, said = by_class(outputs, targets)
        right, of, either = truth.multiply(said).T.tocsr(), truth.T.tocsr(), (truth + said).T

        def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
            hits, marks, occur = 2 * (right @ times.T), either @ times.T, of @ times.T > 0
            if not is_macro:
                return hits.sum(axis=0) / np.maximum(marks.sum(axis=0), 1)
            shares = hits / np.maximum(marks, 1)
            with np.errstate(invalid="ignore"):  # of a draw without any class
                return shares.sum(axis=0, where=occur) / occur.sum(axis=0)

        return score

    return made


def _balanced(outputs: np.ndarray, targets: np.ndarray) -> Score:
    """Of the mean over the classes that were drawn of the share that was right."""
    truth, said = by_class(outputs, targets)
    right, of = truth.multiply(said).T.tocsr(), truth.T.tocsr()

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        hits, counts = right @ times.T, of @ times.T
        shares = hits / np.maximum(counts, 1)
        return shares.sum(axis=0) / (counts > 0).sum(axis=0)

    return score


def _rmse(outputs: np.ndarray, targets: np.ndarray) -> Score:
    """Of the root of the mean squared error, the mean over the outputs."""
    squares = (outputs.astype(np.float64) - targets) ** 2

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        return np.sqrt(times @ squares / times.sum(axis=1)[:, None]).mean(axis=1)

    return score


def right_of(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Where the most probable class is the right one, or all labels are, bool, (n,)."""
    if targets.ndim == 2:
        return ((outputs >= SAID_FROM) == (targets > 0)).all(axis=1)
    return outputs.argmax(axis=1) == targets


VALUES: Mapping[str, ValueOf] = {
    "log_loss": log_losses_of,
    "brier": briers_of,
    "steps_off": lambda outputs, targets: np.abs(outputs.argmax(axis=1) - targets).astype(
        np.float64
    ),
    "mean_absolute_error": lambda outputs, targets: np.abs(
        outputs.astype(np.float64) - targets
    ).mean(axis=1),
    SHARE_BELOW: shares_below,
}
"""By the name of a score that is a mean, of outputs and targets: its value of each sample, (n,)."""

PAIRED: Mapping[str, Callable[[np.ndarray, np.ndarray], Score]] = {
    **{name: _means(value_of) for name, value_of in VALUES.items()},
    "accuracy": lambda outputs, targets: _mean(1.0 * right_of(outputs, targets)),
    "exact": lambda outputs, targets: _mean(1.0 * right_of(outputs, targets)),
    "macro_f1": _f1(is_macro=True),
    "micro_f1": _f1(is_macro=False),
    "balanced_accuracy": _balanced,
    "root_mean_squared_error": _rmse,
    "r2": lambda outputs, targets: r2_score(outputs.astype(np.float64), targets.astype(np.float64)),
}
"""By the name of a score, of outputs and targets: the score of how many times each sample was
drawn."""
