"""A sample as people see it: a small picture, or a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable
from headstart.extractors.preprocessing.steps.images import open_image

WORDS = 300
"""Characters of a text that are shown."""
WHITE = (255, 255, 255)
MARGIN = 238
"""The grey beside a picture in its cell."""
NOISE = 3.0
"""Of 255 tones. Of 317 emoji, saved as JPEG of Pillow's default quality and 72 -> 80 pixels wide,
95 % keep 61 of 64 bits; 69 % do without it. Pairs among 949 emoji themselves: 138, without 136."""


def glance(raw: Any, side: int = 96) -> np.ndarray | str:
    """A picture, uint8 (height, width, 3), that fits into a square of `side` pixels; or words.

    Args:
        raw: the raw content of a sample: bytes, an array, or those by name.
        side: pixels.
    """
    if isinstance(raw, Mapping):
        seen = {name: glance(value, side) for name, value in raw.items()}
        pictures = [value for value in seen.values() if isinstance(value, np.ndarray)]
        if pictures:
            return pictures[0]
        return "; ".join(f"{name}: {value}" for name, value in seen.items())[:WORDS]
    if isinstance(raw, np.ndarray) and raw.dtype.kind not in "buif":  # texts, as some models take
        return "; ".join(map(_text_of, raw.reshape(-1)[:12].tolist()))[:WORDS]
    if isinstance(raw, np.ndarray):
        picture = _as_picture(raw)
        return _numbers(raw) if picture is None else _small(picture, side)
    try:
        return _small(raw, side)
    except SampleUnreadable:
        return _words(raw)


def cell(seen: np.ndarray | str, side: int = 96) -> np.ndarray | str:
    """What `glance` gives, a picture as a square of `side` pixels: its longer side fills it, the
    rest is `MARGIN`, so that one tall picture among others takes no more room than they do."""
    if isinstance(seen, str):
        return seen
    made = np.full((side, side, 3), MARGIN, np.uint8)
    height, width = seen.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    made[top : top + height, left : left + width] = seen
    return made


def difference_hash(seen: np.ndarray) -> int:
    """64 bits that say where a picture grows brighter to the right, in eight rows of eight places:
    hardly changed by another size, quality or brightness. (Krawetz: Kind of like that, 2013.) By
    less than `NOISE` is not brighter: on an even ground the noise of a JPEG would set the bits.

    Args:
        seen: as `glance` gives it.
    """
    from PIL import Image

    grey = Image.fromarray(seen).convert("L").convert("F")  # means are not rounded to whole tones
    tones = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    return int.from_bytes(np.packbits(tones[:, 1:] - tones[:, :-1] > NOISE).tobytes())


def _small(raw: Any, side: int) -> np.ndarray:
    from PIL import Image

    image = open_image(raw, 3, WHITE, "exif", side)
    scale = min(side / image.width, side / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return np.asarray(image.resize(size, method))


def _as_picture(array: np.ndarray) -> np.ndarray | None:
    """An array of the shape of a picture as uint8, its numbers stretched from black to white."""
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3, 4))):
        return None
    if array.dtype == np.uint8:
        return array
    wide = array.astype(np.float64)
    low, high = float(wide.min(initial=np.inf)), float(wide.max(initial=-np.inf))
    if not (np.isfinite(low) and np.isfinite(high) and wide.size):
        return None
    return ((wide - low) / (high - low or 1.0) * 255).round().astype(np.uint8)


def _numbers(array: np.ndarray) -> str:
    shown = ", ".join(f"{value:g}" for value in array.reshape(-1)[:12].tolist())
    return f"[{shown}{', …' if array.size > 12 else ''}]"


def _text_of(value: Any) -> str:
    return _words(value) if isinstance(value, bytes) else str(value)


def _words(raw: bytes) -> str:
    text = raw[: 4 * WORDS].decode("utf-8", "replace")
    if sum(not (one.isprintable() or one.isspace()) for one in text) > len(text) / 10:
        return f"{len(raw):,} bytes"
    return text[:WORDS]
