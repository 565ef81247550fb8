"""Windows of texts: some words each.

A window is a part of the text, by characters. So what a backbone makes of it depends on its own
tokenizer alone, whatever windows were counted by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from headstart.errors import SampleUnreadable
from headstart.extractors.datasets.windows.medium import spans
from headstart.storage.windowed.places import Place

WORD = re.compile(r"\S+")
"""What stands between white space."""


@dataclass(frozen=True)
class Texts:
    """See `Medium`.

    Attributes:
        window: words.
        hop: words.
    """

    window: Fraction
    hop: Fraction

    def places(self, content: Any) -> list[tuple[str, Place]]:
        text = text_of(content)
        units = [found.span() for found in WORD.finditer(text)]
        if len(units) <= self.window:
            return [named(0, len(text))]
        found = (
            (units[start][0], units[stop - 1][1])
            for start, stop in spans(len(units), self.window, self.hop)
        )
        return [named(start, stop) for start, stop in dict.fromkeys(found)]

    def cut(self, content: Any, place: Place) -> bytes:
        return text_of(content)[place.start : place.stop].encode()


def named(start: int, stop: int) -> tuple[str, Place]:
    """A part of a text, by characters, with its name."""
    return f"c={start}-{stop}", Place("characters", start, stop)


def text_of(content: Any) -> str:
    """The text of a sample.

    Raises:
        SampleUnreadable: it is none.
    """
    if not isinstance(content, bytes):
        raise SampleUnreadable(
            "the window is of words, the sample is an array",
            hint="Of a series give rows: --window 256 --hop 128.",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SampleUnreadable(f"not UTF-8 text ({error.reason} at byte {error.start})") from error
