"""What labels mean, and what a head is to say: one class, several, one of an order, a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.combined.label_by_label import fit_each
from headstart.heads.kind import FitsLabels, FitsOrder, Fitted, HeadKind, Part
from headstart.heads.kinds.every_kind import able_kinds
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.losses import loss_of
from headstart.heads.labelled import (
    check_labelled,
    check_labels,
    hint_of,
    labels_of,
    number_of,
    numbers_of,
    weights_by_class,
    weights_of,
)
from headstart.heads.layers.activations import SHARES
from headstart.heads.regression import Regression
from headstart.storage.manifest import Label, Sample
from headstart.values.options import Options
from headstart.values.said import CLASS, LABELS
from headstart.values.showable import brief

SAID_FROM = 0.5
"""Probability from which a label of several is said."""
MEDIAN, MODE = "median", "mode"
"""What an ordinal head says: the class in the middle of the probabilities, or the likeliest."""


@dataclass(frozen=True)
class Classification(Options, error=InvalidHeadSetting):
    """One class a sample.

    Attributes:
        ends_in: activations of the last layer whose outputs are what the task says.
        balanced: classes count alike, however many samples they have: a sample counts
            n / (classes * samples of its class), as scikit-learn's `class_weight="balanced"`.
        class_weights: what a sample of a class counts, by label, such as `{"cat": 2.0}`; those of
            other classes count 1, as with scikit-learn's `class_weight`.
    """

    name: ClassVar[str] = "classification"
    says: ClassVar[str] = CLASS
    default_kind: ClassVar[type[Any]] = Linear
    ends_in: ClassVar[tuple[str, ...]] = ("softmax", SHARES)
    balanced: bool = False
    # By keyword alone, so that the fields of an `Ordinal` follow `balanced`.
    class_weights: tuple[tuple[str, float], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "class_weights", weights_by_class(self.class_weights))
        if self.balanced and self.class_weights:
            raise InvalidHeadSetting(
                "classes are to be balanced, and have weights of their own",
                hint="Leave one out.",
            )

    def describe(self) -> dict[str, Any]:
        return {"task": self.name, **asdict(self), "class_weights": dict(self.class_weights)}

    def find_classes(self, samples: Sequence[Sample]) -> list[Label]:
        """The label of each output.

        Raises:
            HeadError: a label is missing or does not suit the task, or there are too few.
        """
        return check_labels(samples)

    def read(self, labels: Sequence[Label | None], classes: Sequence[Label]) -> np.ndarray:
        """The targets: class numbers (n,), or (n, outputs) float32."""
        return numbers_of(labels, classes)

    def weigh(
        self,
        targets: np.ndarray,
        classes: int,
        labels: Sequence[Label] = (),
        weights: np.ndarray | None = None,
    ) -> np.ndarray | None:
        """What each row counts, (n,) float32: its own weight, if there is one, times that of its
        class; None where all count alike. Where classes are balanced, that of a class is such that
        the rows of each count alike together.

        Args:
            targets: class numbers, (n,).
            classes: how many.
            labels: of the classes.
            weights: of the rows, (n,).

        Raises:
            HeadError: a weight is of a class that there is not.
        """
        if self.class_weights and len(labels):
            of_class = weights_of(labels, self.class_weights)[targets]
            return of_class if weights is None else of_class * weights
        if not self.balanced or not len(targets):
            return weights
        counts = np.bincount(targets, weights, minlength=classes)
        balanced = counts.sum() / ((counts > 0).sum() * counts[targets])
        return (balanced if weights is None else balanced * weights).astype(np.float32)

    def check(self, train: Part, classes: Sequence[Label]) -> None:
        """See that the train split has something of everything.

        Raises:
            HeadError: a class has no sample there.
        """
        seen = set(np.unique(train.targets).tolist())
        unseen = [label for number, label in enumerate(classes) if number not in seen]
        if unseen:
            raise HeadError(
                f"class {unseen[0]!r} has no sample in the train split",
                hint=hint_of(
                    classes,
                    len(train.targets),
                    "Add samples of it, leave it out, or give a `split` column or array.",
                ),
            )

    def fit(self, kind: HeadKind, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        """Fit a head of a kind for this task."""
        return kind.fit(train, validation, classes, seed)

    def evaluate(
        self, outputs: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
    ) -> dict[str, Any]:
        """Accuracy, macro F1, log loss and the confusion matrix (rows: truth).

        The macro F1 is the mean over the classes that occur among the targets: of others nothing is
        known.

        Args:
            outputs: probabilities, (n, classes).
            targets: (n,) class numbers.
            classes: the label of each number.
        """
        count = len(classes)
        # scikit-learn's own takes longer to import than most heads to fit
        pairs = np.bincount(targets * count + self.guess(outputs), minlength=count * count)
        confusion = pairs.reshape(count, count)
        hits, said, true = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
        f1 = 2 * hits[true > 0] / (said + true)[true > 0]
        return {
            "accuracy": float(hits.sum() / len(targets)),
            "macro_f1": float(f1.mean()),
            "log_loss": loss_of("softmax", outputs, targets),
            "confusion": confusion.tolist(),
        }

    def guess(self, outputs: np.ndarray) -> np.ndarray:
        """The class that is said of each row of probabilities (n, classes): numbers, (n,)."""
        return outputs.argmax(axis=1)

    def decide(self, row: np.ndarray, classes: Sequence[Label]) -> tuple[Label | float, float]:
        """What is said of a sample, and how probable that is."""
        best = int(self.guess(row[None])[0])
        return classes[best], float(row[best])


@dataclass(frozen=True)
class Ordinal(Classification):
    """One class a sample, and the classes have an order: a wrong neighbour is less wrong.

    Attributes:
        order: the classes from the lowest up; numbers by value without it.
        decision: which class is said, and scored: the `median` of the probabilities, which is the
            fewest steps off on average, or the `mode`, which is right most often. Heads of before
            there was a choice say the mode.
    """

    name: ClassVar[str] = "ordinal"
    ends_in: ClassVar[tuple[str, ...]] = ("softmax", SHARES, "linear")
    order: tuple[Label, ...] = ()
    decision: str = MEDIAN

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decision not in (MEDIAN, MODE):
            raise HeadError(f"decision is {self.decision!r}", hint=f"Give {MEDIAN} or {MODE}.")

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "order": list(self.order)}

    def find_classes(self, samples: Sequence[Sample]) -> list[Label]:
        found = check_labels(samples)
        if not self.order:
            values = [number_of(label) for label in found]
            if None in values:
                raise HeadError(
                    f"the labels have no order that is known: {_few(found)}",
                    hint="Name the classes from the lowest up: --order low,middle,high.",
                )
            return [label for _, label in sorted(zip(values, found, strict=True))]
        known = {str(label): label for label in found}
        wanted = [str(label) for label in self.order]
        if sorted(wanted) != sorted(known):
            raise HeadError(
                f"the order is {', '.join(wanted)}, the classes are {_few(found)}",
                hint="Name each class once.",
            )
        return [known[label] for label in wanted]

    def guess(self, outputs: np.ndarray) -> np.ndarray:
        if self.decision == MODE:
            return super().guess(outputs)
        below = np.cumsum(outputs, axis=1)[:, :-1]  # at most the class: half is enough
        return (below < 0.5).sum(axis=1)

    def fit(self, kind: HeadKind, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        if not isinstance(kind, FitsOrder):
            raise HeadError(
                f"a head of kind {kind.kind} knows no order",
                hint=f"Take kind {able_kinds(self.name)}.",
            )
        return kind.fit_order(train, validation, classes)

    def evaluate(
        self, outputs: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
    ) -> dict[str, Any]:
        """As for a classification, and `steps_off`: the mean distance in the order."""
        found = super().evaluate(outputs, targets, classes)
        return {"steps_off": float(np.abs(self.guess(outputs) - targets).mean()), **found}


@dataclass(frozen=True)
class MultiLabel(Options, error=InvalidHeadSetting):
    """Any number of labels a sample, none among them.

    Attributes:
        separator: between the labels in a sample's text, such as `dog|grass`.
        balanced: samples with a label count as much as those without it, label by label.
    """

    name: ClassVar[str] = "multi-label"
    says: ClassVar[str] = LABELS
    default_kind: ClassVar[type[Any]] = Linear
    ends_in: ClassVar[tuple[str, ...]] = ("sigmoid",)
    separator: str = "|"
    balanced: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.separator:
            raise HeadError("the separator is empty", hint="Give one, such as '|'.")

    def describe(self) -> dict[str, Any]:
        return {"task": self.name, **asdict(self)}

    def find_classes(self, samples: Sequence[Sample]) -> list[Label]:
        check_labelled(samples)
        found = {one for label in set(labels_of(samples)) for one in self._labels(label)}
        if not found:
            raise HeadError("no sample has a label", hint="Such as `dog|grass`.")
        return sorted(found)

    def read(self, labels: Sequence[Label | None], classes: Sequence[Label]) -> np.ndarray:
        number = {label: place for place, label in enumerate(classes)}
        targets = np.zeros((len(labels), len(classes)), np.float32)
        for row, label in enumerate(labels):
            targets[row, [number[one] for one in self._labels(label)]] = 1
        return targets

    def _labels(self, label: Label | None) -> list[str]:
        parts = "" if label is None else str(label)
        return [part.strip() for part in parts.split(self.separator) if part.strip()]

    def weigh(
        self,
        targets: np.ndarray,
        classes: int,
        labels: Sequence[Label] = (),
        weights: np.ndarray | None = None,
    ) -> np.ndarray | None:
        return weights  # balanced label by label, in `fit`

    def check(self, train: Part, classes: Sequence[Label]) -> None:
        shares = train.targets.mean(axis=0)
        for label, share in zip(classes, shares.tolist(), strict=True):
            if share in (0.0, 1.0):
                raise HeadError(
                    f"label {label!r} is on {'all' if share else 'no'} samples of the train split",
                    hint="A head can only learn what tells samples apart; leave it out.",
                )

    def fit(self, kind: HeadKind, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        if isinstance(kind, FitsLabels):
            if self.balanced:
                raise HeadError(
                    f"a head of kind {kind.kind} cannot be balanced for several labels",
                    hint="Take kind linear, or another that fits label by label.",
                )
            return kind.fit_labels(train, validation, classes, seed)
        return self.fit_each([kind] * classes, train, validation, seed)

    def fit_each(
        self, kinds: Sequence[HeadKind], train: Part, validation: Part, seed: int
    ) -> Fitted:
        """Fit a head for each label, of a kind each."""
        return fit_each(kinds, train, validation, seed, Classification(self.balanced).weigh)

    def evaluate(
        self, outputs: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
    ) -> dict[str, Any]:
        """`exact` (share of samples with all labels right), micro F1, the log loss (the mean over
        the labels), and macro F1 over the labels that occur."""
        guesses, truth = outputs >= SAID_FROM, targets > 0
        occurs = truth.any(axis=0)
        hits = 2 * (guesses & truth).sum(axis=0)
        marks = guesses.sum(axis=0) + truth.sum(axis=0)
        scores = {
            "exact": float((guesses == truth).all(axis=1).mean()),
            "micro_f1": float(hits.sum() / max(marks.sum(), 1)),
            "log_loss": loss_of("sigmoid", outputs, targets),
        }
        if occurs.any():
            scores["macro_f1"] = float((hits[occurs] / marks[occurs]).mean())
        return scores

    def decide(self, row: np.ndarray, classes: Sequence[Label]) -> tuple[Label | float, float]:
        """The labels that are said, without a probability: labels depend on each other, and the
        product of their probabilities is not that of all of them together."""
        said = [place for place, share in enumerate(row.tolist()) if share >= SAID_FROM]
        return self.separator.join(str(classes[place]) for place in said), math.nan


Task = Classification | Ordinal | MultiLabel | Regression
TASKS: dict[str, Callable[..., Task]] = {
    task.name: task for task in (Classification, MultiLabel, Ordinal, Regression)
}


def one_task(given: Task | str | None) -> Task | None:
    """A task, or what is called so: `regression` for `Regression()`.

    Raises:
        HeadError: it is neither.
    """
    if given is None or isinstance(given, Classification | Ordinal | MultiLabel | Regression):
        return given
    if isinstance(given, str) and given in TASKS:
        return TASKS[given]()
    raise HeadError(
        f"task is {brief(given)}, of type {type(given).__name__}",
        hint=f"Give {', '.join(TASKS)}, or a task such as hs.MultiLabel(separator=';').",
    )


def task_of(settings: dict[str, Any]) -> Task:
    """The task that `describe` gave; a classification for heads of before there were others."""
    name = settings.get("task", Classification.name)
    made = TASKS[name]()
    known = {key: settings[key] for key in made.describe() if key != "task" and key in settings}
    if name == Ordinal.name:
        known.setdefault("decision", MODE)
    return TASKS[name](
        **{key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
    )


def _few(labels: Sequence[Label]) -> str:
    shown = ", ".join(str(label) for label in labels[:8])
    return f"{shown}…" if len(labels) > 8 else shown
