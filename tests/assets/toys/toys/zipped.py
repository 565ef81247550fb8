"""A zip archive of class folders."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from headstart.errors import DatasetError, SampleChanged
from headstart.extractors.datasets import Entry, Option
from headstart.storage.keys import digest_of

SUFFIXES = {".jpg", ".png"}


class ZipSource:
    """A zip archive; see `DatasetSource`. A sample's location is the name of its member."""

    kind: ClassVar[str] = "zip"
    what: ClassVar[str] = ".zip"
    options: ClassVar[tuple[Option, ...]] = (
        Option("below", "Folder in the archive that holds the class folders.", metavar="FOLDER"),
    )
    splits_may_move: ClassVar[bool] = False

    def __init__(self, source: str, options: Any) -> None:
        self.source = source
        self._above = f"{options['below'].rstrip('/')}/" if options.get("below") else ""

    @staticmethod
    def recognise(source: str) -> float:
        return 0.5 if Path(source).suffix == ".zip" else 0.0

    def stamp(self) -> tuple[int, ...]:
        return ()

    def scan(self) -> Iterator[Entry]:
        for member in self._pictures():
            id_ = member.filename.removeprefix(self._above)
            if "/" not in id_:
                raise DatasetError(f"{self.source}: {member.filename} is in no class folder")
            stat = (member.file_size, member.CRC)
            yield Entry(id_, member.filename, stat, label=id_.split("/")[0])

    def digest(self, location: Any) -> str:
        return digest_of(self.read(location))

    def locations(self) -> Iterator[str]:
        return (member.filename for member in self._pictures())

    def read(self, location: Any) -> bytes:
        try:
            with zipfile.ZipFile(self.source) as archive:  # one a call: calls come from threads
                return archive.read(location)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise SampleChanged(f"{location} is gone from {self.source}") from error

    def unused(self) -> Sequence[str]:
        used = {member.filename for member in self._pictures()}
        return [f"member {m.filename!r}" for m in self._members() if m.filename not in used]

    def _pictures(self) -> Iterator[zipfile.ZipInfo]:
        return (
            member
            for member in self._members()
            if member.filename.startswith(self._above) and Path(member.filename).suffix in SUFFIXES
        )

    def _members(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.source) as archive:
                found = [member for member in archive.infolist() if not member.is_dir()]
        except (OSError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{self.source} is no readable zip archive: {error}") from error
        return sorted(found, key=lambda member: member.filename)
