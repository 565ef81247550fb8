"""Samples side by side as a picture, each with a line of what is said of it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.plots.figures import figure

COLUMNS = 6
SHOWN = 24
LETTERS_AN_INCH = 13
"""Of a title, which is broken where the picture ends."""


def draw_grid(seen: Sequence[np.ndarray | str], captions: Sequence[str], title: str) -> Any:
    """Samples in rows of six, pictures as pictures and the others as words.

    Args:
        seen: as `extractors.preprocessing.preview.cell` gives them: all pictures of one size.
        captions: of each, one or two lines.
        title: of the picture, one or several lines; long ones are broken.

    Raises:
        HeadError: there is none.
    """
    if not seen:
        raise HeadError("there is nothing to draw: the head makes no mistake on its test split")
    columns = min(COLUMNS, len(seen))
    rows = math.ceil(len(seen) / columns)
    width = max(1.5 * columns, 6.0)
    lines = [
        part
        for line in title.split("\n")
        for part in textwrap.wrap(line, int(LETTERS_AN_INCH * width))
    ]
    made = figure(width, 1.8 * rows + 0.4 + 0.2 * len(lines))
    places = made.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes in places:
        axes.axis("off")
    for axes, one, caption in zip(places, seen, captions, strict=False):
        if isinstance(one, str):
            words = "\n".join(textwrap.wrap(one, 24)[:8])
            axes.text(0.0, 1.0, words, fontsize=6, va="top", transform=axes.transAxes)
        else:
            axes.imshow(one)
        axes.set_title("\n".join(textwrap.wrap(caption, 26)[:3]), fontsize=6)
    made.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10)
    return made
