"""Several heads as one: the mean of what they say, by weights; each takes its own features out of
those that all take together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import keras
from headstart.fields import WrongField, finite, list_of, refuse, whole
from headstart.heads.dense_stack import DenseStack, Layer, flat
from headstart.heads.layers.archives import archive, read_archive
from headstart.storage.manifest import Label

ENSEMBLE = "ensemble"
"""Kind of such heads."""
FORMAT = "headstart.ensemble/1"
MOST = 1 << 40
"""Numbers of a row: what they are in all, members tell."""
ROUNDED = 1e-3
"""By what weights of members may miss 1 together."""


@dataclass(frozen=True)
class Slice:
    """Features that a member takes.

    Attributes:
        start: the first of all features, flat.
        stop: behind the last.
        factor: by which the member has them multiplied.
    """

    start: int
    stop: int
    factor: float = 1.0


@dataclass(frozen=True)
class Member:
    """One of the heads.

    Attributes:
        stack: its layers.
        weight: of what it says; all add up to 1.
        slices: what it takes, in order.
    """

    stack: DenseStack
    weight: float
    slices: tuple[Slice, ...]

    def features(self, x: np.ndarray) -> np.ndarray:
        """What it takes of the features of all, (n, width)."""
        parts = [x[:, one.start : one.stop] * np.float32(one.factor) for one in self.slices]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Ensemble:
    """Heads of the same classes; to whoever asks it is as a `DenseStack`.

    Attributes:
        members: the heads.
        width: how many features all take together.
    """

    members: tuple[Member, ...]
    width: int

    @property
    def classes(self) -> tuple[Label, ...]:
        return self.members[0].stack.classes

    @property
    def outputs(self) -> int:
        """How many probabilities a sample has."""
        return self.members[0].stack.outputs

    @property
    def layer_names(self) -> list[str]:
        """What the members are called in Keras."""
        return [f"member_{number + 1}" for number in range(len(self.members))]

    @property
    def names_with_weights(self) -> list[str]:
        """The same: each is a layer with weights."""
        return self.layer_names

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those of all members, one after the other."""
        return tuple(layer for one in self.members for layer in one.stack.layers)

    @cached_property
    def weights(self) -> np.ndarray:
        return np.array([one.weight for one in self.members], np.float32)

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities (n, classes) of features (n, …), flattened to (n, width).

        Raises:
            HeadError: the features are of another width.
        """
        x = flat(features)
        if x.shape[1] != self.width:
            raise HeadError(f"the head takes {self.width} features, received {x.shape[1]}")
        said = [one.stack.predict_proba(one.features(x)) for one in self.members]
        return np.einsum("m,mnc->nc", self.weights, np.stack(said)).astype(np.float32)

    def predict(self, features: np.ndarray) -> list[Label]:
        """The most probable class of each row."""
        return [self.classes[best] for best in self.predict_proba(features).argmax(axis=1)]

    def embed(self, features: np.ndarray) -> np.ndarray:
        """The features that the members take: those that are given."""
        return features

    def to_keras(self, tensor: Any) -> Any:
        """The members as Keras models on a symbolic tensor of features; returns probabilities."""
        k = keras()
        x = tensor if len(tensor.shape) == 2 else k.layers.Flatten(name="head_flatten")(tensor)
        said = []
        for one, name in zip(self.members, self.layer_names, strict=True):
            parts = [
                k.layers.Rescaling(one_slice.factor)(x[:, one_slice.start : one_slice.stop])
                for one_slice in one.slices
            ]
            own = parts[0] if len(parts) == 1 else k.layers.Concatenate()(parts)
            given = k.Input((one.stack.width,), name="features")
            model = k.Model(given, one.stack.to_keras(given), name=name)
            said.append(k.layers.Rescaling(one.weight, name=f"weight_{name}")(model(own)))
        return said[0] if len(said) == 1 else k.layers.Add(name="head_probabilities")(said)

    def to_bytes(self) -> bytes:
        """The ensemble as an `.npz` archive without pickles."""
        heads, arrays = [], dict[str, np.ndarray]()
        for number, one in enumerate(self.members):
            head, own = one.stack.parts()
            arrays |= {f"{number}_{name}": array for name, array in own.items()}
            slices = [[each.start, each.stop, each.factor] for each in one.slices]
            heads.append({**head, "weight": one.weight, "slices": slices})
        return archive(FORMAT, {"members": heads, "width": self.width}, arrays)

    @staticmethod
    def read(path: Path) -> Ensemble:
        """The inverse of `to_bytes`.

        Raises:
            HeadError: it is damaged, or no ensemble that works; the message says why.
        """
        stored = read_archive(path, (FORMAT,))
        try:
            width = whole(MOST)(stored.head.get("width"), "width")
            heads = list_of(_object)(stored.head.get("members"), "members")
            members = [_member(one, number, stored.arrays) for number, one in enumerate(heads)]
        except WrongField as error:
            raise HeadError(str(error)) from error
        if stored.arrays:
            raise HeadError(f"it has an array {min(stored.arrays)!r} that is of no member")
        return _checked(Ensemble(tuple(members), width))


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise refuse(value, where, "an object")
    return value


def _member(head: Mapping[str, Any], number: int, arrays: dict[str, np.ndarray]) -> Member:
    """A member; its arrays are taken out of all."""
    start, where = f"{number}_", f"members[{number}]"
    names = [name for name in arrays if name.startswith(start)]
    own = {name.removeprefix(start): arrays.pop(name) for name in names}
    weight = finite(head.get("weight"), f"{where}.weight")
    slices = tuple(Slice(*one) for one in list_of(_slice)(head.get("slices"), f"{where}.slices"))
    try:
        return Member(DenseStack.of_parts(head, own), weight, slices)
    except HeadError as error:
        raise HeadError(f"{where}: {error.message}") from error


def _slice(value: Any, where: str) -> tuple[int, int, float]:
    if not isinstance(value, list) or len(value) != 3:
        raise refuse(value, where, "a start, a stop and a factor")
    start, stop = (whole(MOST)(one, where) for one in value[:2])
    return start, stop, finite(value[2], where)


def _checked(ensemble: Ensemble) -> Ensemble:
    """See that members take features that there are, and say shares of one thing.

    Raises:
        HeadError: they do not.
    """
    members = ensemble.members
    if not members:
        raise HeadError("it has no members")
    first = members[0].stack
    for number, one in enumerate(members):
        taken = sum(part.stop - part.start for part in one.slices)
        is_inside = all(0 <= part.start < part.stop <= ensemble.width for part in one.slices)
        if not is_inside or taken != one.stack.width:
            raise HeadError(
                f"members[{number}] takes {one.stack.width:,} numbers, and its slices do not give "
                f"so many of {ensemble.width:,}"
            )
        if one.stack.classes != first.classes or one.stack.outputs != first.outputs:
            raise HeadError(f"members[{number}] says other classes than the first member")
    weights = [one.weight for one in members]
    if min(weights) < 0 or not math.isclose(sum(weights), 1, abs_tol=ROUNDED):
        raise HeadError(f"the weights of its members add up to {sum(weights):g}, not to 1")
    return ensemble


def slices_of(
    taken: Sequence[int], widths: Sequence[int], factors: Sequence[float]
) -> tuple[Slice, ...]:
    """Where some blocks of features lie among all.

    Args:
        taken: numbers of the blocks, in the member's order.
        widths: of all blocks.
        factors: by what the member has each of its own multiplied.
    """
    starts = np.cumsum([0, *widths]).tolist()
    each = zip(taken, factors, strict=True)
    return tuple(Slice(starts[one], starts[one] + widths[one], factor) for one, factor in each)
