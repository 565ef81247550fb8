"""A dataset's manifest: its samples in order, with ids, digests, labels and splits.

In memory its samples are columns (`storage.columns`). On the disk a small one is a JSON object a
line: first what the dataset is, then a line per sample. A large one is an index of parts
(`storage.manifest_parts`), so that a new sample costs a part and not all of it. The manifest's
digest is over ids, sample digests, labels, splits, groups and weights, in order: where the files
lie, when they were last looked at, and how the manifest is cut into parts, is not part of it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, ManifestDamaged, StorageError, first_line
from headstart.paths import checked_digest, inside
from headstart.storage.columns.block import Block, Lists
from headstart.storage.columns.identities import identities
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.files import open_regular, written_aside
from headstart.storage.keys import canonical_json
from headstart.storage.manifest_parts import (
    OF_BEFORE,
    SUFFIX,
    Part,
    Parts,
    end_of,
    ends_part,
    longest_of,
    mean_of,
    parts_folder,
    read_part,
    write_part,
)
from headstart.storage.samples import SPLITS, Label, Sample, is_weight, split_of
from headstart.values.showable import Showable

__all__ = ["SPLITS", "Label", "Manifest", "Sample", "get_parts", "sorted_labels", "split_of"]

FORMAT = "headstart.manifest"
WHOLE, IN_PARTS_OF_JSON, IN_PARTS = 1, 2, 3
"""The versions: a line a sample, or an index of parts."""
WEIGHED = 4
"""Either of the two, where a sample has a weight, which readers of the others would pass over."""
LARGEST_WHOLE = 4096
"""Samples of a manifest that is written whole."""
UNREADABLE = (
    OSError,
    StorageError,  # it is no regular file
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    RecursionError,
)
"""What comes of a file that is no manifest."""
HINT = "Add the dataset again; cached features are not touched."


@dataclass(frozen=True)
class Manifest(Showable):
    """A dataset's samples in order.

    Attributes:
        kind: of the dataset.
        source: of the dataset, an absolute path.
        samples: in order.
        parts: in which it lies on the disk; none where it is whole, or was not written yet.
    """

    kind: str
    source: str
    samples: Sequence[Sample]
    parts: tuple[Part, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", SampleColumns.of(self.samples, self.source))

    @property
    def columns(self) -> SampleColumns:
        """The samples, as what they are: columns."""
        return SampleColumns.of(self.samples)

    @cached_property
    def digest(self) -> str:
        """sha256 over ids, sample digests, labels, splits, groups and weights, in order."""
        content = hashlib.sha256(b"headstart.manifest/1\0")
        for block in self.columns.blocks():
            for lines in identities(block):
                content.update(lines.data)
        return content.hexdigest()

    @cached_property
    def classes(self) -> list[Label]:
        """The labels that occur; see `sorted_labels`."""
        return sorted_labels(self.columns.different_labels)

    @cached_property
    def unique(self) -> int:
        """Different contents."""
        return self.columns.unique

    def _facts(self) -> dict[str, Any]:
        """How much it is; the samples, perhaps millions, are asked for by themselves."""
        return {
            "kind": self.kind,
            "source": self.source,
            "digest": self.digest,
            "samples": len(self.samples),
            "unique": self.unique,
            "classes": self.classes,
        }

    def _line(self) -> str:
        return f"{self.kind} {self.source!r}, {len(self.samples):,} samples"

    def write(self, folder: Path, previous: Manifest | None = None) -> str:
        """Write the manifest into a folder under the name of its content; returns that name.

        Args:
            folder: of manifests.
            previous: one that lies there; parts that are the same are not written again.
        """
        parts: tuple[Part, ...] = ()
        if len(self.samples) > LARGEST_WHOLE:
            parts = tuple(self._write_parts(parts_folder(folder), previous))
        content = hashlib.sha256()
        for line in _lines(self, parts):
            content.update(line)
        name = f"{content.hexdigest()}.jsonl"
        with written_aside(inside(folder, name)) as file:
            file.writelines(_lines(self, parts))
        return name

    def _write_parts(self, folder: Path, previous: Manifest | None) -> Iterator[Part]:
        columns, mean, start = self.columns, mean_of(len(self.samples)), 0
        known = _Known(previous if previous and previous.source == self.source else None, mean)
        while start < len(columns):
            part = known.find(columns, start)
            if part is None:
                block = columns.window(start, end_of(columns, start, mean))
                part = write_part(folder, block)
            yield part
            start += part.samples

    @staticmethod
    def open(path: Path) -> Manifest:
        """Open what `write` wrote; the name is the content's hash and is checked. A part is read,
        and checked, when one of its samples is asked for.

        Raises:
            DatasetError: the file is missing or is not what was written; what is raised later, of
                a part.
        """
        try:
            return _read(path)
        except FileNotFoundError:
            raise ManifestDamaged(f"the manifest {path} is missing", hint=HINT) from None
        except DatasetError:
            raise
        except UNREADABLE as error:
            raise ManifestDamaged(f"the manifest {path} is damaged", hint=HINT) from error

    @staticmethod
    def read(path: Path) -> Manifest:
        """As `open`, with all parts.

        Raises:
            DatasetError: the file, or a part of it, is missing or is not what was written.
        """
        manifest = Manifest.open(path)
        for _ in manifest.columns.blocks():
            pass
        return manifest


def _read(path: Path) -> Manifest:
    found = hashlib.sha256()
    with open_regular(path) as file:
        lines = _hashed(file, found)
        head = _head(path, lines)
        blocks = list(_blocks(head["source"], lines))
    if found.hexdigest() != path.stem:
        raise ManifestDamaged(f"the manifest {path} is damaged", hint=HINT)
    parts = _parts_in(head)
    if not parts:
        return Manifest(head["kind"], head["source"], SampleColumns(head["source"], blocks))
    opened = Parts(parts_folder(path.parent), head["source"], parts, read_part)
    columns = SampleColumns(head["source"], opened, [part.samples for part in parts])
    return Manifest(head["kind"], head["source"], columns, parts)


def _parts_in(head: dict[str, Any]) -> tuple[Part, ...]:
    suffix = OF_BEFORE if head["version"] == IN_PARTS_OF_JSON else SUFFIX
    return tuple(
        Part(checked_digest(sha256), int(count), suffix) for sha256, count in head.get("parts", ())
    )


def _blocks(source: str, lines: Iterable[bytes]) -> Iterator[Block]:
    """The samples of a manifest that is whole."""
    while some := list(islice(lines, LARGEST_WHOLE)):
        yield Block.of(Lists.of([_to_sample(json.loads(line)) for line in some]), source)


def get_parts(path: Path) -> set[str]:
    """The names of the files in which a manifest's parts lie; none where it is whole.

    Raises:
        DatasetError: the manifest is missing, damaged or of newer code, so that nobody can tell.
    """
    try:
        with open_regular(path) as file:
            content = hashlib.sha256()
            lines = _hashed(file, content)
            head = _head(path, lines)
            parts = {part.file for part in _parts_in(head)}
            for _ in lines:
                pass
    except FileNotFoundError:
        raise ManifestDamaged(f"the manifest {path} is missing", hint=HINT) from None
    except DatasetError:
        raise
    except UNREADABLE as error:
        raise ManifestDamaged(
            f"the manifest {path} cannot be read ({first_line(error)})", hint=HINT
        ) from error
    if content.hexdigest() != path.stem:
        raise ManifestDamaged(f"the manifest {path} is damaged", hint=HINT)
    return parts


def _head(path: Path, lines: Iterator[bytes]) -> dict[str, Any]:
    head = json.loads(next(lines, b""))
    if head["format"] != FORMAT or head["version"] not in (
        WHOLE,
        IN_PARTS_OF_JSON,
        IN_PARTS,
        WEIGHED,
    ):
        raise DatasetError(
            f"{path} has manifest version {head['version']}; this code reads {WEIGHED}",
            hint="Upgrade headstart.",
        )
    return head


class _Known:
    """The parts of a manifest that lies on the disk, to be found by their samples.

    Args:
        manifest: on the disk.
        mean: samples in a part, of the manifest that is written; parts of another size are not
            looked at.
    """

    def __init__(self, manifest: Manifest | None, mean: int) -> None:
        if manifest is not None and mean_of(len(manifest.samples)) != mean:
            manifest = None
        self._mean = mean
        self._columns = SampleColumns.of(()) if manifest is None else manifest.columns
        self._starts: dict[str, tuple[int, Part]] = {}
        start = 0
        for part in manifest.parts if manifest else ():
            if part.suffix == SUFFIX:
                self._starts[self._columns.window(start, start + 1).ids[0]] = start, part
            start += part.samples

    def find(self, columns: SampleColumns, start: int) -> Part | None:
        """The part that holds just the samples of one that begins at `start`.

        Where it ends needs not be looked for: it began with the same sample, and none of the same
        ones behind it ended it then.
        """
        first, part = self._starts.get(columns.window(start, start + 1).ids[0], (0, None))
        if part is None or start + part.samples > len(columns):
            return None
        block = columns.window(start, start + part.samples)
        if not self._columns.window(first, first + part.samples).is_same(block):
            return None
        is_end = (
            start + len(block) == len(columns)
            or len(block) == longest_of(self._mean)
            or ends_part(block.slice(len(block) - 1, len(block)).ids[0], self._mean)
        )
        return part if is_end else None


def sorted_labels(labels: Iterable[Label | None]) -> list[Label]:
    """Different labels in the order of a head's classes: numbers by value, names by spelling."""
    known = {label for label in labels if label is not None}
    return sorted(known, key=lambda label: (isinstance(label, str), label))


def _hashed(lines: Iterable[bytes], content: hashlib._Hash) -> Iterator[bytes]:
    """The lines, each put into the hash on its way: a large file is never in memory as a whole."""
    for line in lines:
        content.update(line)
        yield line


def _lines(manifest: Manifest, parts: Sequence[Part]) -> Iterable[bytes]:
    head = {
        "format": FORMAT,
        "version": WEIGHED if manifest.columns.has_weights else IN_PARTS if parts else WHOLE,
        "kind": manifest.kind,
        "source": manifest.source,
        "samples": len(manifest.samples),
    }
    if parts:
        yield canonical_json({**head, "parts": [[p.sha256, p.samples] for p in parts]}) + b"\n"
        return
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
        **({} if sample.weight is None else {"weight": sample.weight}),
    }


def _to_sample(row: dict[str, Any]) -> Sample:
    label, weight = row["label"], row.get("weight")
    if weight is not None and not is_weight(weight):
        raise ValueError(f"the weight {weight!r:.80} is no finite number above 0")
    return Sample(
        row["id"],
        row["digest"],
        sys.intern(label) if isinstance(label, str) else label,  # a few texts, a million times
        sys.intern(row["split"]),
        row["location"],
        tuple(row["stat"]),
        row.get("group"),
        weight,
    )
