"""Arrays in `.npz` and `.npy` files, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headstart.errors import DatasetError, SampleChanged, StorageError, first_line
from headstart.extractors.datasets.named_files import HINT, stat_of_file
from headstart.extractors.datasets.numpy_files import (
    DAMAGE,
    ROW_BYTES,
    SUFFIX,
    Archive,
    map_array,
    refuse_large,
)
from headstart.extractors.datasets.options import GROUP_PATTERN
from headstart.extractors.datasets.rows import checked_split, to_label
from headstart.extractors.datasets.source import LIKELY, NO, Entry, Location, Option, Options
from headstart.storage.files import open_regular
from headstart.storage.keys import digest_of

ARRAY_SUFFIXES = {".npy", ".npz"}
LABELS = Option("labels", "File with the labels: .npy, or one a line.", takes="file")


@dataclass(frozen=True)
class ArrayOptions:
    """Which member of an `.npz` holds what; None where the usual names are looked for."""

    values: tuple[str, ...] = ("x", "X", "images", "data", "features", "x_train", "arr_0")
    labels: tuple[str, ...] = ("y", "Y", "labels", "label", "targets", "y_train", "arr_1")
    ids: tuple[str, ...] = field(default=("ids", "id"))
    splits: tuple[str, ...] = field(default=("split", "splits"))


class Fields:
    """Several arrays of one length, as a sequence of rows by name."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        return {name: np.asarray(array[row]) for name, array in self.arrays.items()}

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[row] for row in range(len(self)))


def to_raw(value: Any) -> Any:
    """A row as a sample's raw content: an array, or arrays by name."""
    return value if isinstance(value, dict) else np.asarray(value)


class ArraySource:
    """Arrays in a file; see `DatasetSource`. A sample's location is its row's number."""

    kind: ClassVar[str] = "arrays"
    what: ClassVar[str] = ".npz, .npy"
    options: ClassVar[tuple[Option, ...]] = (LABELS, GROUP_PATTERN)
    splits_may_move: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self._path = Path(source)
        self._options = options

    @staticmethod
    def recognise(source: str) -> float:
        return LIKELY if Path(source).suffix.lower() in ARRAY_SUFFIXES else NO

    def stamp(self) -> tuple[int, ...]:
        labels = self._options.get("labels")
        of_labels = () if labels is None else stat_of_file(Path(labels))
        return stat_of_file(self._path) + of_labels

    def scan(self) -> Iterator[Entry]:
        stamp, arrays = self.stamp(), self._arrays
        values, labels = _checked(self.source, arrays)
        for row, value in enumerate(values):
            where = f"{self.source}, row {row}"
            split = checked_split(str(arrays["splits"][row]), where) if "splits" in arrays else None
            yield Entry(
                id=str(arrays["ids"][row]) if "ids" in arrays else str(row),
                location=row,
                stat=stamp,
                label=to_label(labels[row], where),
                split=split,
                digest=digest_of(to_raw(value)),
            )

    def digest(self, location: Location) -> str:
        return digest_of(self.read(location))

    def locations(self) -> Iterator[Location]:
        return iter(range(len(self._arrays["values"])))

    def read(self, location: Location) -> Any:
        values = self._arrays["values"]
        if int(location) >= len(values):
            raise SampleChanged(f"row {location} is gone from the arrays", hint=HINT)
        return to_raw(values[int(location)])

    def unused(self) -> Sequence[str]:
        return [f"array {name!r}" for name in self._arrays["unused"]]

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        return load_arrays(self._path, self._options)


def _checked(source: str, arrays: dict[str, Any]) -> tuple[Any, Any]:
    """The values and the labels, found to be of one length and some rows."""
    values, labels = arrays["values"], arrays.get("labels")
    if labels is None:
        raise DatasetError(
            f"{source} comes without labels",
            hint="Give a .npy or .csv with --labels, or an .npz with `x` and `y`.",
        )
    for name in ("labels", "ids", "splits"):
        if name in arrays and len(arrays[name]) != len(values):
            raise DatasetError(
                f"{source} has {len(values):,} rows, but {len(arrays[name]):,} {name}",
                hint="They belong together row by row; mend the source.",
            )
    if not len(values):
        raise DatasetError(f"{source} holds no rows")
    return values, labels


def load_arrays(source: Path, options: Options) -> dict[str, Any]:
    """`values`, and `labels`, `ids`, `splits` where there are any; `unused` names the others.

    Without an array of a usual name, all arrays that are none of these are the values of samples
    with several inputs, by name.

    Raises:
        DatasetError: the file is not a readable NumPy file, or holds no samples.
    """
    try:
        with open_regular(source) as file:
            if source.suffix.lower() == SUFFIX:
                arrays = {"values": map_array(file, source), "unused": []}
                rows = arrays["values"].shape[:1]
                refuse_large(sum(rows) * ROW_BYTES, f"the samples of {source}")
            else:
                arrays = _unpack(Archive(file, source), source)
    except (DatasetError, StorageError):
        raise
    except DAMAGE as error:
        raise DatasetError(
            f"{source} is not a readable NumPy file ({first_line(error)})",
            hint="Save it again with np.savez(x=…, y=…).",
        ) from error
    return _with_labels(arrays, source, options)


def _unpack(archive: Archive, source: Path) -> dict[str, Any]:
    """The arrays by what they are, after all together were found to be of a bearable size."""
    usual = ArrayOptions()
    roles = {
        "values": usual.values,
        "labels": usual.labels,
        "ids": usual.ids,
        "splits": usual.splits,
    }
    found = {role: _member(archive.names, names) for role, names in roles.items()}
    chosen = {role: name for role, name in found.items() if name is not None}
    others = [name for name in archive.names if name not in chosen.values()]
    values = [chosen["values"]] if "values" in chosen else others
    if not values:
        present = ", ".join(archive.names)
        raise DatasetError(
            f"{source} holds no array of samples; it holds {present or 'nothing'}",
            hint="Call the samples `x` and the labels `y`.",
        )
    archive.check({*chosen.values(), *values}, rows_of=values[0])
    arrays: dict[str, Any] = {role: archive.read(name) for role, name in chosen.items()}
    arrays["unused"] = [name for name in others if name not in values]
    arrays["labels_from"] = chosen.get("labels")
    if "values" not in arrays:
        by_name = {name: archive.read(name) for name in values}
        arrays["values"] = by_name[values[0]] if len(values) == 1 else Fields(by_name)
    return arrays


def _with_labels(arrays: dict[str, Any], source: Path, options: Options) -> dict[str, Any]:
    if options.get("labels") is not None:
        if "labels" in arrays:
            arrays["unused"].append(arrays["labels_from"])
        arrays["labels"] = _read_labels(Path(options["labels"]))
    values = arrays["values"]
    if isinstance(values, Fields):
        lengths = {name: len(array) for name, array in values.arrays.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
            raise DatasetError(
                f"the arrays of {source} have different numbers of rows: {counts}",
                hint="They belong together row by row; mend the source.",
            )
    elif values.ndim == 0:
        raise DatasetError(f"{source} holds a single number, not an array of samples")
    return arrays


def _member(present: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in present), None)


def _read_labels(path: Path) -> np.ndarray:
    """Labels in a `.npy` file, or one a line in a text or CSV file."""
    try:
        with open_regular(path) as file:
            if path.suffix.lower() == SUFFIX:
                return np.array(map_array(file, path))
            lines = file.read().decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"no labels file {path}", hint="Check the path.") from None
    except (DatasetError, StorageError):
        raise
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a readable labels file ({first_line(error)})") from error
    return np.array(lines)
