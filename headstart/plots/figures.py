"""What all pictures share: size, files, axes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from headstart.errors import HeadError
from headstart.storage.files import written_aside
from headstart.visible import visible_lines

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


LONGEST_NAME = 32
"""Letters of a name beside an axis: longer ones leave no room for what is drawn."""


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
    _show_plainly(made)
    with written_aside(path) as file:
        made.savefig(file, format=path.suffix.lower().lstrip("."))
    return path


def to_svg(made: Any) -> str:
    """A figure as an `<svg>` element to put into a page."""
    file = io.StringIO()
    _show_plainly(made)
    made.savefig(file, format="svg")
    return file.getvalue()[file.getvalue().index("<svg") :]


def to_png(made: Any) -> bytes:
    """A figure as a PNG file."""
    file = io.BytesIO()
    _show_plainly(made)
    made.savefig(file, format="png")
    return file.getvalue()


def _show_plainly(made: Any) -> None:
    """Show labels and names as they are: control characters written out, `$` no formula."""
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    numbers: set[Any] = set()
    for axes in made.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FuncFormatter):  # names that were given with `set_ticks`
                axis.set_major_formatter(_shown_by(formatter))
                axis.get_ticklabels()
            else:  # of a logarithmic axis, they are formulas of matplotlib's own
                numbers.update(axis.get_ticklabels())
    for text in made.findobj(Text):
        if text not in numbers:
            text.set_parse_math(False)
            text.set_text(visible_lines(text.get_text()))


def _shown_by(formatter: Any) -> Any:
    return lambda value, position: cut_short(visible_lines(formatter(value, position)))


def cut_short(name: str) -> str:
    """The name of a class, as much of it as a picture has room for."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
