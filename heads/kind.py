"""The seam of heads: what every kind is.

To add a kind: a file like `kinds/ridge.py`, and a line in `kinds/every_kind.py`, or an entry point
in the group `headstart.heads`.

**Who calls what.** `head train` makes an instance of the settings it was told and calls `fit`, or
for another task the method of `FitsOrder`, `FitsNumbers` or `FitsLabels`; a kind has the method of
every task that it names, `multi-label` apart, for which `fit` will do if it gives one layer. What
`describe` gives is stored with the head; `reproduce` and learning curves make the same instance of
it again. `head sweep` tries what `grid` gives, `--search` what `suggest` gives.

**What may be assumed.** Features are finite float32, (n, width), sliced as an array is and perhaps
larger than memory; no column lies far from zero beside its spread (`origins.py` sees to that).
How they are made of tokens, in `Part.tokens`, is for kinds with `takes_tokens`: see `TakesTokens`.
Classes are 0 to `classes` - 1, and each has a training row. `validation` may have no rows; where
weights are None all rows count alike.

**What must hold.** An instance is frozen, hashable and picklable: a sweep fits in several
processes. `fit` keeps nothing in the instance, is called from any thread, and gives the same layers
for the same arguments and seed. The layers take raw features to class probabilities and are dense
(`dense_stack.Layer`): so a head can be attached to its backbone, exported and stored as it is. The
last one's activation is among its task's `ends_in`, or `sigmoid` of two classes whose columns are
opposite (w and -w); `head train` and `head import` see to that (`models/outputs.py`). Weights of
other real numbers become float32. What `details` and `describe` say is JSON, by any names.

**Errors.** `HeadError` for settings and rows that do not suit, raised where an instance is made or
by `fit`; the message says what to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from headstart.errors import HeadError
from headstart.heads.attention.tokens import NoTokens, Tokens
from headstart.heads.dense_stack import Layer
from headstart.heads.labelled import labels_of
from headstart.heads.rows import Rows, some_of
from headstart.heads.setting import Setting
from headstart.storage.manifest import Label, Sample
from headstart.values.said import LABELS


@dataclass(frozen=True)
class Part:
    """Some rows.

    Attributes:
        features: (n, width), float32, sliced as an array is.
        targets: class numbers, (n,); of several labels or of numbers (n, outputs), float32.
        weights: how many rows each counts for, (n,), float32; None where all count alike.
        groups: numbers, (n,); rows of one number belong together (views of a picture, pictures of a
            patient) and are left out together. None where each is on its own.
        tokens: how a row is made of tokens, or why it is of none; None where nobody knows, and a
            row is as one token.
    """

    features: Rows
    targets: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    tokens: Tokens | NoTokens | None = None

    @property
    def mass(self) -> float:
        """What all rows count together."""
        return float(len(self.targets) if self.weights is None else self.weights.sum())

    def rows(self, chosen: slice | np.ndarray) -> Part:
        """Some of the rows, in memory."""
        return self._of(chosen, self.features[chosen])

    def only(self, chosen: np.ndarray) -> Part:
        """As `rows`, but features on the disk stay there, and many are not copied."""
        return self._of(chosen, some_of(self.features, chosen))

    def _of(self, chosen: slice | np.ndarray, features: Rows) -> Part:
        weights = None if self.weights is None else self.weights[chosen]
        groups = None if self.groups is None else self.groups[chosen]
        return Part(features, self.targets[chosen], weights, groups, self.tokens)

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Fitted:
    """A fitted head: its layers for raw features, and how the fit went (JSON values)."""

    layers: tuple[Layer, ...]
    details: dict[str, Any]


class HeadKind(Protocol):
    """Settings of a head: a class for each kind, an instance for each head that is to be fitted.

    Attributes:
        kind: its name, stored with heads for ever.
        tasks: names of the tasks it can do, such as `classification`.
        options: its settings that can be given on the command line; each is a field of the class.
    """

    kind: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    options: ClassVar[tuple[Setting, ...]]

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> Sequence[HeadKind]:
        """The heads that a sweep tries: of the values that settings were given, which may be those
        of other kinds too; what is worth trying where there are none. See `combinations`."""
        ...

    @classmethod
    def suggest(cls, trial: Any) -> HeadKind:
        """A head of the values that an Optuna trial suggests: the search space. Names of its
        parameters are the kind's own, as one study may search several kinds."""
        ...

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        """Fit on `train`, choose on `validation` (which may be empty)."""
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, as JSON values, by the names of the fields."""
        ...


Complexity = tuple[float, float]
"""Numbers that are fitted or carried along, and how free the fit is in choosing them: the larger,
the weaker its penalty. Compared in this order."""


@runtime_checkable
class HasComplexity(Protocol):
    """A kind that says how complex its heads are; of others nothing is known, and the
    one-standard-error rule never prefers them."""

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        """Of a head of features (rows, width) for so many classes; of kinds that take tokens the
        width is a token's."""
        ...


@runtime_checkable
class Sketches(Protocol):
    """A kind whose heads can be had for less by who only asks what they say, not how sure they
    are."""

    def sketched(self) -> HeadKind:
        """The same heads, but for their probabilities, which are not calibrated."""
        ...

    @staticmethod
    def fits(train: int, validation: int) -> float:
        """How many times as long as such a sketch a head takes, by the rows of each split."""
        ...


@runtime_checkable
class TakesTokens(Protocol):
    """A kind that looks at the tokens of a sample, one by one. Its features lie near zero, and are
    held, by what a number of a token is over all tokens, not by where a token stands."""

    takes_tokens: ClassVar[bool]


class FindsClasses(Protocol):
    """What a task knows of labels."""

    says: ClassVar[str]

    def find_classes(self, samples: Sequence[Sample]) -> list[Label]:
        """The label of each output."""
        ...


@runtime_checkable
class TakesClassNames(Protocol):
    """A kind whose weights are what a text backbone says of the classes' names. It takes features
    as they are, in no frame (`origins.py`), and needs no training row, unless it says that it
    `learns_of_samples` as well."""

    takes_class_names: ClassVar[bool]
    text_backbone: str

    def texts_of(self, classes: Sequence[Label]) -> list[list[str]]:
        """The texts of each class, one or several."""
        ...


def fits_of(kind: Any, train: int, validation: int = 0) -> float:
    """As `Sketches.fits`; 1 of a kind that is not sketched."""
    return kind.fits(train, validation) if isinstance(kind, Sketches) else 1.0


def classes_of(kind: Any, task: FindsClasses, samples: Sequence[Sample]) -> list[Label]:
    """The label of each output: what a kind was told there is, or what labels the samples have.

    Raises:
        HeadError: a sample has a label that the kind was not told of; or see the task.
    """
    named = classes_named(kind)
    if not named:
        return task.find_classes(samples)
    if task.says == LABELS:
        raise says_one_label(kind)
    known = {str(label): label for label in labels_of(samples) if label is not None}
    told = {str(one) for one in named}
    other = next((label for text, label in known.items() if text not in told), None)
    if other is not None:
        raise HeadError(
            f"{other!r}, a label of the samples, is none of the {len(named)} classes named",
            hint="Name it, too; or give no classes: then they are the labels.",
        )
    return [known.get(str(one), one) for one in named]  # numbers in a dataset, texts in a list


def says_one_label(kind: Any) -> HeadError:
    """The error of a kind that was to say several labels a sample."""
    return HeadError(
        f"a head of kind {kind.kind} says one label a sample", hint="Take another kind."
    )


def classes_named(kind: Any) -> tuple[Label, ...]:
    """The classes that a kind was told there are; none of other kinds."""
    return getattr(kind, "classes", ()) if takes_class_names(kind) else ()


def takes_class_names(kind: Any) -> bool:
    """Whether a kind is one of `TakesClassNames`."""
    return getattr(kind, "takes_class_names", False)


def learns_of_samples(kind: Any) -> bool:
    """Whether a head of a kind is another one where the training samples are others."""
    return getattr(kind, "learns_of_samples", not takes_class_names(kind))


def takes_tokens(kind: Any) -> bool:
    """Whether a kind is one of `TakesTokens`."""
    return getattr(kind, "takes_tokens", False)


def tokens_for(kind: Any, part: Part) -> Tokens | None:
    """How the rows of a part are made of tokens; None for kinds that do not ask.

    Raises:
        HeadError: the kind takes tokens, and these features are none.
    """
    if not takes_tokens(kind):
        return None
    if isinstance(part.tokens, NoTokens):
        raise HeadError(
            f"a head of kind {kind.kind} takes tokens, and these features are {part.tokens.what}",
            hint=part.tokens.hint,
        )
    return part.tokens or Tokens(1, part.features.shape[1])


@runtime_checkable
class FitsOrder(Protocol):
    """A kind that can do the task `ordinal`."""

    def fit_order(self, train: Part, validation: Part, classes: int) -> Fitted:
        """Fit to class numbers that stand in an order; the outputs are class probabilities."""
        ...


@runtime_checkable
class FitsNumbers(Protocol):
    """A kind that can do the task `regression`."""

    def fit_numbers(self, train: Part, validation: Part, seed: int) -> Fitted:
        """Fit to numbers, (n, outputs); the outputs are such numbers."""
        ...


@runtime_checkable
class FitsLoss(Protocol):
    """A kind that can do the task `regression` with other losses than the squared error."""

    def fit_loss(
        self, train: Part, validation: Part, seed: int, loss: str, quantile: float
    ) -> Fitted:
        """Fit to numbers, (n, outputs), as they are: `poisson` to counts, `quantile` to that
        quantile of them."""
        ...


@runtime_checkable
class FitsLabels(Protocol):
    """A kind that does the task `multi-label` at once, not label by label with `fit`."""

    def fit_labels(self, train: Part, validation: Part, labels: int, seed: int) -> Fitted:
        """Fit to 0 and 1, (n, labels); the outputs are the probabilities of the labels."""
        ...
