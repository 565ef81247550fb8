"""Rows that are read many times over, copied once into a file of their own and mapped.

Chosen rows of a view lie among others, in chunks of shards: each reading of all of them looks up
places, gathers and copies, which takes as long as what is done with them. In a file in their own
order they are read where they lie. That is a temporary file, which nobody else sees and which is
gone with the process. Its room is taken before the first row is copied, so that several processes
don't find out together, in the middle, that there is too little; nothing is copied to a folder that
is memory itself, as features are copied which are too large for that. Where the system can't take
room beforehand, and where a disk fails later, a copy fails as any writing of a file does.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np

from headstart.errors import StorageError
from headstart.heads.rows import LazyRows, Rows, spans_of_rows
from headstart.notices import tell
from headstart.storage.memory import is_memory

FOR_LARGE = Path("/var/tmp")
"""Where temporary files lie on a disk, while /tmp may be memory (Filesystem Hierarchy Standard 3.0,
section 5.15)."""
AT_ONCE = 64 << 20
"""Bytes that are copied at a time."""
LEFT = 2.0
"""Times what the rows take: so much must be free where they are copied."""
MOST = 1 << 30
"""Bytes that come into memory, about, before all are let go: what is mapped counts as memory of the
process, though the system takes it back where it needs it."""

UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What file systems say that cannot take room for a file beforehand."""


class CopiedRows(LazyRows):
    """A copy of rows. A slice of them is no further copy, and cannot be written to.

    Args:
        rows: what to copy, read once; one row of one number at least.
        folder: where the file is.

    Raises:
        OSError: there is no room.
        StorageError: the rows cannot be read now.
    """

    def __init__(self, rows: LazyRows, folder: Path) -> None:
        self.shape = rows.shape
        with tempfile.TemporaryFile(dir=folder) as file:
            _take_room(file.fileno(), 4 * rows.shape[0] * rows.shape[1])
            for span in spans_of_rows(rows, AT_ONCE):
                file.write(np.ascontiguousarray(rows[span]).data)
            file.flush()
            self._content = _Content(file.fileno())
        self._all = np.frombuffer(self._content.mapped, np.float32).reshape(self.shape)

    def _read(self, rows: slice | np.ndarray) -> np.ndarray:
        if isinstance(rows, slice) or not hasattr(os, "preadv"):
            found = self._all[rows]
            self._content.note(found.nbytes)
            return found
        # One row of the mapping would bring up to 2 MiB around it into memory.
        rows = rows.astype(np.int64) if _are_plain(rows) else np.arange(len(self._all))[rows]
        found, bytes_ = np.empty((len(rows), self.shape[1]), np.float32), 4 * self.shape[1]
        starts = np.flatnonzero(np.diff(rows, prepend=rows[:1] - 2) != 1)
        ends = np.append(starts, len(rows))[1:]
        each = zip(starts.tolist(), ends.tolist(), (rows[starts] * bytes_).tolist(), strict=True)
        for start, end, place in each:
            self._content.read_into(found[start:end], place)
        return found


def _take_room(file: int, size: int) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in UNABLE:
            raise


def _are_plain(rows: np.ndarray) -> bool:
    """Whether these are numbers of rows from 0 up."""
    return rows.dtype.kind in "iu" and (not len(rows) or bool(rows.min() >= 0))


class _Content:
    """What is in a file, which all copies of the rows share.

    Args:
        file: its descriptor, which may be closed afterwards.
    """

    def __init__(self, file: int) -> None:
        self.mapped = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        self._file, self._seen = os.dup(file), 0
        weakref.finalize(self, os.close, self._file)

    def read_into(self, rows: np.ndarray, place: int) -> None:
        """Fill rows from a place on.

        Raises:
            OSError: they are not there.
        """
        left = rows.reshape(-1).view(np.uint8).data
        while len(left):
            got = os.preadv(self._file, [left], place)  # 2 GiB at most
            if not got:
                raise OSError(f"a temporary copy of features has nothing at {place:,} bytes")
            left, place = left[got:], place + got

    def note(self, size: int) -> None:
        """That so many bytes of the mapping may have come into memory."""
        self._seen += size
        if self._seen > MOST and hasattr(self.mapped, "madvise"):
            self._seen = 0
            # who reads in them meanwhile has them again at once, as they stay in the page cache
            self.mapped.madvise(mmap.MADV_DONTNEED)


def copied(rows: Rows) -> Rows:
    """Rows for many readings: those in memory as they are, those on the disk copied.

    Where there is no room for a copy they are read where they lie, which is said.

    Raises:
        StorageError: the rows cannot be read now.
    """
    if isinstance(rows, np.ndarray) or not (size := 4 * rows.shape[0] * rows.shape[1]):
        return rows
    folder = _folder()
    try:
        if shutil.disk_usage(folder).free < LEFT * size:
            raise OSError(f"{LEFT * size / 1e9:,.1f} GB are to be free")
        if is_memory(folder):
            raise OSError("it is memory, no disk")
        return CopiedRows(rows, folder)
    except StorageError:  # of the rows themselves
        raise
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
