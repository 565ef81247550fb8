"""`as_source`: what is in memory, whatever it is, as a dataset source.

Content is written once into the workspace, under the name of its hash; what comes one by one is
never in memory as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.extractors.datasets.memory.frames import is_frame, keep_frame
from headstart.extractors.datasets.memory.items import EXPECTED, are_paths, kind_of_item
from headstart.extractors.datasets.memory.kept import Kept, named_type, refused
from headstart.extractors.datasets.memory.labels import WEIGHT, label_list, weights_of
from headstart.extractors.datasets.memory.npz import write_npz
from headstart.extractors.datasets.memory.pictures import is_picture
from headstart.extractors.datasets.memory.rows import Item, keep_rows, labels_array
from headstart.extractors.datasets.options import WEIGHT_COLUMN
from headstart.extractors.datasets.source import Options
from headstart.notices import warn
from headstart.storage.contents import Contents

SETS = {2: ("train", "test"), 3: ("train", "validation", "test")}
"""What several (x, y) are, as `keras.datasets` gives them."""


def is_in_memory(source: Any) -> bool:
    """Whether a source is data, and not the path or address of some."""
    return not isinstance(source, str | os.PathLike)


def as_source(
    data: Any,
    labels: Any = None,
    *,
    weights: Any = None,
    options: Options | None = None,
    contents: Contents,
) -> Kept:
    """Data in memory as a source: a file in the workspace, its kind, and options to read it with.

    Args:
        data: an array of samples, or several by the names of inputs in a dict; a list of pictures
            of Pillow, of bytes, texts or paths; a frame of pandas, polars or pyarrow, or of columns
            in a dict; `(x, y)`; `((x_train, y_train), (x_test, y_test))`, with a validation pair
            between them if there are three; a `datasets.Dataset` or `DatasetDict`; whatever has
            `__len__` and `__getitem__`, or can be iterated, and gives samples or
            `(content, label)`.
        labels: one for each sample, unless they come with the data.
        weights: for how many samples each counts, a number for each.
        options: of the source, such as `label_column`.
        contents: where it is kept.

    Raises:
        DatasetError: it is none of these; the message says what was received and is expected.
    """
    given = options or {}
    pair = data if isinstance(data, tuple) and len(data) == 2 else (data, labels)
    check_order(*pair)
    if weights is not None:
        check_order(pair[0], weights, "weights")
        check_one_weight(given)
    if isinstance(data, tuple):
        return _of_tuple(data, labels, weights, given, contents)
    return _of_data(data, labels, weights, given, contents)


def check_one_weight(options: Options) -> None:
    """See that weights are not given twice.

    Raises:
        DatasetError: a column of them is named besides.
    """
    if options.get(WEIGHT_COLUMN.name) is not None:
        raise refused("weights twice: weights and weight_column", "Leave one of them out.")


def check_order(data: Any, labels: Any, what: str = "labels") -> None:
    """See that labels with an index of pandas, or what else is given beside samples, stand in the
    order of the samples.

    Raises:
        DatasetError: the samples have another index.

    Warns:
        HeadstartWarning: the samples have none, and the labels' says another order.
    """
    index, own = _index_of(labels), _index_of(data)
    if index is None:
        return
    if own is not None and not own.equals(index):
        raise refused(
            f"{what} whose index is not that of the samples",
            "They belong together row by row: give y.loc[x.index], or reset the index of both.",
        )
    if own is None and not np.array_equal(np.asarray(index), np.arange(len(index))):
        first = ", ".join(str(one) for one in index[:3])
        warn(f"{what} are taken in their order; their index ({first} …) is not looked at")


def _index_of(data: Any) -> Any:
    """The index of a frame or series of pandas; None of everything else."""
    index = getattr(data, "index", None)
    return index if hasattr(index, "equals") else None


def _of_tuple(
    data: tuple[Any, ...], labels: Any, weights: Any, options: Options, contents: Contents
) -> Kept:
    """`(x, y)`, or several of them."""
    are_pairs = [isinstance(one, tuple) and len(one) == 2 for one in data]
    if labels is not None:
        raise refused("labels twice: (x, y) and y", "Give add(name, x, y) or add(name, (x, y)).")
    if all(are_pairs) and len(data) in SETS:
        if weights is not None:
            raise refused(
                "weights next to several (x, y)",
                "Give a frame with columns for splits and weights, and weight_column=….",
            )
        return _of_sets(dict(zip(SETS[len(data)], data, strict=True)), contents)
    if len(data) != 2:
        raise refused(
            f"a tuple of {len(data):,}",
            "Expected: (x, y), or ((x_train, y_train), (x_test, y_test)); samples as a list.",
        )
    if isinstance(data[0], str | os.PathLike):
        raise refused(
            f"the path {str(data[0])!r} with separate labels",
            "Labels of files stand in them, or in a file: labels=….",
        )
    return _of_data(*data, weights, options, contents)


def _of_data(data: Any, labels: Any, weights: Any, options: Options, contents: Contents) -> Kept:
    from headstart.extractors.datasets.memory.huggingface import is_hugging_face, keep_hugging_face

    if is_hugging_face(data):
        if weights is not None:
            raise refused(
                "separate weights for a dataset of Hugging Face", "Name its column: weight_column=…"
            )
        return keep_hugging_face(data, labels, options, contents)
    if is_frame(data):
        return keep_frame(data, labels, options, contents, weights)
    if isinstance(data, Mapping):
        return _of_dict(data, labels, weights, options, contents)
    if _is_array(data):
        return _of_arrays({"x": np.asarray(data)}, labels, weights, contents)
    return _of_samples(data, labels, weights, options, contents)


def _of_samples(data: Any, labels: Any, weights: Any, options: Options, contents: Contents) -> Kept:
    """A list of samples, or what gives them one by one."""
    from headstart.extractors.datasets.memory.iterables import items_in

    if isinstance(data, tuple):
        raise refused("labels twice: (x, y) and y", "Give add(name, x, y) or add(name, (x, y)).")
    if hasattr(data, "collect"):
        raise refused(f"a {named_type(data)}, which is not computed yet", "Give its .collect().")
    if isinstance(data, str | bytes) or is_picture(data):
        raise refused(f"a single {named_type(data)}", "Give a list of samples.")
    if hasattr(data, "to_pylist") or hasattr(data, "to_list"):
        data = data.to_pylist() if hasattr(data, "to_pylist") else data.to_list()
    if not isinstance(data, list):
        if weights is not None and not hasattr(data, "__len__"):
            raise refused(
                f"separate weights for {named_type(data)}, which has no length", "Give a list."
            )
        counted = None if weights is None else weights_of(weights, len(data))
        return keep_rows(items_in(data, labels), contents, f"a {named_type(data)}", counted)
    if data and isinstance(data[0], Mapping):
        return _of_dicts(data, labels, weights, options, contents)
    counted = None if weights is None else weights_of(weights, len(data))
    if data and labels is None and _are_pairs(data):
        items = (Item(*one) for one in data)
        return keep_rows(items, contents, "a list of (content, label)", counted)
    if data and kind_of_item(data[0]) == "array":
        return _of_arrays({"x": stacked(data, "the list")}, labels, weights, contents)
    origin = f"a list of {len(data):,}"
    return keep_rows(_listed(data, labels), contents, origin, counted)


def _are_pairs(data: list[Any]) -> bool:
    """Whether a list is one of (content, label)."""
    return all(isinstance(one, tuple) and len(one) == 2 for one in data)


def _listed(data: list[Any], labels: Any, split: str | None = None) -> Iterator[Item]:
    """The samples of a list; texts that name files are paths."""
    named = _as_paths(data)
    known = [None] * len(data) if labels is None else label_list(labels, len(data))
    return (Item(one, label, split) for one, label in zip(named, known, strict=True))


def _as_paths(data: list[Any]) -> list[Any]:
    from pathlib import Path

    is_text = bool(data) and all(isinstance(one, str) for one in data)
    return [Path(one) for one in data] if is_text and are_paths(data, "the list") else data


def _of_sets(sets: Mapping[str, tuple[Any, Any]], contents: Contents) -> Kept:
    """Several (x, y), each a split."""
    plain = {split: (_plain(x), y) for split, (x, y) in sets.items()}
    if all(isinstance(x, np.ndarray) for x, _ in plain.values()):
        members: dict[str, np.ndarray] = {}
        for split, (x, y) in plain.items():
            members[f"x_{split}"] = checked(x, f"x_{split}")
            members[f"y_{split}"] = _labels_of(y, len(x))
        return _npz(members, contents)
    every = (item for split, (x, y) in plain.items() for item in _listed(list(x), y, split))
    return keep_rows(every, contents, f"{len(sets)} (x, y)")


def _plain(x: Any) -> Any:
    """Samples as an array if they are numbers, else as a list."""
    if _is_array(x):
        found = np.asarray(x)
        return found if found.dtype.kind not in "OUS" else list(found)
    if isinstance(x, list) and x and kind_of_item(x[0]) == "array":
        return stacked(x, "a list")
    return x


def _of_dict(
    data: Mapping[str, Any], labels: Any, weights: Any, options: Options, contents: Contents
) -> Kept:
    """Arrays by the names of inputs, or the columns of a frame."""
    if any(_is_array(value) and not _is_series(value) for value in data.values()):
        arrays = {str(name): np.asarray(one) for name, one in data.items()}
        own = options.get(WEIGHT_COLUMN.name)
        return _of_arrays(arrays, labels, weights, contents, own)
    import pyarrow as pa

    columns = {str(name): _column(one) for name, one in data.items()}
    if len({len(one) for one in columns.values()}) > 1:
        counts = ", ".join(f"{name} {len(one):,}" for name, one in columns.items())
        raise refused(f"columns of different lengths: {counts}", "They belong together row by row.")
    try:
        return keep_frame(pa.table(columns), labels, options, contents, weights)
    except (pa.ArrowException, TypeError) as error:
        raise refused(f"a dict of columns that are none ({error})", EXPECTED) from error


def _column(values: Any) -> list[Any]:
    from headstart.extractors.datasets.memory.items import BYTES, PATH, written

    if not hasattr(values, "__iter__") or isinstance(values, str | bytes):
        raise refused(
            f"{named_type(values)} as a column", "Expected: lists of one length, by name."
        )
    found = list(values)
    if found and (is_picture(found[0]) or isinstance(found[0], os.PathLike)):
        kind = BYTES if is_picture(found[0]) else PATH
        return [written(one, kind, row) for row, one in enumerate(found)]
    return found


def _of_dicts(
    data: list[Any], labels: Any, weights: Any, options: Options, contents: Contents
) -> Kept:
    names = list(dict.fromkeys(name for row in data for name in row))
    columns = {name: [row.get(name) for row in data] for name in names}
    return _of_dict(columns, labels, weights, options, contents)


def _of_arrays(
    arrays: Mapping[str, np.ndarray],
    labels: Any,
    weights: Any,
    contents: Contents,
    own_weights: str | None = None,
) -> Kept:
    """One array, or several by name; `own_weights` names the one that holds weights."""
    if list(arrays) == ["x"] and arrays["x"].dtype.kind in "OUS":
        return _of_texts(arrays["x"], labels, weights, contents)
    own = (*OWN, own_weights)
    named = {name: array if name in own else checked(array, name) for name, array in arrays.items()}
    if labels is not None:
        if taken := [name for name in ("y", "labels", "label", "targets") if name in named]:
            raise refused(f"labels twice: {taken[0]!r} and y", "Leave one of them out.")
        named["y"] = _labels_of(labels, len(next(iter(named.values()))))
    if weights is None:
        return _npz(named, contents)
    if WEIGHT in named:
        raise refused(f"weights twice: {WEIGHT!r} and weights", "Leave one of them out.")
    named[WEIGHT] = weights_of(weights, len(next(iter(named.values()))))
    kept = _npz(named, contents)
    return replace(kept, options={**kept.options, WEIGHT_COLUMN.name: WEIGHT})


OWN = ("y", "Y", "labels", "label", "targets", "ids", "id", "groups", "group", "split", "splits")
"""Names in a dict of arrays that are those of no input."""


def _of_texts(texts: np.ndarray, labels: Any, weights: Any, contents: Contents) -> Kept:
    """An array of texts, or of other objects."""
    if texts.ndim != 1:
        raise refused(f"an array of {texts.dtype} of shape {texts.shape}", EXPECTED)
    listed = texts.tolist()
    if listed and isinstance(listed[0], list | np.ndarray):
        stacked(listed, "the array")
    return _of_samples(listed, labels, weights, {}, contents)


def _labels_of(labels: Any, samples: int) -> np.ndarray:
    """Labels as the member of an archive."""
    if _is_array(labels):
        found = np.asarray(labels)
        if found.dtype.kind in "biufU" and found.ndim and len(found) == samples:
            return found
    return labels_array(label_list(labels, samples))


def stacked(values: Any, what: str) -> np.ndarray:
    """Samples as one array.

    Raises:
        DatasetError: they are of different shapes.
    """
    try:
        return np.stack([np.asarray(one) for one in values])
    except ValueError:
        shapes = list(dict.fromkeys(_shape(one) for one in values))
        raise refused(
            f"samples of different shapes in {what}: {shapes[0]}, {shapes[-1]}",
            "Arrays are of one shape: fill them up (keras.utils.pad_sequences), or give pictures "
            "of Pillow.",
        ) from None


def _shape(value: Any) -> str:
    try:
        return str(np.asarray(value).shape)
    except ValueError:
        return "ragged"


def checked(array: np.ndarray, name: str) -> np.ndarray:
    """An array, if its rows can be samples.

    Raises:
        DatasetError: it holds objects or no rows.
    """
    if array.dtype.kind == "V":  # of ml_dtypes, such as bfloat16
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise refused(
            f"{name} of type {array.dtype} and shape {array.shape}",
            "Expected: numbers, of shape (samples, …); lists of different lengths are filled up "
            "with keras.utils.pad_sequences.",
        )
    return array


def _npz(arrays: Mapping[str, np.ndarray], contents: Contents) -> Kept:
    shapes = ", ".join(f"{name} {one.shape} {one.dtype}" for name, one in arrays.items())
    path = contents.keep(lambda file: write_npz(file, arrays), ".npz")
    return Kept("arrays", path, {}, f"arrays in memory: {shapes}")


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not is_picture(value)


def _is_series(value: Any) -> bool:
    return hasattr(value, "to_list") or hasattr(value, "to_pylist")


__all__ = ["Kept", "as_source", "is_in_memory"]
