"""Kinds of heads on the best features: few samples first, and where one kind is clearly ahead, the
last seconds are for that one.

No kind is left out by a forecast alone while there are seconds left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from headstart.heads.kind import HeadKind, takes_class_names
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.trials.by_task import can_try
from headstart.heads.trials.subsample import GROWTH
from headstart.jobs.auto.race import LEAST_KEPT, Race
from headstart.origins.blocks import Blocks

BESIDE_LINES = ("neighbours", "mlp", "svm", "ridge", "prototype")
"""Kinds as they come where nothing was measured yet: first those that see what no linear head does,
then linear ones of other losses; others come last."""
CURVED = BESIDE_LINES[:2]
"""Those of them that see what no linear head does."""
BEHIND = "on the best features its heads are worse than the best beyond chance"
UNTRIED = "to try it on all samples is no time; it is judged by the largest part"
BEHIND_LEADER = (
    "another kind is better beyond chance than all that was tried on the largest part, and what is "
    "left of the time is for that one"
)


class KindTrials:
    """Tries kinds of heads beside the default's.

    Args:
        race: in which.
        wanted: their names; all without them.
    """

    def __init__(self, race: Race, wanted: Sequence[str] = ()) -> None:
        self._race, self._wanted = race, wanted

    def run(self, best: Sequence[Blocks]) -> None:
        """Heads of the other kinds on the best features, all of them on few samples, then from the
        most promising down on all: first those that are known to be done in time, then, in the
        seconds that are left, the others, for a forecast may be wrong."""
        names = {name: list(KINDS[name].grid({})) for name in self._kinds()}
        total, late = self._race.sizes[-1], list[tuple[Blocks, list[HeadKind]]]()
        tried = self._on_few(best[0], names) if names else []
        if tried and self._is_clear(best[0], names[tried[0]]):
            self._leave_others(best, tried)
            return
        for name in tried:
            is_behind = False
            for blocks in best:
                if is_behind:
                    self._race.attempts.drop(f"{name} on {blocks.name}", BEHIND)
                elif self._race.need(blocks, names[name], total) > self._race.budget.left > 0:
                    late.append((blocks, names[name]))
                else:
                    number = self._race.make(blocks, names[name], None, total)
                    is_behind = number is not None and self._race.attempts.is_behind(number)
        for blocks, kinds in sorted(late, key=lambda one: self._race.need(*one, total)):
            self._make_late(blocks, kinds, total)

    def _is_clear(self, blocks: Blocks, kinds: Sequence[HeadKind]) -> bool:
        """Whether the first kind is better than all others beyond chance on the largest part, and
        there is no time to try it on all: others, which are worse, would take its last seconds."""
        leader = self._race.attempts.leader
        if not kinds:
            return False
        is_first = leader is not None and leader.what == (blocks.name, kinds[0].kind)
        return (
            is_first
            and self._race.need(blocks, kinds, self._race.sizes[-1]) > self._race.budget.left
        )

    def _leave_others(self, best: Sequence[Blocks], names: Sequence[str]) -> None:
        for name in names:
            for blocks in best:
                is_leader = name == names[0] and blocks == best[0]
                why = UNTRIED if is_leader else BEHIND_LEADER
                self._race.attempts.drop(f"{name} on {blocks.name}", why)

    def _make_late(self, blocks: Blocks, kinds: Sequence[HeadKind], total: int) -> None:
        """Try heads that by their forecast take longer than is left, unless one fit does already:
        a fit is not to be ended in its middle."""
        need, left = self._race.need(blocks, kinds, total), self._race.budget.left
        if need / (len(kinds) * self._race.pool.trying.folds) > left > 0:
            what = f"{kinds[0].kind} on {blocks.name}"
            why = f"its fits take about {need:,.1f} s, {left:,.1f} s are left for trials"
            self._race.attempts.drop(what, why)
        else:
            self._race.make(blocks, kinds, None, total)

    def _kinds(self) -> list[str]:
        """The names of those that are tried, first those that differ most from the default."""
        task, default = self._race.pool.task, self._race.pool.default_kind.kind
        known = [
            name
            for name, kind in KINDS.items()
            if not takes_class_names(kind) and all(can_try(task, one) for one in kind.grid({}))
        ]
        chosen = [name for name in self._wanted or known if name != default]
        order = [*BESIDE_LINES, *chosen]
        return sorted(chosen, key=order.index)

    def _on_few(self, blocks: Blocks, names: dict[str, list[HeadKind]]) -> list[str]:
        """The kinds in the order in which they are tried on all samples: those that went furthest
        on fewer first, the best third each time, and among these the fastest. Those that see what
        no line does are tried on all parts before the others: by so much more they may gain."""
        curved = [name for name in names if name in CURVED]
        found: list[tuple[list[str], list[str]]] = []
        for group in (curved, [name for name in names if name not in CURVED]):
            clear = self._race.attempts.leader
            if found and clear and self._is_clear(blocks, names.get(clear.what[1], [])):
                found.append(([], group))  # what is left is for that one
            else:
                found.append(self._halved(blocks, group, names))
        going = [name for own, _ in found for name in own]
        leader = self._race.attempts.leader
        if leader is not None and leader.what[1] in going:
            going.sort(key=lambda name: name != leader.what[1])
        return [*going, *(name for _, behind in found for name in behind)]

    def _halved(
        self, blocks: Blocks, going: list[str], names: dict[str, list[HeadKind]]
    ) -> tuple[list[str], list[str]]:
        """Of some kinds those that go on to all samples, the fastest first, and the others."""
        behind = list[str]()
        for size, more in pairwise(self._race.sizes_for(len(going))):
            done = dict[str, int]()
            for name in going:
                number = self._race.make(blocks, names[name], self._race.rows(size), size)
                if number is not None:
                    done[name] = number
            places = self._race.attempts.best(list(done.values()))
            from_best = [list(done)[place] for place in places]
            count = max(LEAST_KEPT, math.ceil(len(done) / GROWTH))
            for name in from_best[:count]:
                self._race.attempts.judge(done[name], f"goes on to {more:,} samples")
            for name in from_best[count:]:
                self._race.attempts.judge(
                    done[name], "comes after the best third, if there is time"
                )
            behind = [*from_best[count:], *behind]
            self._race.attempts.keep_back_leader()
            going = [name for name in done if name in from_best[:count]]
            seconds = {
                name: self._race.attempts.tried[number].seconds for name, number in done.items()
            }
            going.sort(key=lambda name: seconds[name])
        return going, behind
