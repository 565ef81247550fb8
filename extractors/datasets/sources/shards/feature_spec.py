"""What the features of records are: as somebody declared them, or by their usual names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import DatasetError
from headstart.extractors.datasets.labels import several_labels
from headstart.extractors.datasets.rows import to_label
from headstart.extractors.datasets.source import Option, Options
from headstart.extractors.datasets.sources.shards.examples import BYTES, FLOAT, INT64, Values
from headstart.extractors.datasets.sources.tables.columns import (
    LABEL_COLUMNS,
    UNLABELLED,
    weight_in,
)
from headstart.registry.names import nearest
from headstart.storage.manifest import Label
from headstart.storage.samples import BETWEEN

FEATURES = Option(
    "features",
    "A feature of the records: bytes, int64, float, float:28x28x1, or uint8:28x28x1 of pixels that "
    "are bytes. May be repeated.",
    takes="texts",
    metavar="NAME=TYPE[:SHAPE]",
)
PACKED_NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Types of numbers that may lie in a feature as their bytes, as `tf.io.decode_raw` reads them."""
DECLARED = re.compile(r"(?s)(?P<name>.+)=(?P<type>[a-z0-9]+)(:(?P<shape>\d{1,9}(x\d{1,9}){0,7}))?")
CONTENTS = ("image/encoded", "image", "image_raw", "jpg", "jpeg", "png", "audio", "text", "content")
"""Names of what samples are, in the order in which they are looked for; the first is that of
TF-Slim and of the object detection API."""
LABELS = ("image/class/text", "image/class/label", *LABEL_COLUMNS)
OR_SKIP = "Fix it, or leave such records out with --on-error skip."


@dataclass(frozen=True)
class Feature:
    """A feature of records.

    Attributes:
        kind: `bytes`, `int64` or `float`, as it is stored.
        dtype: of numbers that are stored as their bytes, or that are no int64 or float32.
        shape: of numbers; -1 for one length that follows from the others; None for one value of
            bytes, or a list.
        names: of classes, by number.
    """

    kind: str
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    names: tuple[str, ...] = ()

    def raw(self, found: Values, where: str) -> Any:
        """A sample's raw content: bytes, or an array.

        Raises:
            DatasetError: it is not as declared.
        """
        if found.kind != self.kind:
            raise DatasetError(f"{where} is of type {found.kind}, not {self.kind}", hint=OR_SKIP)
        if self.kind == BYTES and len(found.values) != 1:
            raise DatasetError(f"{where} holds {len(found.values):,} values, not 1", hint=OR_SKIP)
        if self.kind == BYTES and self.dtype is None:
            return found.values[0]
        try:
            if self.kind == BYTES:
                array = np.frombuffer(found.values[0], np.dtype(str(self.dtype)).newbyteorder("<"))
            else:
                usual = np.int64 if self.kind == INT64 else np.float32
                array = np.asarray(found.values, usual).astype(self.dtype or usual)
            return array if self.shape is None else array.reshape(self.shape)
        except ValueError:
            wanted = "x".join(map(str, self.shape or ()))
            held = found.values[0] if self.kind == BYTES else found.values
            what = f"bytes of {self.dtype}" if self.kind == BYTES else "numbers"
            raise DatasetError(
                f"{where} holds {len(held):,} {what}, which are not {wanted}", hint=OR_SKIP
            ) from None


def declared_in(texts: Iterable[str]) -> dict[str, Feature]:
    """Features by name, as somebody declared them.

    Raises:
        DatasetError: one is not of the form `NAME=TYPE[:SHAPE]`, or occurs twice.
    """
    features: dict[str, Feature] = {}
    for text in texts:
        name, feature = _declared(text)
        if name in features:
            raise DatasetError(f"the feature {name!r} is declared twice")
        features[name] = feature
    return features


def _declared(text: str) -> tuple[str, Feature]:
    found = DECLARED.fullmatch(text)
    known = (BYTES, INT64, FLOAT, *PACKED_NUMBERS)
    if found is None or found["type"] not in known:
        raise DatasetError(
            f"a feature is NAME=TYPE[:SHAPE], received {text!r}",
            hint=f"Types are {', '.join(known)}; such as image=bytes or x=float:28x28.",
        )
    shape = tuple(int(one) for one in found["shape"].split("x")) if found["shape"] else None
    if shape and math.prod(shape) > 1 << 31:
        raise DatasetError(f"the feature {text!r} has {math.prod(shape):,} numbers")
    if found["type"] == BYTES and shape:
        raise DatasetError(
            f"{text!r}: bytes have no shape", hint="Say what numbers they are: uint8:28x28x1."
        )
    if found["type"] in PACKED_NUMBERS:
        return found["name"], Feature(BYTES, found["type"], shape or (-1,))
    return found["name"], Feature(found["type"], None, shape)


@dataclass(frozen=True)
class Roles:
    """What each feature is for.

    Attributes:
        contents: of the sample, by name; several are inputs by name.
        label: the feature of the label; None if there is none.
        id: of ids, likewise.
        group: of groups, likewise.
        weight: of what samples count, likewise.
        names: of classes, by number.
        is_places: whether the label is a row of zeros and ones, of which the places count.
    """

    contents: Mapping[str, Feature]
    label: str | None = None
    id: str | None = None
    group: str | None = None
    names: Sequence[str] = ()
    is_places: bool = False
    weight: str | None = None

    @property
    def used(self) -> set[str | None]:
        """Features that something is taken from."""
        return {*self.contents, self.label, self.id, self.group, self.weight}

    def raw_of(self, features: Mapping[str, Values], where: str) -> Any:
        """A sample's raw content; see `Feature.raw`."""
        found = {
            name: feature.raw(_get(features, name, where), f"{where}: {name}")
            for name, feature in self.contents.items()
        }
        return found if len(found) > 1 else next(iter(found.values()))

    def label_of(self, features: Mapping[str, Values], where: str) -> Label | None:
        """A sample's label; of several, as `MultiLabel` reads them; None of an empty list.

        Raises:
            DatasetError: it has none.
        """
        if self.label is None:
            return None
        at, values = f"{where}: {self.label}", _get(features, self.label, where).values
        if self.is_places:
            return several_labels(np.asarray(values) == 1, at)
        if not self.names and len(values) > 2 and {*values} <= {0, 1}:
            raise DatasetError(
                f"{at} is a row of {len(values):,} zeros and ones",
                hint=f"Declare it: --feature {self.label}=int64:{len(values)}; places are labels.",
            )
        labels = [*dict.fromkeys(self._named(one, at) for one in values)]
        if len(labels) <= 1:
            return labels[0] if labels else None
        if any(BETWEEN in str(one) for one in labels):
            raise DatasetError(f"{at} holds {BETWEEN!r}, which stands between labels", hint=OR_SKIP)
        return BETWEEN.join(str(one) for one in labels)

    def weight_of(self, features: Mapping[str, Values], where: str) -> float | None:
        """For how many samples a sample counts.

        Raises:
            DatasetError: it says no finite number above 0.
        """
        if self.weight is None:
            return None
        text = text_in(features, self.weight, where)
        return weight_in({self.weight: text}, self.weight, where)

    def _named(self, value: Any, where: str) -> Label:
        if not self.names or not isinstance(value, int):
            return to_label(value, where)
        if not 0 <= value < len(self.names):
            what = "no label (-1)" if value == -1 else f"{value}, of {len(self.names):,} classes"
            raise DatasetError(f"{where} is {what}", hint=OR_SKIP)
        return self.names[value]


def text_in(features: Mapping[str, Values], name: str, where: str) -> str:
    """The one text or number of a feature.

    Raises:
        DatasetError: it holds none, or several.
    """
    values = _get(features, name, where).values
    if len(values) != 1:
        raise DatasetError(f"{where}: {name} holds {len(values):,} values, not 1", hint=OR_SKIP)
    return str(to_label(values[0], f"{where}: {name}"))


def _get(features: Mapping[str, Values], name: str, where: str) -> Values:
    if name not in features:
        raise DatasetError(
            f"{where} has no feature {name!r}, but {', '.join(features)}",
            hint=f"{nearest(name, list(features)) or ''} {OR_SKIP}".strip(),
        )
    return features[name]


def roles_for(
    declared: Mapping[str, Feature], some: Mapping[str, Values], options: Options, source: str
) -> Roles:
    """What the features of records are for.

    Args:
        declared: as somebody said; empty to go by the names of those that are there.
        some: those of a record.
        options: which say what the label, ids and groups are.
        source: for messages.

    Raises:
        DatasetError: it cannot be told what samples are, or what is said is not there.
    """
    names = list(declared) or list(some)
    given = options.get("label_column")
    id_ = _said(options.get("id_column"), [*names, *some], source)
    group = _said(options.get("group_column"), [*names, *some], source)
    weight = _said(options.get("weight_column"), [*names, *some], source)
    if given == UNLABELLED:
        label = None
    elif given is not None:
        label = _said(given, [*names, *some], source)
    else:
        label = next((name for name in LABELS if name in names and _is_full(some, name)), None)
    left = [name for name in names if name not in (label, id_, group, weight)]
    if not declared:
        contents = {name: Feature(BYTES) for name in CONTENTS if name in left}
        contents = dict([*contents.items()][:1])
        if not contents or some[next(iter(contents))].kind != BYTES:
            raise _undeclared(source, some)
    else:
        contents = {name: declared[name] for name in left}
        if not contents or (len(contents) > 1 and label is None and given is None):
            raise DatasetError(
                f"{source}: which of {', '.join(names)} is the label, and which the sample?",
                hint=f"Say --label-column NAME; --label-column {UNLABELLED} if there is none.",
            )
    is_places = label is not None and label in declared and declared[label].shape is not None
    return Roles(contents, label, id_, group, is_places=is_places, weight=weight)


def _is_full(some: Mapping[str, Values], name: str) -> bool:
    """Whether a feature holds something: TF-Slim's texts of classes may all be empty."""
    values = some[name].values if name in some else [b"?"]
    return not (len(values) == 1 and values[0] == b"")


def _said(name: str | None, known: Sequence[str], source: str) -> str | None:
    if name is not None and name not in known:
        listed = ", ".join(dict.fromkeys(known))
        raise DatasetError(
            f"{source} has no feature {name!r}; there are {listed}", hint=nearest(name, known)
        )
    return name


def _undeclared(source: str, some: Mapping[str, Values]) -> DatasetError:
    features = " ".join(f"--feature {name}={found.kind}" for name, found in some.items())
    return DatasetError(
        f"{source}: no feature is called like a sample ({', '.join(CONTENTS)})",
        hint=f"Declare the sample and its label; there are {features}.",
    )
