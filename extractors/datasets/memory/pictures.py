"""Pictures of Pillow as the bytes of a file, nothing of them lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError

PNG = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}
TIFF = {"CMYK", "F", "I", "YCbCr", "LAB", "PA"}
"""The modes that each format holds as they are; of whole numbers (I) PNG holds 16 bits alone."""


def is_picture(value: Any) -> bool:
    """Whether it is a picture of Pillow."""
    return hasattr(value, "tobytes") and hasattr(value, "getexif") and hasattr(value, "mode")


def encoded(picture: Any) -> bytes:
    """A picture as a file: that which it was opened from if it still is that, else PNG, or TIFF for
    what PNG does not know.

    Raises:
        DatasetError: no format holds it as it is.
    """
    own = _own_file(picture)
    if own is not None:
        return own
    if picture.mode not in PNG | TIFF:
        raise DatasetError(
            f"a picture of mode {picture.mode} cannot be kept as it is",
            hint="Convert it before: picture.convert('RGB').",
        )
    out, exif = io.BytesIO(), picture.getexif()
    kept = {"exif": exif} if len(exif) else {}
    picture.save(out, "PNG" if picture.mode in PNG else "TIFF", **kept)
    return out.getvalue()


def _own_file(picture: Any) -> bytes | None:
    """The content of the file that a picture was opened from, if it shows the same pixels."""
    from PIL import Image

    name = getattr(picture, "filename", None)
    if not name or not getattr(picture, "format", None):
        return None
    try:
        content = Path(name).read_bytes()
        with Image.open(io.BytesIO(content)) as again:
            is_same = (again.mode, again.size) == (picture.mode, picture.size)
            if is_same and again.tobytes() == picture.tobytes():
                return content
    except (OSError, ValueError):  # it is gone, or another one by now: the picture itself is kept
        return None
    return None
