"""What a writer that was killed leaves in a store that is a folder (`file://`).

obstore writes an object beside its name, as `NAME#1`, and renames it; such names it lists to nobody
and takes from nobody: https://github.com/apache/arrow-rs-object-store, `staged_upload_path` of
`local.rs`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from headstart.paths import mirrored_below

STAGED = re.compile(r".+#\d+")


def is_leftover(name: str) -> bool:
    """Whether the last step of a key is that of something unfinished."""
    return STAGED.fullmatch(name.rpartition("/")[2]) is not None


def leftovers(root: Path, prefix: str) -> Iterator[tuple[str, int, datetime]]:
    """Key, bytes, and time of writing of what is unfinished below a folder of a store.

    Args:
        root: folder of the store.
        prefix: the folder's key.
    """
    for path in sorted(mirrored_below(root, prefix).rglob("*#*")):
        if not is_leftover(path.name):
            continue
        with suppress(FileNotFoundError):  # its writer is at work, and has given it its name
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                written = datetime.fromtimestamp(status.st_mtime, UTC)
                yield path.relative_to(root).as_posix(), status.st_size, written
