"""Tables that fit: a date, a number, a marker is whole or not there.

Where there is no room, texts are folded, then columns that may be left out are, which is said; and
where that is not enough, each row becomes a block with a line for each of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.visible import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table

NARROW = 12
"""Cells to which a text is folded, at most, before columns are left out."""
PIECES = re.compile(r"\s+|(?:[^\s_/@|,:+-]|[_/@|,:+-](?=\d))*[_/@|,:+-]?")
"""Spaces, and what ends where a text may be folded: behind a sign, unless a digit follows, as in
2026-11-25, 1,000 or net:2."""
Cell = tuple[str, ...]
"""The lines of a cell."""


@dataclass(frozen=True)
class Column:
    """A column, from its name with signs before it.

    Attributes:
        name: as printed.
        is_right: `>`: set to the right, and whole.
        is_whole: `=`: never folded.
        is_firm: `~`: folded only where it is not enough to leave columns out.
        is_optional: `?`: left out where there is no room; the first ones are kept first.
    """

    name: str
    is_right: bool
    is_whole: bool
    is_firm: bool
    is_optional: bool

    @staticmethod
    def of(signed: str) -> Column:
        name = signed.lstrip(">=~?")
        signs = signed[: len(signed) - len(name)]
        is_whole = ">" in signs or "=" in signs
        return Column(visible(name), ">" in signs, is_whole, "~" in signs, "?" in signs)


@dataclass(frozen=True)
class FittedTable:
    """A table that is laid out when the width is known; Rich prints it.

    Attributes:
        title: a line above it, or None.
        columns: in order.
        rows: a cell for each column.
    """

    title: str | None
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        if self.title is not None:
            yield Text(self.title)
        shown = self._places(options.max_width)
        if not shown:
            yield from self._blocks(options.max_width)
            return
        yield self._grid(shown, options.max_width)
        left_out = [one.name for place, one in enumerate(self.columns) if place not in shown]
        if left_out:
            yield Text(f"No room for: {', '.join(left_out)}. A wider terminal or --json has it.")

    def _places(self, width: int) -> list[int]:
        """Which columns there is room for; none if there is not enough for those that must be."""
        for is_firm in (True, False):
            least = [self._least(place, is_firm) for place in range(len(self.columns))]
            shown = [n for n, column in enumerate(self.columns) if not column.is_optional]
            if sum(least[n] + 1 for n in shown) > width + 1:
                continue
            for place in sorted(set(range(len(least))) - set(shown)):
                if sum(least[n] + 1 for n in [*shown, place]) <= width + 1:
                    shown.append(place)
            return sorted(shown)
        return []

    def _natural(self, place: int) -> int:
        """The width of a column that is not folded."""
        return max([_width(self.columns[place].name), *map(_width, self._lines(place))])

    def _lines(self, place: int) -> list[str]:
        return [line for row in self.rows for line in row[place]]

    def _least(self, place: int, is_firm: bool) -> int:
        """The width below which a column is not folded."""
        column, natural = self.columns[place], self._natural(place)
        if column.is_whole or (column.is_firm and is_firm):
            return natural
        return min(natural, max(NARROW, _width(column.name)))

    def _widths(self, shown: Sequence[int], width: int) -> dict[int, int]:
        """The texts share what the others leave; the widest give way first."""
        widths = {place: self._natural(place) for place in shown}
        over = sum(widths.values()) + len(shown) - 1 - width
        for is_firm in (True, False):
            least = {place: self._least(place, is_firm) for place in shown}
            while over > 0 and widths != least:
                widest = max(shown, key=lambda n: widths[n] - least[n])
                widths[widest] -= 1
                over -= 1
        return widths

    def _grid(self, shown: Sequence[int], width: int) -> Table:
        from rich import box
        from rich.table import Table

        made = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        widths = self._widths(shown, width)
        for place in shown:
            column = self.columns[place]
            justify = "right" if column.is_right else "left"
            made.add_column(column.name, justify=justify, no_wrap=True, width=widths[place])
        for row in self.rows:
            made.add_row(*(_folded(row[place], widths[place]) for place in shown))
        return made

    def _blocks(self, width: int) -> Iterator[Any]:
        from rich.text import Text

        named = max(_width(column.name) for column in self.columns)
        room = max(width - named - 1, 1)
        for number, row in enumerate(self.rows):
            if number:
                yield Text("")
            for column, cell in zip(self.columns, row, strict=True):
                lines = _folded(cell, room).split("\n")
                for first, line in zip([column.name, *[""] * len(lines)], lines, strict=False):
                    yield Text(f"{first:<{named}} {line}".rstrip(), no_wrap=True)


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _folded(cell: Cell, width: int) -> str:
    return "\n".join(part for line in cell for part in fold(line, width))


def fold(line: str, width: int) -> list[str]:
    """A line as lines of so many cells at most, folded between words and behind signs."""
    from rich.cells import chop_cells

    found, now = [], ""
    for piece in PIECES.findall(line):
        if _width(now + piece.rstrip()) <= width:
            now += piece
            continue
        if now.strip():
            found.append(now.rstrip())
        *full, now = chop_cells(piece.lstrip(), width) or [""]
        found += full
    return [*found, now.rstrip()] if now.strip() or not found else found
