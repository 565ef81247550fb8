"""Rows that are read many times over, copied once into a file of their own and mapped.

Chosen rows of a view lie among others, in chunks of shards: each reading of all of them looks up
places, gathers and copies, which takes as long as what is done with them. In a file in their own
order they are read where they lie. That is a temporary file, which nobody else sees and which is
gone with the process.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from headstart.heads.rows import LazyRows, Rows, spans_of_rows
from headstart.notices import tell

FOR_LARGE = Path("/var/tmp")
"""Where temporary files lie on a disk, while /tmp may be memory (Filesystem Hierarchy Standard 3.0,
section 5.15)."""
AT_ONCE = 64 << 20
"""Bytes that are copied at a time."""
LEFT = 2.0
"""Times what the rows take: so much must be free where they are copied."""
PAGE_BYTES = 64 << 10
"""With a row so much around it comes into memory: `fault_around_bytes` of Linux."""
MOST = 1 << 30
"""Bytes that come into memory, about, before all are let go: what is mapped counts as memory of the
process, though the system takes it back where it needs it."""


class CopiedRows(LazyRows):
    """A copy of rows. A slice of them is no further copy, and cannot be written to.

    Args:
        rows: what to copy, read once; one row of one number at least.
        folder: where the file is.

    Raises:
        OSError: there is no room.
    """

    def __init__(self, rows: LazyRows, folder: Path) -> None:
        self.shape = rows.shape
        with tempfile.TemporaryFile(dir=folder) as file:
            for span in spans_of_rows(rows, AT_ONCE):
                file.write(np.ascontiguousarray(rows[span]).data)
            file.flush()
            self._pages = _Pages(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self._all = np.frombuffer(self._pages.content, np.float32).reshape(self.shape)

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        found = self._all[rows]
        each = 4 * self.shape[1] if isinstance(rows, slice) else PAGE_BYTES + 4 * self.shape[1]
        self._pages.note(each * len(found))
        return found


class _Pages:
    """A mapped file, which all copies of the rows share."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self._seen = 0

    def note(self, size: int) -> None:
        """That so many bytes may have come into memory."""
        self._seen += size
        if self._seen > MOST and hasattr(self.content, "madvise"):
            self._seen = 0
            # who reads in them meanwhile has them again at once, as they stay in the page cache
            self.content.madvise(mmap.MADV_DONTNEED)


def copied(rows: Rows) -> Rows:
    """Rows for many readings: those in memory as they are, those on the disk copied.

    Where there is no room for a copy they are read where they lie, which is said.
    """
    if isinstance(rows, np.ndarray) or not (size := 4 * rows.shape[0] * rows.shape[1]):
        return rows
    folder = _folder()
    try:
        if shutil.disk_usage(folder).free < LEFT * size:
            raise OSError(f"{LEFT * size / 1e9:,.1f} GB are to be free")
        return CopiedRows(rows, folder)
    except OSError as error:
        tell(
            f"features are read where they lie, which is slower, as there is no room for a copy in "
            f"{folder} ({error.strerror or error}); TMPDIR says where else"
        )
        return rows


def _folder() -> Path:
    """The system's place for large temporary files, unless another is given."""
    given = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    is_there = os.access(FOR_LARGE, os.W_OK | os.X_OK)
    return FOR_LARGE if is_there and not given else Path(tempfile.gettempdir())
