"""Reading a dataset's source into a manifest: a folder of class folders, a CSV, or arrays."""

from __future__ import annotations

import csv
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DatasetError, SampleChanged, SampleUnreadable, first_line
from headstart.registry.names import nearest
from headstart.storage.files import sha256_of_file
from headstart.storage.keys import digest_of_array, digest_of_bytes
from headstart.storage.manifest import SPLITS, Label, Manifest, Sample, split_of

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
ARRAY_SUFFIXES = {".npy", ".npz"}
KINDS = ("folder", "csv", "arrays")
HASHING_THREADS = 4

Options = Mapping[str, Any]
Progress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """The progress of callers who do not look."""


@dataclass(frozen=True)
class _Row:
    """A sample as the source lists it, before its content is read."""

    id: str
    path: Path
    label: Label
    split: str | None = None


@dataclass(frozen=True)
class ArrayOptions:
    """Which member of an `.npz` holds what; None where the usual names are looked for."""

    values: tuple[str, ...] = ("x", "X", "images", "data", "features", "x_train", "arr_0")
    labels: tuple[str, ...] = ("y", "Y", "labels", "label", "targets", "y_train", "arr_1")
    ids: tuple[str, ...] = field(default=("ids", "id"))
    splits: tuple[str, ...] = field(default=("split", "splits"))


def kind_of(source: Path, kind: str | None) -> str:
    """The dataset's kind: as given, or by what the source is.

    Raises:
        DatasetError: the source does not exist, or is none of the known kinds.
    """
    if kind is not None and kind not in KINDS:
        raise DatasetError(f"no dataset kind {kind!r}", hint=f"The kinds are {', '.join(KINDS)}.")
    if not source.exists():
        raise DatasetError(f"no file or folder {source}", hint="Check the path.")
    if kind is not None:
        return kind
    if source.is_dir():
        return "folder"
    if source.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    if source.suffix.lower() in ARRAY_SUFFIXES:
        return "arrays"
    raise DatasetError(
        f"{source} is none of: a folder of class folders, .csv, .tsv, .npz, .npy",
        hint="Say which with --kind, or convert it.",
    )


def scan(
    source: Path,
    kind: str,
    options: Options,
    previous: Manifest | None = None,
    progress: Progress = _silent,
) -> Manifest:
    """Read a source into a manifest.

    Args:
        source: absolute path.
        kind: one of `KINDS`.
        options: of the kind: `path_column`, `label_column`, `split_column`, `id_column` for CSV,
            `labels` for arrays.
        previous: what was known; digests of files whose size, mtime and inode are unchanged are
            taken from it, not computed.
        progress: called with (files looked at, files in all).

    Raises:
        DatasetError: the source is not a valid dataset; the message names file and row.
    """
    if kind == "arrays":
        stat = _stat_of_arrays(source, options)
        if previous is not None and previous.samples[0].stat == stat:
            return previous
        samples = _scan_arrays(source, options, stat)
    else:
        rows = list(_folder_rows(source) if kind == "folder" else _csv_rows(source, options))
        if not rows:
            raise DatasetError(f"{source} lists no samples")
        samples = _digest_files(rows, previous, progress)
    _check_ids(samples, source)
    return Manifest(kind, str(source), tuple(samples))


class SampleReader:
    """Gives a sample's raw content, after it was found to be what the manifest says."""

    def __init__(self, manifest: Manifest, options: Options) -> None:
        self._values = None
        if manifest.kind == "arrays":
            self._values = load_arrays(Path(manifest.source), options)["values"]

    def read(self, sample: Sample) -> bytes | np.ndarray:
        """The bytes of a file, or a row of an array.

        Raises:
            SampleChanged: the content is not what was registered, or the file is gone.
        """
        hint = "Run `headstart dataset refresh`, then extract again."
        if isinstance(sample.location, int):
            assert self._values is not None
            if sample.location >= len(self._values):
                raise SampleChanged(f"row {sample.id} is gone from the arrays", hint=hint)
            row = np.asarray(self._values[sample.location])
            digest = digest_of_array(row)
        else:
            try:
                row = Path(sample.location).read_bytes()
            except FileNotFoundError:
                raise SampleChanged(f"the file {sample.location} is gone", hint=hint) from None
            except OSError as error:
                raise SampleUnreadable(
                    f"cannot read {sample.location}: {error.strerror or error}"
                ) from error
            digest = digest_of_bytes(row)
        if digest != sample.digest:
            raise SampleChanged(
                f"sample {sample.id!r} has changed since the dataset was read", hint=hint
            )
        return row


def _folder_rows(root: Path) -> Iterator[_Row]:
    """Files of class folders, sorted by path; the class is the first folder's name."""
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    folders = sorted(
        entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not folders:
        raise DatasetError(
            f"{root} holds no class folders", hint="Expected: FOLDER/class/picture.jpg."
        )
    for folder in folders:
        files = sorted(_images_below(folder))
        if not files:
            raise DatasetError(
                f"the class folder {folder} holds no images",
                hint=f"Remove it, or put images in it ({' '.join(sorted(IMAGE_SUFFIXES))}).",
            )
        for path in files:
            yield _Row(path.relative_to(root).as_posix(), path, folder.name)


def _images_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(place, name)


PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name", "labels")


def _csv_rows(source: Path, options: Options) -> Iterator[_Row]:
    """Rows of a CSV or TSV with a path and a label column; paths are relative to the file."""
    delimiter = "\t" if source.suffix.lower() == ".tsv" else ","
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            columns = list(reader.fieldnames or ())
            path_column = _column(source, columns, options.get("path_column"), PATH_COLUMNS, "path")
            label_column = _column(
                source, columns, options.get("label_column"), LABEL_COLUMNS, "label"
            )
            id_column = _optional_column(source, columns, options.get("id_column"), ("id",))
            split_column = _optional_column(
                source, columns, options.get("split_column"), ("split",)
            )
            for row in reader:
                where = f"{source}, line {reader.line_num}"
                path = source.parent / _cell(row, path_column, where)
                if not path.is_file():
                    raise DatasetError(
                        f"{where}: no file {path}",
                        hint="Paths are relative to the CSV; mend or remove the row.",
                    )
                yield _Row(
                    id=_cell(row, id_column, where) if id_column else row[path_column].strip(),
                    path=path,
                    label=_cell(row, label_column, where),
                    split=_checked_split(row.get(split_column or ""), where),
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{source} is not a readable CSV file ({first_line(error)})",
            hint="Save it as UTF-8 with commas.",
        ) from error


def _column(
    source: Path, columns: Sequence[str], given: str | None, usual: Sequence[str], what: str
) -> str:
    found = _optional_column(source, columns, given, usual)
    if found is None:
        raise DatasetError(
            f"{source} has no {what} column; its columns are {', '.join(columns) or 'none'}",
            hint=f"Name it with --{what}-column.",
        )
    return found


def _optional_column(
    source: Path, columns: Sequence[str], given: str | None, usual: Sequence[str]
) -> str | None:
    if given is not None and given not in columns:
        raise DatasetError(
            f"{source} has no column {given!r}; its columns are {', '.join(columns)}",
            hint=nearest(given, columns),
        )
    if given is not None:
        return given
    by_lower_case = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_lower_case[name] for name in usual if name in by_lower_case), None)


def _cell(row: Mapping[str, str | None], column: str, where: str) -> str:
    value = (row[column] or "").strip()
    if not value:
        raise DatasetError(f"{where}: no {column}", hint="Fill it in or remove the row.")
    return value


def _checked_split(value: str | None, where: str) -> str | None:
    if value is None or not value.strip():
        return None
    usual = {"valid": "validation", "val": "validation", "dev": "validation", "training": "train"}
    split = value.strip().lower()
    split = usual.get(split, split)
    if split not in SPLITS:
        raise DatasetError(
            f"{where}: split is {value!r}", hint=f"The splits are {', '.join(SPLITS)}."
        )
    return split


def _digest_files(rows: list[_Row], previous: Manifest | None, progress: Progress) -> list[Sample]:
    """Samples in the rows' order; only files that changed are read."""
    known = {
        (sample.location, sample.stat): sample.digest
        for sample in (previous.samples if previous else ())
    }
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        samples = []
        for sample in pool.map(partial(_digest_file, known=known), rows):
            samples.append(sample)
            progress(len(samples), len(rows))
    return samples


def _digest_file(row: _Row, known: Mapping[tuple[Any, tuple[int, ...]], str]) -> Sample:
    stat = _stat_of(row.path)
    try:
        digest = known.get((str(row.path), stat)) or sha256_of_file(row.path)
    except OSError as error:
        raise DatasetError(f"cannot read {row.path}: {error.strerror or error}") from error
    return Sample(row.id, digest, row.label, row.split or split_of(digest), str(row.path), stat)


def _stat_of(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _stat_of_arrays(source: Path, options: Options) -> tuple[int, ...]:
    labels = options.get("labels")
    return _stat_of(source) + (_stat_of(Path(labels)) if labels is not None else ())


def _scan_arrays(source: Path, options: Options, stat: tuple[int, ...]) -> list[Sample]:
    arrays = load_arrays(source, options)
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
    samples = []
    for row, value in enumerate(values):
        where = f"{source}, row {row}"
        digest = digest_of_array(np.asarray(value))
        split = _checked_split(str(arrays["splits"][row]), where) if "splits" in arrays else None
        id_ = str(arrays["ids"][row]) if "ids" in arrays else str(row)
        label = _to_label(labels[row], where)
        samples.append(Sample(id_, digest, label, split or split_of(digest), row, stat))
    return samples


def load_arrays(source: Path, options: Options) -> dict[str, np.ndarray]:
    """`values`, and `labels`, `ids`, `splits` where there are any.

    Raises:
        DatasetError: the file is not a readable NumPy file, or holds no samples.
    """
    names = ArrayOptions()
    try:
        with source.open("rb") as file:  # np.load leaves its own open when the header is bad
            if source.suffix.lower() == ".npy":
                np.lib.format.read_magic(file)
                arrays = {"values": np.load(source, mmap_mode="r", allow_pickle=False)}
                return _with_labels(arrays, source, options)
            with np.load(file, allow_pickle=False) as members:
                found = {
                    "values": _member(members, names.values),
                    "labels": _member(members, names.labels),
                    "ids": _member(members, names.ids),
                    "splits": _member(members, names.splits),
                }
                arrays = {key: members[name] for key, name in found.items() if name is not None}
                present = ", ".join(members.files)
            if "values" not in arrays:
                raise DatasetError(
                    f"{source} holds no array of samples; it holds {present or 'nothing'}",
                    hint="Call the samples `x` and the labels `y`.",
                )
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(
            f"{source} is not a readable NumPy file ({first_line(error)})",
            hint="Save it again with np.savez(x=…, y=…); object arrays are refused.",
        ) from error
    return _with_labels(arrays, source, options)


def _with_labels(
    arrays: dict[str, np.ndarray], source: Path, options: Options
) -> dict[str, np.ndarray]:
    if options.get("labels") is not None:
        arrays["labels"] = _read_labels(Path(options["labels"]))
    if arrays["values"].ndim == 0:
        raise DatasetError(f"{source} holds a single number, not an array of samples")
    return arrays


def _member(members: Any, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in members.files), None)


def _read_labels(path: Path) -> np.ndarray:
    """Labels in a `.npy` file, or one a line in a text or CSV file."""
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"no labels file {path}", hint="Check the path.") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a readable labels file ({first_line(error)})") from error
    return np.array(lines)


def _to_label(value: Any, where: str) -> Label:
    """A class name or an integer class.

    Raises:
        DatasetError: the label is empty, NaN, a fraction, or an array.
    """
    item = value.item() if isinstance(value, np.ndarray | np.generic) and value.size == 1 else value
    if isinstance(item, bytes):
        item = item.decode("utf-8", "replace")
    if isinstance(item, str) and item.strip():
        return item.strip()
    if isinstance(item, bool | int):
        return int(item)
    if isinstance(item, float) and item.is_integer():
        return int(item)
    raise DatasetError(
        f"{where}: the label {item!r} is neither a class name nor an integer",
        hint="Give one label a row; one-hot labels want np.argmax(y, axis=1).",
    )


def _check_ids(samples: Sequence[Sample], source: Path) -> None:
    counts = Counter(sample.id for sample in samples)
    twice = [id_ for id_, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(
            f"{source}: the id {twice[0]!r} occurs {counts[twice[0]]} times"
            + (f" (and {len(twice) - 1} more ids)" if len(twice) > 1 else ""),
            hint="Ids must be unique; give a column of ids with --id-column.",
        )
