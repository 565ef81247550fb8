"""Strays: files of the artifact store that no backbone and no head names.

They come from a removed backbone, from an import or `backbone add` that was killed, or from the
same model added again from another file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.storage.artifacts import HELD_AS, ArtifactStore
from headstart.storage.locks import Alone

STRAY_SECONDS = 24 * 3600
"""Younger files are left alone: where there are no locks, somebody may be about to name them."""


@dataclass(frozen=True)
class Strays:
    """Finds and removes strays.

    Args:
        store: the artifact store.
        locks: where it is held by whoever puts a file there and then names it.
        find_needed: digests that the database names, asked anew each time.
    """

    store: ArtifactStore
    locks: Path
    find_needed: Callable[[], set[str]]

    def find(self) -> tuple[list[Path], bool]:
        """The strays, and whether somebody puts files there now."""
        with Alone(self.locks, HELD_AS) as lock:
            return self._among(self.store.files()), not lock.is_held

    def remove(self, files: Sequence[Path]) -> bool:
        """Delete those that still are strays; nothing while somebody puts files there."""
        with Alone(self.locks, HELD_AS) as lock:
            found = self._among(files) if lock.is_held else []
            for path in found:
                path.unlink(missing_ok=True)
            return bool(found)

    def _among(self, files: Sequence[Path]) -> list[Path]:
        needed = self.find_needed()
        latest = time.time() - STRAY_SECONDS
        return [
            path
            for path in files
            if path.stem not in needed and path.exists() and path.stat().st_mtime < latest
        ]
