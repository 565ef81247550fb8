"""Arrays in `.npz` and `.npy` files, row by row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headstart.errors import DatasetError, SampleChanged, SourceEmpty, StorageError, first_line
from headstart.extractors.datasets.labels import rows_reader
from headstart.extractors.datasets.named_files import HINT, stat_of_file
from headstart.extractors.datasets.options import GROUP_PATTERN, WEIGHT_COLUMN
from headstart.extractors.datasets.rows import EITHER, Skipping, checked_split, to_label
from headstart.extractors.datasets.source import LIKELY, NO, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.array_members import (
    LABELS,
    SPLIT,
    VALUES,
    WEIGHT,
    Members,
    members_of,
)
from headstart.extractors.datasets.sources.numpy_files import (
    DAMAGE,
    ROW_BYTES,
    SUFFIX,
    Archive,
    map_array,
    refuse_large,
)
from headstart.extractors.datasets.sources.tables.columns import weight_in
from headstart.extractors.datasets.split_rule import ignores_own, is_before, is_unsettled
from headstart.notices import tell
from headstart.storage.files import open_regular, read_regular
from headstart.storage.keys import digest_of
from headstart.storage.manifest import Label

ARRAY_SUFFIXES = {".npy", ".npz"}
LABELS_FILE = Option("labels", "File with the labels: .npy, or one a line.", takes="file")


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


class Stacked:
    """Arrays one behind the other, as a sequence of rows; they are not copied."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self._arrays = arrays
        self._ends = list(accumulate(len(array) for array in arrays))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, row: int) -> np.ndarray:
        place = bisect_right(self._ends, row)
        before = self._ends[place - 1] if place else 0
        return self._arrays[place][row - before]

    def __iter__(self) -> Iterator[np.ndarray]:
        return chain.from_iterable(self._arrays)


def to_raw(value: Any) -> Any:
    """A row as a sample's raw content: an array, or arrays by name.

    Of a mapped file a copy: rows there lie at odd places, which not everything can compute with.
    """
    if isinstance(value, dict):
        return {name: to_raw(one) for name, one in value.items()}
    return np.array(value) if isinstance(value, np.memmap) else np.asarray(value)


class ArraySource:
    """Arrays in a file; see `DatasetSource`. A sample's location is its row's number."""

    kind: ClassVar[str] = "arrays"
    what: ClassVar[str] = ".npz, .npy"
    options: ClassVar[tuple[Option, ...]] = (
        LABELS_FILE,
        GROUP_PATTERN,
        WEIGHT_COLUMN,
    )
    splits_may_move: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.skipped: list[str] = []
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
        if is_unsettled(self._options):
            self._say(arrays)
        skipping = Skipping(self._options)
        self.skipped = skipping.skipped
        weights = self._options.get("weight_column")
        has_own = not ignores_own(self._options)
        read_label = self._label_reader(labels, list(arrays.get("labels_from") or ["labels"]))

        def entry(row: int, value: Any) -> Entry:
            where = f"{self.source}, row {row}"
            return Entry(
                id=str(arrays["ids"][row]) if "ids" in arrays else str(row),
                location=row,
                stat=stamp,
                label=None if labels is None else read_label(labels[row], where),
                split=_split_in(arrays, row, where) if has_own else None,
                group=_group_in(arrays, row),
                digest=digest_of(to_raw(value)),
                weight=None if weights is None else _weight_in(arrays, weights, row, where),
            )

        for row, value in enumerate(values):
            made = skipping.of(partial(entry, row, value))
            if made is not None:
                yield made

    def _label_reader(
        self, labels: Any, names: Sequence[str]
    ) -> Callable[[Any, str], Label | None]:
        """What reads a row of the labels: one label, or the place of a one, or of several."""
        if labels is None or is_before(self._options):
            return to_label
        read, what = rows_reader(labels)
        if what and is_unsettled(self._options):
            tell(f"{self.source}: {', '.join(names)} is read as {what}")
        return read

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
        arrays, given = self._arrays, self._options
        found = list(arrays["unused"])
        if "splits" in arrays and ignores_own(given):
            found.append(f"array {arrays['splits_from']!r}")
        if "groups" in arrays and given.get("group_pattern") is not None:
            found.append("option group_pattern")
        return found

    def _say(self, arrays: Mapping[str, Any]) -> None:
        """Tell what was made of the members' names."""
        sets = arrays.get("sets", {})
        if sets:
            is_dealt = "validation" not in sets and "train" in sets
            dealt = f"; validation rows are dealt out of {sets['train']}" if is_dealt else ""
            tell(f"{self.source}: {', '.join(sets.values())} are its splits{dealt}")
        elif arrays.get("alone"):
            tell(f"{self.source}: {arrays['alone']} is there alone, and dealt out")

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        return load_arrays(self._path, self._options)


def refuse_single(shape: tuple[int, ...], dtype: np.dtype[Any], what: str) -> None:
    """Refuse an array without a row for each sample.

    Raises:
        DatasetError: it is one.
    """
    if not shape:
        kind = "number" if dtype.kind in "fiub" else "value"
        raise DatasetError(
            f"{what} is a single {kind}, of shape ()", hint="It takes a row for each sample."
        )


def _checked(source: str, arrays: dict[str, Any]) -> tuple[Any, Any]:
    """The values, and the labels or None, found to be of one length and some rows."""
    values, labels = arrays["values"], arrays.get("labels")
    for name in ("labels", "ids", "splits", "groups", "weights"):
        if name in arrays and len(arrays[name]) != len(values):
            raise DatasetError(
                f"{source} has {len(values):,} rows, but {len(arrays[name]):,} {name}",
                hint="They belong together row by row; fix the source.",
            )
    if not len(values):
        raise SourceEmpty(f"{source} holds no rows")
    return values, labels


def load_arrays(source: Path, options: Options) -> dict[str, Any]:
    """`values`, and `labels`, `ids`, `splits`, `groups`, `weights` where there are any; `unused`
    names the others in words.

    Arrays of several splits, such as `x_train` and `x_test`, stand one behind the other: `sets` has
    the name of each, `said` the split of each row. Without an array of a usual name, all that are
    none of these are the values of samples with several inputs, by name.

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
                arrays = _unpack(Archive(file, source), source, options)
    except (DatasetError, StorageError):
        raise
    except DAMAGE as error:
        raise DatasetError(
            f"{source} is not a readable NumPy file ({first_line(error)})",
            hint="Save it again with np.savez(x=…, y=…).",
        ) from error
    named = options.get("weight_column")
    if named is not None and WEIGHT not in arrays:
        raise DatasetError(f"{source} has no array {named!r}", hint="Check --weight-column.")
    return _with_labels(arrays, source, options)


def _unpack(archive: Archive, source: Path, options: Options) -> dict[str, Any]:
    """The arrays by what they are, after all together were found to be of a bearable size."""
    members = members_of(
        archive.names,
        is_before=is_before(options),
        has_labels=options.get("labels") is not None,
        weights=options.get("weight_column"),
    )
    if not members.values:
        present = ", ".join(archive.names)
        raise DatasetError(
            f"{source} holds no array of samples; it holds {present or 'nothing'}",
            hint="Call the samples `x` and the labels `y`.",
        )
    for name in members.read:
        header = archive.header(name)
        refuse_single(header.shape, header.dtype, f"{name} in {source}")
    archive.check(members.read, rows_of=members.values if members.sets else members.values[:1])
    if members.sets:
        arrays = _of_sets(archive, source, members)
    else:
        arrays = dict[str, Any]((role, archive.read(name)) for role, name in members.roles.items())
        arrays["alone"] = members.alone
        arrays["labels_from"] = [members.roles[LABELS]] if LABELS in arrays else []
        arrays["splits_from"] = members.roles.get(SPLIT)
    if members.inputs:
        by_name = {name: archive.read(name) for name in members.inputs}
        arrays["values"] = Fields(by_name) if len(by_name) > 1 else next(iter(by_name.values()))
    return {**arrays, "unused": _named(archive, members)}


def _named(archive: Archive, members: Members) -> list[str]:
    """The arrays that are not used, in words; of one that may be another input, what to do."""
    if members.sets or members.inputs:
        return list(members.unused.values())
    values = members.roles[VALUES]
    rows = archive.header(values).rows
    hint = f" (of {rows:,} rows, too: if it is an input besides {values!r}, rename that)"
    return [
        f"{text}{hint}" if text.endswith("'") and _may_be_input(archive, name, rows) else text
        for name, text in members.unused.items()
    ]


def _may_be_input(archive: Archive, name: str, rows: int) -> bool:
    """Whether an array that is not used, for no reason that is known, has a number or more for each
    sample. One that cannot be read, such as one of Python objects, can be no input."""
    try:
        header = archive.header(name)
    except (DatasetError, *DAMAGE):
        return False
    return header.dtype.kind in "fiub" and header.rows == rows


def _of_sets(archive: Archive, source: Path, members: Members) -> dict[str, Any]:
    """The rows of all splits one behind the other; the splits as they are said to be."""
    sets = {
        split: {role: archive.read(name) for role, name in roles.items()}
        for split, roles in members.sets.items()
    }
    for split, arrays in sets.items():
        _check_rows(source, {members.sets[split][role]: one for role, one in arrays.items()})
    said = {
        split: EITHER if split == "train" and "validation" not in sets else split for split in sets
    }
    rows = [(split, row) for split, one in sets.items() for row in range(len(one["values"]))]
    labels = [one["labels"] for one in sets.values() if "labels" in one]
    found: dict[str, Any] = {
        "values": Stacked([one["values"] for one in sets.values()]),
        "ids": [str(sets[s]["ids"][n]) if "ids" in sets[s] else f"{s}/{n}" for s, n in rows],
        "sets": {split: roles[VALUES] for split, roles in members.sets.items()},
        "said": [said[split] for split, _ in rows],
        "labels_from": [roles[LABELS] for roles in members.sets.values() if LABELS in roles],
    }
    if any("groups" in one for one in sets.values()):
        found["groups"] = [sets[s]["groups"][n] if "groups" in sets[s] else None for s, n in rows]
    if any(WEIGHT in one for one in sets.values()):
        found[WEIGHT] = [sets[s][WEIGHT][n] if WEIGHT in sets[s] else None for s, n in rows]
    return {**found, **({"labels": Stacked(labels)} if labels else {})}


def _check_rows(source: Path, arrays: Mapping[str, np.ndarray]) -> None:
    (first, values), *others = arrays.items()
    for name, array in others:
        if array.shape[:1] != values.shape[:1]:
            raise DatasetError(
                f"{source}: {first} has {len(values):,} rows, {name} {len(array):,}",
                hint="They belong together row by row; fix the source.",
            )


def _split_in(arrays: dict[str, Any], row: int, where: str) -> str | None:
    """The split that a row is said to be of."""
    if "said" in arrays:
        return arrays["said"][row]
    return checked_split(str(arrays["splits"][row]), where) if "splits" in arrays else None


def _group_in(arrays: dict[str, Any], row: int) -> str | None:
    group = arrays["groups"][row] if "groups" in arrays else None
    return None if group is None else str(group)


def _weight_in(arrays: dict[str, Any], name: str, row: int, where: str) -> float | None:
    given = arrays[WEIGHT][row]
    if given is None:
        return None
    value = np.asarray(given)
    return weight_in({name: value.item() if value.size == 1 else value.tolist()}, name, where)


def _with_labels(arrays: dict[str, Any], source: Path, options: Options) -> dict[str, Any]:
    if options.get("labels") is not None:
        if "labels" in arrays:
            arrays["unused"] += [f"array {name!r}" for name in arrays["labels_from"]]
        arrays["labels_from"] = [Path(options["labels"]).name]
        arrays["labels"] = _read_labels(Path(options["labels"]))
    values = arrays["values"]
    if isinstance(values, Fields):
        lengths = {name: len(array) for name, array in values.arrays.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
            raise DatasetError(
                f"the arrays of {source} have different numbers of rows: {counts}",
                hint="They belong together row by row; fix the source.",
            )
    elif isinstance(values, np.ndarray):
        refuse_single(values.shape, values.dtype, str(source))
    return arrays


def _read_labels(path: Path) -> np.ndarray:
    """Labels in a `.npy` file, or one a line in a text or CSV file."""
    try:
        with open_regular(path) as file:
            if path.suffix.lower() == SUFFIX:
                found = np.array(map_array(file, path))
                refuse_single(found.shape, found.dtype, str(path))
                return found
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"no labels file {path}", hint="Check the path.") from None
    except (DatasetError, StorageError):
        raise
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a readable labels file ({first_line(error)})") from error
    return np.array(lines)
