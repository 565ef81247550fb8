"""The bodies of a store's answers, which may break off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from headstart.errors import SampleChanged

CHUNK = 1 << 20


class BrokenOff(Exception):
    """A body is shorter than was said."""


@dataclass(frozen=True)
class Part:
    """Bytes of an object, from `start` up to `end`, of `size` in all."""

    start: int
    end: int
    size: int

    def copy(self, store: Any, key: str, meta: Any, out: BinaryIO) -> None:
        """Write it to its place in a file.

        Raises:
            SampleChanged: the object is not the one of `meta` any more.
            BrokenOff: it ends too early.
        """
        is_whole = (self.start, self.end) == (0, self.size)
        given = store.get(key, options={} if is_whole else {"range": (self.start, self.end)})
        if any(given.meta[name] != meta[name] for name in ("size", "last_modified", "e_tag")):
            raise SampleChanged(f"{key} has changed while it was fetched", hint="Fetch it again.")
        out.seek(self.start)
        for chunk in chunks_of(given, self.end - self.start):
            out.write(chunk)


def chunks_of(given: Any, size: int) -> Iterator[bytes]:
    from obstore.exceptions import GenericError

    done = 0
    try:
        for chunk in given.stream(min_chunk_size=CHUNK):
            done += len(chunk)
            yield bytes(chunk)
    except GenericError as error:
        raise BrokenOff(f"after {done:,} of {size:,} bytes") from error
    if done != size:
        raise BrokenOff(f"after {done:,} of {size:,} bytes")
