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
        size: bytes; of a folder, those of its files.
        facts: what else there is to say, by name.
    """

    file: Path
    size: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(file: Path, **facts: Any) -> Written:
        """A file that is there now."""
        place = file.expanduser()
        files = [one for one in place.rglob("*") if one.is_file()] if place.is_dir() else [place]
        return Written(file, sum(one.stat().st_size for one in files), facts)

    def _facts(self) -> dict[str, Any]:
        return {"file": self.file, "size": self.size, **self.facts}

    def _line(self) -> str:
        return f"{str(self.file)!r}, {self.size:,} bytes"


@dataclass(frozen=True)
class Removed(Showable):
    """Something that was forgotten.

    Attributes:
        removed: its name.
    """

    removed: str
