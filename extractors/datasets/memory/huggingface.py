"""Datasets of Hugging Face's `datasets`: objects, and those of the hub."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.memory.frames import SPLIT, keep_batches
from headstart.extractors.datasets.memory.kept import Kept, refused
from headstart.extractors.datasets.rows import find_split
from headstart.extractors.datasets.source import Options
from headstart.notices import tell, warn
from headstart.storage.contents import Contents

PREFIX = "hf:"
ROWS = 256
EXTRA = "pip install 'headstart[huggingface]'."
ID = re.compile(r"(?!.*(\.\.|--))[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
"""Of a dataset: `owner/name`, or the plain name of an old one."""


def is_hugging_face(data: Any) -> bool:
    """Whether it is a dataset of that package, or several by split."""
    if type(data).__module__.partition(".")[0] != "datasets":
        return False
    return hasattr(data, "features") or isinstance(data, Mapping)


def keep_hugging_face(
    data: Any, labels: Any, options: Options, contents: Contents, address: str | None = None
) -> Kept:
    """Write a dataset, or those of several splits, as its features declare it.

    Args:
        data: the dataset, or several by split.
        labels: have to be in a column of it.
        options: that say what is in which column, and outside of which `root` nothing is read.
        contents: where.
        address: on the hub, if it comes from there: files of this machine that its rows name are
            not opened then.

    Raises:
        DatasetError: labels are given besides, the splits have other features, or none is one; or
            a file that a row names may not be read.
    """
    if labels is not None:
        raise refused(
            "separate labels for a dataset of Hugging Face", "Name its column: label_column=…"
        )
    sets = dict(data) if isinstance(data, Mapping) else {None: data}
    known = {name: one for name, one in sets.items() if name is None or find_split(str(name))}
    if not known:
        raise refused(
            f"splits called {', '.join(map(str, sets))}",
            "Give one of them: add(name, data['…']); or call them train, validation, test.",
        )
    where = address or _origin(data)
    if left := [str(name) for name in sets if name not in known]:
        warn(f"{where}: not used: {', '.join(f'split {name!r}' for name in left)}")
    schema = _schema(next(iter(known.values())))
    has_splits = None not in known and SPLIT not in schema.names
    if has_splits:
        schema = schema.append(pa.field(SPLIT, pa.string()))
    batches = _batches(known, schema, has_splits)
    kept = keep_batches(schema, batches, options, contents, where, are_ours=address is None)
    if has_splits:
        tell(f"{where}: {', '.join(map(str, known))} are its splits")
    return kept


def _origin(data: Any) -> str:
    sets = list(data.values()) if isinstance(data, Mapping) else [data]
    prints = [getattr(one, "_fingerprint", "") or "" for one in sets]
    return f"a Hugging Face dataset (fingerprint {' '.join(prints)})".replace(" (fingerprint )", "")


def _schema(data: Any) -> pa.Schema:
    if data.features is None:
        raise refused("a stream of unknown features", "Call data.cast(features) before.")
    return data.features.arrow_schema


def _batches(
    sets: Mapping[Any, Any], schema: pa.Schema, has_splits: bool
) -> Iterator[pa.RecordBatch]:
    for name, data in sets.items():
        for table in data.with_format("arrow").iter(ROWS):
            if has_splits:
                table = table.append_column(SPLIT, pa.array([str(name)] * table.num_rows))
            if odd := set(table.schema.names) ^ set(schema.names):
                raise refused(
                    f"splits with other columns: {', '.join(sorted(odd))}",
                    "Remove them, or give one split.",
                )
            yield from table.select(schema.names).combine_chunks().to_batches()


def keep_from_hub(address: str, options: Options, contents: Contents) -> Kept:
    """Fetch `hf:ID[:SPLIT]` and write it, some rows in memory at a time.

    Code of the dataset is never run, and nothing of this machine is taken for it.

    Raises:
        DatasetError: the package is not installed, the hub cannot be reached or has none, or it is
            no name of one.
    """
    name, _, split = address.removeprefix(PREFIX).partition(":")
    try:
        import datasets
    except ImportError:
        raise DatasetError(
            f"{address} wants the package datasets", hint=f"Install it: {EXTRA}"
        ) from None
    _check_is_of_hub(name)
    try:
        info = _revision(name)
        data = datasets.load_dataset(name, split=split or None, streaming=True, revision=info)
        where = f"{address} at revision {info}" if info else address
        return keep_hugging_face(data, None, options, contents, where)
    except DatasetError:
        raise
    except Exception as error:  # of the network, the hub, or a format, of many packages
        raise DatasetError(
            f"cannot read {address} ({first_line(error)})",
            hint="Check the name and the connection (HF_TOKEN for private ones); a dataset that "
            "needs code of its own is not run.",
        ) from error


def _check_is_of_hub(name: str) -> None:
    """See that `datasets.load_dataset` can take a name for nothing but one of the hub: it takes a
    folder that is called so, and the name of a loader of files, first.

    Raises:
        DatasetError: it might.
    """
    from datasets import packaged_modules

    loaders = {one.name for one in pkgutil.iter_modules(packaged_modules.__path__)}
    if not ID.fullmatch(name) or name in loaders:
        raise DatasetError(
            f"{PREFIX}{name[:200]} is not a dataset of the hub",
            hint=f"Those are called {PREFIX}OWNER/NAME[:SPLIT]; a folder is given as it is.",
        )
    if Path(name).exists():
        raise DatasetError(
            f"{PREFIX}{name}: something that is called so lies here and would be read instead",
            hint=f"Run this in another folder; or, if that is meant, add ./{name} without {PREFIX}",
        )


def _revision(name: str) -> str | None:
    from huggingface_hub import HfApi

    return HfApi().dataset_info(name).sha
