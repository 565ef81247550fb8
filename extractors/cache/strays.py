"""Strays: files of the artifact store that no backbone and no head names.

They come from a removed backbone, from an import or `backbone add` that was killed, or from the
same model added again from another file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.storage.artifacts import HELD_AS, ArtifactStore
from headstart.storage.objects.leftovers import is_leftover
from headstart.storage.objects.shared_folder import Stored
from headstart.storage.shard_store import Holds

STRAY_SECONDS = 24 * 3600
"""Younger files are left alone: where there are no locks, somebody may be about to name them."""


@dataclass(frozen=True)
class Strays:
    """Finds and removes strays.

    Args:
        store: the artifact store.
        holds: by which it is held by whoever puts a file there and then names it.
        find_needed: digests that the database names, asked anew each time.
    """

    store: ArtifactStore
    holds: Holds
    find_needed: Callable[[], set[str]]

    def find(self) -> tuple[list[Stored], bool]:
        """The strays, and whether somebody puts files there now."""
        with self.holds.alone(HELD_AS) as lock:
            return self._found(), not lock.is_held

    def remove(self, files: Sequence[Path]) -> bool:
        """Delete those that still are strays; nothing while somebody puts files there."""
        with self.holds.alone(HELD_AS) as lock:
            found = [one.path for one in self._found()] if lock.is_held else []
            gone = [path for path in found if path in files]
            self.store.remove(gone)
            return bool(gone)

    def _found(self) -> list[Stored]:
        needed = self.find_needed()
        latest = self.store.clock() - STRAY_SECONDS
        return [
            one
            for one in self.store.stored()
            if one.modified < latest and _is_stray(one.path, needed)
        ]


def _is_stray(path: Path, needed: set[str]) -> bool:
    return path.stem not in needed or is_leftover(path.name)
