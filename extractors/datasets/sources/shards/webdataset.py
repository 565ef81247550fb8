"""WebDataset: tars in which the members of a sample stand one behind the other, under one key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, ClassVar

from headstart.errors import SourceEmpty
from headstart.extractors.datasets.options import GROUP_PATTERN, LABEL_COLUMN
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.shard_names import TARS, holds
from headstart.extractors.datasets.source import LIKELY, NO, SURE, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.folders import AUDIO_SUFFIXES, IMAGE_SUFFIXES
from headstart.extractors.datasets.sources.shards.files import ShardFiles
from headstart.extractors.datasets.sources.shards.ranges import range_at
from headstart.extractors.datasets.sources.shards.sample_members import (
    LOOKED_AT,
    Members,
    Sample,
    members_for,
    samples_in,
)
from headstart.extractors.datasets.sources.shards.tar_headers import packed
from headstart.extractors.datasets.sources.tables.columns import UNLABELLED

PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MEMBER = Option(
    "member",
    "Member, or feature, that is the sample, such as jpg or left.png, where there are several.",
    metavar="NAME",
)


class WebDatasetSource:
    """Tars; see `DatasetSource`. A sample's location is its file, offset and size."""

    kind: ClassVar[str] = "webdataset"
    what: ClassVar[str] = "WebDataset tars"
    options: ClassVar[tuple[Option, ...]] = (MEMBER, LABEL_COLUMN, GROUP_PATTERN)
    splits_may_move: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.skipped: list[str] = []
        self._options = options
        self._unused: list[str] = []

    @staticmethod
    def recognise(source: str) -> float:
        if TARS.fullmatch(source.lower()):
            return LIKELY
        return SURE if holds(source, TARS, IMAGE_SUFFIXES | AUDIO_SUFFIXES) else NO

    def stamp(self) -> tuple[int, ...]:
        return self._files.stamp

    def scan(self) -> Iterator[Entry]:
        """Samples in the order of the tars. The first ones say what all have to hold: a content of
        one kind, and a label or none.

        Raises:
            DatasetError: a tar is damaged, or holds what is no file; a sample has no content, or
                no label though others have.
        """
        stamp, skipping = self.stamp(), Skipping(self._options)
        self.skipped = skipping.skipped
        self._files.say()
        samples, members = self._opened(self._options.get("label_column"))
        for sample in samples:
            entry = skipping.of(partial(self._entry, sample, members, stamp))
            if entry is not None:
                yield entry
        self._unused = [f"{what} ({n:,} samples)" for what, n in members.unused.items()]

    def digest(self, location: Location) -> str:
        return range_at(location).digest()

    def locations(self) -> Iterator[Location]:
        samples, members = self._opened(UNLABELLED)
        for sample in samples:
            yield sample.members[members.content_of(sample)].location

    def read(self, location: Location) -> Any:
        return range_at(location).read()

    def beginning(self, location: Location, size: int) -> bytes:
        """The first bytes of a sample; see the seam."""
        found = range_at(location)
        return found._replace(size=min(size, found.size)).read()

    def unused(self) -> Sequence[str]:
        """Members and fields of `.json` that nothing is taken from, with how many samples have
        them."""
        return self._unused

    @cached_property
    def _files(self) -> ShardFiles:
        return ShardFiles(self.source, self._options, TARS)

    def _opened(self, label: str | None) -> tuple[Iterator[Sample], Members]:
        """All samples, and what they are made of."""
        samples = self._samples()
        first = list(islice(samples, LOOKED_AT))
        if not first:
            raise SourceEmpty(f"{self.source} holds no samples")
        members = members_for(first, self._options.get("member"), label)
        return chain(first, samples), members

    def _samples(self) -> Iterator[Sample]:
        for file in self._files.all:
            for ending in PACKED:
                if file.name.lower().endswith(ending):
                    raise packed(file, ending)
            yield from samples_in(file)

    def _entry(self, sample: Sample, members: Members, stamp: tuple[int, ...]) -> Entry:
        content = members.content_of(sample)
        label = members.label_of(sample)
        members.count_unused(sample, content)
        return Entry(
            id=self._files.id_of(sample.file, sample.key),
            location=sample.members[content].location,
            stat=stamp,
            label=label,
            split=self._files.splits.get(sample.file),
        )
