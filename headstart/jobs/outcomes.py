"""What is left of a verb that writes a file, or removes something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.values.showable import Showable


@dataclass(frozen=True)
class Written(Showable):
    """A file, or a folder, that was written.

    Attributes:
        file: as it was asked for.
        facts: what else there is to say, by name.
    """

    file: Path
    facts: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(file: Path, **facts: Any) -> Written:
        """A file that is there now, with its `size` among the facts."""
        place = file.expanduser()
        files = [one for one in place.rglob("*") if one.is_file()] if place.is_dir() else [place]
        return Written(file, {"size": sum(one.stat().st_size for one in files), **facts})

    @property
    def size(self) -> int:
        """Bytes; of a folder, those of its files."""
        return self.facts["size"]

    def _facts(self) -> dict[str, Any]:
        return {"file": self.file, **self.facts}


@dataclass(frozen=True)
class Removed(Showable):
    """Something that was forgotten.

    Attributes:
        removed: its name.
    """

    removed: str
