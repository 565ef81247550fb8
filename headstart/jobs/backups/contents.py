"""What a backup holds: a list of its files with their sha256, which is written last.

::

    backup.json            the list; a folder without it is no backup
    registry-SHA256.db     one state of the registry, as an SQLite file
    artifacts/ manifests/ manifests-parts/ contents/ features/     as in a workspace
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.errors import BackupDamaged, NotFound, StorageError
from headstart.jobs.backups.places import HINT, Held, Place
from headstart.paths import mirrored_below

FILE = "backup.json"
FORMAT, VERSION = "headstart.backup", 1
FOLDERS = ("artifacts", "contents", "features", "manifests", "manifests-parts")
"""Of a workspace that a backup has files of."""


@dataclass(frozen=True)
class Backup:
    """What `backup.json` says.

    Attributes:
        workspace: UUID of the workspace.
        root: where that was.
        schema: of the registry.
        registry: name of the file with it.
        has_features: whether the shards are in it.
        created_at: when, ISO 8601.
        versions: of headstart.
        defaults: `[defaults]` of the workspace.
        files: all of it, by their names relative to the folder.
        missing: what the registry names and the workspace did not have.
    """

    workspace: str | None
    root: str
    schema: str
    registry: str
    has_features: bool
    created_at: str
    versions: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Held] = field(default_factory=dict)
    missing: Sequence[str] = ()

    def write(self, place: Place) -> None:
        """Put it there, whole: then it is the backup."""
        files = {name: [one.size, one.sha256] for name, one in sorted(self.files.items())}
        told = {"format": FORMAT, "version": VERSION, **vars(self), "files": files}
        text = json.dumps(told, indent=1, ensure_ascii=False, default=_plain)
        place.write(FILE, text.encode())

    @staticmethod
    def read(place: Place) -> Backup:
        """That which is there.

        Raises:
            NotFound: there is none.
            BackupDamaged: it cannot be read, or was written by newer code.
        """
        file = f"{place}/{FILE}"
        try:
            told = json.loads(place.read(FILE))
            if told.pop("format") != FORMAT:
                raise ValueError("it is another format")
            if (version := told.pop("version")) != VERSION:
                raise ValueError(f"it has version {version}, this code reads {VERSION}")
            files = {name: Held(int(a), str(b)) for name, (a, b) in told.pop("files").items()}
            missing = tuple(map(str, told.pop("missing", ())))
            made = Backup(**told, files=files, missing=missing)
        except FileNotFoundError:
            raise NotFound(
                f"{place} holds no backup: it has no {FILE}",
                hint="Name a place that `headstart backup` wrote to the end.",
            ) from None
        except StorageError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BackupDamaged(f"{file} cannot be read ({error})", hint=HINT) from error
        for name in files:
            mirrored_below(Path(FILE), name)  # refuses what leads elsewhere
            if name != made.registry and name.partition("/")[0] not in FOLDERS:
                raise BackupDamaged(f"{file} names {name!r}, no file of a workspace", hint=HINT)
        if made.registry not in files:
            raise BackupDamaged(f"{file} names no registry", hint=HINT)
        return made


def _plain(value: Any) -> Any:
    """What JSON has no word for, such as a date in `[defaults]`."""
    return dict(value) if isinstance(value, Mapping) else str(value)
