"""The samples of the test split on which a head is farthest off, by what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.evaluation.intervals import share_text
from headstart.heads.regression import Regression
from headstart.heads.tasks import SAID_FROM, MultiLabel, Task
from headstart.heads.trials.judged import Judged
from headstart.jobs.datasets.audit import text_of_numbers
from headstart.storage.manifest import Label


@dataclass(frozen=True)
class Misses:
    """Where a head is wrong.

    Attributes:
        rows: of what was judged, the worst first.
        captions: of each, what is given and what was said.
    """

    rows: list[int]
    captions: list[str]

    def __len__(self) -> int:
        return len(self.rows)


def of_classes(judged: Judged, task: Task, classes: Sequence[Label]) -> Misses:
    """Wrong classes, the surest first."""
    rows = judged.wrong.tolist()

    def told(row: int) -> str:
        sure = share_text(float(judged.sure[row]))
        guess = classes[int(judged.guesses[row])]
        return f"{classes[judged.targets[row]]}, guessed {guess} ({sure})"

    return Misses(rows, [told(row) for row in rows])


def of_labels(judged: Judged, task: Task, classes: Sequence[Label]) -> Misses:
    """Samples with a wrong label, the surest first: by the label of each that is wrong most."""
    assert isinstance(task, MultiLabel)
    off = np.abs(judged.probabilities - judged.targets)
    is_wrong = wrong_labels(judged.probabilities, judged.targets)
    worst = np.where(is_wrong, off, 0.0)
    rows = np.flatnonzero(is_wrong.any(axis=1))
    rows = rows[np.argsort(-worst[rows].max(axis=1), kind="stable")]

    def told(row: int) -> str:
        number = int(worst[row].argmax())
        given, said = judged.targets[row] > 0, judged.probabilities[row] >= SAID_FROM
        own, guess = (
            task.separator.join(str(classes[one]) for one in np.flatnonzero(chosen).tolist())
            for chosen in (given, said)
        )
        share = share_text(float(judged.probabilities[row, number]))
        return f"{own or 'no label'}, guessed {guess or 'none'} ({classes[number]} {share})"

    return Misses(rows.tolist(), [told(row) for row in rows.tolist()])


def wrong_labels(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Which labels are said wrongly, bool, (n, labels)."""
    return (outputs >= SAID_FROM) != (targets > 0)


def of_numbers(judged: Judged, task: Task, classes: Sequence[Label]) -> Misses:
    """All samples whose numbers are not those that are said, the farthest off first: by the loss
    that is fitted, of several numbers by that which is largest beside its own mean."""
    assert isinstance(task, Regression)
    said, given = judged.probabilities, judged.targets
    columns = range(given.shape[1])
    losses = np.stack([task.losses_of(said[:, [one]], given[:, [one]]) for one in columns], axis=1)
    means = losses.mean(axis=0)
    off = np.divide(losses, means, out=np.zeros_like(losses), where=means > 0).max(axis=1)
    order = np.argsort(-off, kind="stable")
    rows = order[off[order] > 0].tolist()
    return Misses(
        rows,
        [f"{text_of_numbers(given[row])}, predicted {text_of_numbers(said[row])}" for row in rows],
    )
