"""The samples of a dataset, some at a time, and one as people see it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import InvalidValue, NotFound, SampleChanged, SampleUnreadable
from headstart.extractors.datasets import reader_of
from headstart.extractors.datasets.corrections import Wholes
from headstart.extractors.preprocessing.preview import cell, glance
from headstart.extractors.preprocessing.sound_preview import is_sound, wav_of
from headstart.jobs.datasets.details import WITHOUT
from headstart.paths import checked_digest
from headstart.registry.entities import Dataset
from headstart.storage.columns.finder import ABSENT
from headstart.storage.manifest import SPLITS, Manifest, Sample
from headstart.values.showable import Showable

SIDES = (96, 160, 320)
"""Pixels of the squares in which pictures are shown; others are not made."""
SIDE = 160


@dataclass(frozen=True)
class SomeSamples(Showable):
    """Some samples of a dataset, in its order.

    Attributes:
        samples: those that are shown.
        start: the number of the first of them among those that are meant.
        total: how many are meant.
    """

    samples: tuple[Sample, ...]
    start: int
    total: int

    def _facts(self) -> dict[str, Any]:
        rows = [
            {"id": one.id, "digest": one.digest, "label": one.label, "split": one.split}
            for one in self.samples
        ]
        return {"samples": rows, "start": self.start, "total": self.total}


@dataclass(frozen=True)
class Seen(Showable):
    """What a sample looks like.

    Attributes:
        sample: which.
        picture: a square, uint8, (side, side, 3); None of what is no picture.
        words: of what is no picture: its first words or numbers, or why it cannot be read.
        is_sound: whether it can be heard, see `get_sound`.
    """

    sample: Sample
    picture: np.ndarray | None
    words: str
    is_sound: bool = False

    @property
    def png(self) -> bytes:
        """The picture as a file, made anew: nothing of the file that it came from is in it.

        Raises:
            NotFound: it is no picture.
        """
        if self.picture is None:
            raise NotFound(f"sample {self.sample.id!r} is no picture", hint=self.words)
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(self.picture).save(file, "PNG")
        return file.getvalue()


def find_samples(
    manifest: Manifest,
    *,
    label: str | None = None,
    split: str | None = None,
    start: int = 0,
    count: int = 48,
) -> SomeSamples:
    """Samples of a class, of a split, or of both.

    Args:
        manifest: of the dataset.
        label: as text; `without label` those that have none; all without it.
        split: `train`, `validation` or `test`; all without it.
        start: how many of them are passed over.
        count: at most so many are given.

    Raises:
        InvalidValue: there is no such split.
    """
    if split is not None and split not in SPLITS:
        raise InvalidValue(
            f"no split is called {split[:80]!r}", hint=f"One of {', '.join(SPLITS)}."
        )
    columns = manifest.columns
    meant = np.ones(len(columns), bool)
    if split is not None:
        meant &= columns.split_codes == SPLITS.index(split)
    if label is not None:
        meant &= _labelled(manifest, label)
    rows = np.flatnonzero(meant)
    return SomeSamples(tuple(columns.take(rows[start : start + count])), start, len(rows))


def _labelled(manifest: Manifest, label: str) -> np.ndarray:
    """Which samples have a label, by its text."""
    found = []
    for block in manifest.columns.blocks():
        values = np.array([*map(str, block.label_values), WITHOUT], object)
        found.append((values == label)[block.label_codes])
    return np.concatenate(found) if found else np.zeros(0, bool)


def get_sample(manifest: Manifest, digest: str) -> Sample:
    """The first sample with some content.

    Raises:
        UnsafeName: it is no sha256.
        NotFound: no sample has that content.
    """
    columns = manifest.columns
    for sample in columns.where(columns.have({checked_digest(digest)})):
        return sample
    raise NotFound(f"no sample has the content {digest}", hint="The dataset may have changed.")


def look(dataset: Dataset, sample: Sample, side: int = SIDE) -> Seen:
    """A sample as it is shown: a small picture, or words. It is read and decoded within the limits
    that hold for extractions.

    Args:
        dataset: of the sample.
        sample: which.
        side: pixels of the square, one of `SIDES`.

    Raises:
        InvalidValue: pictures are not made so large.
        SourceGone: the source is not there.
    """
    return look_with(reader_of(dataset), sample, side)


def look_with(read: Callable[[Sample], Any], sample: Sample, side: int = SIDE) -> Seen:
    """The same of one of several samples, whose source is opened once: `read` is what `reader_of`
    the dataset gives."""
    if side not in SIDES:
        raise InvalidValue(f"no picture is of {side} pixels", hint=f"One of {SIDES}.")
    try:
        raw = read(sample)
        seen = cell(glance(raw, side), side)
    except (SampleChanged, SampleUnreadable) as error:
        return Seen(sample, None, error.message)
    if isinstance(seen, str):
        return Seen(sample, None, seen, _sound_in(raw) is not None)
    return Seen(sample, seen, "")


def find_by_id(manifest: Manifest, ids: Sequence[str]) -> list[Sample]:
    """The samples of some ids, in that order; those that are not there are left out."""
    wholes = Wholes(manifest)
    rows = [number for number in wholes.find(ids) if number != ABSENT]
    return list(wholes.samples.take(np.array(rows, np.int64)))


def get_sound(dataset: Dataset, sample: Sample) -> bytes:
    """The beginning of a sample's sound as a WAV file, made anew; see `wav_of`.

    Raises:
        NotFound: it is no sound.
        SampleError: it cannot be read.
        SourceGone: the source is not there.
    """
    content = _sound_in(reader_of(dataset)(sample))
    if content is None:
        raise NotFound(f"sample {sample.id!r} is no sound", hint="See what it is: `dataset show`.")
    return wav_of(content)


def _sound_in(raw: Any) -> bytes | None:
    """The sound of a sample, the first of several values."""
    values = raw.values() if isinstance(raw, Mapping) else [raw]
    return next((one for one in values if is_sound(one)), None)
