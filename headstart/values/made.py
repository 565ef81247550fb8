"""What one call made of a workspace, and takes back if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Made:
    """What one call made of a workspace.

    Attributes:
        folders: outer ones first.
        file: the `headstart.toml`.
        node: device and number of that file, by which it is told from one of the same name.
        content: what was written into it.
    """

    folders: list[Path] = field(default_factory=list)
    file: Path | None = None
    node: tuple[int, int] = (0, 0)
    content: str = field(default="", repr=False)  # it may hold a password

    def take_back(self) -> None:
        """Remove it; what others made or wrote since stays, with all that they may use."""
        if self.file is not None:
            with suppress(OSError, UnicodeDecodeError):
                is_own = node_of(self.file) == self.node
                if is_own and self.file.read_text(encoding="utf-8") == self.content:
                    self.file.unlink()
            if self.file.exists():
                return
        for folder in reversed(self.folders):
            with suppress(OSError):  # somebody else put something there
                folder.rmdir()


def node_of(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


@contextmanager
def taken_back_if_it_fails() -> Iterator[Made]:
    """Leave no workspace behind whose database could not be had: the next try would find one that
    "uses another database"."""
    made = Made()
    try:
        yield made
    except BaseException:
        made.take_back()
        raise
