"""Heads that are tried on folds: what they gave, how long they took, how long others would take."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import cores
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.intervals import SHARES
from headstart.heads.kind import HeadKind, Sketches, fits_of
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.kinds.linear import Linear
from headstart.heads.trials.by_task import is_plain
from headstart.heads.trials.objective import objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.jobs.auto.budget import FIT, Budget
from headstart.jobs.auto.comparison import can_be_beaten, is_better, rank_of, scores_of
from headstart.jobs.auto.found import Attempt, Dropped
from headstart.jobs.auto.on_a_part import LATE, Partial, is_ahead, words_of_tried
from headstart.jobs.auto.pace import EVENLY, GROWING, Clock, Pace
from headstart.jobs.auto.pool import Pool, Told
from headstart.jobs.heads.cross_validation import Candidate
from headstart.jobs.heads.sweep import Trial
from headstart.origins.blocks import Blocks

SPAWNED = 4.0
"""Seconds of fits from which processes are begun for them: until those are there, with all that
they import, it takes one to three seconds."""
UNKNOWN = 4_000_000
"""Numbers of the features from which that is done, too, where nothing was measured yet."""
LOADED = 3
"""Features that are kept in memory for what is tried on them next."""
ROOM = 64 * 2**20
"""Bytes of such features at most, each."""


class Attempts:
    """Tries heads, and keeps what came of it.

    Args:
        pool: the features.
        budget: the time that there is.
        tell: told what is done now.

    Attributes:
        tried: in order.
        dropped: what was not tried, or not to its end.
        found: features and results of every setting that was tried on all samples.
        fitted: heads behind those.
        seconds: that these took.
        partials: what was tried on parts of the samples.
    """

    def __init__(self, pool: Pool, budget: Budget, tell: Told) -> None:
        self._pool, self._budget, self._tell = pool, budget, tell
        self.tried = list[Attempt]()
        self._ranks = list[tuple[float, float]]()
        self._whole = dict[int, OutOfFold]()
        self._is_settled = False
        self.dropped = list[Dropped]()
        self.found = list[tuple[Blocks, OutOfFold]]()
        self.fitted = 0
        self.seconds = 0.0
        self.partials = list[Partial]()
        self._paces = dict[str, Pace]()
        self._clocks = defaultdict[str, Clock](Clock)
        self._widths = dict[str, int]()
        self._lasts = dict[tuple[str, str], float]()
        self._loaded = dict[tuple[str, int], Candidate]()

    def drop(self, what: str, why: str) -> None:
        """Take note of something that is left out."""
        self.dropped.append(Dropped(what, why))

    def judge(self, number: int, verdict: str) -> None:
        """Say what became of an attempt."""
        self.tried[number] = replace(self.tried[number], verdict=verdict)

    def best(self, numbers: Sequence[int]) -> list[int]:
        """Places of attempts from the best down."""
        return sorted(range(len(numbers)), key=lambda place: self._ranks[numbers[place]])

    @property
    def is_settled(self) -> bool:
        """Whether nothing could be shown to be better than the best on all samples is."""
        return self._is_settled

    def is_behind(self, number: int) -> bool:
        """Whether an attempt on all samples is worse than the best of these beyond chance."""
        best = min(self._whole.values(), key=rank_of)
        return is_better(best, self._whole[number])

    def forecast(self, kind: str, blocks: Blocks, rows: int) -> float | None:
        """Seconds that heads of a kind take on so many rows, by this process alone where that is
        not long; None where none was tried yet, or nobody knows how wide the features are."""
        alone = self._alone(kind, blocks, rows, is_sketch=False)
        return alone if alone is None or alone < SPAWNED else alone / self._lanes(kind)

    def _lanes(self, kind: str) -> int:
        """Cores that fits of a kind share by processes of their own; linear ones share rows."""
        return 1 if self._are_along(kind) else cores()

    def _are_along(self, kind: str) -> bool:
        """Whether heads of all strengths are fitted one from the other."""
        return kind == Linear.kind and is_plain(self._pool.task)

    def _alone(self, kind: str, blocks: Blocks, rows: int, *, is_sketch: bool) -> float | None:
        """As `forecast`, of this process alone, or of sketches."""
        width = self._width(blocks)
        if kind not in self._paces or width is None:
            return None
        folds = self._pool.trying.folds
        fitted = (folds - 1) * rows / folds
        times = 1.0 if is_sketch else fits_of(KINDS[kind], int(fitted))
        return folds * width * self._paces[kind].seconds_of(fitted) * times

    def _width(self, blocks: Blocks) -> int | None:
        """Numbers of a sample; of a cut that is open, as of texts of any length, they are known
        once it was tried."""
        if blocks.name in self._widths:
            return self._widths[blocks.name]
        sizes = [size for one in blocks for size in one.cut.shape]
        if None in sizes:
            return None
        return sum(math.prod(one.cut.shape) for one in blocks)  # type: ignore[arg-type]

    def last_fit_of(self, trial: Trial) -> float:
        """Seconds that a head of a setting takes that is fitted to all samples."""
        return self._lasts[trial.blocks.name, trial.crossed.settings["kind"]]

    @property
    def default_fit(self) -> float:
        """Seconds of the default in the end: it chooses its strength by folds of its own, which
        takes about as long as what was tried."""
        first = self.tried[0]
        return first.seconds * self._pool.learnt / first.rows

    def make(
        self,
        blocks: Blocks,
        kinds: Sequence[HeadKind],
        rows: np.ndarray | None,
        seconds: float | None = None,
    ) -> int:
        """Try heads of one kind; gives the number of the attempt. On some of the rows, where what
        they say decides and not how sure they are, heads are sketches.

        Args:
            blocks: the features.
            kinds: settings of the kind.
            rows: of the samples; all of train and validation split without them.
            seconds: that it may take; as long as it takes without it.

        Raises:
            OutOfTime: it takes longer.
            HeadError: the kind is not for such features.
        """
        self._pool.check(kinds, blocks)
        kinds, is_sketch = self._as_tried(kinds, rows)
        one = self._candidate(blocks, rows)
        check = None if seconds is None else self._budget.until(seconds)
        started, worked, fitted = time.monotonic(), time.process_time(), 0
        name = f"{kinds[0].kind} heads on {blocks.name}"

        def advance(count: int) -> None:
            nonlocal fitted
            fitted += count
            self._tell(f"fitting {name}, {len(one.rows):,} samples")
            if check is not None:
                check()

        trying = self._pool.trying
        self._tell(f"fitting {name}, {len(one.rows):,} samples")
        jobs = self._jobs(kinds[0].kind, blocks, one, is_sketch=is_sketch)
        how = {"task": self._pool.task, "seed": trying.seed, "progress": advance, "jobs": jobs}
        results = cross(kinds, one.rows, one.folds, **how)
        if not all(map(_is_finite, results)):
            raise HeadError(
                f"{name} say what is not a number: those of the features are too large for float32",
                hint="Divide them by what is usual among them, such as their standard deviation.",
            )
        took = time.monotonic() - started
        alone = time.process_time() - worked if jobs == 1 else None
        usual = self._clocks[kinds[0].kind].usual(took, alone)
        if jobs != 1:
            usual *= min(self._lanes(kinds[0].kind), len(results) * len(one.folds))
        last = self._see(kinds[0], blocks, one, len(results), usual)
        best = min(results, key=rank_of)
        if rows is not None:
            self.partials.append(Partial(blocks, best, last, is_sketch))
        else:
            self._lasts[blocks.name, kinds[0].kind] = last
            self._budget.keep_back(FIT, last)
            self._whole[len(self.tried)] = best
            self._is_settled = not can_be_beaten(min(self._whole.values(), key=rank_of))
            self.found += [(blocks, result) for result in results]
            self.fitted += fitted
            self.seconds += took
        self.tried.append(_told(blocks, best, fitted, took, is_sketch=is_sketch))
        self._ranks.append(rank_of(best))
        return len(self.tried) - 1

    def _as_tried(
        self, kinds: Sequence[HeadKind], rows: np.ndarray | None
    ) -> tuple[Sequence[HeadKind], bool]:
        """Kinds as they are tried, and whether as sketches: of some of the rows, where what is
        compared are shares of right answers, which no calibration changes."""
        kind = kinds[0]
        is_share = objectives_of(self._pool.task)[0] in SHARES
        if rows is None or not is_share or not isinstance(kind, Sketches):
            return kinds, False
        return [one.sketched() for one in kinds if isinstance(one, Sketches)], True

    def _see(
        self, kind: HeadKind, blocks: Blocks, one: Candidate, settings: int, took: float
    ) -> float:
        """Take note of how fast a kind is, by what its fits took one after the other; gives the
        seconds of one fit to all samples. Linear ones are fitted together, once the way to all
        strengths is gone."""
        folds, rows = len(one.folds), max(len(fold.train) for fold in one.folds)
        took /= fits_of(kind, rows)
        width = self._widths[blocks.name] = one.features.shape[1]
        each, before = took / width / folds, self._paces.get(kind.kind)
        growth = EVENLY if isinstance(kind, Sketches) else GROWING
        pace = Pace(rows, each, growth) if before is None else before.then(rows, each)
        self._paces[kind.kind] = pace
        heads = folds if self._are_along(kind.kind) else settings * folds
        own = fits_of(KINDS[kind.kind], *self._pool.in_splits)
        return took / heads * pace.grown(self._pool.learnt) * own

    @property
    def leader(self) -> Partial | None:
        """What is better than all others, the default among them, beyond chance on the largest part
        that any was tried on; None where nothing is."""
        size = max((one.rows for one in self.partials), default=0)
        own = [one for one in self.partials if one.rows == size]
        if not own:
            return None
        best = min(own, key=lambda one: rank_of(one.crossed))
        return best if is_ahead(best, own) else None

    def keep_back_leader(self) -> None:
        """Keep time back for the fit of what is best on the part that was tried last, of features
        that are computed for all: it may be chosen by that part alone. Where the fit would end
        late, all that is left, if it is better than all others beyond chance, as only so much as
        `LATE` of it can still be taken."""
        size = self.partials[-1].rows if self.partials else 0
        whole = {blocks.name for blocks, _ in self.found}
        own = [one for one in self.partials if one.rows == size and one.blocks.name in whole]
        if own:
            leader = min(own, key=lambda one: rank_of(one.crossed))
            left, late = self._budget.left_for(FIT), LATE * self._budget.seconds
            if leader.seconds < left or (leader.seconds < left + late and is_ahead(leader, own)):
                self._budget.keep_back(FIT, min(leader.seconds, left))

    def _candidate(self, blocks: Blocks, rows: np.ndarray | None) -> Candidate:
        """Features with labels and folds; those that were looked at last are kept."""
        key = blocks.name, -1 if rows is None else len(rows)  # of one size there is one part
        if key not in self._loaded:
            one = self._pool.load(blocks, rows)
            if not isinstance(one.features, np.ndarray) or one.features.nbytes > ROOM:
                return one
            while len(self._loaded) >= LOADED:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[key] = one
        return self._loaded[key]

    def _jobs(self, kind: str, blocks: Blocks, one: Candidate, *, is_sketch: bool) -> int | None:
        """1 where this process alone fits faster than others that have to be begun; None where all
        cores do."""
        alone = self._alone(kind, blocks, len(one.rows), is_sketch=is_sketch)
        if alone is None:
            return None if len(one.rows) * one.features.shape[1] > UNKNOWN else 1
        return 1 if alone < SPAWNED else None


def _told(
    blocks: Blocks, best: OutOfFold, heads: int, seconds: float, *, is_sketch: bool
) -> Attempt:
    return Attempt(
        blocks.name,
        words_of_tried(best, is_sketch=is_sketch),
        len(best.targets),
        *scores_of(best),
        heads,
        round(seconds, 3),
    )


def _is_finite(crossed: OutOfFold) -> bool:
    """Whether all scores are numbers by which heads are compared."""
    return all(math.isfinite(crossed.outcomes(name).mean) for name in objectives_of(crossed.task))
