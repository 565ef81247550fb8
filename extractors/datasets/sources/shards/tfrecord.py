"""TFRecord files of `tf.train.Example`, of which is declared, or told by names, what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from headstart.errors import DatasetError, SampleError
from headstart.extractors.datasets.named_files import is_there
from headstart.extractors.datasets.options import (
    GROUP_COLUMN,
    GROUP_PATTERN,
    ID_COLUMN,
    LABEL_COLUMN,
    WEIGHT_COLUMN,
)
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.shard_names import RECORDS, holds
from headstart.extractors.datasets.source import LIKELY, NO, SURE, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.shards.examples import Values, features_in
from headstart.extractors.datasets.sources.shards.feature_spec import (
    FEATURES,
    Roles,
    declared_in,
    roles_for,
    text_in,
)
from headstart.extractors.datasets.sources.shards.files import ShardFiles
from headstart.extractors.datasets.sources.shards.ranges import Range, range_at
from headstart.extractors.datasets.sources.shards.record_frames import frames_of, record_in
from headstart.extractors.datasets.sources.shards.tfds_info import FEATURES_FILE, INFO, roles_in
from headstart.storage.keys import digest_of


class Shard(NamedTuple):
    """A file of records.

    Attributes:
        file: where it is.
        split: of its records, if it says one.
        first: the number of its first record.
        above: what stands in front of the number in ids.
        records: how many it holds, as it was written down elsewhere; None if it was not.
    """

    file: Path
    split: str | None
    first: int = 0
    above: str = ""
    records: int | None = None


class TFRecordSource:
    """Files of records; see `DatasetSource`. A sample's location is that of its record."""

    kind: ClassVar[str] = "tfrecord"
    what: ClassVar[str] = "TFRecord files"
    options: ClassVar[tuple[Option, ...]] = (
        FEATURES,
        LABEL_COLUMN,
        ID_COLUMN,
        GROUP_COLUMN,
        GROUP_PATTERN,
        WEIGHT_COLUMN,
    )
    splits_may_move: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.skipped: list[str] = []
        self._options = options
        self._unused: list[str] = []

    @staticmethod
    def recognise(source: str) -> float:
        if RECORDS.fullmatch(source.lower()):
            return LIKELY
        return SURE if holds(source, RECORDS, (INFO,)) else NO

    def stamp(self) -> tuple[int, ...]:
        return self._files.stamp

    def scan(self) -> Iterator[Entry]:
        """Records in the order of the files.

        Raises:
            DatasetError: a file is damaged, or a record not as it was declared; it says where.
        """
        stamp, skipping, left = self.stamp(), Skipping(self._options), Counter[str]()
        self.skipped = skipping.skipped
        self._say()
        for shard in self._shards:
            count = 0
            for count, frame in enumerate(frames_of(shard.file), start=1):
                number = shard.first + count - 1
                entry = skipping.of(partial(self._entry, shard, number, frame, stamp, left))
                if entry is not None:
                    yield entry
            _check_count(shard, count)
        self._unused = [f"feature {name!r} ({count:,} records)" for name, count in left.items()]

    def digest(self, location: Location) -> str:
        return digest_of(self.read(location))

    def locations(self) -> Iterator[Location]:
        for shard in self._shards:
            for frame in frames_of(shard.file):
                yield frame.location

    def read(self, location: Location) -> Any:
        frame = range_at(location)
        return self._roles.raw_of(_features(frame), _where(frame))

    def beginning(self, location: Location, size: int) -> bytes:
        """The first bytes of a sample, none if it is no bytes; see the seam."""
        raw = self.read(location)
        return raw[:size] if isinstance(raw, bytes) else b""

    def unused(self) -> Sequence[str]:
        """Features that nothing is taken from, with how many records have them."""
        return self._unused

    def _entry(
        self, shard: Shard, number: int, frame: Range, stamp: tuple[int, ...], left: Counter[str]
    ) -> Entry:
        try:
            features, where, roles = _features(frame), _where(frame), self._roles
        except SampleError as error:
            raise DatasetError(error.message, hint=error.hint) from error
        entry = Entry(
            id=text_in(features, roles.id, where) if roles.id else f"{shard.above}{number}",
            location=frame.location,
            stat=stamp,
            label=roles.label_of(features, where),
            split=shard.split,
            group=text_in(features, roles.group, where) if roles.group else None,
            digest=digest_of(roles.raw_of(features, where)),
            weight=roles.weight_of(features, where),
        )
        left.update(name for name in features if name not in roles.used)
        return entry

    @cached_property
    def _files(self) -> ShardFiles:
        return ShardFiles(self.source, self._options, RECORDS)

    @property
    def _shards(self) -> Iterator[Shard]:
        for file in self._files.all:
            yield Shard(file, self._files.splits.get(file), above=self._files.id_of(file, ""))

    def _say(self) -> None:
        self._files.say()

    @cached_property
    def _roles(self) -> Roles:
        """What the features are for: as declared, or as TensorFlow Datasets wrote beside the files,
        or by those of the first record."""
        folder = self._files.all[0].parent
        if not self._options.get("features") and is_there(folder / FEATURES_FILE):
            return roles_in(folder, (), self._options, self.source)
        declared = declared_in(self._options.get("features", ()))
        return roles_for(declared, self._first, self._options, self.source)

    @property
    def _first(self) -> Mapping[str, Values]:
        """The features of the first record that can be read."""
        for shard in self._shards:
            for frame in frames_of(shard.file):
                with suppress(SampleError):  # whoever reads it says so
                    return _features(frame)
        raise DatasetError(f"{self.source} holds no records that can be read")


def _features(frame: Range) -> dict[str, Values]:
    return features_in(record_in(frame), _where(frame))


def _where(frame: Range) -> str:
    return f"{frame.file}, record at byte {frame.offset:,}"


def _check_count(shard: Shard, found: int) -> None:
    if shard.records is not None and found != shard.records:
        raise DatasetError(
            f"{shard.file} holds {found:,} records, where {shard.records:,} are written down",
            hint="It is cut off, or of another version; prepare it again.",
        )
