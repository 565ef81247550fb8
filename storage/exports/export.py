"""Exporting a view into one file that others read without Headstart."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headstart.errors import FeatureError
from headstart.progress import Progress
from headstart.storage.exports.exportable import ROWS, Exportable, parts, weight_of
from headstart.storage.exports.tables import write_hugging_face, write_parquet
from headstart.storage.files import written_aside
from headstart.storage.manifest import Sample


def export(view: Exportable, target: Path, progress: Progress | None = None) -> Path:
    """Write a view's rows, in the dataset's order, with ids, labels, splits, digests, groups
    and weights.

    Args:
        view: the features; they are read and written some rows at a time.
        target: `.npz` and `.h5` hold `features`, `ids`, `labels`, `splits`, `digests` and `key`,
            `groups` where samples are of groups (a text, empty for one of none), and `weights`
            where any says for how many it counts; `.npy` holds the features alone, and a `.csv`
            beside it the rest; `.parquet` is a table with a row a sample; `.hf` is a folder for
            Hugging Face `datasets`.
        progress: called with (rows written, rows in all).

    Returns:
        The file or folder, which is there as a whole or not at all.

    Raises:
        FeatureError: the name says no known format, or its package is not installed.
        StorageError: the file cannot be written.
    """
    suffix = target.suffix.lower()
    write = WRITERS.get(suffix)
    if write is None and suffix not in TABLES:
        raise FeatureError(
            f"cannot export to {target}: its name ends in {target.suffix or 'nothing'}",
            hint=f"Give a name that ends in {', '.join([*WRITERS, *TABLES])}.",
        )
    report = progress or (lambda _done, _total: None)
    if write is None:
        return TABLES[suffix](view, target, report)
    with written_aside(target) as file:
        write(view, file, report)
    if write is _write_npy:
        _write_table(view, target.with_suffix(".csv"))
    return target


@dataclass(frozen=True)
class _Column:
    """One value of each sample: `of` gives it, `dtype` holds all of them."""

    name: str
    dtype: np.dtype[Any]
    of: Callable[[Sample], str | float]

    def parts(self, view: Exportable) -> Iterator[np.ndarray]:
        """The values, some at a time."""
        for start in range(0, len(view), ROWS):
            part = view.samples[start : start + ROWS]
            yield np.array([self.of(sample) for sample in part], self.dtype)


def _columns(view: Exportable) -> list[_Column]:
    def text(name: str, of: Callable[[Sample], str]) -> _Column:
        return _Column(name, np.dtype(f"U{max((len(of(s)) for s in view.samples), default=1)}"), of)

    labels = text("labels", lambda sample: "" if sample.label is None else str(sample.label))
    if view.samples and all(isinstance(sample.label, int) for sample in view.samples):
        labels = _Column("labels", np.dtype(np.int64), lambda sample: sample.label or 0)
    return [
        text("ids", lambda sample: sample.id),
        labels,
        text("splits", lambda sample: sample.split),
        text("digests", lambda sample: sample.digest),
        *([text("groups", lambda sample: sample.group or "")] if view.samples.has_groups else []),
        *(
            [_Column("weights", np.dtype(np.float64), weight_of)]
            if view.samples.has_weights
            else []
        ),
    ]


def _write_npz(view: Exportable, file: BinaryIO, progress: Progress) -> None:
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        with archive.open("features.npy", "w", force_zip64=True) as member:
            _write_rows(view, member, progress)
        for column in _columns(view):
            with archive.open(f"{column.name}.npy", "w") as member:
                _write_header(member, column.dtype, (len(view),))
                for values in column.parts(view):
                    member.write(values.tobytes())
        with archive.open("key.npy", "w") as member:
            np.lib.format.write_array(member, np.array(view.key), allow_pickle=False)


def _write_npy(view: Exportable, file: BinaryIO, progress: Progress) -> None:
    _write_rows(view, file, progress)


def _write_rows(view: Exportable, file: Any, progress: Progress) -> None:
    _write_header(file, view.dtype, view.shape)
    for rows in parts(view, progress):
        file.write(np.ascontiguousarray(rows).tobytes())


def _write_header(file: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)


def _write_hdf5(view: Exportable, file: BinaryIO, progress: Progress) -> None:
    import h5py  # not at once, as in `storage.encoding`

    with h5py.File(file, "w") as target:
        features = target.create_dataset("features", view.shape, view.dtype)
        start = 0
        for rows in parts(view, progress):
            features[start : start + len(rows)] = rows
            start += len(rows)
        for column in _columns(view):
            kind = h5py.string_dtype() if column.dtype.kind == "U" else column.dtype
            values = target.create_dataset(column.name, (len(view),), kind)
            start = 0
            for part in column.parts(view):
                values[start : start + len(part)] = part.astype(kind)
                start += len(part)
        target.attrs["key"] = view.key


def _write_table(view: Exportable, target: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    has_groups, has_weights = view.samples.has_groups, view.samples.has_weights
    more = [*["group"] * has_groups, *["weight"] * has_weights]
    writer.writerow(["id", "label", "split", "digest", *more])
    for sample in view.samples:
        label = "" if sample.label is None else sample.label
        more = [*[sample.group or ""] * has_groups, *[weight_of(sample)] * has_weights]
        writer.writerow([sample.id, label, sample.split, sample.digest, *more])
    with written_aside(target) as file:
        file.write(text.getvalue().encode())


TABLES = {".parquet": write_parquet, ".hf": write_hugging_face}
WRITERS = {".npz": _write_npz, ".npy": _write_npy, ".h5": _write_hdf5}
