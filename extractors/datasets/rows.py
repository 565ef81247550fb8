"""What all kinds of datasets share: labels, splits, groups."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from headstart.errors import DatasetError, SampleError, SourceGone
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Label

T = TypeVar("T")
EITHER = "train or validation"
"""The split of a sample that is not tested on, as its source says, which says no more."""


class Skipping:
    """Makes samples, and goes on behind one that is none, where the option `on_error` is `skip`.

    Attributes:
        skipped: why each was left out, in the order of the source.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.skipped: list[str] = []
        self._is_on = options.get("on_error") == "skip"

    def of(self, make: Callable[[], T]) -> T | None:
        """What `make` gives; None where it is skipped.

        Raises:
            DatasetError, SampleError: of `make`, where nothing is skipped.
            SourceGone: of `make`; a network that is away is no reason to leave samples out.
        """
        try:
            return make()
        except (DatasetError, SampleError) as error:
            self.failed(error)
            return None

    def failed(self, error: DatasetError | SampleError) -> None:
        """Note why a sample is left out; the error itself where nothing is skipped, or where it
        says nothing of the sample."""
        if not self._is_on or isinstance(error, SourceGone):
            raise error
        self.skipped.append(error.message)


class Grouping:
    """Finds the group of a sample in its id, by the option `group_pattern`.

    Raises:
        DatasetError: the pattern is no regular expression.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        pattern = options.get("group_pattern")
        try:
            self._pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise DatasetError(
                f"the group pattern {pattern!r} is no regular expression: {error}",
                hint="Such as '([^_/]+)_[0-9]+', whose first brackets hold the group.",
            ) from None

    def filled(self, ids: list[str], groups: list[str | None]) -> list[str | None]:
        """The groups of samples, those found of which the source says none."""
        if self._pattern is None:
            return groups
        pairs = zip(ids, groups, strict=True)
        return [self.group_of(id_) if group is None else group for id_, group in pairs]

    def group_of(self, id_: str) -> str | None:
        """What the pattern's first brackets hold, or all that it matches.

        Raises:
            DatasetError: the pattern is not found.
        """
        if self._pattern is None:
            return None
        match = self._pattern.search(id_)
        if match is None:
            raise DatasetError(
                f"the group pattern {self._pattern.pattern!r} is not in the id {id_!r}",
                hint="Fix it; `headstart dataset add --id-column` says what ids are.",
            )
        return match[1] if self._pattern.groups else match[0]


def check_groups(samples: SampleColumns, source: str) -> None:
    """See that no group stands in two splits.

    Raises:
        DatasetError: one does, as the source says so.
    """
    known: dict[str, tuple[str, str]] = {}
    for block in samples.blocks() if samples.has_groups else ():
        for group, id_, split in zip(block.groups, block.ids, block.splits, strict=True):
            other, its = (
                known.setdefault(group, (id_, split)) if group is not None else (id_, split)
            )
            if its != split:
                raise DatasetError(
                    f"{source}: the group {group!r} stands in two splits: {other!r} in "
                    f"{its}, {id_!r} in {split}",
                    hint="Fix the split column, or leave it out.",
                )


def is_utf8(text: str) -> bool:
    """Whether a text can be written; file names of other bytes, and JSON, hold half letters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing", "eval"),
}
"""What splits are called, in any case."""
SPLIT_OF_NAME = {name: split for split, names in SPLIT_NAMES.items() for name in names}


def find_split(name: str) -> str | None:
    """The split that a name stands for; None if it stands for none."""
    return SPLIT_OF_NAME.get(name.strip().lower())


def near_split(name: str) -> str | None:
    """The split that a word of a name stands for, as of `train_set`; None where none does."""
    words = re.split(r"[-_. ]+", name.strip().lower())
    words += [word.removesuffix(end) for word in words for end in ("set", "data", "images")]
    return next((split for word in words if (split := SPLIT_OF_NAME.get(word))), None)


def checked_split(value: str | None, where: str) -> str | None:
    """The split that a cell names; None where it is empty.

    Raises:
        DatasetError: it names none.
    """
    if value is None or not value.strip():
        return None
    split = find_split(value)
    if split is None:
        known = ", ".join(SPLIT_OF_NAME)
        raise DatasetError(
            f"{where}: split is {value!r}",
            hint=f"The splits are called {known}; --split stratified does without.",
        )
    return split


def to_label(value: Any, where: str) -> Label:
    """A class name, an integer class, or a number (a fraction becomes text, digit for digit).

    Raises:
        DatasetError: the label is empty, NaN, infinite, an array, or bytes that are no UTF-8.
    """
    item = np.asarray(value) if isinstance(value, np.ndarray) else value  # no view of a file
    item = item.item() if isinstance(item, np.ndarray | np.generic) and item.size == 1 else item
    if isinstance(item, bytes):
        item = _decoded(item, where)
    if isinstance(item, str) and item.strip():
        return item.strip()
    if isinstance(item, bool | int):
        return int(item)
    if isinstance(item, float) and item.is_integer():
        return int(item)
    if isinstance(item, float) and math.isfinite(item):
        return repr(item)
    raise DatasetError(
        f"{where}: the label {item!r} is neither a class name nor a number",
        hint="Give one label a row, or leave such rows out with --on-error skip; one-hot labels "
        "want np.argmax(y, axis=1), several labels a row text such as 'dog|grass'.",
    )


def _decoded(label: bytes, where: str) -> str:
    """Never with signs in the place of what is unknown: they would make one class of several."""
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise DatasetError(
            f"{where}: the label {label[:60]!r} is no UTF-8",
            hint="Write labels in UTF-8, or leave such rows out with --on-error skip.",
        ) from None
