"""Files that rows name, of data that are kept elsewhere: paths stay right, or files are read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.errors import DatasetError
from headstart.extractors.datasets.named_files import read_named, root_of
from headstart.extractors.datasets.remote.addresses import ANY_ADDRESS, FILE
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.source import Options
from headstart.notices import warn

HINT = "The data name it as a sample's file."
NAMED = 8
"""Rows in one warning."""


class NamedFiles:
    """Takes columns of paths, and structs of `bytes` and `path`, one batch after another.

    Addresses stay as they are: they are read, or refused, as those in tables are.

    Args:
        origin: what the data are, in words.
        options: `root` is where files may lie; `on_error` whether a row may be left out, whose
            cell is empty then.
        are_ours: whether who gives the data is the one who wrote them; no file of this machine is
            opened that a stranger's rows name.
    """

    def __init__(self, origin: str, options: Options, *, are_ours: bool = True) -> None:
        self._origin, self._are_ours = origin, are_ours
        self._root = root_of(options)
        self._skipping = Skipping(options)

    def placed(self, column: pa.Array, first: int) -> pa.Array:
        """Paths, made absolute: the file that is to hold them lies elsewhere.

        Args:
            column: of texts.
            first: the number of its first row.

        Raises:
            DatasetError: a stranger's row names a file of this machine.
        """
        names = enumerate(column.to_pylist(), first)
        placed = [self._skipping.of(partial(self._place, name, row)) for row, name in names]
        return pa.array(placed, column.type)

    def filled(self, column: pa.Array, first: int) -> pa.Array:
        """Structs with the content of the files that they only name.

        Raises:
            DatasetError, SampleChanged, SampleUnreadable: a file may not, or cannot, be read.
        """
        cells = column.to_pylist()
        if all(cell is None or cell["bytes"] for cell in cells):
            return column
        filled = [
            self._skipping.of(partial(self._fill, cell, row))
            for row, cell in enumerate(cells, first)
        ]
        return pa.array(filled, column.type)

    def say_skipped(self) -> None:
        """Name the rows whose files are not taken, as was asked for."""
        if found := self._skipping.skipped:
            more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
            warn(
                f"{self._origin}: {len(found):,} rows are left without their files: "
                f"{', '.join(found[:NAMED])}{more}"
            )

    def _place(self, name: str | None, row: int) -> str | None:
        if name is None or not name.strip() or _is_address(name):
            return name
        return str(self._path(name, row))

    def _fill(self, cell: dict[str, Any] | None, row: int) -> dict[str, Any] | None:
        name = None if cell is None or cell["bytes"] else cell.get("path")
        if not cell or not name or not name.strip() or _is_address(name):
            return cell
        content = read_named(self._path(name, row), self._root, self._where(row), HINT)
        return {**cell, "bytes": content}

    def _path(self, name: str, row: int) -> Path:
        if not self._are_ours:
            raise DatasetError(
                f"{self._where(row)}: names the file {name[:200]!r}, which is not in the data",
                hint="Files of this machine are not read for data from elsewhere; leave such rows "
                "out: --on-error skip.",
            )
        return Path(name).expanduser().absolute()

    def _where(self, row: int) -> str:
        return f"{self._origin}, row {row}"


def _is_address(name: str) -> bool:
    """Whether it is one of any kind, also of those that are not read."""
    return bool(ANY_ADDRESS.match(name) or FILE.match(name))
