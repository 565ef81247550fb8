"""What is shown on a part of the samples, where there is no time to try it on all.

By its folds a head costs five fits, by itself one. So what is better beyond chance on a part than
what would be taken, the default or the best head alone, is taken without being tried on all: by the
same samples and folds. How much others leave of the machine is not to change that, so its fit may
end somewhat late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headstart.heads.kinds.words import setting_words
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.jobs.auto.comparison import are_worse, gain_text, rank_of
from headstart.jobs.auto.decision import INSTANT, Decision, side
from headstart.jobs.auto.found import DEFAULT, ENSEMBLE, SINGLE
from headstart.jobs.heads.sweep import Trial
from headstart.origins.blocks import Blocks

LATE = 0.2
"""Share of the time that was given, by which the fit of such a head may end late."""


@dataclass(frozen=True)
class Partial:
    """The best head of a kind on some features, on a part of the samples.

    Attributes:
        blocks: the features.
        crossed: what it said; of a part of one size all said something of the same samples.
        seconds: that one takes on all samples, about.
        is_sketch: whether its probabilities were not calibrated.
    """

    blocks: Blocks
    crossed: OutOfFold
    seconds: float
    is_sketch: bool = False

    @property
    def rows(self) -> int:
        return len(self.crossed.targets)

    @property
    def what(self) -> tuple[str, str]:
        """Features, and the kind of head."""
        return self.blocks.name, self.crossed.settings["kind"]


def words_of_tried(crossed: OutOfFold, *, is_sketch: bool) -> str:
    """Kind and settings of a head; and of a sketch that its log loss is not what it will be."""
    return setting_words(crossed.settings) + (", not calibrated" if is_sketch else "")


def is_ahead(leader: Partial, every: Sequence[Partial]) -> bool:
    """Whether the best on a part is better than all others there, beyond chance."""
    others = [one for one in every if one is not leader]
    worse = are_worse([leader.crossed, *(one.crossed for one in others)])
    return bool(others) and bool(worse[1:].all())


def decide_on_parts(
    decision: Decision, partials: Sequence[Partial], trials: Sequence[Trial], left: float
) -> Decision:
    """The decision, or what is better than the head that it takes on the largest part that shows
    it; an ensemble stays.

    Args:
        decision: by what was tried on all samples.
        partials: what was tried on parts.
        trials: what was tried on all: of these nothing else is asked.
        left: seconds for the fit, with those by which it may end late.
    """
    if decision.what == ENSEMBLE:
        return decision
    tried = {(one.blocks.name, one.crossed.settings["kind"]) for one in trials}
    chosen = decision.trial.blocks.name, decision.trial.crossed.settings["kind"]
    may = _last_words(partials, trials)
    for size in sorted({one.rows for one in partials}, reverse=True):
        own = [one for one in partials if one.rows == size]
        base = [one for one in own if one.what == chosen]
        others = [
            one
            for one in own
            if any(one is last for last in may)
            and one.what not in tried
            and one.seconds <= max(left, INSTANT)
        ]
        if base and others and are_worse([one.crossed for one in (base[0], *others)])[0]:
            best = min(others, key=lambda one: rank_of(one.crossed))
            return _taken(decision, best, base[0])
    return decision


def _last_words(partials: Sequence[Partial], trials: Sequence[Trial]) -> list[Partial]:
    """Of each kind on some features what its largest part shows, as a smaller one may by luck show
    more. Only of features that are computed for all samples, which are those of a trial."""
    whole = {one.blocks.name for one in trials}
    largest: dict[tuple[str, str], Partial] = {}
    for one in partials:
        if one.blocks.name in whole and one.rows > getattr(largest.get(one.what), "rows", 0):
            largest[one.what] = one
    return list(largest.values())


def _taken(decision: Decision, best: Partial, base: Partial) -> Decision:
    trial = Trial(best.blocks, best.crossed, is_worse=False)
    than = "the default" if decision.what == DEFAULT else base.what[1]
    by = gain_text(best.crossed, base.crossed)
    why = (
        f"it is better than {than} beyond chance, by {by} on folds of {best.rows:,} samples; to "
        "try it on all was no time"
    )
    own = replace(side(SINGLE, trial), head=words_of_tried(best.crossed, is_sketch=best.is_sketch))
    sides = [decision.sides[0], own]
    return replace(decision, what=SINGLE, why=why, sides=sides, trial=trial)
