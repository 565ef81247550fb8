"""Heads fitted on all folds but one and tried on that one, fold after fold."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.dense_stack import DenseStack, outputs_of, softmax
from headstart.heads.evaluation.bootstrap import Unseen
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.reliability import unseen_of
from headstart.heads.evaluation.simplicity import complexity_of
from headstart.heads.kind import Complexity, HeadKind, Part, takes_tokens, tokens_for
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.losses import log_losses_of, losses_of
from headstart.heads.kinds.paths import Weights, fit_paths
from headstart.heads.origins import bounds_of, fit_near_zero, near_zero
from headstart.heads.rows import COPIED, Rows, check_rows, held, some_of, spans_of_rows
from headstart.heads.shared_rows import SharedRows
from headstart.heads.standardisation import one_thread_a_core
from headstart.values.showable import Showable

ACCURACY, LOG_LOSS = "accuracy", "log_loss"
OBJECTIVES = (ACCURACY, LOG_LOSS)
"""By what heads may be chosen: the share that is right, or how probable the truth was held."""


@dataclass(frozen=True)
class Crossed(Showable):
    """What heads of one setting said of the rows that they were not trained on.

    Scores are those of single heads: each repeat is scored by itself, then the scores are averaged.
    The mean of the repeats' probabilities is what an ensemble of them says, which is surer and more
    often right than any of its heads; it is for judging labels, not heads.

    Attributes:
        settings: of the heads, as `HeadKind.describe` gives them, with `kind`.
        probabilities: the mean over the repeats, (rows, classes): an ensemble's.
        targets: class numbers, (rows,).
        hits: whether the most probable class was the right one, bool, (repeats, rows).
        losses: the log loss, float32, (repeats, rows).
        draws: by which fold's heads, numbered through all repeats, (repeats, rows).
        taken: which share of the rows a fold trains on.
        groups: of each row, (rows,), rows of which are no evidence of their own; None without.
        complexity: of the heads, see `complexity_of`.
        unseen: what a head may lose on a row that is of no kind among these, see `unseen_of`: the
            mean over the heads, each of which is surer than their ensemble.
    """

    settings: dict[str, Any]
    probabilities: np.ndarray
    targets: np.ndarray
    hits: np.ndarray
    losses: np.ndarray
    draws: np.ndarray
    taken: float = 0.0
    groups: np.ndarray | None = None
    complexity: Complexity = (math.inf, math.inf)
    unseen: Unseen | None = None

    @cached_property
    def clusters(self) -> Clusters | None:
        """Which rows belong together."""
        return Clusters.of(self.groups)

    @cached_property
    def accuracies(self) -> Outcomes:
        """Where it was right, in each repeat."""
        return Outcomes(self.hits, self.draws, self.taken, self.clusters)

    @cached_property
    def log_losses(self) -> Outcomes:
        """The log loss of each row in each repeat."""
        return Outcomes(self.losses, self.draws, self.taken, self.clusters, self.unseen)

    def outcomes(self, objective: str) -> Outcomes:
        """What is compared where heads are chosen by an objective."""
        return self.accuracies if objective == ACCURACY else self.log_losses

    def order(self, objective: str) -> tuple[float, float]:
        """The less, the better: by the objective, and where that is equal by the other score."""
        scores = (-self.accuracy, self.log_loss)
        return scores if objective == ACCURACY else (scores[1], scores[0])

    @property
    def repeats(self) -> int:
        return len(self.hits)

    @property
    def right(self) -> np.ndarray:
        """In which share of the repeats the most probable class is the right one, (rows,)."""
        return self.accuracies.by_sample

    @property
    def accuracy(self) -> float:
        """The mean of the repeats' accuracies."""
        return self.accuracies.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy; see `Outcomes.share_interval`."""
        return self.accuracies.share_interval

    @property
    def spread(self) -> float | None:
        """Standard deviation of a head's accuracy between draws of its training rows; None where
        nothing was repeated."""
        return self.accuracies.spread

    @property
    def log_loss(self) -> float:
        """The mean of the repeats' log losses."""
        return self.log_losses.mean

    def _facts(self) -> dict[str, Any]:
        """The settings and what they are worth; of probabilities there are many."""
        scores = {"accuracy": self.accuracy, "interval": self.interval, "log_loss": self.log_loss}
        drawn = {"repeats": self.repeats, "spread_between_draws": self.spread}
        return {**self.settings, **scores, "samples": len(self.targets), **drawn}

    def _line(self) -> str:
        low, high = self.interval
        return f"{self.settings['kind']}, accuracy {self.accuracy:.2f} [{low:.2f}, {high:.2f}]"


class Gathered:
    """What the folds' heads of one setting say, until the last has said it.

    Args:
        rows: what is tried.
        folds: which rows each trains on and tries.
        draws: of the folds, see `draws_of`.
        classes: how many.
    """

    def __init__(self, rows: Part, folds: Sequence[Fold], draws: np.ndarray, classes: int) -> None:
        self._rows, self._folds, self._draws = rows, folds, draws
        self._left = len(folds)
        # a sum of one is as exact in float32, which it is of
        kept = np.float32 if len(draws) == 1 else np.float64
        self._probabilities = np.zeros((len(rows), classes), kept)
        self._hits = np.zeros(draws.shape, bool)
        self._losses = np.zeros(draws.shape, np.float32)
        self._unseen = np.zeros(len(folds))

    def add(self, number: int, said: np.ndarray) -> bool:
        """Probabilities (rows, classes) from a fold's head; whether all folds are done."""
        tried = self._folds[number].test
        repeat = int((self._draws[:, tried[0]] == number).argmax())
        targets, said = self._rows.targets[tried], said / said.sum(axis=1, keepdims=True)
        self._hits[repeat, tried] = said.argmax(axis=1) == targets
        self._losses[repeat, tried] = losses_of("softmax", said, targets)
        self._probabilities[tried] += said
        self._unseen[number] = unseen_of(log_losses_of, said, targets).high * len(tried)
        self._left -= 1
        return not self._left

    def result(self, settings: dict[str, Any], kind: HeadKind) -> Crossed:
        """Once, when all folds are done."""
        rows, trained = self._rows, max(len(fold.train) for fold in self._folds)
        self._probabilities /= len(self._draws)
        return Crossed(
            settings,
            self._probabilities,
            rows.targets,
            self._hits,
            self._losses,
            self._draws,
            trained / len(rows),
            rows.groups,
            complexity_of(kind, rows, trained),
            Unseen(0.0, float(self._unseen.sum()) / self._draws.size),
        )


def draws_of(folds: Sequence[Fold], rows: int) -> np.ndarray:
    """Which fold tries each row, repeat by repeat, (repeats, rows) int32; each row is tried once a
    repeat."""
    seen = np.zeros(rows, np.int64)
    found = np.full((sum(len(fold.test) for fold in folds) // rows, rows), -1, np.int32)
    for number, fold in enumerate(folds):
        found[seen[fold.test], fold.test] = number
        seen[fold.test] += 1
    return found


def cross(
    kinds: Sequence[HeadKind],
    rows: Part,
    folds: Sequence[Fold],
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    watch: Callable[[Crossed], None] = lambda _: None,
    jobs: int | None = None,
    elsewhere: Elsewhere | None = None,
) -> list[Crossed]:
    """Try heads of each kind on each fold; there is no validation part.

    Linear heads are fitted first: those of one fold one from the other, and the folds side by side,
    whatever kinds stand between them; one with several strengths counts as so many kinds.

    Args:
        kinds: what to try.
        rows: features (rows, width), float32, with class numbers; heads that leave training rows
            out leave rows of one group out together.
        folds: which rows to train on, and which to try.
        seed: of everything that chance decides.
        progress: called with the number of heads that were just fitted.
        watch: called with what came of a setting when its last fold is done.
        jobs: processes for heads that are not linear; as many as there are cores without it, and
            none but this one for 1, or where each would have many rows of its own in memory.
        elsewhere: who tries those heads in the place of processes of this one; see `try_fold`.

    Returns:
        In the order of the kinds, their strengths from the smallest.
    """
    given, targets = rows, rows.targets
    rows = _near_zero(kinds, rows)
    classes = int(targets.max()) + 1
    plain = list(dict.fromkeys(kind for kind in kinds if not isinstance(kind, Linear)))
    strengths = sorted({s for kind in kinds if isinstance(kind, Linear) for s in kind.strengths})
    settings: dict[Any, dict[str, Any]] = {s: {"kind": "linear", "strength": s} for s in strengths}
    settings |= {kind: {"kind": kind.kind, **kind.describe()} for kind in plain}
    draws = draws_of(folds, len(targets))
    gathered = {key: Gathered(rows, folds, draws, classes) for key in settings}
    done: dict[Any, Crossed] = {}
    said = chain(
        _linear(strengths, rows, folds, classes, seed, progress),
        _others(plain, given, rows, folds, classes, seed, progress, jobs)
        if elsewhere is None
        else _told(elsewhere([(kind, n) for kind in plain for n in range(len(folds))]), progress),
    )
    for key, number, probabilities in said:
        if gathered[key].add(number, probabilities):
            kind = key if key in plain else Linear((key,))
            done[key] = gathered.pop(key).result(settings[key], kind)
            watch(done[key])
    return in_order_of(kinds, done)


def in_order_of(kinds: Sequence[HeadKind], done: Mapping[Any, Crossed]) -> list[Crossed]:
    """What came of settings, by strength of the linear ones and by kind of the others, in the order
    of the kinds, their strengths from the smallest."""
    return [
        done[key]
        for kind in kinds
        for key in (sorted(set(kind.strengths)) if isinstance(kind, Linear) else [kind])
    ]


Said = tuple[Any, int, np.ndarray]
"""A setting, the number of a fold, and the probabilities of the rows that it tries."""
Elsewhere = Callable[[Sequence[tuple[HeadKind, int]]], Iterable[Said]]
"""Tries a head of each kind on the fold of the number beside it, in any order."""


def try_fold(kind: HeadKind, number: int, rows: Part, folds: Sequence[Fold], seed: int = 0) -> Said:
    """What `cross` has tried elsewhere: a head of one kind on one fold, bit by bit as there.

    Args:
        kind: of the head; not linear.
        number: of the fold.
        rows: see `cross`.
        folds: see `cross`.
        seed: of everything that chance decides.
    """
    rows = _near_zero([kind], rows)
    return _try(kind, number, folds[number], rows, int(rows.targets.max()) + 1, seed)


def _near_zero(kinds: Sequence[HeadKind], rows: Part) -> Part:
    """The rows as kinds take them that do not look at tokens; as they are, if there is none."""
    if not all(map(takes_tokens, kinds)):
        return near_zero(rows)
    check_rows(rows.features)
    return rows


def _told(done: Iterable[Said], progress: Callable[[int], None]) -> Iterator[Said]:
    for said in done:
        yield said
        progress(1)


def _linear(
    strengths: Sequence[float],
    rows: Part,
    folds: Sequence[Fold],
    classes: int,
    seed: int,
    progress: Callable[[int], None],
) -> Iterator[Said]:
    """What linear heads say. Folds that train on most of the rows are fitted side by side, others,
    as of few samples a class, one by one; each reads the rows with all cores."""
    most = [2 * len(fold.train) > len(rows) for fold in folds]
    together = np.flatnonzero(most).tolist()
    alone = [[number] for number in np.flatnonzero(np.logical_not(most)).tolist()]
    for numbers in [together, *alone] if strengths else ():
        if not numbers:
            continue
        if numbers is together:
            inside = np.zeros((len(rows), len(numbers)), bool)
            for fit, number in enumerate(numbers):
                inside[folds[number].train, fit] = True
            shared = SharedRows([rows], inside)
        else:
            shared = SharedRows([rows.only(folds[numbers[0]].train)])
        with one_thread_a_core() as pool:
            paths = fit_paths(shared, strengths, classes, seed, pool, done=lambda: progress(1))
        for number, path in zip(numbers, paths, strict=True):
            said = _by_weights(_tried(rows, folds[number]), path, classes)
            for strength, probabilities in zip(strengths, said, strict=True):
                yield strength, number, probabilities


def _tried(rows: Part, fold: Fold) -> Rows:
    """Features that a fold tries, held as heads hold them that are fitted to the others."""
    tried = some_of(rows.features, fold.test)
    bounds = bounds_of(some_of(rows.features, fold.train))
    return tried if bounds is None else held(tried, bounds)


def _by_weights(tried: Rows, path: Sequence[Weights], classes: int) -> list[np.ndarray]:
    """Class probabilities of rows, (n, classes) for each weights, which stand side by side; rows
    are read once."""
    kernel, bias = (np.concatenate(one, axis=-1) for one in zip(*path, strict=True))
    said = np.empty((len(path), len(tried), classes), np.float32)

    def say(span: slice) -> None:
        logits = tried[span] @ kernel + bias
        each = softmax(logits.reshape(-1, classes)).reshape(len(logits), len(path), classes)
        said[:, span] = each.swapaxes(0, 1)

    with one_thread_a_core() as pool:
        list(pool.map(say, spans_of_rows(tried)))
    return list(said)


def _others(
    kinds: Sequence[HeadKind],
    given: Part,
    rows: Part,
    folds: Sequence[Fold],
    classes: int,
    seed: int,
    progress: Callable[[int], None],
    jobs: int | None,
) -> Iterator[Said]:
    """What heads of other kinds say, each fold in a process; those of tokens take rows as given."""
    from joblib import Parallel, delayed

    def work() -> Iterable[Any]:
        for kind in kinds:
            own = given if takes_tokens(kind) else rows
            for number, fold in enumerate(folds):
                yield delayed(_try)(kind, number, fold, own, classes, seed)

    is_large = not isinstance(rows.features, np.ndarray) or rows.features.nbytes > COPIED
    units = len(kinds) * len(folds)
    processes = 1 if is_large else min(cores() if jobs is None else jobs, max(units, 1))
    done: Any = Parallel(processes, return_as="generator_unordered")(work())
    try:
        for said in done:
            yield said
            progress(1)
    finally:
        with warnings.catch_warnings():  # of fits that somebody who ends early wants no more
            warnings.filterwarnings("ignore", ".*still being processed by the workers")
            done.close()


def _try(
    kind: HeadKind, number: int, fold: Fold, rows: Part, classes: int, seed: int
) -> tuple[HeadKind, int, np.ndarray]:
    """Fit on one fold's rows; gives class probabilities of the others, (rows, classes)."""
    train, nobody = rows.only(fold.train), rows.rows(slice(0))
    if takes_tokens(kind):
        fitted = fit_near_zero(
            lambda one, other: kind.fit(one, other, classes, seed),
            train,
            nobody,
            tokens_for(kind, rows),
        )
        layers, tried = fitted.layers, some_of(rows.features, fold.test)
    else:
        layers, tried = kind.fit(train, nobody, classes, seed).layers, _tried(rows, fold)
    stack = DenseStack(layers, tuple(range(classes)))
    with one_thread_a_core():  # or the last bit would say how many cores there were for it
        return kind, number, outputs_of(stack, Part(tried, np.empty(len(tried))))
