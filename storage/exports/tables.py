"""Exports as tables: Parquet, and a folder for Hugging Face `datasets`."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import FeatureError
from headstart.progress import Progress
from headstart.storage.exports.exportable import Exportable, parts, weight_of
from headstart.storage.files import PARTIAL, make_folder, storage_error, sync_folder, written_aside
from headstart.storage.keys import unpack_digests
from headstart.storage.manifest import SPLITS
from headstart.storage.scratch import dead_folders, remove_dead, scratch_folder

OF_DATASETS = ("dataset_dict.json", "dataset_info.json")
"""Files by which a folder of `save_to_disk` is known; no other folder is written over."""


def write_parquet(view: Exportable, target: Path, progress: Progress) -> Path:
    """A row a sample: `id`, `label`, `split`, `digest`, `group` where samples are of groups,
    `weight` where any has one, and `features` as a list of fixed length.

    A feature that is no vector lies flat, in C order; its shape is in the schema's metadata, as is
    the feature key.
    """
    import pyarrow
    from pyarrow import parquet

    kind = pyarrow.from_numpy_dtype(view.dtype)
    width = int(np.prod(view.shape[1:], dtype=np.int64))
    is_number = all(isinstance(label, int) for label in view.labels if label is not None)
    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("label", pyarrow.int64() if is_number else pyarrow.string()),
            ("split", pyarrow.string()),
            ("digest", pyarrow.string()),
            *([("group", pyarrow.string())] if view.samples.has_groups else []),
            *([("weight", pyarrow.float64())] if view.samples.has_weights else []),
            ("features", pyarrow.list_(kind, width)),
        ],
        metadata={"headstart.key": view.key, "headstart.shape": str(list(view.shape[1:]))},
    )
    with (
        written_aside(target) as file,
        parquet.ParquetWriter(file, schema) as writer,
    ):
        start = 0
        for rows in parts(view, progress):
            samples = view.samples[start : start + len(rows)]
            start += len(rows)
            flat = pyarrow.array(np.ascontiguousarray(rows).reshape(-1))
            columns = [
                samples.ids,
                [_label(label, is_number) for label in samples.labels],
                samples.splits,
                unpack_digests(samples.digests),
                *([samples.groups] if view.samples.has_groups else []),
                *([samples.weights] if view.samples.has_weights else []),
                pyarrow.FixedSizeListArray.from_arrays(flat, width),
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))
    return target


def write_hugging_face(view: Exportable, target: Path, progress: Progress) -> Path:
    """A folder for `datasets.load_from_disk`: a dataset for each split that occurs.

    Columns as in `write_parquet`; `label` is a ClassLabel where the classes have names. Features
    that are no vectors keep their shape.
    """
    datasets = _package("datasets", "huggingface")
    if target.exists() and not any((target / name).is_file() for name in OF_DATASETS):
        raise FeatureError(
            f"{target} exists, and is not a folder of Hugging Face datasets",
            hint="Give another name.",
        )
    make_folder(target.absolute().parent)
    columns = datasets.Features(
        {
            "id": datasets.Value("string"),
            "label": _label_column(datasets, view),
            "split": datasets.Value("string"),
            "digest": datasets.Value("string"),
            **({"group": datasets.Value("string")} if view.samples.has_groups else {}),
            **({"weight": datasets.Value("float64")} if view.samples.has_weights else {}),
            "features": _feature_column(datasets, view),
        }
    )
    made = {}
    aside = target.with_name(f".{target.name}.{secrets.token_hex(8)}{PARTIAL}")
    try:
        for left in dead_folders(target.parent):  # by exports that were killed
            remove_dead(left)
        with scratch_folder(target.parent) as scratch:
            done = 0
            for split in SPLITS:
                codes = view.samples.split_codes
                chosen = np.flatnonzero(codes == SPLITS.index(split)).tolist()
                if chosen:
                    with _quietly(datasets):
                        made[split] = datasets.Dataset.from_generator(
                            _rows,
                            features=columns,
                            cache_dir=str(scratch),
                            gen_kwargs={"view": _Part(view, chosen, progress, done)},
                            fingerprint=secrets.token_hex(8),
                        )
                    done += len(chosen)
            with _quietly(datasets):
                datasets.DatasetDict(made).save_to_disk(str(aside))
        if target.exists():
            shutil.rmtree(target)
        aside.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        if error.errno is None:
            raise
        raise storage_error(target, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


class _Part:
    """Some rows of a view, for the generator; `datasets` asks that it can be pickled or hashed."""

    def __init__(self, view: Any, chosen: list[int], progress: Progress, done: int) -> None:
        self.view = view
        self.chosen = chosen
        self.progress = progress
        self.done = done

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (f"{self.view.key} {len(self.chosen)}",)


def _rows(view: _Part) -> Iterator[dict[str, Any]]:
    has_groups, has_weights = view.view.samples.has_groups, view.view.samples.has_weights
    for start in range(0, len(view.chosen), 1024):
        numbers = np.array(view.chosen[start : start + 1024])
        samples = view.view.samples.take(numbers)
        for sample, features in zip(samples, view.view[numbers], strict=True):
            yield {
                "id": sample.id,
                "label": sample.label,
                "split": sample.split,
                "digest": sample.digest,
                **({"group": sample.group} if has_groups else {}),
                **({"weight": weight_of(sample)} if has_weights else {}),
                "features": features,
            }
        view.progress(view.done + start + len(numbers), len(view.view))


def _label(label: str | int | None, is_number: bool) -> str | int | None:
    return label if label is None or is_number else str(label)


def _label_column(datasets: Any, view: Exportable) -> Any:
    known = {label for label in view.labels if label is not None}
    if all(isinstance(label, int) for label in known):
        return datasets.Value("int64")
    return datasets.ClassLabel(names=sorted(str(label) for label in known))


def _feature_column(datasets: Any, view: Exportable) -> Any:
    shape, kind = view.shape[1:], view.dtype.name
    if 2 <= len(shape) <= 5:
        return getattr(datasets, f"Array{len(shape)}D")(shape=shape, dtype=kind)
    width = int(np.prod(shape, dtype=np.int64))
    return datasets.Sequence(datasets.Value(kind), length=width)


@contextlib.contextmanager
def _quietly(datasets: Any) -> Iterator[None]:
    """Without its own progress bars: ours is shown."""
    was_on = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if was_on:
            datasets.enable_progress_bars()


def _package(name: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise FeatureError(
            f"this export needs the package {name!r}, which is not installed",
            hint=f"pip install 'headstart[{extra}]'.",
        ) from error
