"""Heads of one kind, each fitted to samples drawn with replacement, as one: the mean of what they
say.

Breiman: Bagging predictors, 1996. As many groups are drawn as there are, class by class (a
stratified bootstrap), so that each head knows every class; samples of one group are drawn together.
What a head did not draw, about a third, judges it: the mean of what the heads say that did not draw
a sample is worth as much as that of new samples (Breiman: Out-of-bag estimation, 1996), of fewer
heads, so it is a little too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.kind import Fitted, HeadKind, Part, takes_tokens
from headstart.values.options import Options
from headstart.values.showable import brief

BAGS = 10
MOST = 1000
UNTRIED = (
    "bagged heads are trained, and not tried on folds",
    "Sweep the kind by itself; what bagging is worth, samples out of the bags tell.",
)
"""What is said to whoever tries them, and what to do instead."""
TRIES = 100
"""Draws until each class is there: samples of several classes may stand in one group."""


@dataclass(frozen=True)
class Bagged(Options, error=InvalidHeadSetting):
    """Several heads of one kind as one, the mean of what they say, each fitted to samples drawn
    with replacement. Good for kinds that change much with the samples: mlp, neighbours.

    Attributes:
        of: what each is: `hs.MLP(…)`, `hs.Linear(…)`…
        bags: how many.
    """

    kind: ClassVar[str] = "bagged"
    of: HeadKind
    bags: int = BAGS

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.of, type):
            object.__setattr__(self, "of", self.of())
        if isinstance(self.of, Bagged) or not hasattr(self.of, "fit"):
            raise InvalidHeadSetting(
                f"{brief(self.of)} is no kind of head that can be bagged",
                hint="Give hs.MLP() or the like.",
            )
        if not 2 <= self.bags <= MOST:
            raise InvalidHeadSetting(f"bags is {self.bags}", hint=f"Give 2 to {MOST:,}.")

    @property
    def takes_tokens(self) -> bool:
        """See `kind.TakesTokens`."""
        return takes_tokens(self.of)

    def describe(self) -> dict[str, Any]:
        """The settings, as JSON values; see `every_kind.kind_of`."""
        return {"of": self.of.kind, "bags": self.bags, "each": self.of.describe()}

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        """There is no one stack of layers that says the mean of several: see `models.bags`.

        Raises:
            HeadError: always.
        """
        raise HeadError(UNTRIED[0], hint=UNTRIED[1])


@dataclass(frozen=True)
class Draw:
    """What is drawn for a head.

    Attributes:
        rows: numbers of the rows, ascending, as often as they were drawn.
        taken: of every row whether it was drawn, (n,) bool.
    """

    rows: np.ndarray
    taken: np.ndarray


class Bootstrap:
    """Draws groups of rows with replacement, class by class.

    Args:
        part: the rows; may be none.
        classes: how many; each that has a row gets one.
    """

    def __init__(self, part: Part, classes: int) -> None:
        self._targets, self._classes = part.targets, classes
        groups = np.arange(len(part)) if part.groups is None else part.groups
        _, first, self._units = np.unique(groups, return_index=True, return_inverse=True)
        counts = np.bincount(part.targets, minlength=classes)
        rarest = np.full(len(first), classes)  # of a group's classes the one with fewest samples
        order = np.argsort(counts[part.targets], kind="stable")[::-1]
        rarest[self._units[order]] = part.targets[order]
        self._strata = [np.flatnonzero(rarest == one) for one in np.unique(rarest)]

    def draw(self, rng: np.random.Generator) -> Draw:
        """As many groups as there are.

        Raises:
            HeadError: a class is missing from every draw, as its samples all lie in groups with
                others.
        """
        present = np.unique(self._targets)
        for _ in range(TRIES):
            drawn = [rng.choice(units, len(units)) for units in self._strata]
            times = np.bincount(np.concatenate([*drawn, []]).astype(int), minlength=self._count)
            rows = np.repeat(np.arange(len(self._units)), times[self._units])
            if len(np.unique(self._targets[rows])) == len(present):
                return Draw(rows, times[self._units] > 0)
        raise HeadError(
            "a class has too few groups of samples of its own to be drawn with replacement",
            hint="Train a single head, or add samples of each class.",
        )

    @property
    def _count(self) -> int:
        return int(self._units.max(initial=-1)) + 1
