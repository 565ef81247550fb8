"""What is taken in the end: the default, the best head alone, or the ensemble.

All have said something of the same samples by the same folds. The default stays unless it is worse
beyond chance, corrected for the number of candidates (`worse_than_best`); the ensemble is taken
where it is better beyond chance than the best head alone, or than the default where that stays. An
ensemble that is selected by what heads said of samples fits these a little; so here each fold is
told by an ensemble that was selected on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.combined.greedy import ROUNDS, select
from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.cross_validation import Crossed
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.words import setting_words
from headstart.jobs.auto.found import DEFAULT, ENSEMBLE, SINGLE, Side
from headstart.jobs.heads.sweep import Trial

SELECTED_FROM = 30
"""The best settings, from which an ensemble is selected."""


@dataclass(frozen=True)
class Decision:
    """What is taken.

    Attributes:
        what: `default`, `single` or `ensemble`.
        why: in a line.
        sides: what could be taken.
        trial: the best head alone, or the default.
    """

    what: str
    why: str
    sides: list[Side]
    trial: Trial


def decide(trials: Sequence[Trial], default: Trial) -> Decision:
    """Choose among trials on all samples, from the best down."""
    best = trials[0]
    several = selected_across([one.crossed for one in trials[:SELECTED_FROM]])
    sides = [_side(DEFAULT, default)]
    if best is not default:
        sides.append(_side(SINGLE, best))
    if several is not None:
        ends = several.share_interval
        head = f"selected from {min(len(trials), SELECTED_FROM)} settings"
        sides.append(Side(ENSEMBLE, "", head, several.mean, ends))
    is_worse = default.is_worse  # than the best of all, see `worse_than_best`
    kept, own = (best, SINGLE) if is_worse else (default, DEFAULT)
    if several is not None and is_better(several, kept.crossed.accuracies):
        points = 100 * (several.mean - kept.crossed.accuracy)
        than = "the best head alone" if is_worse else "the default"
        why = f"the ensemble is better than {than} beyond chance, by {points:.1f} points on folds"
        return Decision(ENSEMBLE, why, sides, kept)
    if is_worse:
        points = 100 * (best.crossed.accuracy - default.crossed.accuracy)
        why = f"it is better than the default beyond chance, by {points:.1f} points on folds"
        return Decision(own, why, sides, kept)
    return Decision(own, _why_kept(trials, default), sides, kept)


def _why_kept(trials: Sequence[Trial], default: Trial) -> str:
    if all(one.blocks == default.blocks and _is_linear(one) for one in trials):
        return "nothing else was tried on all samples"
    points = 100 * (trials[0].crossed.accuracy - default.crossed.accuracy)
    if points <= 0:
        return "nothing that was tried is more accurate than the default on folds"
    return (
        f"the best of {len(trials):,} settings is {points:.1f} points above the default on folds, "
        "which may be chance: the default is kept"
    )


def _is_linear(trial: Trial) -> bool:
    return trial.crossed.settings["kind"] == Linear.kind


def _side(what: str, trial: Trial) -> Side:
    words = setting_words(trial.crossed.settings)
    return Side(what, trial.features, words, trial.crossed.accuracy, trial.crossed.interval)


def is_better(one: Outcomes, other: Outcomes) -> bool:
    """Whether one is better than another beyond chance, by what became of the same samples."""
    return one.mean > other.mean and bool(worse_than_best([one, other])[1])


def selected_across(crossed: Sequence[Crossed]) -> Outcomes | None:
    """Where an ensemble is right that was selected on the folds of other samples; None of one
    setting, and of repeats, whose probabilities are an ensemble's already."""
    first = crossed[0]
    if len(crossed) < 2 or first.repeats > 1:
        return None
    folds, hits = first.draws[0], np.zeros(len(first.targets), bool)
    for fold in np.unique(folds):
        inside = folds == fold
        said = [one.probabilities[~inside] for one in crossed]
        weights = select(said, first.targets[~inside], rounds=ROUNDS).weights
        told = sum(
            weight * one.probabilities[inside]
            for weight, one in zip(weights, crossed, strict=True)
            if weight
        )
        hits[inside] = np.asarray(told).argmax(axis=1) == first.targets[inside]
    return Outcomes(hits[None], first.draws, first.taken, first.clusters)
