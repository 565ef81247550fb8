"""What all pictures share: size, files, axes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from headstart.errors import HeadError
from headstart.storage.files import written_aside

SUFFIXES = (".png", ".svg")
SIZE = (8.0, 5.0)
"""Of a picture, inches."""
DOTS_PER_INCH = 150


def check_target(path: Path) -> None:
    """See, before anything is computed, that a picture can be drawn into a file.

    Raises:
        HeadError: the file has another suffix than `.png` or `.svg`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise HeadError(f"cannot draw into {path}", hint=f"Name a {' or '.join(SUFFIXES)} file.")


def figure(width: float = SIZE[0], height: float = SIZE[1]) -> Any:
    """An empty figure, sizes in inches.

    Raises:
        HeadError: matplotlib is not installed.
    """
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
    """Write a figure, whole or not at all.

    Raises:
        HeadError: the file has another suffix than `.png` or `.svg`.
    """
    check_target(path)
    with written_aside(path) as file:
        made.savefig(file, format=path.suffix.lower().lstrip("."))
    return path


def to_svg(made: Any) -> str:
    """A figure as an `<svg>` element to put into a page."""
    file = io.StringIO()
    made.savefig(file, format="svg")
    return file.getvalue()[file.getvalue().index("<svg") :]


def to_png(made: Any) -> bytes:
    """A figure as a PNG file."""
    file = io.BytesIO()
    made.savefig(file, format="png")
    return file.getvalue()
