"""Several labels as so many heads, each of which tells samples with a label from those without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Fitted, HeadKind, Part, says_one_label

Weigh = Callable[[np.ndarray, int, tuple[()], np.ndarray | None], np.ndarray | None]


def fit_each(
    kinds: Sequence[HeadKind], train: Part, validation: Part, seed: int, weigh: Weigh
) -> Fitted:
    """Fit a head for each label; together they are one layer.

    Args:
        kinds: of the head of each label.
        train: targets 0 or 1, (n, labels).
        validation: likewise, may be empty.
        seed: of everything that chance decides.
        weigh: gives what rows of two classes count, as `Classification.weigh`.

    Raises:
        HeadError: a head is of more layers than one.
    """
    kernels, biases = [], []
    details: list[dict[str, Any]] = []
    for number, kind in enumerate(kinds):
        parts = [_of_one(part, number, weigh) for part in (train, validation)]
        fitted = _alike(parts[0])
        if fitted is None:
            fitted = kind.fit(parts[0], parts[1], 2, seed)
        if len(fitted.layers) != 1:
            raise says_one_label(kind)
        (layer,) = fitted.layers
        # softmax of two scores is the sigmoid of their difference
        kernels.append(layer.kernel[:, 1] - layer.kernel[:, 0])
        biases.append(layer.bias[1] - layer.bias[0])
        details.append(fitted.details)
    layer = Layer(np.stack(kernels, axis=1), np.array(biases, np.float32), "sigmoid")
    return Fitted((layer,), _of_each(details))


def _alike(part: Part) -> Fitted | None:
    """Where all rows have a label, or none has, as may be on a fold: what says how often it is on a
    sample, by Krichevsky and Trofimov; None where there is something to tell apart."""
    count, having = len(part), int(part.targets.sum())
    if 0 < having < count or not count:
        return None
    share = (having + 0.5) / (count + 1)
    bias = np.array([0.0, np.log(share / (1 - share))], np.float32)
    kernel = np.zeros((part.features.shape[1], 2), np.float32)
    return Fitted((Layer(kernel, bias, "softmax"),), {"judged_on": {"train": 0, "validation": 0}})


def _of_one(part: Part, number: int, weigh: Weigh) -> Part:
    """One label of several, as a part of two classes."""
    targets = part.targets[:, number].astype(np.int64)
    return replace(part, targets=targets, weights=weigh(targets, 2, (), part.weights))


def _of_each(details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How the fits of several labels went: a list of what each has, and the fewest rows that
    judged any of them."""
    found: dict[str, Any] = {
        "chosen": [one.get("strength", one.get("chosen")) for one in details],
    }
    if all("judged_on" in one for one in details):
        judged = [one["judged_on"] for one in details]
        found["judged_on"] = {name: min(one[name] for one in judged) for name in judged[0]}
    if all("temperature" in one for one in details):
        found["temperature"] = [one["temperature"] for one in details]
    reasons = [one["not_chosen"] for one in details if "not_chosen" in one]
    return found | _at_ends(details) | ({"not_chosen": reasons[0]} if reasons else {})


def _at_ends(details: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Of how many labels the best value lies at an end of what was tried, and of which."""
    ends = Counter(one["at_end"] for one in details if "at_end" in one)
    told = [f"of {count} of {len(details)} labels {words}" for words, count in ends.items()]
    return {"at_end": "; ".join(told)} if told else {}
