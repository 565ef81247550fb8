"""The bodies of a store's answers, which may break off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from headstart.errors import SampleChanged
from headstart.extractors.datasets.remote.addresses import Address
from headstart.progress import Progress, silent

CHUNK = 1 << 20


class BrokenOff(Exception):
    """A body is shorter than was said."""


class Undivided(Exception):
    """The server gives no part of an object, but the whole of it."""


@dataclass(frozen=True)
class Part:
    """Bytes of an object, from `start` up to `end`, of what `meta` tells of the whole.

    Attributes:
        start, end: the bytes.
        meta: what the server said of the object before.
        address: of the object, for messages.
    """

    start: int
    end: int
    meta: Any
    address: Address

    def copy(self, store: Any, key: str, out: BinaryIO, advance: Progress = silent) -> None:
        """Write it to its place in a file.

        Args:
            store: which gives it.
            key: by which it does.
            out: the file.
            advance: called with (bytes written, bytes of the object), again and again.

        Raises:
            SampleChanged: the object is not the one of `meta` any more.
            BrokenOff: it ends too early.
            Undivided: it is not the whole, and the server gives that alone.
        """
        given = self._begun(store, key)
        if any(given.meta[name] != self.meta[name] for name in ("size", "last_modified", "e_tag")):
            raise SampleChanged(
                f"{self.address} has changed while it was fetched",
                hint="Run the same command again, once nobody writes to it.",
            )
        out.seek(self.start)
        for chunk in chunks_of(given, self.end - self.start):
            out.write(chunk)
            advance(out.tell(), self.meta["size"])

    def _begun(self, store: Any, key: str) -> Any:
        from obstore.exceptions import NotSupportedError

        if (self.start, self.end) == (0, self.meta["size"]):
            return store.get(key)
        try:
            return store.get(key, options={"range": (self.start, self.end)})
        except NotSupportedError as error:
            raise Undivided from error


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
