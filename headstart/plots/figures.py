"""What all pictures share: size, files, axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.errors import HeadError
from headstart.storage.files import written_aside

SUFFIXES = (".png", ".svg")
SIZE = (8.0, 5.0)
"""Of a picture, inches."""
DOTS_PER_INCH = 150


def figure(path: Path, width: float = SIZE[0], height: float = SIZE[1]) -> Any:
    """An empty figure for a file.

    Raises:
        HeadError: the file has another suffix than `.png` or `.svg`, or matplotlib is not
            installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise HeadError(f"cannot draw into {path}", hint=f"Name a {' or '.join(SUFFIXES)} file.")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HeadError(
            "matplotlib is not installed", hint="pip install 'headstart[plot]'"
        ) from None
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")


def plain_axes(made: Any, place: Any = 111) -> Any:
    """Axes without a frame, with faint lines to read values by."""
    axes = made.add_subplot(place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="0.92")
    return axes


def save(made: Any, path: Path) -> Path:
    """Write a figure, whole or not at all."""
    with written_aside(path) as file:
        made.savefig(file, format=path.suffix.lower().lstrip("."))
    return path
