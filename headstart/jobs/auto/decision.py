"""What is taken in the end: the default, the best head alone, or the ensemble.

All have said something of the same samples by the same folds. The default stays unless it is worse
beyond chance, corrected for the number of candidates (`worse_than_best`); the ensemble is taken
where it is better beyond chance than the best head alone, or than the default where that stays. An
ensemble that is selected by what heads said of samples fits these a little; so here each fold is
told by an ensemble that was selected on the others, from candidates that were the best on these.
The one that is trained is selected in the same way on all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.combined.greedy import ROUNDS, select
from headstart.heads.kinds.words import setting_words
from headstart.heads.trials.objective import OBJECTIVES, ascending, objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.jobs.auto.comparison import (
    are_worse,
    gain,
    gain_text,
    is_better,
    objective_of,
    scores_of,
)
from headstart.jobs.auto.found import DEFAULT, ENSEMBLE, SINGLE, Side
from headstart.jobs.heads.sweep import Trial

INSTANT = 0.5
"""Seconds of a fit that counts as none: to score the head on the test split takes as long."""
SELECTED_FROM = 30
"""The best settings, from which an ensemble is selected."""


@dataclass(frozen=True)
class Room:
    """The time that is left for what is trained.

    Attributes:
        seconds: that a head of a trial's setting takes on all samples.
        left: in all.
    """

    seconds: Callable[[Trial], float]
    left: float


@dataclass(frozen=True)
class Decision:
    """What is taken.

    Attributes:
        what: `default`, `single` or `ensemble`.
        why: in a line.
        sides: what could be taken.
        trial: the best head alone, or the default.
        candidates: the trials that the ensemble is selected from.
        late: heads that cannot be trained in the time that is left, and why.
    """

    what: str
    why: str
    sides: list[Side]
    trial: Trial
    candidates: list[Trial]
    late: list[tuple[str, str]]


def decide(
    trials: Sequence[Trial], default: Trial, room: Room, *, combines: bool = True
) -> Decision:
    """Choose among trials on all samples, from the best down, that can be trained in time; the
    default always can. Without `combines` no ensemble is made of them."""
    every, trials = trials, [one for one in trials if _is_in_time(one, default, room)]
    best, crossed = trials[0], [one.crossed for one in trials]
    among = Candidates(crossed, [room.seconds(one) for one in trials], room.left)
    are_own = all(_is_like(one, default) for one in trials)
    may = combines and not are_own  # an ensemble of one head's strengths is that head
    several = selected_across(among) if may else None
    sides = [side(DEFAULT, default)]
    if best is not default:
        sides.append(side(SINGLE, best))
    candidates = [trials[place] for place in among.best(np.ones(len(crossed[0].targets), bool))]
    if several is not None:
        head = f"selected from {len(candidates)} settings"
        sides.append(Side(ENSEMBLE, "", head, *scores_of(several)))
    worse = are_worse(crossed)
    is_worse = any(worse[place] for place, one in enumerate(trials) if one is default)
    kept, own = (best, SINGLE) if is_worse else (default, DEFAULT)
    if several is not None and is_better(several, kept.crossed):
        than = "the best head alone" if is_worse else "the default"
        by = gain_text(several, kept.crossed)
        own, why = ENSEMBLE, f"the ensemble is better than {than} beyond chance, by {by} on folds"
    elif is_worse:
        by = gain_text(best.crossed, default.crossed)
        why = f"it is better than the default beyond chance, by {by} on folds"
    else:
        why = _why_kept(every, trials, default)
    return Decision(own, why, sides, kept, candidates, _late(every, default, room))


def _is_in_time(trial: Trial, default: Trial, room: Room) -> bool:
    """Whether a head can be trained in the time that is left; other strengths of the default take
    no longer than it does, which chooses one."""
    return _is_like(trial, default) or room.seconds(trial) <= max(room.left, INSTANT)


def _is_like(trial: Trial, default: Trial) -> bool:
    kinds = [one.crossed.settings["kind"] for one in (trial, default)]
    return trial.blocks == default.blocks and kinds[0] == kinds[1]


def _late(trials: Sequence[Trial], default: Trial, room: Room) -> list[tuple[str, str]]:
    """Kinds on features that would take too long, each once."""
    late = [one for one in trials if not _is_in_time(one, default, room)]
    left = f"{max(room.left, 0):,.1f} s are left for that"
    each = {
        f"{one.crossed.settings['kind']} on {one.features} as what is chosen": (
            f"the fit to all samples takes about {room.seconds(one):,.1f} s, {left}"
        )
        for one in late
    }
    return list(each.items())


def _why_kept(every: Sequence[Trial], trials: Sequence[Trial], default: Trial) -> str:
    if all(_is_like(one, default) for one in every):
        return "nothing else was tried on all samples"
    if all(_is_like(one, default) for one in trials):
        return "nothing else that was tried can be trained in the time that is left"
    best, own = trials[0].crossed, default.crossed
    if gain(best, own) <= 0:
        return "nothing that was tried is better than the default on folds"
    side_of = "below" if OBJECTIVES[objective_of(best)].is_loss else "above"
    return (
        f"the best of {len(trials):,} settings is {gain_text(best, own)} {side_of} the default on "
        "folds, which may be chance: the default is kept"
    )


def side(what: str, trial: Trial) -> Side:
    words = setting_words(trial.crossed.settings)
    return Side(what, trial.features, words, *scores_of(trial.crossed))


@dataclass(frozen=True)
class Candidates:
    """Settings of which an ensemble may be selected.

    Attributes:
        crossed: what their heads said of samples that they were not trained on.
        seconds: that a head of each takes on all samples.
        left: for all of them.
    """

    crossed: Sequence[OutOfFold]
    seconds: Sequence[float]
    left: float

    def best(self, rows: np.ndarray) -> list[int]:
        """The numbers of the best on some rows, a mask, from the best down: at most
        `SELECTED_FROM`, and such that all can be trained in time."""

        names = objectives_of(self.crossed[0].task)[:2]

        def order(number: int) -> list[float]:
            each = [self.crossed[number].outcomes(name).values[0, rows] for name in names]
            means = [float(one.mean(dtype=np.float64)) for one in each]
            return [ascending(name, mean) for name, mean in zip(names, means, strict=True)]

        taken, spent = list[int](), 0.0
        for number in sorted(range(len(self.crossed)), key=order):
            if len(taken) < SELECTED_FROM and spent + self.seconds[number] <= self.left:
                taken.append(number)
                spent += self.seconds[number]
        return taken


def selected_across(among: Candidates) -> OutOfFold | None:
    """What an ensemble says that was selected on the folds of other samples, as its candidates
    were; None where fewer than two can be trained, and of repeats, whose outputs are an ensemble's
    already."""
    first = among.crossed[0]
    if len(among.best(np.ones(len(first.targets), bool))) < 2 or first.repeats > 1:
        return None
    folds, told = first.draws[0], np.zeros(first.outputs.shape)
    for fold in np.unique(folds):
        inside = folds == fold
        chosen = [among.crossed[number].outputs for number in among.best(~inside)]
        if not chosen:
            return None
        said = [one[~inside] for one in chosen]
        weights = select(said, first.targets[~inside], rounds=ROUNDS, task=first.task).weights
        for weight, one in zip(weights, chosen, strict=True):
            if weight:
                told[inside] += weight * one[inside]
    return first.saying(told, {"kind": ENSEMBLE})
