"""A dataset's manifest: its samples in order, with ids, digests, labels and splits.

One JSON object a line: first what the dataset is, then a line per sample. A large one is an index
of parts (`storage.manifest_parts`), so that a new sample costs a part and not all of it. The
manifest's digest is over ids, sample digests, labels and splits, in order: where the files lie,
when they were last looked at, and how the manifest is cut into parts, is not part of it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError, first_line
from headstart.paths import inside
from headstart.storage.files import written_aside
from headstart.storage.keys import canonical_json
from headstart.storage.manifest_parts import Part, cut, parts_folder, read_part, write_part
from headstart.storage.memory import uncollected
from headstart.storage.samples import SPLITS, Label, Sample, split_of
from headstart.values.showable import Showable

__all__ = ["SPLITS", "Label", "Manifest", "Sample", "get_parts", "sorted_labels", "split_of"]

FORMAT = "headstart.manifest"
WHOLE, IN_PARTS = 1, 2
"""The versions: a line a sample, or an index of parts."""
LARGEST_WHOLE = 4096
"""Samples of a manifest that is written whole."""
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
    samples: tuple[Sample, ...]
    parts: tuple[Part, ...] = field(default=(), compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """sha256 over ids, sample digests, labels and splits, in order."""
        content = hashlib.sha256(b"headstart.manifest/1\0")
        content.update("".join(_identities(self.samples)).encode())
        return content.hexdigest()

    @cached_property
    def classes(self) -> list[Label]:
        """The labels that occur; see `sorted_labels`."""
        return sorted_labels(sample.label for sample in self.samples)

    @cached_property
    def unique(self) -> int:
        return len({sample.digest for sample in self.samples})

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
        parts = ()
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
        known = _parts_of(previous) if previous and previous.source == self.source else {}
        for samples in cut(self.samples):
            had, part = known.get(samples[0].id, ((), None))
            yield part if part and had == samples else write_part(folder, self.source, samples)

    @staticmethod
    def read(path: Path) -> Manifest:
        """Read what `write` wrote; the name is the content's hash and is checked.

        Raises:
            DatasetError: the file, or a part of it, is missing or is not what was written.
        """
        try:
            with uncollected():
                return _read(path)
        except FileNotFoundError:
            raise DatasetError(f"the manifest {path} is missing", hint=HINT) from None
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"the manifest {path} is damaged", hint=HINT) from error


def _read(path: Path) -> Manifest:
    found = hashlib.sha256()
    with path.open("rb") as file:
        lines = _hashed(file, found)
        head = _head(path, lines)
        samples = [_to_sample(json.loads(line.decode())) for line in lines]
    if found.hexdigest() != path.stem:
        raise DatasetError(f"the manifest {path} is damaged", hint=HINT)
    parts = tuple(Part(sha256, count) for sha256, count in head.get("parts", ()))
    for part in parts:
        samples += read_part(parts_folder(path.parent), head["source"], part)
    return Manifest(head["kind"], head["source"], tuple(samples), parts)


def get_parts(path: Path) -> set[str]:
    """The names of the files in which a manifest's parts lie; none where it is whole.

    Raises:
        DatasetError: the manifest is missing, damaged or of newer code, so that nobody can tell.
    """
    try:
        with path.open("rb") as file:
            content = hashlib.sha256()
            lines = _hashed(file, content)
            head = _head(path, lines)
            parts = {Part(sha256, count).file for sha256, count in head.get("parts", ())}
            for _ in lines:
                pass
    except FileNotFoundError:
        raise DatasetError(f"the manifest {path} is missing", hint=HINT) from None
    except DatasetError:
        raise
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"the manifest {path} cannot be read ({first_line(error)})", hint=HINT
        ) from error
    if content.hexdigest() != path.stem:
        raise DatasetError(f"the manifest {path} is damaged", hint=HINT)
    return parts


def _head(path: Path, lines: Iterator[bytes]) -> dict[str, Any]:
    head = json.loads(next(lines, b""))
    if head["format"] != FORMAT or head["version"] not in (WHOLE, IN_PARTS):
        raise DatasetError(
            f"{path} has manifest version {head['version']}; this code reads {IN_PARTS}",
            hint="Upgrade headstart.",
        )
    return head


def _parts_of(manifest: Manifest) -> dict[str, tuple[tuple[Sample, ...], Part]]:
    """A manifest's parts with their samples, by the id of the first."""
    found, start = {}, 0
    for part in manifest.parts:
        samples = manifest.samples[start : start + part.samples]
        found[samples[0].id] = (samples, part)
        start += part.samples
    return found


def sorted_labels(labels: Iterable[Label | None]) -> list[Label]:
    """Different labels in the order of a head's classes: numbers by value, names by spelling."""
    known = {label for label in labels if label is not None}
    return sorted(known, key=lambda label: (isinstance(label, str), label))


def _hashed(lines: Iterable[bytes], content: hashlib._Hash) -> Iterator[bytes]:
    """The lines, each put into the hash on its way: a large file is never in memory as a whole."""
    for line in lines:
        content.update(line)
        yield line


def _identities(samples: Iterable[Sample]) -> Iterator[str]:
    """A line a sample: id, digest, label, split and group as `canonical_json` spells their list."""
    text = json.encoder.encode_basestring  # what it calls itself, at a tenth of the time
    labels: dict[Label | None, str] = {}
    for one in samples:
        label = labels.get(one.label) or labels.setdefault(one.label, _spelled(one.label))
        group = "" if one.group is None else f",{text(one.group)}"
        yield f"[{text(one.id)},{text(one.digest)},{label},{text(one.split)}{group}]\n"


def _spelled(label: Label | None) -> str:
    return canonical_json(label).decode()


def _lines(manifest: Manifest, parts: Sequence[Part]) -> Iterable[bytes]:
    head = {
        "format": FORMAT,
        "version": IN_PARTS if parts else WHOLE,
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
