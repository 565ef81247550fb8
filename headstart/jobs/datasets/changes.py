"""`dataset changes`: what differs between two versions of a dataset."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import NotFound
from headstart.paths import inside
from headstart.registry.entities import Dataset
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Label
from headstart.storage.windowed.wholes import wholes_of
from headstart.values.showable import Results, Showable

FIRST = 20
"""Samples that are named; of more, how many there are."""
SHORTEST = 8
"""Letters by which a version is named."""


@dataclass(frozen=True)
class Version(Showable):
    """A dataset as it was.

    Attributes:
        digest: of its samples.
        manifest: the name of the list of them.
        until: when it was replaced; None of the newest.
        is_kept: whether the list is there still: `features gc` deletes what nothing needs.
    """

    digest: str
    manifest: str
    until: datetime | None
    is_kept: bool


@dataclass(frozen=True)
class Changed(Showable):
    """Samples with one kind of change.

    Attributes:
        count: how many.
        first: of the first of them the id, and of labels and splits what it was and is.
    """

    count: int
    first: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Changes(Showable):
    """What differs between two versions; a sample is known by its id, and by its content where its
    id is another one now.

    Attributes:
        dataset: its name.
        before: digest of the older one.
        after: of the newer one.
        samples: how many each has.
        added: ids that only the newer has.
        removed: ids that only the older has.
        moved: ids whose content stands under another one `now`, with the label before and after.
        contents: ids with another content.
        labels: ids with another label.
        splits: ids in another split; of what was moved, the id that it has now.
        weights: ids that count for another number of samples, likewise.
    """

    dataset: str
    before: str
    after: str
    samples: tuple[int, int]
    added: Changed
    removed: Changed
    moved: Changed
    contents: Changed
    labels: Changed
    splits: Changed
    weights: Changed

    def _line(self) -> str:
        names = ("added", "removed", "moved", "contents", "labels", "splits", "weights")
        counts = ", ".join(f"{getattr(self, name).count:,} {name}" for name in names)
        return f"{self.dataset!r}, {self.before[:12]} to {self.after[:12]}: {counts}"


def find_versions(context: Context, dataset: Dataset) -> Results[Version]:
    """The versions of a dataset that the log knows the lists of, the newest first."""
    found = {dataset.digest: Version(dataset.digest, dataset.manifest, None, True)}
    for event in context.events.find(dataset.name, kind="dataset"):
        if event.action == "add":
            break  # before it, another dataset had the name
        was = event.before or {}
        if "digest" in was and "manifest" in was and was["digest"] not in found:
            is_kept = _has(context, was["manifest"])
            found[was["digest"]] = Version(
                was["digest"], was["manifest"], event.created_at, is_kept
            )
    return Results(found.values())


def changes(
    context: Context, dataset: Dataset, before: str | None = None, after: str | None = None
) -> Changes:
    """See `Datasets.changes`."""
    versions = find_versions(context, dataset)
    newer = versions[0] if after is None else _version(dataset, versions, after)
    older = _before(dataset, versions, newer) if before is None else None
    older = older or _version(dataset, versions, str(before))
    one, other = (
        wholes_of(context.manifests.read(each.manifest)).columns for each in (older, newer)
    )
    return _compared(dataset.name, (older.digest, newer.digest), one, other)


def _has(context: Context, manifest: str) -> bool:
    folder = context.manifests.whole
    return folder.has(inside(folder.root, manifest))


def _version(dataset: Dataset, versions: Results[Version], digest: str) -> Version:
    """The one of that digest, or of its first letters.

    Raises:
        NotFound: there is none, or its list was deleted.
    """
    own = [one for one in versions if len(digest) >= SHORTEST and one.digest.startswith(digest)]
    if len(own) != 1:
        known = ", ".join(one.digest[:12] for one in versions)
        raise NotFound(
            f"dataset {dataset.name!r} has no version {digest[:80]!r} that the log knows of",
            hint=f"It has {known}.",
        )
    if not own[0].is_kept:
        raise NotFound(
            f"the list of samples of version {own[0].digest[:12]} of dataset {dataset.name!r} was "
            "deleted",
            hint="`headstart features gc` deletes what neither a dataset nor a job needs.",
        )
    return own[0]


def _before(dataset: Dataset, versions: Results[Version], newer: Version) -> Version:
    """The one before another."""
    older = versions[versions.index(newer) + 1 :]
    if not older:
        raise NotFound(
            f"no version of dataset {dataset.name!r} before {newer.digest[:12]} is known",
            hint="It has not changed since it was added, or since the log keeps their lists.",
        )
    return _version(dataset, versions, older[0].digest)


def _compared(
    name: str, digests: tuple[str, str], before: SampleColumns, after: SampleColumns
) -> Changes:
    known = IdFinder(before)
    places = np.concatenate(
        [np.empty(0, np.int64), *(known.find(block.ids) for block in after.blocks())]
    )
    new = np.flatnonzero(places != ABSENT)
    old = places[new].astype(np.int64)
    labels = [np.array([*one.labels, None], object)[:-1] for one in (before, after)]
    weights = before.weights, after.weights
    ids, was = after.ids, before.ids
    gone = np.ones(len(before), bool)
    gone[old] = False
    lost, come = np.flatnonzero(gone), np.flatnonzero(places == ABSENT)
    left, arrived = _moved(before.take(lost).digests, after.take(come).digests)
    pairs = [(lost[row], come[to]) for row, to in zip(left[:FIRST], arrived[:FIRST], strict=True)]
    moved = [
        {"id": was[row], "now": ids[to], "before": labels[0][row], "after": labels[1][to]}
        for row, to in pairs
    ]
    same = _Pairs(old, new, ids)
    every = _Pairs(np.concatenate([old, lost[left]]), np.concatenate([new, come[arrived]]), ids)
    is_other = (before.digests[old] != after.digests[new]).any(axis=-1)
    is_relabelled = _differ(labels[0][old], labels[1][new])
    is_elsewhere = before.split_codes[every.old] != after.split_codes[every.new]
    is_reweighed = weights[0][every.old] != weights[1][every.new]
    return Changes(
        name,
        *digests,
        samples=(len(before), len(after)),
        added=_named(np.delete(come, arrived), ids),
        removed=_named(np.delete(lost, left), was),
        moved=Changed(len(left), tuple(moved)),
        contents=same.changed(is_other),
        labels=same.changed(is_relabelled, _lists(*labels)),
        splits=every.changed(is_elsewhere, (before.splits, after.splits)),
        weights=every.changed(is_reweighed, (weights[0].tolist(), weights[1].tolist())),
    )


@dataclass(frozen=True)
class _Pairs:
    """Samples that both versions have.

    Attributes:
        old: their rows in the older one, (n,).
        new: their rows in the newer one, (n,).
        ids: of all of the newer one.
    """

    old: np.ndarray
    new: np.ndarray
    ids: list[str]

    def changed(
        self, is_meant: np.ndarray, values: tuple[list[Any], list[Any]] | None = None
    ) -> Changed:
        """Some of them, with what each was and is, if there are values of all rows of both."""
        first, rows = [], np.flatnonzero(is_meant)
        shown = (of[rows[:FIRST]].tolist() for of in (self.old, self.new))
        for row, to in zip(*shown, strict=True):
            one: dict[str, Any] = {"id": self.ids[to]}
            if values is not None:
                one |= {"before": values[0][row], "after": values[1][to]}
            first.append(one)
        return Changed(len(rows), tuple(first))


def _named(rows: np.ndarray, ids: list[str]) -> Changed:
    return Changed(len(rows), tuple({"id": ids[row]} for row in rows[:FIRST].tolist()))


def _moved(gone: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the contents that are gone, (n, 32), are which of those that are new, (m, 32): each
    of one content is one other, in order."""
    there: dict[bytes, deque[int]] = {}
    for place, digest in enumerate(new):
        there.setdefault(digest.tobytes(), deque()).append(place)
    pairs = [
        (place, known.popleft())
        for place, digest in enumerate(gone)
        if (known := there.get(digest.tobytes()))
    ]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two columns of labels differ: 1 and "1" do."""
    return np.array(
        [a != b or type(a) is not type(b) for a, b in zip(one, other, strict=True)], bool
    )


def _lists(one: np.ndarray, other: np.ndarray) -> tuple[list[Label | None], list[Label | None]]:
    return one.tolist(), other.tolist()
