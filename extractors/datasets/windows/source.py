"""A source whose samples are cut into windows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, cast

from headstart.errors import SampleChanged
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.source import DatasetSource, Entry, Location
from headstart.extractors.datasets.windows.medium import Medium
from headstart.storage.keys import Digested, digest_of
from headstart.storage.windowed.places import Located, Place, find_window

KEPT = 4
"""Long samples whose content is in memory: those that are cut just now."""


@dataclass(frozen=True)
class Window(Digested):
    """A window's raw content: all of the sample, and where the window lies in it.

    Attributes:
        content: of the sample.
        place: of the window.
        medium: cuts it out.
        digest: of the window.
    """

    content: Any
    place: Place
    medium: Medium
    digest: str

    def cut(self) -> Any:
        """The window as if it were a sample of its own.

        Raises:
            SampleUnreadable: it cannot be had.
        """
        return self.medium.cut(self.content, self.place)


def cut_into_windows(content: Any, digest: str, medium: Medium) -> list[tuple[str, Window]]:
    """The windows of a sample, each with its name.

    Args:
        content: of the sample.
        digest: of it.
        medium: of what kind it is.

    Raises:
        SampleUnreadable: it is of another kind.
    """
    return [
        (name, Window(content, place, medium, place.digest_in(digest)))
        for name, place in medium.places(content)
    ]


class WindowSource:
    """A `DatasetSource` whose `read` also knows windows; all else is that of the one it wraps.

    `windows.listing` makes windows of what it scans.

    Attributes:
        inner: whose samples are cut.
        medium: how.
    """

    def __init__(self, inner: DatasetSource, medium: Medium) -> None:
        self.inner, self.medium = inner, medium
        self.kind, self.what, self.options = inner.kind, inner.what, inner.options
        self.splits_may_move, self.source = inner.splits_may_move, inner.source
        self._lock = threading.Lock()
        self._contents: OrderedDict[Location, Future[tuple[Any, str]]] = OrderedDict()

    @property
    def found(self) -> Any:
        """Options that the source found out, if it has any."""
        return getattr(self.inner, "found", {})

    def stamp(self) -> tuple[int, ...]:
        return self.inner.stamp()

    def scan(self) -> Iterator[Entry]:
        """The long samples."""
        return self.inner.scan()

    def digest(self, location: Location) -> str:
        is_window = find_window(location) is not None
        return digest_of(self.read(location)) if is_window else self.inner.digest(location)

    def locations(self) -> Iterator[Location]:
        """Of the long samples."""
        return self.inner.locations()

    def unused(self) -> Sequence[str]:
        return self.inner.unused()

    def read(self, location: Location) -> Any:
        """A `Window`; at the location of a long sample, that sample's content."""
        found = find_window(location)
        return self.inner.read(location) if found is None else self._window(found)

    def _window(self, wanted: Located) -> Window:
        content, digest = self._content(wanted.of)
        if digest != wanted.content:
            raise SampleChanged(
                f"the sample at {wanted.of} has changed since its windows were counted", hint=HINT
            )
        return Window(content, wanted.place, self.medium, wanted.place.digest_in(digest))

    def _content(self, location: Location) -> tuple[Any, str]:
        """The content of a long sample with its digest; read once for windows that follow each
        other, whichever thread asks."""
        with self._lock:
            coming = self._contents.get(location)
            is_mine = coming is None
            if coming is None:
                coming = self._contents[location] = Future()
            self._contents.move_to_end(location)
            while len(self._contents) > KEPT:
                self._contents.popitem(last=False)
        if is_mine:
            self._fetch(location, coming)
        return coming.result()

    def _fetch(self, location: Location, coming: Future[tuple[Any, str]]) -> None:
        try:
            content = self.inner.read(location)
            coming.set_result((content, digest_of(content)))
        except BaseException as error:  # whoever waits gets it too, and the next asks anew
            with self._lock:
                self._contents.pop(location, None)
            coming.set_exception(error)
            if not isinstance(error, Exception):
                raise


def windowed(source: DatasetSource, medium: Medium | None) -> DatasetSource:
    """A source as it is, or with its samples cut into windows."""
    return source if medium is None else cast(DatasetSource, WindowSource(source, medium))
