"""The files that a source of columns is of, and the split that each is called by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, SourceEmpty
from headstart.extractors.datasets.named_files import check_within, is_folder, stat_of_file
from headstart.extractors.datasets.rows import find_split
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.folders import AUDIO_SUFFIXES, IMAGE_SUFFIXES
from headstart.extractors.datasets.split_rule import FOLDERS, HASH, ignores_own
from headstart.paths import one_below

PARQUET, ARROW = {".parquet"}, {".arrow", ".feather"}
COLUMNAR_SUFFIXES = PARQUET | ARROW
STATE, SPLITS_FILE = "state.json", "dataset_dict.json"
"""What `save_to_disk` of Hugging Face's `datasets` writes: of a dataset, of several splits."""
LARGEST_STATE = 1 << 24
WORD = re.compile(r"[A-Za-z]+")
SHOWN = 4
LOOKED_AT = 256
"""Names in a folder by which it is told what it holds."""


@dataclass(frozen=True)
class SplitFile:
    """A file of a source; `split` is None where nothing says one."""

    path: Path
    split: str | None = None


@dataclass(frozen=True)
class Found:
    """The files of a source, in order.

    Attributes:
        files: to be read.
        splits: what they are called that are of a split: folders, or beginnings of names.
        unused: files and folders besides, in words.
    """

    files: tuple[SplitFile, ...]
    splits: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def is_columnar(path: Path) -> bool:
    """Whether a path is a file of columns, or a folder of such; never fails.

    Of a folder some names are looked at, in it and in the folders in it: photos with a table beside
    them are no columns.
    """
    if not is_folder(path):
        return path.suffix.lower() in COLUMNAR_SUFFIXES
    try:
        inside = list(islice(path.iterdir(), LOOKED_AT))
        if STATE in {one.name for one in inside} or SPLITS_FILE in {one.name for one in inside}:
            return _marks(path)
        folders = [one for one in inside if "." not in one.name and one.is_dir()][:SHOWN]
        names = [*inside, *(one for each in folders for one in islice(each.iterdir(), LOOKED_AT))]
    except OSError:  # it may not be looked into
        return False
    suffixes = {one.suffix.lower() for one in names if one.stem != "metadata"}
    return bool(suffixes & COLUMNAR_SUFFIXES) and not suffixes & (IMAGE_SUFFIXES | AUDIO_SUFFIXES)


def files_of(source: Path, within: Path | None, options: Options) -> Found:
    """The files of a source, and what of it is not used.

    Args:
        source: a file, a folder of them, or one that `save_to_disk` wrote.
        within: a root outside of which nothing is read.
        options: `split` and `layout` say whether names are splits.

    Raises:
        DatasetError: there are none, or it cannot be told whether they are of splits.
    """
    if not source.is_dir():
        return Found((SplitFile(source),))
    check_within(source, within)
    named, unused = _named_splits(source) if _marks(source) else _by_name(source)
    for one in named:
        check_within(one[1], within)
    if not named:
        raise SourceEmpty(f"the folder {source} holds no Parquet or Arrow files")
    splits = _split_names(source, [name for name, _ in named], options)
    files, left = [], []
    for name, path in named:
        split = find_split(name) if splits else None
        if splits and split is None:
            left.append(f"split {name!r}" if _marks(source) else f"file {path.name!r}")
        else:
            files.append(SplitFile(path, None if ignores_own(options) else split))
    return Found(tuple(files), splits, tuple(dict.fromkeys([*unused, *left])))


def stamp_of(files: Sequence[SplitFile]) -> tuple[int, ...]:
    """By what the change of some files is seen; see `stat_of`."""
    stats = [stat_of_file(one.path) for one in files]
    if len(stats) == 1:
        return stats[0]
    named = [(str(one.path), *stat) for one, stat in zip(files, stats, strict=True)]
    digest = hashlib.sha256(json.dumps(named).encode()).digest()
    return (len(stats), sum(stat[0] for stat in stats), int.from_bytes(digest[:7]))


def _marks(folder: Path) -> bool:
    """Whether `save_to_disk` wrote it."""
    return (folder / STATE).is_file() or (folder / SPLITS_FILE).is_file()


def _named_splits(folder: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """The files of a folder of `save_to_disk`, by the splits that it says."""
    if not (folder / SPLITS_FILE).is_file():
        return [("", path) for path in _data_files(folder)], []
    splits = _state(folder / SPLITS_FILE).get("splits")
    if not isinstance(splits, list) or not all(isinstance(one, str) for one in splits):
        raise DatasetError(f"{folder / SPLITS_FILE} names no splits", hint="Save it again.")
    return [(one, path) for one in splits for path in _data_files(one_below(folder, one))], []


def _data_files(folder: Path) -> list[Path]:
    state = _state(folder / STATE)
    named = state.get("_data_files")
    if not isinstance(named, list) or not all(isinstance(one, dict) for one in named):
        raise DatasetError(f"{folder / STATE} names no files", hint="Save the dataset again.")
    if state.get("_indices_data_files"):
        raise DatasetError(
            f"{folder} holds rows in another order than its files (an index)",
            hint="Save it with datasets 2 or newer, or call flatten_indices() before.",
        )
    files = [one_below(folder, str(one.get("filename"))) for one in named]
    if len(set(files)) < len(files):
        raise DatasetError(f"{folder / STATE} names a file twice", hint="Save the dataset again.")
    return files


def _state(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_STATE:
            raise ValueError("it is too large")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"cannot read {path} ({error})", hint="Save the dataset again."
        ) from None
    if not isinstance(found, dict):
        raise DatasetError(f"{path} is no JSON object", hint="Save the dataset again.")
    return found


def _by_name(folder: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """The files below a folder with what would say their split: the folder that they lie in, or
    the first word of their names."""
    files = _columnar_below(folder)
    known = set(files)
    others = sorted(
        str(one.relative_to(folder))
        for one in folder.rglob("*")
        if one.is_file() and one not in known and not _is_hidden(one.relative_to(folder))
    )
    return [(_split_word(folder, one), one) for one in files], [f"file {one!r}" for one in others]


def _split_word(folder: Path, file: Path) -> str:
    steps = file.relative_to(folder).parts[:-1]
    named = next((step for step in steps if find_split(step)), None)
    word = WORD.match(file.stem)
    return named or (word[0] if word else file.stem)


def _columnar_below(folder: Path) -> list[Path]:
    found = [one for suffix in COLUMNAR_SUFFIXES for one in folder.rglob(f"*{suffix}")]
    return sorted(one for one in found if one.is_file() and not _is_hidden(one.relative_to(folder)))


def _is_hidden(path: Path) -> bool:
    return any(step.startswith((".", "_")) for step in path.parts)


def _split_names(source: Path, names: Sequence[str], options: Options) -> tuple[str, ...]:
    """The names that are splits; none if no name is, or somebody said that none is.

    Raises:
        DatasetError: some are called like splits and others not.
    """
    different = list(dict.fromkeys(names))
    known = [name for name in different if find_split(name)]
    others = [name for name in different if name not in known]
    said = options.get("split") == FOLDERS or _marks(source)
    if said and not known and options.get("split") == FOLDERS:
        raise DatasetError(
            f"{source} holds no files that are called like splits",
            hint="Such as train-0.parquet, or folders train, test.",
        )
    if not known or (others and not said and ignores_own(options)):
        return ()
    if others and not said:
        beside = ", ".join(others[:SHOWN])
        raise DatasetError(
            f"{source}: {', '.join(known[:SHOWN])} may be splits, next to {beside}",
            hint=f"If they are: --split {FOLDERS}, which leaves out the others; if not: "
            f"--split {HASH}.",
        )
    return tuple(known)
