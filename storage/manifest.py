"""A dataset's manifest: its samples in order, with ids, digests, labels and splits.

One JSON object a line: first what the dataset is, then a line per sample. The manifest's digest
is over ids, sample digests, labels and splits, in order: where the files lie, and when they were
last looked at, is not part of it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError
from headstart.paths import inside
from headstart.storage.files import written_aside
from headstart.storage.keys import canonical_json

FORMAT = "headstart.manifest"
VERSION = 1
SPLITS = ("train", "validation", "test")
SPLIT_SHARES = (0.7, 0.1, 0.2)

Label = str | int


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a dataset.

    Attributes:
        id: stable and unique in the dataset: the path in a folder, the row's id, the row's number.
        digest: sha256 of the raw content, in hex.
        label: class name or number; None in an unlabelled dataset.
        split: `train`, `validation` or `test`.
        location: where the content is: a path, or a row of the arrays.
        stat: size, mtime in ns and inode when the digest was computed; empty for array rows.
        group: what it belongs to: samples of one group stand in one split. None if on its own.
    """

    id: str
    digest: str
    label: Label | None
    split: str
    location: str | int
    stat: tuple[int, ...] = ()
    group: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A dataset's samples in order."""

    kind: str
    source: str
    samples: tuple[Sample, ...]

    @cached_property
    def digest(self) -> str:
        """sha256 over ids, sample digests, labels and splits, in order."""
        content = hashlib.sha256(b"headstart.manifest/1\0")
        for sample in self.samples:
            row = [sample.id, sample.digest, sample.label, sample.split]
            row += [] if sample.group is None else [sample.group]
            content.update(canonical_json(row) + b"\n")
        return content.hexdigest()

    @cached_property
    def classes(self) -> list[Label]:
        """The labels that occur; see `sorted_labels`."""
        return sorted_labels(sample.label for sample in self.samples)

    @cached_property
    def unique(self) -> int:
        return len({sample.digest for sample in self.samples})

    def write(self, folder: Path) -> str:
        """Write the manifest into a folder under the name of its content; returns that name."""
        content = hashlib.sha256()
        for line in _lines(self):
            content.update(line)
        name = f"{content.hexdigest()}.jsonl"
        with written_aside(inside(folder, name)) as file:
            file.writelines(_lines(self))
        return name

    @staticmethod
    def read(path: Path) -> Manifest:
        """Read what `write` wrote; the name is the content's hash and is checked.

        Raises:
            DatasetError: the file is missing or is not what was written.
        """
        hint = "Add the dataset again; cached features are not touched."
        found = hashlib.sha256()
        try:
            with path.open("rb") as file:
                lines = _hashed(file, found)
                head = json.loads(next(lines, b""))
                if head["format"] != FORMAT or head["version"] != VERSION:
                    raise DatasetError(
                        f"{path} has manifest version {head['version']}; this code reads {VERSION}",
                        hint="Upgrade headstart.",
                    )
                samples = tuple(_to_sample(json.loads(line.decode())) for line in lines)
        except FileNotFoundError:
            raise DatasetError(f"the manifest {path} is missing", hint=hint) from None
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"the manifest {path} is damaged", hint=hint) from error
        if found.hexdigest() != path.stem:
            raise DatasetError(f"the manifest {path} is damaged", hint=hint)
        return Manifest(head["kind"], head["source"], samples)


def sorted_labels(labels: Iterable[Label | None]) -> list[Label]:
    """Different labels in the order of a head's classes: numbers by value, names by spelling."""
    known = {label for label in labels if label is not None}
    return sorted(known, key=lambda label: (isinstance(label, str), label))


def split_of(digest: str) -> str:
    """The split of a sample by its content, or its group: 70 % train, 10 % validation, 20 % test.

    It depends on nothing else, so adding samples moves none, and copies of one picture never
    stand on both sides.
    """
    place = int.from_bytes(hashlib.sha256(f"split\0{digest}".encode()).digest()[:8]) / 2**64
    train, validation, _ = SPLIT_SHARES
    if place < train:
        return "train"
    return "validation" if place < train + validation else "test"


def _hashed(lines: Iterable[bytes], content: hashlib._Hash) -> Iterator[bytes]:
    """The lines, each put into the hash on its way: a large file is never in memory as a whole."""
    for line in lines:
        content.update(line)
        yield line


def _lines(manifest: Manifest) -> Iterable[bytes]:
    head = {
        "format": FORMAT,
        "version": VERSION,
        "kind": manifest.kind,
        "source": manifest.source,
        "samples": len(manifest.samples),
    }
    yield canonical_json(head) + b"\n"
    for sample in manifest.samples:
        yield canonical_json(_to_json(sample)) + b"\n"


def _to_json(sample: Sample) -> dict[str, Any]:
    return {
        "id": sample.id,
        "digest": sample.digest,
        "label": sample.label,
        "split": sample.split,
        "location": sample.location,
        "stat": list(sample.stat),
        **({} if sample.group is None else {"group": sample.group}),
    }


def _to_sample(row: dict[str, Any]) -> Sample:
    label = row["label"]
    return Sample(
        row["id"],
        row["digest"],
        sys.intern(label) if isinstance(label, str) else label,  # a few texts, a million times
        sys.intern(row["split"]),
        row["location"],
        tuple(row["stat"]),
        row.get("group"),
    )
