"""Exporting a view into one file that others read without Headstart."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import h5py
import numpy as np

from headstart.errors import FeatureError
from headstart.storage.files import written_aside
from headstart.storage.manifest import Label, Sample

ROWS = 1024
"""Rows in memory at a time."""
Progress = Callable[[int, int], None]


class Exportable(Protocol):
    """What is needed of a `FeatureView`."""

    key: str
    samples: tuple[Sample, ...]

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def labels(self) -> list[Label | None]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


def export(view: Exportable, target: Path, progress: Progress | None = None) -> Path:
    """Write a view's rows, in the dataset's order, with ids, labels, splits and digests.

    Args:
        view: the features; they are read and written some rows at a time.
        target: `.npz` and `.h5` hold `features`, `ids`, `labels`, `splits`, `digests` and `key`;
            `.npy` holds the features alone, and a `.csv` beside it the rest; `.parquet` is a table
            with a row a sample; `.hf` is a folder for Hugging Face `datasets`.
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
    if not target.absolute().parent.is_dir():
        raise FeatureError(f"no folder {target.absolute().parent}", hint="Make it first.")
    report = progress or (lambda _done, _total: None)
    if write is None:
        return TABLES[suffix](view, target, report)
    with written_aside(target) as file:
        write(view, file, report)
    if write is _write_npy:
        _write_table(view, target.with_suffix(".csv"))
    return target


def parts(view: Exportable, progress: Progress) -> Iterator[np.ndarray]:
    """The rows, some at a time."""
    for start in range(0, len(view), ROWS):
        rows = view[start : start + ROWS]
        yield rows
        progress(start + len(rows), len(view))


def _columns(view: Exportable) -> dict[str, np.ndarray]:
    labels = ["" if label is None else label for label in view.labels]
    return {
        "ids": np.array(view.ids, dtype=str),
        "labels": np.array(labels),
        "splits": np.array([sample.split for sample in view.samples], dtype=str),
        "digests": np.array([sample.digest for sample in view.samples], dtype=str),
    }


def _write_npz(view: Exportable, file: BinaryIO, progress: Progress) -> None:
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        with archive.open("features.npy", "w", force_zip64=True) as member:
            _write_rows(view, member, progress)
        for name, values in {**_columns(view), "key": np.array(view.key)}.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, values, allow_pickle=False)
            archive.writestr(f"{name}.npy", content.getvalue())


def _write_npy(view: Exportable, file: BinaryIO, progress: Progress) -> None:
    _write_rows(view, file, progress)


def _write_rows(view: Exportable, file: Any, progress: Progress) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(view.dtype),
        "fortran_order": False,
        "shape": view.shape,
    }
    np.lib.format.write_array_header_2_0(file, header)
    for rows in parts(view, progress):
        file.write(np.ascontiguousarray(rows).tobytes())


def _write_hdf5(view: Exportable, file: BinaryIO, progress: Progress) -> None:
    with h5py.File(file, "w") as target:
        features = target.create_dataset("features", view.shape, view.dtype)
        start = 0
        for rows in parts(view, progress):
            features[start : start + len(rows)] = rows
            start += len(rows)
        for name, values in _columns(view).items():
            is_text = values.dtype.kind == "U"
            target[name] = values.astype(h5py.string_dtype()) if is_text else values
        target.attrs["key"] = view.key


def _write_table(view: Exportable, target: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "label", "split", "digest"])
    for sample in view.samples:
        label = "" if sample.label is None else sample.label
        writer.writerow([sample.id, label, sample.split, sample.digest])
    with written_aside(target) as file:
        file.write(text.getvalue().encode())


def _parquet(view: Exportable, target: Path, progress: Progress) -> Path:
    from headstart.storage.export_tables import write_parquet

    return write_parquet(view, target, progress)


def _hugging_face(view: Exportable, target: Path, progress: Progress) -> Path:
    from headstart.storage.export_tables import write_hugging_face

    return write_hugging_face(view, target, progress)


TABLES = {".parquet": _parquet, ".hf": _hugging_face}
WRITERS = {".npz": _write_npz, ".npy": _write_npy, ".h5": _write_hdf5}
