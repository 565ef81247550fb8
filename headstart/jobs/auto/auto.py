"""`ws.auto`: from a dataset to a checked head in a given time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import (
    HeadstartError,
    NotFound,
    SourceGone,
    StillInUse,
)
from headstart.extractors.datasets import reader_of
from headstart.heads.evaluation.bootstrap import weights_kept
from headstart.heads.kind import HeadKind
from headstart.heads.models.export import check_free, format_of
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import FIT, MODEL, RECORDS, Budget
from headstart.jobs.auto.decision import Decision, Room, decide
from headstart.jobs.auto.entrants import (
    NUMBERS,
    Entrant,
    of_the_zoo,
    registered,
    what_it_is,
)
from headstart.jobs.auto.found import DEFAULT, ENSEMBLE, Auto, Wanted
from headstart.jobs.auto.labels import check_samples, task_of_labels
from headstart.jobs.auto.on_a_part import LATE, decide_on_parts
from headstart.jobs.auto.opened import of_numbers
from headstart.jobs.auto.pool import Pool
from headstart.jobs.auto.search import Search
from headstart.jobs.datasets.refresh import look_again
from headstart.jobs.datasets.remove import remove
from headstart.jobs.heads.attach import Attached, attach
from headstart.jobs.heads.combined.ensemble import train_ensemble
from headstart.jobs.heads.looks import looks_of
from headstart.jobs.heads.sweep import Sweep, Trial, in_order, keep
from headstart.jobs.heads.train import fit
from headstart.notices import tell
from headstart.part_of_head import PART
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.registry.names import check_name
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Manifest
from headstart.trained_head import TrainedHead

CLOSING = 2.0
"""Times what it took to look at the samples, that it takes in the end to score a head and to record
it, and what was tried."""
MOST_CLOSING = 0.2
"""Of all the time, what is kept back for that at most: others may have held up the look."""
KEPT = 0.5
"""Of that, what is over once what was tried is recorded."""
ATTACHING = 20.0
"""Seconds that a model is taken to take that is built, saved, loaded again and compared, where no
backbone was opened by which that could be told."""
Watch = Callable[[str], None]
"""Told what is done now."""


def unwatched(_now: str) -> None:
    """Of callers who wait for the end."""


@dataclass(frozen=True)
class Ended:
    """A search that is over, and what it was about."""

    dataset: Dataset
    pool: Pool
    attempts: Attempts
    sweep: Sweep
    decision: Decision
    default: HeadKind
    is_interrupted: bool


def auto(
    context: Context,
    dataset: str,
    backbones: Sequence[str] = (),
    wanted: Wanted | None = None,
    *,
    progress: Progress = silent,
    watch: Watch = unwatched,
) -> Auto:
    """See `Workspace.auto`."""
    wanted = wanted or Wanted()
    budget = Budget(60 * wanted.minutes)
    check_name(wanted.name or dataset, "head")
    if wanted.output is not None:
        format_of(wanted.output)  # before minutes are spent
        check_free(wanted.output, overwrite=wanted.overwrite)

    def now(what: str) -> None:
        progress(min(int(budget.spent), int(budget.seconds)), max(int(budget.seconds), 1))
        watch(what)

    looked_at, manifest = _looked_at(context, dataset)
    samples = manifest.columns
    wanted = replace(wanted, task=wanted.task or task_of_labels(samples, wanted.folds))
    check_samples(looked_at, samples, wanted)
    with weights_kept():
        ended = _searched(context, looked_at, backbones, wanted, budget, now)
        now(f"training the {ended.decision.what} head")
        head = _trained(context, ended, wanted)
    attached = None
    if wanted.output is not None:
        now(f"attaching it, into {wanted.output}")
        attached = attach(head, wanted.output, overwrite=wanted.overwrite)
    return _told(context, ended, head, attached, budget)


@contextmanager
def registered_for(context: Context, dataset: str, *, is_new: bool) -> Iterator[None]:
    """A block that a dataset is registered for; where it fails, one that is new, and that no head
    was trained on, is so no longer: the next try begins with the source as it is then."""
    try:
        yield
    except HeadstartError:
        if is_new:
            with suppress(StillInUse, NotFound):
                remove(context, dataset)
        raise


def _looked_at(context: Context, dataset: str) -> tuple[Dataset, Manifest]:
    """The dataset as it is now, with its manifest: while somebody holds that, it is read once."""
    with suppress(SourceGone):  # what is cached of it can still be used
        return look_again(context, dataset)
    found = context.datasets.get(dataset)
    return found, context.manifest(found)


def _searched(
    context: Context,
    dataset: Dataset,
    backbones: Sequence[str],
    wanted: Wanted,
    budget: Budget,
    now: Watch,
) -> Ended:
    pool = Pool(context, dataset, wanted, budget, now)
    attempts = Attempts(pool, budget, now)
    search = Search(dataset, pool, attempts, budget, wanted.kinds)
    entrants = _entrants(context, dataset, pool.samples, backbones, wanted)
    budget.keep_back(RECORDS, min(CLOSING * budget.spent, MOST_CLOSING * budget.seconds))
    left = search.begin(entrants)
    budget.keep_back(FIT, attempts.default_fit)
    if wanted.output is not None:  # a model takes about as long as a backbone to open
        budget.keep_back(MODEL, pool.longest_start or ATTACHING)
    is_interrupted = False
    try:
        search.features(left)
        search.kinds()
        search.joined()
    except KeyboardInterrupt:
        is_interrupted = True
        tell("interrupted: what was best so far is trained")
    started = time.monotonic() - attempts.seconds
    tried = dataset.name, list(attempts.found), attempts.fitted, started, pool.trying
    is_whole = pool.taken is None  # a sweep is of all samples, and so is an ensemble of it
    sweep = keep(context, *tried) if is_whole else in_order(*tried)
    budget.release(RECORDS, KEPT)
    room = Room(attempts.last_fit_of, budget.left_for(FIT))
    decision = decide(sweep.trials, _default(sweep, search), room, combines=is_whole)
    decision = decide_on_parts(
        decision, attempts.partials, sweep.trials, room.left + LATE * budget.seconds
    )
    for what, why in decision.late:
        attempts.drop(what, why)
    default = search.pool.default_kind
    return Ended(dataset, pool, attempts, sweep, decision, default, is_interrupted)


def _entrants(
    context: Context,
    dataset: Dataset,
    samples: SampleColumns,
    backbones: Sequence[str],
    wanted: Wanted,
) -> list[Entrant]:
    """The backbones that may be tried; those that were named alone, if any were."""
    if backbones:
        return registered(context, None, backbones)
    raw = _first(dataset, samples)
    what = what_it_is(raw)
    shape = raw.shape if isinstance(raw, np.ndarray) else None
    found = registered(context, what, shape=shape)
    if what == NUMBERS:
        as_they_are = of_numbers(len(raw))
        if as_they_are.name not in [one.name for one in found]:
            found.insert(0, as_they_are)
    found += of_the_zoo(context, what, downloads=wanted.download)
    return found


def _first(dataset: Dataset, samples: SampleColumns) -> Any:
    """The raw content of the first sample that can be read; None where none of the first can."""
    read = reader_of(dataset)
    for sample in samples[:8]:
        with suppress(HeadstartError):  # who asks for it with others says what is wrong with it
            return read(sample)
    return None


def _default(sweep: Sweep, search: Search) -> Trial:
    """The best strength of the default's heads stands for it: it chooses one by itself."""
    own = [one for one in sweep.trials if one.blocks == search.default]
    kind = search.pool.default_kind.kind
    return next(one for one in own if one.crossed.settings["kind"] == kind)


def _trained(context: Context, ended: Ended, wanted: Wanted) -> TrainedHead:
    name, decision = wanted.name or ended.dataset.name, ended.decision
    if decision.what == ENSEMBLE:
        return train_ensemble(context, name, replace(ended.sweep, trials=decision.candidates))
    trial, pool = decision.trial, ended.pool
    kind = ended.default if decision.what == DEFAULT else trial.kind
    fitted = fit(context, name, pool.view(trial.blocks), kind, seed=wanted.seed, task=wanted.task)
    if (taken := pool.taken) is not None:
        own = {"samples": taken.samples, "of": taken.of, "least": taken.least, "seed": wanted.seed}
        settings = fitted.trained.settings | {PART: own}
        fitted = replace(fitted, trained=replace(fitted.trained, settings=settings))
    return fitted.register()


def _told(
    context: Context, ended: Ended, head: TrainedHead, attached: Attached | None, budget: Budget
) -> Auto:
    return Auto(
        dataset=ended.dataset.name,
        task=ended.pool.task.name,
        samples=ended.sweep.samples,
        chosen=ended.decision.what,
        why=ended.decision.why,
        sides=ended.decision.sides,
        head=head.record,
        looks=looks_of(context, head.record).heads,
        sweep=ended.sweep.id,
        tried=ended.attempts.tried,
        dropped=ended.attempts.dropped,
        costs=list(ended.pool.costs.values()),
        budget=budget.seconds,
        seconds=round(budget.spent, 3),
        interrupted=ended.is_interrupted,
        file=None if attached is None else attached.file,
        max_abs_diff=None if attached is None else attached.difference,
        taken=ended.pool.taken,
    )
