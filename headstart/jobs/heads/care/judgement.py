"""What a head says of the samples that it was tested on, to be looked at: what it confuses, whether
its probabilities can be believed, what it is sure of and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.errors import InvalidValue
from headstart.heads.evaluation.clusters import Clusters, clusters_of
from headstart.heads.evaluation.reliability import Reliability, bins_of, said_alone
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.trials.judged import Judged
from headstart.storage.manifest import Label, Sample
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable

THRESHOLDS = tuple(round(0.01 * step, 2) for step in range(100))
"""From how sure a head has to be for its word to be taken."""
MISTAKES = 24


@dataclass(frozen=True)
class Bin(Showable):
    """Samples of whose class a head is about equally sure.

    Attributes:
        sure: the mean probability of what it says.
        right: the share that is right.
        interval: 95 %, of that share; of samples in groups by how the groups differ.
        samples: how many.
    """

    sure: float
    right: float
    interval: tuple[float, float]
    samples: int


@dataclass(frozen=True)
class Covered(Showable):
    """What is left where a head has to be so sure.

    Attributes:
        threshold: the probability from which its word is taken.
        coverage: the share of samples of which it is.
        accuracy: the share of these that is right; None where there are none.
        interval: 95 %, of the accuracy.
        samples: how many there are.
    """

    threshold: float
    coverage: float
    accuracy: float | None
    interval: tuple[float, float] | None
    samples: int


@dataclass(frozen=True)
class Verdict(Showable):
    """What a head says of one sample.

    Attributes:
        sample: which.
        truth: its class.
        guess: what is said.
        probability: that it is this.
    """

    sample: Sample
    truth: Label
    guess: Label
    probability: float

    def _facts(self) -> dict[str, Any]:
        named = {"id": self.sample.id, "digest": self.sample.digest}
        return {**named, "truth": self.truth, "guess": self.guess, "probability": self.probability}


@dataclass(frozen=True)
class Judgement(Showable):
    """See this module.

    Attributes:
        samples: that it was tested on.
        confusion: how many of each class (rows) it says to be of each, in the order of the classes.
        bins: whether it can be believed; see `Reliability`.
        covered: by the threshold.
        mistakes: of which it is surest.
        wrong: how many mistakes there are.
    """

    samples: int
    confusion: tuple[tuple[int, ...], ...]
    bins: tuple[Bin, ...]
    covered: tuple[Covered, ...]
    mistakes: tuple[Verdict, ...]
    wrong: int


def judge(head: TrainedHead) -> Judged:
    """What a head says of its test samples, with the labels of now.

    Raises:
        HeadError: it says no single class, or the dataset is not what it was.
        FeaturesMissing: its features are not cached any more.
    """
    head.need_classes()
    return head.held_out(corrected=True)


def judgement_of(judged: Judged, classes: Sequence[Label]) -> Judgement:
    """All that is to be seen of what `judge` gives.

    Args:
        judged: of the head.
        classes: of the head, in its order.
    """
    clusters = clusters_of(judged.samples)
    return Judgement(
        len(judged.samples),
        _confusion(judged, len(classes)),
        _bins(judged, clusters),
        _covered(judged, clusters),
        tuple(verdicts_of(judged, classes, judged.wrong[:MISTAKES])),
        len(judged.wrong),
    )


def find_confused(
    judged: Judged, classes: Sequence[Label], truth: str, guess: str
) -> list[Verdict]:
    """The test samples of one class that are said to be of another, the surest first.

    Args:
        judged: of the head.
        classes: of the head.
        truth: the class, as text.
        guess: what is said, likewise.

    Raises:
        InvalidValue: there is no such class.
    """
    names = [str(label) for label in classes]
    for name in (truth, guess):
        if name not in names:
            raise InvalidValue(f"the head knows no class {name[:80]!r}", hint="See its classes.")
    meant = (judged.targets == names.index(truth)) & (judged.guesses == names.index(guess))
    rows = np.flatnonzero(meant)
    order = np.argsort(-judged.sure[rows], kind="stable")
    return list(verdicts_of(judged, classes, rows[order]))


def verdicts_of(judged: Judged, classes: Sequence[Label], rows: np.ndarray) -> list[Verdict]:
    sure = judged.sure
    return [
        Verdict(
            judged.samples[row],
            classes[int(judged.targets[row])],
            classes[int(judged.guesses[row])],
            float(sure[row]),
        )
        for row in rows.tolist()
    ]


def _confusion(judged: Judged, classes: int) -> tuple[tuple[int, ...], ...]:
    cells = judged.targets.astype(np.int64) * classes + judged.guesses
    counts = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
    return tuple(map(tuple, counts.tolist()))


def _bins(judged: Judged, clusters: Clusters | None) -> tuple[Bin, ...]:
    said = said_alone(judged.probabilities, judged.guesses)
    found, right = Reliability.of(said, judged.targets), judged.guesses == judged.targets
    bins = bins_of(judged.sure.astype(np.float64))
    return tuple(
        Bin(sure, share, _interval(right, bins == number, clusters), int(count))
        for number, sure, share, count in zip(
            np.unique(bins),
            found.sure.tolist(),
            found.right.tolist(),
            found.counts.tolist(),
            strict=True,
        )
    )


def _covered(judged: Judged, clusters: Clusters | None) -> tuple[Covered, ...]:
    sure, right = judged.sure, judged.guesses == judged.targets
    total, found = len(sure), list[Covered]()
    for threshold in THRESHOLDS:
        taken = sure >= threshold
        count = int(taken.sum())
        if found and found[-1].samples == count:  # the same ones
            found.append(replace(found[-1], threshold=threshold))
            continue
        accuracy = float(right[taken].mean()) if count else None
        interval = _interval(right, taken, clusters) if count else None
        found.append(Covered(threshold, count / total if total else 0.0, accuracy, interval, count))
    return tuple(found)


def _interval(
    right: np.ndarray, chosen: np.ndarray, clusters: Clusters | None
) -> tuple[float, float]:
    """Of the share of some samples that is right, as the head's own score has one."""
    rows = None if clusters is None else clusters.rows(chosen)
    return share_interval_of(right[chosen], rows) or (0.0, 1.0)
