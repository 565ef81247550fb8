"""Where a window lies: in which content, from where to where.

A window's location is a text: that of its sample, the sample's digest, and the place in it, such as
`/songs/a.wav#sha256=…&samples=88200-176400`; `&row` behind it says that the sample's location is a
row's number. Nothing else that a dataset holds has such a location.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headstart.storage.keys import fingerprint

LOCATION = re.compile(
    r"(?P<of>.*)#sha256=(?P<content>[0-9a-f]{64})&(?P<unit>[a-z]+)=(?P<start>\d+)-(?P<stop>\d+)"
    r"(?:&n=(?P<frames>\d+))?(?P<is_row>&row)?",
    re.DOTALL,
)
FORMAT = "headstart.window/1"


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a long sample.

    Attributes:
        unit: `samples` of a sound at its own rate, `characters` of a text, `rows` of a series,
            `ms` of a video.
        start: the first of them.
        stop: behind the last of them.
        frames: of a video, how many pictures are taken, evenly spread; 0 of everything else.
    """

    unit: str
    start: int
    stop: int
    frames: int = 0

    def digest_in(self, content: str) -> str:
        """The digest of this part of a content: no decoder has a say in it.

        Args:
            content: the digest of all of it.
        """
        value = [content, self.unit, self.start, self.stop]
        return fingerprint(FORMAT, [*value, self.frames] if self.frames else value)


@dataclass(frozen=True, slots=True)
class Located:
    """A window's location, taken apart.

    Attributes:
        of: the location of its sample.
        content: the digest of the whole sample.
        place: of the window in it.
    """

    of: str | int
    content: str
    place: Place

    @property
    def text(self) -> str:
        """As it is stored."""
        place = self.place
        frames = f"&n={place.frames}" if place.frames else ""
        row = "&row" if isinstance(self.of, int) else ""
        span = f"{place.unit}={place.start}-{place.stop}"
        return f"{self.of}#sha256={self.content}&{span}{frames}{row}"


def find_window(location: str | int) -> Located | None:
    """A window's location taken apart; None for that of a sample which is no window."""
    if not isinstance(location, str) or "#sha256=" not in location:
        return None
    found = LOCATION.fullmatch(location)
    if found is None:
        return None
    frames = int(found["frames"] or 0)
    place = Place(found["unit"], int(found["start"]), int(found["stop"]), frames)
    of = int(found["of"]) if found["is_row"] else found["of"]
    return Located(of, found["content"], place)


def find_content(location: str | int) -> str | None:
    """The digest of the sample that a window is of; None for the location of no window."""
    found = find_window(location)
    return None if found is None else found.content


def readable(location: str | int) -> str:
    """A location for people: of a window, that of its sample."""
    found = find_window(location)
    of = location if found is None else found.of
    return f"row {of}" if isinstance(of, int) else of
