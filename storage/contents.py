"""Contents: data that were given in memory or fetched, written once.

A file is called by its sha256; a folder of files that were fetched together by the sha256 of what
their store said of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headstart.paths import inside
from headstart.storage.files import write_by_content

NAME = re.compile(r"[0-9a-f]{64}\.[a-z]+")
"""Of a file or folder: a sha256 and a suffix."""
FOLDER = ".files"
"""Behind the name of a folder of files that belong together."""
HELD_AS = "manifests"
"""What is held (`storage.locks`) from before data are kept until the row of a dataset names them;
it stands for `contents/` too, which a workspace does not have from the start."""


@dataclass(frozen=True)
class Contents:
    """The files of a workspace that hold what datasets in memory held; see `storage.files`."""

    folder: Path

    def keep(self, write: Callable[[BinaryIO], None], suffix: str) -> Path:
        """Write a file, whole and on disk, under the name of its content.

        Args:
            write: called once with a file to write and to seek in.
            suffix: of its name.

        Returns:
            Its path; that of before, where the same content was there already. It is young
            either way: `features gc` leaves it alone.

        Raises:
            StorageError: the disk is full, or refuses; nothing is left of the new file.
        """
        return write_by_content(
            self.folder, write, lambda digest: inside(self.folder, digest + suffix)
        )

    def place_of_folder(self, digest: str) -> Path:
        """Where a folder of files lies that belong together, which may not be there yet.

        Args:
            digest: a sha256 of all that says which files they are.
        """
        return inside(self.folder, digest + FOLDER)

    def find_name(self, source: str) -> str | None:
        """The name of the file or folder that a dataset's source is; None if it is none of these.

        By its name alone: the workspace may have been opened under another path, by a link.
        """
        _, _, name = source.rpartition("/")
        return name if NAME.fullmatch(name) else None
