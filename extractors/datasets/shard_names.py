"""One source in several files: a folder of them, a pattern, and the splits in their names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from glob import has_magic, iglob
from itertools import islice, product
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, SourceMissing
from headstart.extractors.datasets.named_files import is_folder, is_there, stat_of_file
from headstart.extractors.datasets.rows import find_split

TARS = re.compile(r"(?s).*(\.tar|\.tgz|\.tar\.(?:gz|bz2|xz|zst))")
RECORDS = re.compile(r"(?s).*(\.tfrecords?|\.tfrec)(?:-\d+-of-\d+)?")
"""How tars and TFRecord files are called: `x.tfrecord`, `x.tfrecord-00000-of-00010`."""
BRACES = re.compile(r"\{([^{}]*)\}")
NUMBERS = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
MOST = 100_000
"""Files that a pattern may name."""
LOOKED_AT = 1000
"""Names in a folder that are looked at to tell what it is."""
BETWEEN_WORDS = re.compile(r"[-_. ]+")


def is_pattern(source: str) -> bool:
    """Whether a source names several files, as `*`, `?`, `[…]` and `{000..099}` do."""
    is_one = has_magic(source) or BRACES.search(source) is not None
    return "\0" not in source and is_one and not is_there(Path(source))


def any_there(source: str) -> bool:
    """Whether there is a file of a pattern."""
    try:
        return any(is_there(path) for path in _expanded(source))
    except DatasetError:  # of too many files, which whoever opens it says
        return True


def files_of(source: str, named: re.Pattern[str]) -> list[Path]:
    """The files of a source, in the order of their paths: the file itself, those of a folder at any
    depth, or those that a pattern names.

    Args:
        source: as it was given.
        named: how files of the kind are called, in small letters.

    Raises:
        DatasetError: there are none, too many, or one of `{000..099}` is missing.
    """
    path = Path(source)
    if is_folder(path):
        found = sorted(one for one in _below(path) if named.fullmatch(one.name.lower()))
    elif is_pattern(source):
        found = _expanded(source)
        missing = [one for one in found if not is_there(one)]
        if missing:
            raise SourceMissing(
                f"no file {missing[0]}, one of {len(missing):,} of {len(found):,} that {source} "
                "names",
                hint="Fix the numbers, or take * for those that are there.",
            )
    else:
        found = [path]
    if not found:
        raise SourceMissing(f"there are no files {source}{'/*' if is_folder(path) else ''}")
    return found


def holds(source: str, named: re.Pattern[str], others: Iterable[str] = ()) -> bool:
    """Whether a folder holds files that are called so, itself or in folders that are called like
    splits, and none that ends like the `others`; no text whatever makes this fail."""
    inside = _inside(source)
    folders = [one for one in inside if is_folder(Path(one.path))]
    if any(find_split(one.name) is None for one in folders):
        return False
    for folder in folders[:3]:
        inside += [one for one in _inside(folder.path) if not is_folder(Path(one.path))]
    names = [one.name.lower() for one in inside]
    unlike = tuple(others)
    are_there = any(named.fullmatch(name) for name in names)
    return are_there and not any(name.endswith(unlike) for name in names)


def stamp_of(files: Iterable[Path]) -> tuple[int, ...]:
    """What changes when one of the files does, or when there are others.

    Raises:
        DatasetError: one is not there.
    """
    stats = [(str(one), stat_of_file(one)) for one in files]
    if len(stats) == 1:
        return stats[0][1]
    content = hashlib.sha256("\n".join(f"{name} {stat}" for name, stat in stats).encode())
    total = sum(stat[0] for _, stat in stats)
    return (len(stats), total, int.from_bytes(content.digest()[:7]))


def splits_of(files: Sequence[Path], source: str, *, is_used: bool = True) -> dict[Path, str]:
    """The split of each file, as it or its folder is called: `train-000.tar`, `train2017.json`,
    `val/000.tar`.

    Args:
        files: in order.
        source: of which they are.
        is_used: whether it matters that some names say none.

    Returns:
        None of them where no name says a split.

    Raises:
        DatasetError: some names say one, and others do not.
    """
    found = {one: split for one in files if (split := _split_of(one, source))}
    if is_used and 0 < len(found) < len(files):
        other = next(one for one in files if one not in found)
        raise DatasetError(
            f"{source}: {next(iter(found)).name} is called like a split, {other.name} is not",
            hint="Rename them, or deal all samples out with --split stratified.",
        )
    return found


def name_of(file: Path, source: str, named: re.Pattern[str]) -> str:
    """What a file is called in ids: its path below the source's folder, without the first group of
    `named`, its suffix; empty where it is the source itself."""
    if str(file) == source:
        return ""
    above = Path(source) if is_folder(Path(source)) else file.parent
    name = file.relative_to(above).as_posix()
    found = named.fullmatch(name.lower())
    return name if found is None else name[: found.start(1)] + name[found.end(1) :]


def _split_of(file: Path, source: str) -> str | None:
    words = BETWEEN_WORDS.split(file.name)
    named = [find_split(word.rstrip("0123456789")) for word in words]
    if is_folder(Path(source)) and file.parent != Path(source):
        named.append(find_split(file.parent.name))
    splits = {split for split in named if split}
    return splits.pop() if len(splits) == 1 else None


def _expanded(source: str) -> list[Path]:
    """The paths that a pattern names: those of braces whether they are there or not, those of
    wildcards as they are there."""
    found: list[str] = []
    for name in unbraced(source):
        found += _matching(name) if has_magic(name) else [name]
    check_count(found, source)
    return [Path(one) for one in dict.fromkeys(found)]


def unbraced(pattern: str) -> list[str]:
    """The texts that `{000..099}` and `{a,b}` in a pattern stand for; wildcards stay.

    Raises:
        DatasetError: there are too many.
    """
    parts = BRACES.split(pattern)
    choices = [_choices(one) if place % 2 else [one] for place, one in enumerate(parts)]
    names = list(islice(("".join(one) for one in product(*choices)), MOST + 1))
    check_count(names, pattern)
    return list(dict.fromkeys(names))


def check_count(names: Sequence[Any], source: str) -> None:
    """See that no source is of more files than can be.

    Raises:
        DatasetError: it is.
    """
    if len(names) > MOST:
        raise DatasetError(f"{source} names more than {MOST:,} files", hint="Take fewer at once.")


def _matching(pattern: str) -> list[str]:
    """The paths of wildcards, by name; `Path.glob` takes no absolute ones."""
    return sorted(islice(iglob(pattern, recursive=True), MOST + 1))  # noqa: PTH207


def _choices(inside: str) -> list[str]:
    """What stands for `000..099` or `a,b`."""
    numbers = NUMBERS.fullmatch(inside)
    if numbers is None:
        return inside.split(",")
    first, last = numbers.groups()
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    stop = min(int(last), int(first) + MOST)
    return [f"{number:0{width}}" for number in range(int(first), stop + 1)]


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for above, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        found += [Path(above, name) for name in names if not name.startswith(".")]
        if len(found) > MOST:
            raise DatasetError(f"{folder} holds more than {MOST:,} files", hint="Name a pattern.")
    return found


def _inside(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(islice((one for one in found if not one.name.startswith(".")), LOOKED_AT))
    except (OSError, ValueError):
        return []
