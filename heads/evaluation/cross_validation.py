"""Heads fitted on all folds but one and tried on that one, fold after fold."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.dense_stack import DenseStack
from headstart.heads.dense_stack import outputs_of as said_by
from headstart.heads.evaluation.folds import Fold
from headstart.heads.kind import HeadKind, Part, takes_tokens, tokens_for
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.paths import Weights, fit_paths
from headstart.heads.layers.activations import softmax
from headstart.heads.origins import bounds_of, fit_near_zero, near_zero
from headstart.heads.rows import COPIED, Rows, check_rows, held, some_of, spans_of_rows
from headstart.heads.shared_rows import SharedRows
from headstart.heads.standardisation import one_thread_a_core
from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.by_task import check_kinds, gathering_of, is_plain, outputs_of
from headstart.heads.trials.crossed import draws_of
from headstart.heads.trials.out_of_fold import OutOfFold


def cross(
    kinds: Sequence[HeadKind],
    rows: Part,
    folds: Sequence[Fold],
    *,
    task: Task | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    watch: Callable[[OutOfFold], None] = lambda _: None,
    jobs: int | None = None,
) -> list[OutOfFold]:
    """Try heads of each kind on each fold; there is no validation part.

    Linear heads of classes are fitted first: those of one fold one from the other, and the folds
    side by side, whatever kinds stand between them; one with several strengths counts as so many
    kinds.

    Args:
        kinds: what to try.
        rows: features (rows, width), float32, with targets as the task reads them; heads that
            leave training rows out leave rows of one group out together.
        folds: which rows to train on, and which to try.
        task: what the targets mean; class numbers without it.
        seed: of everything that chance decides.
        progress: called with the number of heads that were just fitted.
        watch: called with what came of a setting when its last fold is done.
        jobs: processes for heads that are not linear; as many as there are cores without it, and
            none but this one for 1, or where each would have many rows of its own in memory.

    Returns:
        In the order of the kinds, their strengths from the smallest.

    Raises:
        HeadError: a kind cannot do the task.
    """
    made, near = _ready(kinds, rows, task)

    def here(units: Sequence[Unit]) -> Iterator[Said]:
        return _others(units, rows, near, folds, made, seed, progress, jobs)

    return _gathered(kinds, near, folds, made, seed, progress, watch, here)


def cross_elsewhere(
    elsewhere: Elsewhere,
    kinds: Sequence[HeadKind],
    rows: Part,
    folds: Sequence[Fold],
    *,
    task: Task | None = None,
    seed: int = 0,
) -> list[OutOfFold]:
    """As `cross`, but heads that are not linear are tried by somebody else.

    Args:
        elsewhere: who tries them; see `try_fold`.
        kinds: see `cross`.
        rows: see `cross`.
        folds: see `cross`.
        task: see `cross`.
        seed: see `cross`.

    Raises:
        HeadError: a kind cannot do the task.
    """
    made, near = _ready(kinds, rows, task)
    return _gathered(kinds, near, folds, made, seed, _unwatched, _unwatched, elsewhere)


def _unwatched(_: Any) -> None:
    """Of callers who wait for the end."""


def _ready(kinds: Sequence[HeadKind], rows: Part, task: Task | None) -> tuple[Task, Part]:
    """The task, and the rows near zero, of kinds that can do it."""
    made: Task = Classification() if task is None else task
    check_kinds(made, kinds)
    return made, _near_zero(kinds, rows)


def _gathered(
    kinds: Sequence[HeadKind],
    rows: Part,
    folds: Sequence[Fold],
    made: Task,
    seed: int,
    progress: Callable[[int], None],
    watch: Callable[[OutOfFold], None],
    tries: Elsewhere,
) -> list[OutOfFold]:
    """See `cross`; what is not linear, or not of classes, is tried by `tries`."""
    classes = outputs_of(made, rows.targets)
    strengths = sorted({s for kind in kinds if isinstance(kind, Linear) for s in kind.strengths})
    each: dict[Any, Any] = {s: Linear((s,)) for s in strengths}
    settings: dict[Any, dict[str, Any]] = {s: {"kind": "linear", "strength": s} for s in strengths}
    plain = list(dict.fromkeys(kind for kind in kinds if not isinstance(kind, Linear)))
    settings |= {kind: {"kind": kind.kind, **kind.describe()} for kind in plain}
    along = strengths if is_plain(made) else []
    alone = plain if along else [*each.values(), *plain]
    draws = draws_of(folds, len(rows))
    gathered = {key: gathering_of(made, rows, folds, draws) for key in settings}
    done: dict[Any, OutOfFold] = {}
    units = [(kind, number) for kind in alone for number in range(len(folds))]
    linear = _linear(along, rows, folds, classes, seed, progress)
    for one, number, outputs in chain(linear, tries(units)):
        key: Any = one.strengths[0] if isinstance(one, Linear) else one
        if gathered[key].add(number, outputs):
            done[key] = gathered.pop(key).result(settings[key], each.get(key, key))
            watch(done[key])
    return in_order_of(kinds, done)


def in_order_of(kinds: Sequence[HeadKind], done: Mapping[Any, OutOfFold]) -> list[OutOfFold]:
    """What came of settings, by strength of the linear ones and by kind of the others, in the order
    of the kinds, their strengths from the smallest."""
    return [
        done[key]
        for kind in kinds
        for key in (sorted(set(kind.strengths)) if isinstance(kind, Linear) else [kind])
    ]


Said = tuple[Any, int, np.ndarray]
"""A setting, the number of a fold, and what is said of the rows that it tries."""
Unit = tuple[HeadKind, int]
"""A kind, and the number of the fold on which a head of it is tried."""
Elsewhere = Callable[[Sequence[Unit]], Iterable[Said]]
"""Tries a head of each, in any order."""


def try_fold(
    kind: HeadKind,
    number: int,
    rows: Part,
    folds: Sequence[Fold],
    task: Task | None = None,
    seed: int = 0,
) -> Said:
    """What `cross` has tried elsewhere: a head of one kind on one fold, bit by bit as there.

    Args:
        kind: of the head; of classes, not linear.
        number: of the fold.
        rows: see `cross`.
        folds: see `cross`.
        task: see `cross`.
        seed: of everything that chance decides.
    """
    rows = _near_zero([kind], rows)
    return _try(kind, number, folds[number], rows, task or Classification(), seed)


def _near_zero(kinds: Sequence[HeadKind], rows: Part) -> Part:
    """The rows as kinds take them that do not look at tokens; as they are, if there is none."""
    if not all(map(takes_tokens, kinds)):
        return near_zero(rows)
    check_rows(rows.features)
    return rows


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
    units: Sequence[Unit],
    given: Part,
    rows: Part,
    folds: Sequence[Fold],
    task: Task,
    seed: int,
    progress: Callable[[int], None],
    jobs: int | None,
) -> Iterator[Said]:
    """What heads of other kinds say, each fold in a process; those of tokens take rows as given."""
    from joblib import Parallel, delayed

    def work() -> Iterable[Any]:
        for kind, number in units:
            own = given if takes_tokens(kind) else rows
            yield delayed(_try)(kind, number, folds[number], own, task, seed)

    is_large = not isinstance(rows.features, np.ndarray) or rows.features.nbytes > COPIED
    processes = 1 if is_large else min(cores() if jobs is None else jobs, max(len(units), 1))
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
    kind: HeadKind, number: int, fold: Fold, rows: Part, task: Task, seed: int
) -> tuple[HeadKind, int, np.ndarray]:
    """Fit on one fold's rows; gives what is said of the others, (rows, outputs)."""
    train, nobody = rows.only(fold.train), rows.rows(slice(0))
    outputs = outputs_of(task, rows.targets)
    if takes_tokens(kind):
        fitted = fit_near_zero(
            lambda one, other: task.fit(kind, one, other, outputs, seed),
            train,
            nobody,
            tokens_for(kind, rows),
        )
        layers, tried = fitted.layers, some_of(rows.features, fold.test)
    else:
        layers = task.fit(kind, train, nobody, outputs, seed).layers
        tried = _tried(rows, fold)
    stack = DenseStack(layers, tuple(range(outputs)))
    with one_thread_a_core():  # or the last bit would say how many cores there were for it
        return kind, number, said_by(stack, Part(tried, np.empty(len(tried))))
