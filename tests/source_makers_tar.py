"""The pictures of a folder of class folders, packed as others pack them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path


def labelled(folder: Path) -> list[tuple[Path, str]]:
    """The files below class folders with their classes, in order."""
    return [(one, one.parent.name) for one in sorted(folder.glob("*/*"))]


def put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a plain file to a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def write_tar(path: Path, samples: Iterable[tuple[str, dict[str, bytes]]]) -> Path:
    """A tar of samples: a key, and the content of each extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, members in samples:
            for extension, content in members.items():
                put(tar, f"{key}.{extension}", content)
    return path


def members(folder: Path) -> list[tuple[str, dict[str, bytes]]]:
    """A sample a picture: the picture, and its class."""
    return [
        (f"{label}_{file.stem}", {file.suffix[1:]: file.read_bytes(), "cls": label.encode()})
        for file, label in labelled(folder)
    ]


def webdataset(folder: Path, target: Path) -> Path:
    """One tar."""
    return write_tar(target / "pictures.tar", members(folder))


def webdataset_shards(folder: Path, target: Path) -> str:
    """Several tars, by a pattern."""
    found = members(folder)
    for number in range(3):
        write_tar(target / f"shard-{number:03}.tar", found[number::3])
    return str(target / "shard-{000..002}.tar")
