"""Windows of texts: some words or tokens, cut where words begin and end.

A window is a part of the text, by characters. So what a backbone makes of it depends on its own
tokenizer alone; the one that windows are counted by is needed once, when the text is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from headstart.errors import SampleUnreadable
from headstart.extractors.datasets.windows.medium import spans
from headstart.storage.windowed.places import Place

WORD = re.compile(r"\S+")
Spans = Sequence[tuple[int, int]]
"""Where each of some units begins and ends in a text, in characters."""


def words_in(text: str) -> Spans:
    """What stands between white space."""
    return [found.span() for found in WORD.finditer(text)]


@dataclass(frozen=True)
class Texts:
    """See `Medium`.

    Attributes:
        window: units.
        hop: units.
        units: finds them in a text.
    """

    window: Fraction
    hop: Fraction
    units: Callable[[str], Spans] = words_in

    def places(self, content: Any) -> list[tuple[str, Place]]:
        text = _text_of(content)
        units = self.units(text)
        if len(units) <= self.window:
            return [_named(0, len(text))]
        found = (
            (units[start][0], units[stop - 1][1])
            for start, stop in spans(len(units), self.window, self.hop)
        )
        return [_named(start, stop) for start, stop in dict.fromkeys(found)]

    def cut(self, content: Any, place: Place) -> bytes:
        return _text_of(content)[place.start : place.stop].encode()


def _named(start: int, stop: int) -> tuple[str, Place]:
    return f"c={start}-{stop}", Place("characters", start, stop)


def _text_of(content: Any) -> str:
    if not isinstance(content, bytes):
        raise SampleUnreadable(
            "the window is of words, the sample is an array",
            hint="Of a series give rows: --window 256 --hop 128.",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SampleUnreadable(f"not UTF-8 text ({error.reason} at byte {error.start})") from error
