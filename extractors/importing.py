"""Importing features that were made elsewhere, checked against the real model."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import FeatureError, first_line
from headstart.storage.manifest import Manifest

ROWS = 4096
"""Rows in memory at a time."""


@dataclass(frozen=True)
class Imported:
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
            with zipfile.ZipFile(path) as archive:
                names = {Path(name).stem for name in archive.namelist()}
                self.key = str(_small(archive, "key")) if "key" in names else None
                self.digests = self._match(archive, names, manifest)
                with archive.open("features.npy") as member:
                    self.shape, self.dtype = _header(member)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise FeatureError(
                f"cannot read {path} as features: {first_line(error)}",
                hint="Give an .npz with `features` and, row for row, `digests` or `ids`.",
            ) from error
        if len(self.digests) != self.shape[0]:
            raise FeatureError(
                f"{path} has {self.shape[0]:,} rows of features and {len(self.digests):,} names"
            )

    def _match(
        self, archive: zipfile.ZipFile, names: set[str], manifest: Manifest
    ) -> list[str | None]:
        """The sample digest of each row; None for those that the dataset has not."""
        known = {sample.digest for sample in manifest.samples}
        if "digests" in names:
            given = [str(digest) for digest in _small(archive, "digests")]
            return [digest if digest in known else None for digest in given]
        by_id = {sample.id: sample.digest for sample in manifest.samples}
        return [by_id.get(str(name)) for name in _small(archive, "ids")]

    def parts(self) -> Iterator[tuple[int, np.ndarray]]:
        """Number of the first row, and rows, some at a time."""
        width = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        with zipfile.ZipFile(self.path) as archive, archive.open("features.npy") as member:
            _header(member)
            for start in range(0, self.shape[0], ROWS):
                count = min(ROWS, self.shape[0] - start)
                content = member.read(count * width)
                if len(content) != count * width:
                    raise FeatureError(f"{self.path} ends before row {start + count:,}")
                yield start, np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])

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


def _header(member: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"features.npy has version {version}")
    shape, is_fortran, dtype = read[version](member)
    if is_fortran or len(shape) < 1 or dtype.kind not in "fiu":
        raise ValueError("features must be numbers in C order, a row a sample")
    return shape, dtype


def _small(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)
