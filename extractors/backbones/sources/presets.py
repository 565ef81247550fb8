"""A KerasHub preset folder looked into before anything of it is loaded, wherever it comes from."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from headstart.errors import UnsafeModel
from headstart.extractors.backbones.safety.inspection import check_files

ASSETS = "assets"
"""The folder of vocabularies: words and numbers, which name nothing."""
HUB_CACHE = "blobs"
"""Where Hugging Face keeps the files that a downloaded folder links to, two folders up."""
LARGEST_UNPACKED = 1 << 30
MOST_MEMBERS = 10_000


def check_preset(folder: Path, *, max_bytes: int | None = None) -> None:
    """Refuse a preset that could run code, open other files, or be absurdly large.

    Raises:
        UnsafeModel: it could; the message says how.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        _refuse_link_outside(path, folder)
    stored = sum(path.stat().st_size for path in files)
    looked_at = [
        path
        for path in files
        if path.suffix in (".json", ".h5") and ASSETS not in path.relative_to(folder).parts
    ]
    check_files(looked_at, stored_bytes=stored, max_bytes=max_bytes)


def unpack_preset(content: BinaryIO, folder: Path) -> None:
    """Unpack a stored preset, and look into it.

    Raises:
        UnsafeModel: it has members outside of itself, unpacks to too much, or as `check_preset`.
    """
    with zipfile.ZipFile(content) as archive:
        members = archive.infolist()
        for member in members:
            name = PurePosixPath(member.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                raise UnsafeModel(f"the stored preset has a member outside itself, {str(name)!r}")
        unpacked = sum(member.file_size for member in members)
        if unpacked > LARGEST_UNPACKED or len(members) > MOST_MEMBERS:
            raise UnsafeModel(f"the stored preset unpacks to {unpacked:,} bytes")
        archive.extractall(folder)
    check_preset(folder)


def _refuse_link_outside(path: Path, folder: Path) -> None:
    real, root = path.resolve(), folder.resolve()
    in_cache = len(root.parents) > 1 and real.parent == root.parents[1] / HUB_CACHE
    if not (real.is_relative_to(root) or in_cache):
        raise UnsafeModel(
            f"{path} is refused: it is a link to {real}, outside of the preset",
            hint="Copy the file into the folder if it belongs there.",
        )
