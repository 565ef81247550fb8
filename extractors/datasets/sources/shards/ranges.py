"""A part of a large file, and the text that says where it is: `FILE#OFFSET:SIZE`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headstart.errors import SampleChanged, SampleUnreadable, StorageError
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.source import Location
from headstart.storage.files import BLOCK, open_regular

PLACE = re.compile(r"(?s)(.+)#(\d{1,19}):(\d{1,19})")


class Range(NamedTuple):
    """Some bytes of a file."""

    file: Path
    offset: int
    size: int

    @property
    def location(self) -> str:
        """As a sample's location."""
        return f"{self.file}#{self.offset}:{self.size}"

    def read(self) -> bytes:
        """The bytes.

        Raises:
            SampleChanged: the file is gone or shorter; no memory is taken then.
            SampleUnreadable: the disk does not give them.
        """
        return b"".join(self._blocks(self.size))

    def digest(self) -> str:
        """Their digest; they are not held in memory.

        Raises:
            SampleChanged, SampleUnreadable: as `read`.
        """
        content = hashlib.sha256()
        for block in self._blocks(BLOCK):
            content.update(block)
        return content.hexdigest()

    def _blocks(self, at_once: int) -> Iterator[bytes]:
        end = self.offset + self.size
        try:
            with open_regular(self.file) as file:
                size = os.fstat(file.fileno()).st_size
                if end > size:
                    raise SampleChanged(f"{self.file} is shorter than it was", hint=HINT)
                file.seek(self.offset)
                left = self.size
                while left:
                    block = file.read(min(left, at_once))
                    if not block:
                        raise SampleChanged(f"{self.file} is shorter than it was", hint=HINT)
                    left -= len(block)
                    yield block
        except SampleChanged:
            raise
        except FileNotFoundError as error:
            raise SampleChanged(f"the file {self.file} is gone", hint=HINT) from error
        except StorageError as error:
            raise SampleChanged(error.message, hint=HINT) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SampleUnreadable(f"cannot read {self.file}: {reason}") from error


def range_at(location: Location) -> Range:
    """The part of a file at a sample's location.

    Raises:
        SampleChanged: the text is none that `Range.location` gives.
    """
    found = PLACE.fullmatch(str(location))
    if found is None:
        raise SampleChanged(f"there is no sample at {location}", hint=HINT)
    return Range(Path(found[1]), int(found[2]), int(found[3]))
