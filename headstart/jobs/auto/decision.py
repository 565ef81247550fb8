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
from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.words import setting_words
from headstart.heads.trials.objective import ACCURACY, LOG_LOSS
from headstart.heads.trials.out_of_fold import OutOfFold
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


def decide(trials: Sequence[Trial], default: Trial, room: Room) -> Decision:
    """Choose among trials on all samples, from the best down, that can be trained in time; the
    default always can."""
    every, trials = trials, [one for one in trials if _is_in_time(one, default, room)]
    best, crossed = trials[0], [one.crossed for one in trials]
    among = Candidates(crossed, [room.seconds(one) for one in trials], room.left)
    several = selected_across(among)
    sides = [side(DEFAULT, default)]
    if best is not default:
        sides.append(side(SINGLE, best))
    candidates = [trials[place] for place in among.best(np.ones(len(crossed[0].targets), bool))]
    if several is not None:
        ends = several.share_interval
        head = f"selected from {len(candidates)} settings"
        sides.append(Side(ENSEMBLE, "", head, several.mean, ends))
    worse = worse_than_best([right_of(one) for one in trials])
    is_worse = any(worse[place] for place, one in enumerate(trials) if one is default)
    kept, own = (best, SINGLE) if is_worse else (default, DEFAULT)
    if several is not None and is_better(several, right_of(kept)):
        points = 100 * (several.mean - right_of(kept).mean)
        than = "the best head alone" if is_worse else "the default"
        own = ENSEMBLE
        why = f"the ensemble is better than {than} beyond chance, by {points:.1f} points on folds"
    elif is_worse:
        points = 100 * (right_of(best).mean - right_of(default).mean)
        why = f"it is better than the default beyond chance, by {points:.1f} points on folds"
    else:
        why = _why_kept(every, trials, default)
    return Decision(own, why, sides, kept, candidates, _late(every, default, room))


def _is_in_time(trial: Trial, default: Trial, room: Room) -> bool:
    """Whether a head can be trained in the time that is left; other strengths of the default take
    no longer than it does, which chooses one."""
    return _is_like(trial, default) or room.seconds(trial) <= max(room.left, INSTANT)


def _is_like(trial: Trial, default: Trial) -> bool:
    return trial.blocks == default.blocks and trial.crossed.settings["kind"] == Linear.kind


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
    points = 100 * (right_of(trials[0]).mean - right_of(default).mean)
    if points <= 0:
        return "nothing that was tried is more accurate than the default on folds"
    return (
        f"the best of {len(trials):,} settings is {points:.1f} points above the default on folds, "
        "which may be chance: the default is kept"
    )


def side(what: str, trial: Trial) -> Side:
    words, right = setting_words(trial.crossed.settings), right_of(trial)
    return Side(what, trial.features, words, right.mean, right.share_interval)


def right_of(trial: Trial) -> Outcomes:
    """Where its heads were right."""
    return trial.crossed.outcomes(ACCURACY)


def is_better(one: Outcomes, other: Outcomes) -> bool:
    """Whether one is better than another beyond chance, by what became of the same samples."""
    return one.mean > other.mean and bool(worse_than_best([one, other])[1])


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

        def order(number: int) -> tuple[float, float]:
            right, losses = (self.crossed[number].outcomes(name) for name in (ACCURACY, LOG_LOSS))
            return -right.values[0, rows].mean(), losses.values[0, rows].mean(dtype=np.float64)

        taken, spent = list[int](), 0.0
        for number in sorted(range(len(self.crossed)), key=order):
            if len(taken) < SELECTED_FROM and spent + self.seconds[number] <= self.left:
                taken.append(number)
                spent += self.seconds[number]
        return taken


def selected_across(among: Candidates) -> Outcomes | None:
    """Where an ensemble is right that was selected on the folds of other samples, as its candidates
    were; None where fewer than two can be trained, and of repeats, whose probabilities are an
    ensemble's already."""
    first = among.crossed[0]
    if len(among.best(np.ones(len(first.targets), bool))) < 2 or first.repeats > 1:
        return None
    folds, hits = first.draws[0], np.zeros(len(first.targets), bool)
    for fold in np.unique(folds):
        inside = folds == fold
        chosen = [among.crossed[number].outputs for number in among.best(~inside)]
        if not chosen:
            return None
        said = [one[~inside] for one in chosen]
        weights = select(said, first.targets[~inside], rounds=ROUNDS).weights
        told = sum(
            weight * one[inside] for weight, one in zip(weights, chosen, strict=True) if weight
        )
        hits[inside] = np.asarray(told).argmax(axis=1) == first.targets[inside]
    return Outcomes(hits[None], first.draws, first.taken, first.clusters)
