"""What labels are, taken together: classes or numbers; and which classes have few samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from headstart.errors import DatasetError
from headstart.extractors.datasets.rows import to_label
from headstart.extractors.datasets.source import Options
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Label, sorted_labels
from headstart.storage.samples import BETWEEN, is_fraction
from headstart.values.quantities import are_many_numbers

FEW = 5
"""Samples of a class to train on, below which it is said that there are few."""
NAMED = 6
"""Classes in one message."""


def are_numbers(labels: Iterable[Label | None]) -> bool:
    """Whether there is a fraction among them, which `rows.to_label` leaves as a text of digits; or
    whether they are many whole numbers that are written as such, `25.0`.

    Args:
        labels: of all samples.
    """
    known = Counter(label for label in labels if label is not None)
    return have_fractions(known) or are_many_numbers(known, known.total())


def are_numbers_in(samples: SampleColumns) -> bool:
    """Whether labels are numbers, see `are_numbers`."""
    different = samples.different_labels
    return have_fractions(different) or are_many_numbers(different, samples.labelled)


def have_fractions(labels: Iterable[Label | None]) -> bool:
    """Whether there is one among them."""
    return any(label is not None and is_fraction(label) for label in set(labels))


def are_classes(labels: Collection[Label | None]) -> bool:
    """Whether they are classes: every other sample shares its label with one before it."""
    known = Counter(label for label in labels if label is not None)
    if not known or 2 * len(known) > known.total() or are_numbers(labels):
        return False
    return not odd_among_numbers([*labels])


ODD = 10
"""Among labels that are numbers, at most one in so many is taken for a slip."""


def odd_among_numbers(labels: Sequence[Label | None]) -> list[int]:
    """The rows of labels that are no finite numbers, where nearly all others are numbers; none
    where all are, or labels are classes."""
    is_odd = {one: one is not None and not _is_finite(one) for one in set(labels)}
    odd = [row for row, label in enumerate(labels) if is_odd[label]]
    if not odd or ODD * len(odd) > len(labels):
        return []
    return odd if are_numbers([label for label in labels if not is_odd[label]]) else []


def _is_finite(label: Label) -> bool:
    try:
        parts = [float(part) for part in str(label).split(BETWEEN)]
    except ValueError:
        return False
    return all(map(math.isfinite, parts))


def class_names(text: str, where: str) -> list[str]:
    """The names of classes by number, of a file with one in each line.

    Lines end where files of text end them, not wherever Unicode may: a class is its line's number.

    Args:
        text: of the file.
        where: the file, for messages.

    Raises:
        DatasetError: a line before the last name is blank; all classes behind it would be shifted.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    names = [line.strip() for line in lines]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise DatasetError(
            f"{where}, line {names.index('') + 1}: a class without a name",
            hint="Name it, or take the line out if it is not a class.",
        )
    return names


def few_of(samples: SampleColumns, options: Options) -> list[str]:
    """Classes, or labels of several, with few samples to train on or none to test on, in words;
    none of numbers, and where nobody wants splits."""
    labels = samples.labels
    several = bool(several_in(set(labels)))
    if options.get("split") == "none" or not (several or are_classes(labels)):
        return []
    pairs = zip(labels, samples.splits, strict=True)
    counts = Counter(
        (one, split) for label, split in pairs for one in (parts_in(label) if several else [label])
    )
    found = []
    for label in sorted_labels([one for one, _ in counts]):
        train, test = counts[label, "train"], counts[label, "test"]
        if train < FEW or not test:
            found.append(f"{label!r} has {train} to train on and {test or 'none'} to test on")
    return found


def differing_copies(samples: SampleColumns) -> tuple[int, list[str]]:
    """How many samples have the content of one before them and another label, and the first of
    them, each with that one, in words; none where labels are numbers, which may be measured twice.
    """
    if are_numbers_in(samples):
        return 0, []
    heads = samples.digest_heads
    order = np.argsort(heads, kind="stable")
    is_next = heads[order][1:] == heads[order][:-1]
    is_shared = np.append(is_next, False) | np.append(False, is_next)
    first: dict[bytes, tuple[str, Label]] = {}
    count, told = 0, list[str]()
    for block in samples.take(np.sort(order[is_shared])).blocks():
        for digest, id_, label in zip(block.digests, block.ids, block.labels, strict=True):
            if label is None:
                continue
            before, named = first.setdefault(digest.tobytes(), (id_, label))
            if named != label:
                count += 1
                if len(told) < NAMED:
                    told.append(f"{id_!r} ({label!r}) of {before!r} ({named!r})")
    return count, told


NO_LABELS = {"nan", "null", "n/a", "<na>"}
"""What programs write where there is no value, in lower case."""


def no_labels_in(labels: Collection[Label | None]) -> list[str]:
    """Those that are written as programs write that there is no value."""
    return [one for one in labels if isinstance(one, str) and one.strip().lower() in NO_LABELS]


def are_hardly_shared(labels: Collection[Label | None]) -> bool:
    """Whether there are texts or whole numbers for labels, and nearly each sample has its own."""
    known = {label for label in labels if label is not None}
    return bool(known) and not are_numbers(labels) and not are_classes(labels)


def several_in(labels: Collection[Label | None]) -> list[str]:
    """Those that are several labels, as `MultiLabel` reads them; several numbers are none, whole
    ones too where others have digits behind the point."""
    if are_numbers(labels):
        return []
    texts = [label for label in labels if isinstance(label, str) and BETWEEN in label]
    return [text for text in texts if not all(map(_is_number, text.split(BETWEEN)))]


def parts_in(label: Label | None) -> list[str]:
    """The labels of a sample that has several, or one, or none."""
    parts = [] if label is None else str(label).split(BETWEEN)
    return [part.strip() for part in parts if part.strip()]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text.strip().isdigit()  # places of ones are labels


def label_of_numbers(row: Any, where: str) -> Label:
    """The numbers of a row, as `Regression` reads them.

    Raises:
        DatasetError: one is NaN or infinite.
    """
    values = np.asarray(row)
    if not np.isfinite(values).all():
        raise DatasetError(
            f"{where}: the label {values.tolist()!r} holds what is not a number",
            hint="Fix it, or leave such rows out with --on-error skip.",
        )
    return BETWEEN.join(repr(value) for value in values.tolist())


def one_hot_label(row: Any, where: str) -> Label:
    """The place of the one in a row of zeros."""
    del where
    return int(np.argmax(row))


def several_labels(row: Any, where: str) -> Label | None:
    """The places of the ones in a row, as `MultiLabel` reads them; None if there is none."""
    del where
    return BETWEEN.join(str(place) for place in np.flatnonzero(row).tolist()) or None


def rows_reader(labels: Iterable[Any]) -> tuple[Callable[[Any, str], Label | None], str]:
    """What reads a row of labels, and what they are, in words; nothing where each is one label, or
    several numbers."""
    widths, are_places, is_one_hot = set[int](), True, True
    for row in labels:
        values = np.asarray(row)
        if values.ndim != 1 or values.dtype.kind not in "fiub" or len(values) < 2:
            return to_label, ""
        widths.add(len(values))
        are_places = are_places and bool(((values == 0) | (values == 1)).all())
        is_one_hot = is_one_hot and values.sum() == 1
    if len(widths) != 1:
        return to_label, ""
    if not are_places:
        return label_of_numbers, ""
    what = "one-hot classes" if is_one_hot else "several labels a row"
    return one_hot_label if is_one_hot else several_labels, f"{what}, 0 to {widths.pop() - 1}"
