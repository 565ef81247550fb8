"""Opening pictures: of a few formats, and none that is too large to unpack.

Whatever a file is called, Pillow chooses by content, and some of its readers hand the file on to
other programmes (EPS to Ghostscript). Its formats are therefore named here, for all that opens one.
"""

from __future__ import annotations

import functools
import io
import warnings
from types import ModuleType
from typing import Any

from headstart.errors import SampleUnreadable, first_line
from headstart.extractors.crops import parted
from headstart.extractors.preprocessing.steps.signatures import unlike

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of those that docs/datasets.md names; with JPEG come those of several pictures
(MPO), of which the first is taken, as of all others."""
LARGEST_PICTURE = 100_000_000
"""Pixels: 300 MB once it is unpacked; by Pillow's own rule it would be 178,956,970."""
ORIENTATION, UPRIGHT = 0x0112, 1
"""EXIF's tag, and its value for a picture as it is to be shown (CIPA DC-008, 4.6.4)."""
TILE_SIZE = (322, 323)
"""Tags of TIFF (TIFF 6.0, section 15): a tile is unpacked whole, however small the picture."""

_LIMIT = f"{LARGEST_PICTURE // 1_000_000} megapixels"
_HINT = "Make it smaller, or leave it out: --on-error skip."


def open_picture(content: bytes, least: int | None = None) -> Any:
    """The first picture in a file, unpacked, as Pillow has it; or the part of it that is meant.

    Args:
        content: of the file, or as `headstart.extractors.crops` has a part of a picture; that is
            cut out of the whole one, whatever `least` says.
        least: a JPEG is unpacked at a half, a quarter or an eighth of its size where both sides
            stay at least so many pixels.

    Raises:
        SampleUnreadable: it is of another format, damaged, or of more than `LARGEST_PICTURE`
            pixels, which its header says: nothing is unpacked.
    """
    box, picture = parted(content)
    if box is not None:
        image = _unpacked(picture, None)
        return image.crop(box.within(*image.size))
    return _unpacked(picture, least)


def _unpacked(content: bytes, least: int | None) -> Any:
    pillow = _pillow()
    try:
        image: Any = pillow.open(io.BytesIO(content), formats=FORMATS)
        _refuse_large(image)
        if least is not None:
            image.draft(None, (least, least))
        image.load()
    except SampleUnreadable:
        raise
    except pillow.DecompressionBombError as error:
        raise SampleUnreadable(f"the picture is of more than {_LIMIT}", hint=_HINT) from error
    except pillow.UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        reason = f"not a readable image: it is none of {kinds}"
        raise unlike(content, "a picture", reason) from error
    except Exception as error:  # Pillow raises many kinds, struct.error among them
        raise SampleUnreadable(f"not a readable image ({first_line(error)})") from error
    return image


def is_turned(head: bytes) -> bool:
    """Whether the EXIF in the beginning of a picture's file says that it is to be shown turned or
    mirrored; False where there is none, or it is no picture."""
    try:
        image = _pillow().open(io.BytesIO(parted(head)[1]), formats=FORMATS)
        return image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT
    except Exception:  # as `open_picture`: of a part of a file, nothing need be whole
        return False


@functools.cache
def _pillow() -> ModuleType:
    from PIL import Image

    # It warns from 89 megapixels on; here there is a limit, and no warning below it.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return Image


def _refuse_large(image: Any) -> None:
    tags = getattr(image, "tag_v2", {})
    tile = tuple(tags.get(tag, 0) for tag in TILE_SIZE)
    for what, (width, height) in (("", image.size), ("tiles of ", tile)):
        if width * height > LARGEST_PICTURE:
            raise SampleUnreadable(
                f"the picture has {what}{width:,} x {height:,} pixels, more than {_LIMIT}",
                hint=_HINT,
            )
