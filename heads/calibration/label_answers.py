"""Answers of yes, no or unknown for each of several labels, wrong no more often than is asked.

Split conformal label by label, and apart for samples with a label and without it (Vovk: Conditional
validity of inductive conformal predictors, ACML 2012; several labels as so many binary problems:
Cauchois, Gupta, Duchi: Knowing what you know, JMLR 2021). Most samples are without a rare label,
and a promise of all of them together would be kept by saying no to every one. Where samples that
the head was not fitted on and new ones are alike, a new one with the label hears no with at most
the probability that was left over, as does one without it yes. What the head says is never left
out, so that no answer contradicts it: where it is right more often than was asked, so are answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headstart.heads.calibration.conformal import SAME, score_at

YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True)
class Between:
    """Between which probabilities of a label it is unknown whether a sample has it.

    Attributes:
        yes_from: the least of which yes may be right; infinite where too few samples have the label
            to tell.
        no_to: the largest of which no may be right; minus infinite where too few are without it.
        half: the probability from which the head says the label.
    """

    yes_from: float
    no_to: float
    half: float

    @staticmethod
    def of(
        probabilities: np.ndarray,
        has: np.ndarray,
        level: float,
        half: float,
        groups: np.ndarray | None = None,
    ) -> Between:
        """That of one label.

        Args:
            probabilities: of samples that the head was not fitted on, (n,).
            has: which of them have the label, (n,) bool.
            level: the share of either that is not to hear the wrong answer, above 0 and below 1.
            half: the probability from which the head says the label.
            groups: see `score_at`.
        """
        wide = probabilities.astype(np.float64)
        ends = []
        for own, scores in ((has, -np.minimum(wide, half)), (~has, np.maximum(wide, half))):
            ends.append(score_at(scores[own], level, None if groups is None else groups[own]))
        return Between(math.inf if math.isinf(ends[0]) else -ends[0], ends[1], half)

    @staticmethod
    def untold(half: float) -> Between:
        """That of a label of which nothing can be told: either answer may be right."""
        return Between(0.0, 1.0, half)

    def may_be(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where yes, and where no, may be right, bool both: at least one of them.

        A threshold is the probability of a sample, which may be another one by its last bits in
        another batch.
        """
        wide = probabilities.astype(np.float64)
        says = wide >= self.half
        yes = says | (wide >= self.yes_from * (1 - SAME))
        no = ~says | (1 - wide >= (1 - self.no_to) * (1 - SAME))
        return yes, no

    def answers(self, probabilities: np.ndarray) -> np.ndarray:
        """`YES`, `NO` or `UNKNOWN` for each."""
        yes, no = self.may_be(probabilities)
        return np.where(yes & no, UNKNOWN, np.where(yes, YES, NO))


def fewest_for(level: float) -> int:
    """Samples that are needed to tell a level, each of a group of its own."""
    return math.ceil(level / (1 - level) - 1e-9)
