"""Parts of a large manifest: about a thousand samples each, in a file called by its sha256.

Where a part ends depends on the id of its last sample alone. A sample that is added or changed
therefore changes the part that it stands in and no other, wherever that is.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError
from headstart.paths import inside
from headstart.storage.files import written_aside
from headstart.storage.keys import canonical_json
from headstart.storage.samples import SPLITS, Sample

FORMAT = "headstart.manifest-part"
VERSION = 1
MEAN = 1024
LONGEST = 8 * MEAN
"""Samples in a part: on average, and at most, whatever their ids are."""
SUFFIX = ".json"


@dataclass(frozen=True)
class Part:
    """Some samples of a manifest, by the sha256 of the file that they lie in."""

    sha256: str
    samples: int

    @property
    def file(self) -> str:
        return f"{self.sha256}{SUFFIX}"


def parts_folder(manifests: Path) -> Path:
    """Where parts lie: beside the manifests, as older versions collect what lies among them."""
    return manifests.with_name(f"{manifests.name}-parts")


def cut(samples: Sequence[Sample]) -> Iterator[tuple[Sample, ...]]:
    """The samples in parts."""
    start = 0
    for number, sample in enumerate(samples, start=1):
        is_last = zlib.crc32(sample.id.encode()) % MEAN == 0
        if is_last or number - start == LONGEST or number == len(samples):
            yield tuple(samples[start:number])
            start = number


def write_part(folder: Path, source: str, samples: Sequence[Sample]) -> Part:
    """Write a part; it is on the disk, whole, when this returns.

    Args:
        folder: see `parts_folder`.
        source: of the manifest, below which the samples may lie.
        samples: its samples.

    Raises:
        StorageError: the disk does not take it.
    """
    content = canonical_json(_to_json(source, samples))
    part = Part(hashlib.sha256(content).hexdigest(), len(samples))
    with written_aside(inside(folder, part.file)) as file:
        file.write(content)
    return part


def read_part(folder: Path, source: str, part: Part) -> list[Sample]:
    """Read what `write_part` wrote.

    Raises:
        DatasetError: the file is missing or is not what was written.
    """
    path = inside(folder, part.file)
    hint = "Add the dataset again; cached features are not touched."
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"the part {path} of a manifest is missing", hint=hint) from None
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise DatasetError(f"the part {path} of a manifest is damaged", hint=hint)
    return list(_samples(source, json.loads(content)))


def _to_json(source: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """A column for each attribute; where all lie in the source under their ids, that is all said.

    Columns are read five times as fast as an object for each sample.
    """
    labels = list(dict.fromkeys(sample.label for sample in samples))
    numbers = {label: number for number, label in enumerate(labels)}
    is_below = all(sample.location == f"{source}/{sample.id}" for sample in samples)
    return {
        "format": FORMAT,
        "version": VERSION,
        "ids": [sample.id for sample in samples],
        "digests": [sample.digest for sample in samples],
        "labels": labels,
        "label": [numbers[sample.label] for sample in samples],
        "split": [SPLITS.index(sample.split) for sample in samples],
        "locations": None if is_below else [sample.location for sample in samples],
        "stats": list(zip(*(sample.stat for sample in samples), strict=True)),
        "groups": [sample.group for sample in samples]
        if any(sample.group is not None for sample in samples)
        else None,
    }


def _samples(source: str, columns: dict[str, Any]) -> Iterator[Sample]:
    ids = columns["ids"]
    # The same few texts stand in every part.
    labels = [sys.intern(one) if isinstance(one, str) else one for one in columns["labels"]]
    return map(
        Sample,
        ids,
        columns["digests"],
        [labels[number] for number in columns["label"]],
        [SPLITS[number] for number in columns["split"]],
        columns["locations"] or [f"{source}/{id_}" for id_ in ids],
        zip(*columns["stats"], strict=True) if columns["stats"] else [()] * len(ids),
        columns["groups"] or [None] * len(ids),
    )
