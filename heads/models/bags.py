"""Bagged heads: fitted to what was drawn, judged by what was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.combined.bagged import Bagged, Bootstrap, Draw
from headstart.heads.combined.ensemble import Ensemble, Member, Slice
from headstart.heads.dense_stack import outputs_of, stack_of
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.kind import HeadKind, Part, tokens_for
from headstart.heads.origins import fit_near_zero
from headstart.heads.tasks import Classification, Task
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.views import FeatureView
from headstart.values.seeds import LARGEST_SEED

LEARNT = tuple(split for split in SPLITS if split != "test")
"""Splits that are drawn from; each by itself, so that choices are made on what no fit has seen."""
JUDGED = "what each head drew of the validation split, or of the train split where there is none"
"""Which rows choose the settings of each."""
TOLD = ("accuracy", "log_loss", "ece")
"""Scores of samples out of the bags that are kept."""


@dataclass(frozen=True)
class OutOfBag:
    """Adds up what heads say of rows of a split that they did not draw.

    Attributes:
        said: the sum of it, (rows, classes).
        times: of how many heads, (rows,).
    """

    said: np.ndarray
    times: np.ndarray

    @staticmethod
    def of(rows: int, classes: int) -> OutOfBag:
        return OutOfBag(np.zeros((rows, classes)), np.zeros(rows, np.int64))

    def add(self, drawn: Draw, said: np.ndarray) -> None:
        """What a head says of all rows, of which those count that it did not draw."""
        out = ~drawn.taken
        self.said[out] += said[out]
        self.times[out] += 1


@dataclass(frozen=True)
class Bags:
    """Bagged heads.

    Attributes:
        ensemble: the heads.
        out: of each split that was drawn from.
    """

    ensemble: Ensemble
    out: dict[str, OutOfBag]

    def details(
        self, view: FeatureView, parts: Mapping[str, Part], classes: list[Label], task: Task
    ) -> dict[str, Any]:
        """What a head's settings have of the fits (JSON values): scores of what was said of each
        sample by the heads that did not draw it, with intervals. Samples that all have drawn are
        left out; nothing of fewer than two.

        Args:
            view: that the heads are of.
            parts: see `fit_bags`; behind the rows of a split there may be those of augmented views.
            classes: the label of each output.
            task: what the labels mean.
        """
        told: dict[str, Any] = {"judged_on": JUDGED}
        said, targets, samples = [], [], []
        for split, out in self.out.items():
            own = view.split(split)
            of, rows = BySample.of(own), len(own)
            times = of.first(out.times[:rows])  # windows of a sample are drawn together
            mean = of.mean(out.said[:rows] / np.maximum(out.times[:rows], 1)[:, None])
            said.append(mean[times > 0])
            targets.append(of.first(parts[split].targets[:rows])[times > 0])
            samples += [of.samples[place] for place in np.flatnonzero(times).tolist()]
        if len(samples) < 2:
            return told
        outputs = np.concatenate(said).astype(np.float32)
        found = scores_of(task, outputs, np.concatenate(targets), classes, clusters_of(samples))
        told["out_of_bag"] = {
            **{name: found[name] for name in TOLD if name in found},
            "intervals": {name: ends for name, ends in found["intervals"].items() if name in TOLD},
            "interval_assumes": found["interval_assumes"],
            "n": len(samples),
        }
        return told


def fit_bags(
    bagged: Bagged,
    parts: Mapping[str, Part],
    classes: Sequence[Label],
    task: Task,
    seed: int,
) -> Bags:
    """Fit each head to what is drawn for it.

    Args:
        bagged: what each is, and how many.
        parts: the splits, with features, targets and groups.
        classes: the label of each output.
        task: what the labels mean.
        seed: of the draws and the fits.

    Raises:
        HeadError: the task is none of a class a sample.
    """
    if type(task) is not Classification:
        raise HeadError(
            f"bagged heads are for classification, and this is {task.name}",
            hint="Train a single head for that.",
        )
    bootstraps = {split: Bootstrap(parts[split], len(classes)) for split in LEARNT}
    draws = (
        {
            split: one.draw(np.random.default_rng([seed, number, place]))
            for place, (split, one) in enumerate(bootstraps.items())
        }
        for number in range(bagged.bags)
    )
    out = {split: OutOfBag.of(len(parts[split]), len(classes)) for split in LEARNT}
    members, width = [], parts["train"].features.shape[1]
    for number, drawn in enumerate(draws):
        own = (seed + number) % LARGEST_SEED
        stack = stack_of(fit_drawn(bagged.of, parts, drawn, classes, task, own), classes)
        members.append(Member(stack, 1 / bagged.bags, (Slice(0, width),)))
        for split in LEARNT:
            out[split].add(drawn[split], outputs_of(stack, parts[split]))
    return Bags(Ensemble(tuple(members), width), out)


def fit_drawn(
    kind: HeadKind,
    parts: Mapping[str, Part],
    drawn: Mapping[str, Draw],
    classes: Sequence[Label],
    task: Task,
    seed: int,
) -> Any:
    """The layers of one head, fitted to the rows that were drawn of each split."""
    train, validation = (parts[split].only(drawn[split].rows) for split in LEARNT)
    return fit_near_zero(
        lambda one, other: task.fit(kind, one, other, len(classes), seed),
        train,
        validation,
        tokens_for(kind, train),
    ).layers
