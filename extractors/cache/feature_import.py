"""Importing features that were made elsewhere, checked against the real model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from headstart.errors import DatasetError, FeatureError, first_line
from headstart.extractors.datasets.sources.numpy_files import DAMAGE, Archive
from headstart.paths import DIGEST
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.storage.files import open_regular
from headstart.storage.keys import unpack_digests
from headstart.storage.manifest import Manifest
from headstart.values.showable import Showable

ROWS = 4096
PART_BYTES = 1 << 26
"""Rows, and bytes of them, in memory at a time."""


@dataclass(frozen=True)
class Imported(Showable):
    """What an import did.

    Attributes:
        rows: in the file.
        added: of those, stored now.
        reused: those whose row was there already, and doubles.
        foreign: those that no sample of the dataset has.
        checked: rows that were compared with the real model.
        max_abs_diff: largest difference among those; None where none were.
        feature_key: the feature set.
    """

    rows: int
    added: int
    reused: int
    foreign: int
    checked: int
    max_abs_diff: float | None
    feature_key: str


class FeatureFile:
    """An `.npz` with `features` (rows, *feature shape) and `digests` or `ids` (rows).

    Args:
        path: the file, as `headstart features export` or `np.savez` writes it.
        manifest: of the dataset, whose samples the rows are matched with.

    Raises:
        FeatureError: it is no such file.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        try:
            with open_regular(path) as file:
                archive = Archive(file, path)
                named = [name for name in ("key", "digests", "ids") if name in archive.names]
                archive.check(named)
                self.key = str(archive.read("key")) if "key" in named else None
                self.digests = self._match(archive, manifest)
                self.shape, self.dtype = _header(archive)
        except DatasetError as error:
            raise FeatureError(error.message, hint=error.hint) from error
        except (KeyError, *DAMAGE) as error:
            raise FeatureError(
                f"cannot read {path} as features: {first_line(error)}",
                hint="Give an .npz with `features` and, row for row, `digests` or `ids`.",
            ) from error
        if len(self.digests) != self.shape[0]:
            raise FeatureError(
                f"{path} has {self.shape[0]:,} rows of features and {len(self.digests):,} names"
            )

    def _match(self, archive: Archive, manifest: Manifest) -> list[str | None]:
        """The sample digest of each row; None for those that the dataset has not."""
        if "digests" in archive.names:
            given, known = [str(digest) for digest in archive.read("digests")], manifest.columns
            of_dataset = {digest for digest in set(given) if DIGEST.fullmatch(digest)}
            of_dataset.intersection_update(
                unpack_digests(known.where(known.have(of_dataset)).digests)
            )
            return [digest if digest in of_dataset else None for digest in given]
        finder = IdFinder(manifest.columns)
        rows = finder.find([str(name) for name in archive.read("ids")])
        digests = unpack_digests(manifest.columns.take(rows[rows != ABSENT]).digests)
        found = iter(digests)
        return [next(found) if row != ABSENT else None for row in rows.tolist()]

    def parts(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number of the first row, and rows, some at a time."""
        width = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        rows = max(1, min(ROWS, PART_BYTES // max(1, width)))
        with open_regular(self.path) as file:
            archive = Archive(file, self.path)
            start_of = archive.header("features").start
            with archive.open("features") as member:
                member.seek(start_of)
                for start in range(0, self.shape[0], rows):
                    count = min(rows, self.shape[0] - start)
                    content = self._read(member, count * width)
                    if len(content) != count * width:
                        raise FeatureError(f"{self.path} ends before row {start + count:,}")
                    yield start, np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

    def _read(self, member: IO[bytes], size: int) -> bytes:
        try:
            return member.read(size)
        except DAMAGE as error:
            raise FeatureError(
                f"{self.path} is damaged ({first_line(error)})", hint="Write it again."
            ) from error

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        """Some rows, their numbers ascending."""
        wanted = np.array(numbers)
        found = [
            part[wanted[(wanted >= start) & (wanted < start + len(part))] - start]
            for start, part in self.parts()
        ]
        return np.concatenate(found)


def import_rows(
    file: FeatureFile,
    is_there: Callable[[list[str]], np.ndarray],
    commit: Callable[[list[str], np.ndarray], None],
    progress: Callable[[int, int], None],
) -> tuple[int, int, int]:
    """Store the rows of a file that are not there yet.

    Returns:
        Rows added, rows that were there (or came twice), rows of no sample.
    """
    added = reused = foreign = 0
    seen: set[str] = set()
    for start, part in file.parts():
        digests = file.digests[start : start + len(part)]
        named = [(row, digest) for row, digest in enumerate(digests) if digest is not None]
        foreign += len(part) - len(named)
        there = is_there([digest for _, digest in named]) if named else np.empty(0, bool)
        fresh = []
        for (row, digest), has in zip(named, there, strict=True):
            if not has and digest not in seen:
                seen.add(digest)
                fresh.append((row, digest))
        reused += len(named) - len(fresh)
        if fresh:
            commit([digest for _, digest in fresh], part[[row for row, _ in fresh]])
            added += len(fresh)
        progress(start + len(part), file.shape[0])
    return added, reused, foreign


def _header(archive: Archive) -> tuple[tuple[int, ...], np.dtype[Any]]:
    header = archive.header("features")
    if header.is_fortran or len(header.shape) < 1 or header.dtype.kind not in "fiu":
        raise ValueError("features must be numbers in C order, a row a sample")
    return header.shape, header.dtype
