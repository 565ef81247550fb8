"""A part of a picture as a sample: the picture's file behind one line that says which part.

It is plain bytes, so that its digest is that of both, and everything that keeps or hands on
pictures does so with parts of them. Whoever opens a picture cuts the part out
(`preprocessing/steps/pictures.py`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from headstart.errors import SampleUnreadable

PIXELS, SHARES = "pixels", "shares"
"""What boxes count: pixels, or shares of the picture's width and height."""
BEGIN = b"headstart.crop/1 "
LONGEST = 200
NUMBER = r"(-?\d{1,12}(?:\.\d{1,12})?)"
LINE = rf"({PIXELS}|{SHARES})((?: {NUMBER}){{4}})"
"""Compiled where there is one: that takes a hundredth of a run that computes one picture."""
NEARLY = 1e-3
"""Of a pixel: so much beyond its edge counts for nothing."""


@dataclass(frozen=True)
class Box:
    """A rectangle in a picture, as it is stored: before its EXIF turns it.

    Attributes:
        unit: `pixels` or `shares`.
        sides: left, top, right, bottom; they may lie outside of the picture.
    """

    unit: str
    sides: tuple[float, float, float, float]

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.unit} {' '.join(f'{side:.6f}' for side in self.sides)}"

    def grown(self, margin: float) -> Box:
        """With more around it: `margin` times its width left and right, its height above and
        below."""
        left, top, right, bottom = self.sides
        width, height = margin * (right - left), margin * (bottom - top)
        return Box(self.unit, (left - width, top - height, right + width, bottom + height))

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels of a picture; a pixel that is touched is in.

        Raises:
            SampleUnreadable: nothing of it lies in the picture.
        """
        scale = (width, height) if self.unit == SHARES else (1, 1)
        left, top, right, bottom = (s * scale[n % 2] for n, s in enumerate(self.sides))
        found = (
            max(0, math.floor(left + NEARLY)),
            max(0, math.floor(top + NEARLY)),
            min(width, math.ceil(right - NEARLY)),
            min(height, math.ceil(bottom - NEARLY)),
        )
        if found[0] >= found[2] or found[1] >= found[3]:
            raise SampleUnreadable(
                f"the box {self.text} holds nothing of a picture of {width:,} x {height:,} pixels",
                hint="Fix the annotations, or leave it out: --on-error skip.",
            )
        return found


def box_in(text: str) -> Box | None:
    """The box that `Box.text` has written; None if it is none."""
    found = re.fullmatch(LINE, text)
    if found is None:
        return None
    left, top, right, bottom = (float(side) for side in found[2].split())
    return Box(found[1], (left, top, right, bottom))


def head_of(box: Box) -> bytes:
    """What stands in front of the picture's file."""
    return BEGIN + box.text.encode() + b"\n"


def parted(content: bytes) -> tuple[Box | None, bytes]:
    """The box and the picture's file; None and the content, where it is a whole picture.

    Raises:
        SampleUnreadable: it begins like a part, and is none.
    """
    if not content.startswith(BEGIN):
        return None, content
    line, _, picture = content[len(BEGIN) :].partition(b"\n")
    box = box_in(line.decode("ascii", "replace")) if len(line) <= LONGEST else None
    if box is None or picture.startswith(BEGIN):
        raise SampleUnreadable("not a readable part of a picture")
    return box, picture
