"""What a folder that TensorFlow Datasets has prepared says of itself.

`dataset_info.json` has the splits and their files, `features.json` what the records hold, and
`….labels.txt` the names of classes (tensorflow_datasets/core/proto). They are read here: TensorFlow
Datasets would import TensorFlow, decode each picture, and give records in one order alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DatasetError, StorageError, first_line
from headstart.extractors.datasets.labels import class_names
from headstart.extractors.datasets.shard_names import MOST
from headstart.extractors.datasets.sources.shards.examples import BYTES, FLOAT, INT64
from headstart.extractors.datasets.sources.shards.feature_spec import Feature, Roles
from headstart.extractors.datasets.sources.tables.columns import UNLABELLED
from headstart.registry.names import nearest
from headstart.storage.files import open_regular

INFO, FEATURES_FILE, NAMES = "dataset_info.json", "features.json", ".labels.txt"
LARGEST = 1 << 24
"""Bytes of any of these files."""
DEEPEST = 20
IMAGE, TEXT, CLASS, CLASSES, NUMBERS, OTHER = (
    "image",
    "text",
    "class",
    "classes",
    "numbers",
    "other",
)
LABELS = (CLASS, CLASSES)
KINDS = {"bool": INT64, "int": INT64, "uint": INT64, "float": FLOAT, "bfloat": FLOAT}
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
AGAIN = "Prepare it again with TensorFlow Datasets."


@dataclass(frozen=True)
class Split:
    """A split as it was prepared: its name, and how many records each of its files has."""

    name: str
    lengths: tuple[int, ...]
    template: str


@dataclass(frozen=True)
class Info:
    """What `dataset_info.json` says.

    Attributes:
        name: of the dataset.
        splits: in order.
        supervised: the features that are the sample and its label; empty if it does not say.
    """

    name: str
    splits: tuple[Split, ...]
    supervised: tuple[str, ...]

    def files(self, folder: Path, split: Split) -> Iterator[tuple[Path, int]]:
        """The files of a split, each with how many records it has.

        Raises:
            DatasetError: they are called in a way that is not known.
        """
        count = len(split.lengths)
        for number, length in enumerate(split.lengths):
            names = {
                "DATASET": self.name,
                "SPLIT": split.name,
                "FILEFORMAT": "tfrecord",
                "SHARD_INDEX": f"{number:05}",
                "NUM_SHARDS": f"{count:05}",
                "SHARD_X_OF_Y": f"{number:05}-of-{count:05}",
            }
            name = split.template
            for key, text in names.items():
                name = name.replace("{" + key + "}", text)
            if set(name) & set("/\\{}\0") or not name.strip("."):
                raise DatasetError(f"{folder}: files are called {split.template!r}", hint=AGAIN)
            yield folder / name, length


def read_info(folder: Path) -> Info:
    """What a folder's `dataset_info.json` says.

    Raises:
        DatasetError: it cannot be read, or its records are of another format.
    """
    path = folder / INFO
    told = _object(path)
    form = told.get("fileFormat", "tfrecord")
    if form not in ("tfrecord", "FILE_FORMAT_UNSPECIFIED", ""):
        raise DatasetError(
            f"{path}: its files are of format {form!r}",
            hint="Prepare it with file_format='tfrecord'.",
        )
    try:
        splits = tuple(_split(one) for one in told.get("splits", []))
        items = told.get("supervisedKeys", {}).get("tuple", {}).get("items", [])
        supervised = tuple(str(one["featureKey"]) for one in items if "featureKey" in one)
        name = str(told["name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path} is not understood ({first_line(error)})", hint=AGAIN) from error
    if not splits or sum(len(one.lengths) for one in splits) > MOST:
        raise DatasetError(f"{path} names no splits, or too many files", hint=AGAIN)
    return Info(name, splits, supervised)


def _split(told: Mapping[str, Any]) -> Split:
    lengths = tuple(int(one) for one in told.get("shardLengths", []))
    return Split(str(told["name"]), lengths, str(told.get("filepathTemplate") or TEMPLATE))


@dataclass(frozen=True)
class Leaf:
    """A feature as `features.json` declares it: what it is, and how it is stored."""

    kind: str
    feature: Feature


def roles_in(
    folder: Path, supervised: tuple[str, ...], options: Mapping[str, Any], source: str
) -> Roles:
    """What the features of a folder's records are for.

    Args:
        folder: with `features.json`.
        supervised: the names of the sample and of its label, as far as they are known.
        options: `member` names the sample, `label_column` the label, and so on.
        source: for messages.

    Raises:
        DatasetError: `features.json` is not understood, or it cannot be told what is the sample or
            the label.
    """
    leaves = dict(_leaves(_object(folder / FEATURES_FILE), "", folder, 0))
    known = list(leaves)
    label = _label(leaves, supervised, options.get("label_column"), source)
    id_ = _known(options.get("id_column"), known, source)
    group = _known(options.get("group_column"), known, source)
    weight = _known(options.get("weight_column"), known, source)
    content = _content(leaves, supervised, options.get("member"), label, source)
    names = leaves[label].feature.names if label else ()
    return Roles({content: leaves[content].feature}, label, id_, group, names, weight=weight)


def _label(
    leaves: Mapping[str, Leaf], supervised: tuple[str, ...], given: str | None, source: str
) -> str | None:
    if given == UNLABELLED:
        return None
    if given is not None:
        return _known(given, list(leaves), source)
    told = supervised[1] if len(supervised) > 1 else None
    if told is not None and told in leaves and leaves[told].kind != IMAGE:
        return told
    classes = [name for name, leaf in leaves.items() if leaf.kind in LABELS]
    if len(classes) > 1 and "label" not in classes:
        raise DatasetError(
            f"{source}: {', '.join(classes)} may be the label",
            hint=f"Name it with --label-column; {UNLABELLED} if there are none.",
        )
    return "label" if "label" in classes else next(iter(classes), None)


def _content(
    leaves: Mapping[str, Leaf],
    supervised: tuple[str, ...],
    given: str | None,
    label: str | None,
    source: str,
) -> str:
    readable = {name: leaf for name, leaf in leaves.items() if leaf.kind in (IMAGE, TEXT, NUMBERS)}
    if given is not None:
        name = str(_known(given, list(leaves), source))
        if name not in readable:
            raise DatasetError(
                f"{source}: the feature {name!r} cannot be a sample",
                hint=f"Pictures, texts and numbers can: {', '.join(readable) or 'none here'}.",
            )
        return name
    told = supervised[0] if supervised else None
    if told is not None and told in readable and told != label:
        return told
    for kind in (IMAGE, TEXT, NUMBERS):
        found = [name for name, leaf in readable.items() if leaf.kind == kind and name != label]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise DatasetError(
        f"{source}: which of {', '.join(leaves)} is the sample?", hint="Name it with --member."
    )


def _known(name: str | None, known: list[str], source: str) -> str | None:
    if name is not None and name not in known:
        raise DatasetError(
            f"{source} has no feature {name!r}; there are {', '.join(known)}",
            hint=nearest(name, known),
        )
    return name


def _leaves(
    told: Mapping[str, Any], name: str, folder: Path, depth: int
) -> Iterator[tuple[str, Leaf]]:
    """The features by the names that they have in records: `a/b` of nested ones."""
    inner = _inner(told, "featuresDict").get("features")
    if inner is not None and isinstance(inner, dict) and depth < DEEPEST:
        for key, one in inner.items():
            if not isinstance(one, dict):
                raise DatasetError(f"{folder / FEATURES_FILE} is not understood", hint=AGAIN)
            yield from _leaves(one, f"{name}/{key}" if name else key, folder, depth + 1)
        return
    if not name:
        raise DatasetError(f"{folder / FEATURES_FILE} is not understood", hint=AGAIN)
    yield name, _leaf(told, name, folder)


def _leaf(told: Mapping[str, Any], name: str, folder: Path) -> Leaf:
    if "image" in told:
        return Leaf(IMAGE, Feature(BYTES))
    if "text" in told:
        return Leaf(TEXT, Feature(BYTES))
    each = _inner(_inner(told, "sequence"), "feature")
    for kind, holder in ((CLASS, told), (CLASSES, each)):
        if "classLabel" in holder:
            count = _inner(holder, "classLabel").get("numClasses")
            return Leaf(kind, Feature(INT64, names=_names(folder, name, count)))
    numbers = _numbers(_inner(told, "tensor"))
    return Leaf(OTHER, Feature(BYTES)) if numbers is None else numbers


def _numbers(told: Mapping[str, Any]) -> Leaf | None:
    """A tensor; None if it is packed, or of a shape that records do not say."""
    dtype, encoding = told.get("dtype"), told.get("encoding", "none")
    sides = _inner(told, "shape").get("dimensions", [])
    is_known = isinstance(sides, list) and all(str(one).lstrip("-").isdecimal() for one in sides)
    if not isinstance(dtype, str) or not is_known:
        return None
    shape = tuple(int(one) for one in sides)
    if dtype in ("string", "object"):
        return None if shape else Leaf(TEXT, Feature(BYTES))
    kind = KINDS.get(dtype.rstrip("0123456789"))
    if kind is None or dtype == "bfloat16" or shape.count(-1) > 1 or min(shape, default=0) < -1:
        return None
    if not _is_dtype(dtype):
        return None
    if encoding == "bytes":
        return Leaf(NUMBERS, Feature(BYTES, dtype, shape))
    return Leaf(NUMBERS, Feature(kind, dtype, shape)) if encoding == "none" else None


def _is_dtype(name: str) -> bool:
    try:
        np.dtype(name)
    except TypeError:
        return False
    return True


def _names(folder: Path, feature: str, count: Any) -> tuple[str, ...]:
    """The names of the classes of a feature, from its file; none where there is no file.

    Args:
        folder: in which it is.
        feature: its name.
        count: how many there are, as `features.json` says; None where it does not.

    Raises:
        DatasetError: one has no name, or there are more or fewer.
    """
    name = feature.replace("/", "-")
    if set(name) & {"\\", "\0"}:
        return ()
    path = folder / f"{name}{NAMES}"
    if not path.exists():
        return ()
    names = class_names(_read(path), str(path))
    if count is not None and str(count) != str(len(names)):
        raise DatasetError(
            f"{path} names {len(names):,} classes, where {FEATURES_FILE} says {count!s:.40}",
            hint=AGAIN,
        )
    return tuple(names)


def _inner(told: Any, name: str) -> Mapping[str, Any]:
    found = told.get(name) if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(path))
    except RecursionError:
        raise DatasetError(f"{path} is nested too deeply", hint=AGAIN) from None
    except ValueError as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} is no JSON ({first_line(error)})", hint=AGAIN) from error
    if not isinstance(found, dict):
        raise DatasetError(f"{path} is no JSON object", hint=AGAIN)
    return found


def _read(path: Path) -> str:
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST + 1)
    except StorageError as error:
        raise DatasetError(error.message, hint=error.hint) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > LARGEST:
        raise DatasetError(f"{path} has more than {LARGEST:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8", hint=AGAIN) from None
