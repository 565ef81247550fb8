"""A fine-tuned head: the layers above a cut with the weights that training gave them, and the head
on them. Only weights are stored; the layers are those of the backbone, which are looked at when it
is loaded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.runtime import keras
from headstart.fields import WrongField, list_of, refuse, text, whole
from headstart.heads.dense_stack import DenseStack, number_of_format
from headstart.heads.layers.archives import archive, read_archive
from headstart.heads.models.attach import predict
from headstart.heads.models.finetune import build_top, head_of
from headstart.registry.entities import CutPoint
from headstart.storage.manifest import Label

FORMATS = tuple(f"headstart.tuned-top/{number}" for number in (1, 2, 3, 4, 5, 6))
"""Of heads as those of `dense_stack.FORMATS` are, one by one. Before there was a fifth, tops with
rows brought to length one had the format of their arrays."""
ROWS_AT_ONCE = 256
LONGEST = 4096
"""Letters of a cut, and of the name of a layer."""
MOST = 1 << 20
"""Weights of a layer."""


@dataclass(frozen=True)
class TunedTop:
    """The weights of all layers above a cut.

    Attributes:
        start: the cut whose features go in.
        cut: where the head's own features come from, pooling included.
        layers: names of the layers between them that have weights, each with its weights.
        stack: the head.
    """

    start: str
    cut: str
    layers: tuple[tuple[str, tuple[np.ndarray, ...]], ...]
    stack: DenseStack

    @staticmethod
    def of(model: Any, start: str, cut: str, before: DenseStack) -> TunedTop:
        """What a model that `build_top` made has now."""
        layers = tuple(
            (layer.name, tuple(np.array(weight) for weight in layer.get_weights()))
            for layer in _own_layers(model, before)
        )
        return TunedTop(start, cut, layers, head_of(model, before))

    def build(self, graph: Graph, points: Sequence[CutPoint]) -> Any:
        """The model from the start's features to class probabilities.

        The layers are the graph's own: those above the start have the tuned weights then.

        Args:
            graph: the backbone's.
            points: the backbone's cut points.

        Raises:
            HeadError: the backbone's layers are not those that were tuned.
        """
        model = build_top(graph, resolve(points, self.start), self.cut_of(points), self.stack)
        own = _own_layers(model, self.stack)
        if [_shapes(layer.name, layer.get_weights()) for layer in own] != [
            _shapes(*layer) for layer in self.layers
        ]:
            raise HeadError(
                f"the layers between {self.start!r} and {self.cut!r} are not those that were tuned",
                hint="Fine-tune the head again.",
            )
        for layer, (_, weights) in zip(own, self.layers, strict=True):
            layer.set_weights(list(weights))
        return model

    def cut_of(self, points: Sequence[CutPoint]) -> Cut:
        """The head's own cut."""
        return resolve(points, self.cut)

    def arrays(self) -> Iterator[np.ndarray]:
        """All weights, the head's last."""
        for _, weights in self.layers:
            yield from weights
        for layer in self.stack.layers:
            yield from layer.weights

    def to_bytes(self) -> bytes:
        """An `.npz` archive without pickles."""
        head, arrays = self.stack.parts()
        counts = [[name, len(weights)] for name, weights in self.layers]
        flat = [weight for _, weights in self.layers for weight in weights]
        tuned = {f"weight_{number}": weight for number, weight in enumerate(flat)}
        said = {**head, "from": self.start, "cut": self.cut, "layers": counts}
        return archive(FORMATS[number_of_format(head, arrays)], said, {**arrays, **tuned})

    @staticmethod
    def read(path: Path) -> TunedTop:
        """The inverse of `to_bytes`.

        Raises:
            HeadError: it is damaged, or no head that works; the message says why.
        """
        stored = read_archive(path, FORMATS)
        head, arrays = stored.head, stored.arrays
        if stored.number < number_of_format({}, arrays):
            raise HeadError(f"its format is {FORMATS[stored.number]}, which knows less than it has")
        try:
            start, cut = (text(LONGEST)(head.get(name), name) for name in ("from", "cut"))
            counts = list_of(_counted)(head.get("layers"), "layers")
        except WrongField as error:
            raise HeadError(str(error)) from error
        if sum(count for _, count in counts) > len(arrays):
            raise HeadError(f"it has {len(arrays):,} arrays, fewer than its layers have weights")
        numbers = itertools.count()
        layers = tuple(
            (name, tuple(_taken(arrays, next(numbers)) for _ in range(count)))
            for name, count in counts
        )
        return TunedTop(start, cut, layers, DenseStack.of_parts(head, arrays))


def _counted(value: Any, where: str) -> tuple[str, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise refuse(value, where, "a name and a number")
    return text(LONGEST)(value[0], where), whole(MOST)(value[1], where)


def _taken(arrays: dict[str, np.ndarray], number: int) -> np.ndarray:
    """A weight of a layer of the backbone: numbers of any type, as its makers chose it."""
    weight = arrays.pop(f"weight_{number}", None)
    if weight is None or weight.dtype.kind not in "fiub":
        raise HeadError(f"it has no array 'weight_{number}' of real numbers")
    if weight.dtype.kind == "f" and np.isnan(weight).any():
        raise HeadError(f"its array 'weight_{number}' holds values that are no numbers")
    return weight


class TunedJudge:
    """What a fine-tuned head says of the features of its start; as `DenseStack` does.

    Args:
        model: from `TunedTop.build`.
        top: what it was built from.
    """

    def __init__(self, model: Any, top: TunedTop) -> None:
        stack = top.stack
        self._start = top.start
        self._model = model
        self._below = below_head(model, stack)
        self._shape = tuple(model.input.shape[1:])
        self.classes: tuple[Label, ...] = stack.classes
        self.outputs = stack.outputs

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities (n, classes) of features (n, …).

        Raises:
            HeadError: the features are of another shape.
        """
        return self._run(self._model, features)

    def predict(self, features: np.ndarray) -> list[Label]:
        """The most probable class of each row."""
        return [self.classes[best] for best in self.predict_proba(features).argmax(axis=1)]

    def embed(self, features: np.ndarray) -> np.ndarray:
        """What the tuned layers make of features: those of the head's own cut, (n, …)."""
        return self._run(self._below, features)

    def _run(self, model: Any, features: np.ndarray) -> np.ndarray:
        given, wanted = features.shape[1:], self._shape
        if len(given) != len(wanted) or any(
            size not in (None, own) for size, own in zip(wanted, given, strict=True)
        ):
            raise HeadError(
                f"the head takes features of shape {wanted}, received {given}",
                hint=f"Give those of its cut {self._start!r}.",
            )
        return in_batches(model, features)


def in_batches(model: Any, features: np.ndarray) -> np.ndarray:
    """What a model gives, some rows at a time; of no rows an array without rows."""
    if not len(features):
        return np.empty((0, *model.output.shape[1:]), np.float32)
    starts = range(0, len(features), ROWS_AT_ONCE)
    return np.concatenate([predict(model, features[at : at + ROWS_AT_ONCE]) for at in starts])


def below_head(model: Any, stack: DenseStack) -> Any:
    """The part of a model that `build_top` made up to where its head begins."""
    return keras().Model(model.input, model.get_layer(stack.lowest_name).input, name="below")


def _own_layers(model: Any, stack: DenseStack) -> list[Any]:
    """The layers with weights that are not the head's."""
    head = set(stack.names_with_weights)
    return [layer for layer in model.layers if layer.name not in head and layer.get_weights()]


def _shapes(name: str, weights: Sequence[np.ndarray]) -> tuple[str, list[tuple[int, ...]]]:
    return name, [weight.shape for weight in weights]
