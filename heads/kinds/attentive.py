"""Attention over the tokens of a sample, then a dense layer: where the mean of all tokens loses
what only one of them says.

The queries are those of efficient probing (see `attention/layer.py`). The head starts as the
`linear` one on the mean of the tokens, and goes on from there only as long as it gets better on
rows that it is not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.attention.network import AttentiveNetwork, Spread
from headstart.heads.calibration.judge import Verdict
from headstart.heads.calibration.out_of_fold import inner_folds
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.descent import FOLDS, calibrated, check_steps, cooled, descend, scores_of
from headstart.heads.kind import Complexity, Fitted, Part, tokens_for
from headstart.heads.kinds.linear import Linear
from headstart.heads.setting import Setting, combinations
from headstart.heads.standardisation import one_thread_a_core
from headstart.values.options import Options

RATES = 3
"""Learning rates, each a tenth of the one before: where steps of one make nothing better any more,
those of the next go on from the best. What only one token says takes large steps, as the start
knows nothing of it; where the mean says nearly all, they only spoil that."""
MOST = 1 << 10
"""Queries: more than any sample has places that are worth a look of their own."""


@dataclass(frozen=True)
class Attentive(Options, error=InvalidHeadSetting):
    """Learned queries, each of which takes a mean of the tokens by its own weights, then one dense
    layer; of tokens that are masked nothing is taken.

    Without a validation split a fifth of the training rows says how many epochs are good and how
    sure the head may be; then it is trained on all of them.

    Attributes:
        queries: how many.
        learning_rate: of Adam at first; later a tenth of it, and a hundredth.
        batch_size: samples a step.
        epochs: at most so many passes at each rate.
        patience: go on to the next rate when the loss of rows that are not trained on has not
            fallen for so many epochs; the best epoch's weights are kept, or those of the start.
    """

    kind: ClassVar[str] = "attentive"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label", "regression")
    takes_tokens: ClassVar[bool] = True
    options: ClassVar[tuple[Setting, ...]] = (
        Setting("queries", "learned queries that look at a sample's tokens, such as 4.", int),
        Setting("learning_rate", "learning rate of Adam, such as 0.001."),
        Setting("batch_size", "samples per step, such as 64.", int),
        Setting("epochs", "maximum number of passes, such as 30.", int),
    )
    queries: int = 4
    learning_rate: float = 1e-2
    batch_size: int = 64
    epochs: int = 60
    patience: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.queries <= MOST:
            raise InvalidHeadSetting(
                f"queries is {self.queries}", hint=f"Give 1 to {MOST:,}; a few will do."
            )
        check_steps(self)

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[Attentive]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> Attentive:
        return cls(
            queries=trial.suggest_int("queries", 1, 16, log=True),
            learning_rate=trial.suggest_float("attentive_learning_rate", 1e-3, 1e-1, log=True),
        )

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float(self.queries * width * (classes + 1) + classes), 1.0

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        return self._fit(train, validation, classes, seed, "softmax")

    def fit_labels(self, train: Part, validation: Part, labels: int, seed: int) -> Fitted:
        return self._fit(train, validation, labels, seed, "sigmoid")

    def fit_numbers(self, train: Part, validation: Part, seed: int) -> Fitted:
        return self._fit(train, validation, train.targets.shape[1], seed, "linear")

    def _fit(
        self, train: Part, validation: Part, outputs: int, seed: int, activation: str
    ) -> Fitted:
        with one_thread_a_core() as pool:
            course = _Course(outputs, seed, activation, pool)
            if not len(validation):
                return self._fit_alone(train, course)

            def fit(part: Part) -> tuple[DenseStack, dict[str, Any]]:
                return self._train(part, validation, course)[:2]

            return calibrated(fit, train, validation, seed, activation, is_held=False)

    def _fit_alone(self, train: Part, course: _Course) -> Fitted:
        """Without a validation split: see the class."""
        is_asked = _left_out(train, course.seed)
        rest, asked = train.only(np.flatnonzero(~is_asked)), train.only(np.flatnonzero(is_asked))
        judged_on = {"judged_on": {"train": len(asked), "validation": 0}}
        if not len(asked):  # of one sample a class: as it starts
            stack, details, _ = self._train(train, asked, course, [0] * RATES)
            return Fitted(stack.layers, details | judged_on)
        first, details, best = self._train(rest, asked, course)
        stack = self._train(train, train.rows(slice(0)), course, best)[0]
        details |= judged_on
        if course.activation == "linear":
            return Fitted(stack.layers, details)
        said = scores_of(first, asked.features)
        return cooled(stack, Verdict(said, asked.targets, asked.weights, 0.0), details)

    def _train(
        self, train: Part, validation: Part, course: _Course, epochs: Sequence[int] = ()
    ) -> tuple[DenseStack, dict[str, Any], list[int]]:
        """The layers as they are trained, how that went, and how many epochs of each rate they
        have; so many of each, if that is given."""
        tokens = tokens_for(self, train)
        assert tokens is not None  # of a kind that takes them
        spread = Spread.of(train.features, tokens, course.pool)
        rng, start = np.random.default_rng(course.seed), replace(train, features=spread.means)
        layer = _start(start, course)
        network = AttentiveNetwork(tokens, spread, self.queries, layer, rng, course.pool)
        history: dict[str, list[float]] = {}
        kept: list[int] = []
        for number, most in enumerate(epochs or [self.epochs] * RATES):
            network.begin(self.learning_rate / 10**number)
            steps = _Steps(self.batch_size, most, self.patience)
            details, best = descend(network, steps, train, validation, rng, is_start_judged=True)
            kept.append(best)
            for name, values in details["history"].items():
                history.setdefault(name, []).extend(values)
        return network.stack(), {"epochs": len(history["loss"]), "history": history}, kept


@dataclass(frozen=True)
class _Steps:
    """See `descent.Steps`."""

    batch_size: int
    epochs: int
    patience: int


@dataclass(frozen=True)
class _Course:
    """What is the same for all trainings of one fit.

    Attributes:
        outputs: how many.
        seed: of everything that chance decides.
        activation: of the outputs.
        pool: threads.
    """

    outputs: int
    seed: int
    activation: str
    pool: ThreadPoolExecutor


def _start(means: Part, course: _Course) -> Layer:
    """The dense layer for the plain mean that training starts with: that of the `linear` head, for
    classes; for labels and numbers one that says the same of all."""
    if course.activation == "softmax":
        (layer,) = Linear().fit(means, means.rows(slice(0)), course.outputs, course.seed).layers
        return layer
    kernel = np.zeros((means.features.shape[1], course.outputs), np.float32)
    return Layer(kernel, np.zeros(course.outputs, np.float32), course.activation)


def _left_out(train: Part, seed: int) -> np.ndarray:
    """Which rows are asked when there is no validation split, (n,): one fold of `FOLDS`, of which
    no class is gone; none where there is no such fold."""
    if train.targets.ndim == 2:  # of several labels no class would be gone as a whole
        train = replace(train, targets=np.zeros(len(train), np.int64))
    return inner_folds(train, seed, FOLDS) == 0
