"""A folder of class folders: pictures, sounds or texts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from headstart.errors import DatasetError
from headstart.extractors.datasets.rows import FileRow

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
AUDIO_SUFFIXES = {".flac", ".mp3", ".ogg", ".wav"}
TEXT_SUFFIXES = {".txt"}


def folder_rows(root: Path) -> Iterator[FileRow]:
    """Files of class folders, sorted by path; the class is the first folder's name.

    A folder with pictures is one of pictures, whatever else lies in it; then sounds; then texts.

    Raises:
        DatasetError: it is no folder of class folders, or one of them is empty.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    folders = sorted(
        entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not folders:
        raise DatasetError(
            f"{root} holds no class folders", hint="Expected: FOLDER/class/picture.jpg."
        )
    suffixes = _suffixes_in(root)
    for folder in folders:
        files = sorted(files_below(folder, suffixes))
        if not files:
            what = "images" if suffixes == IMAGE_SUFFIXES else "files of the others' kind"
            raise DatasetError(
                f"the class folder {folder} holds no {what}",
                hint=f"Remove it, or put some in it ({' '.join(sorted(suffixes))}).",
            )
        for path in files:
            yield FileRow(path.relative_to(root).as_posix(), path, folder.name)


def files_below(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(place, name)


def _suffixes_in(root: Path) -> set[str]:
    for suffixes in (IMAGE_SUFFIXES, AUDIO_SUFFIXES, TEXT_SUFFIXES):
        if next(files_below(root, suffixes), None) is not None:
            return suffixes
    return IMAGE_SUFFIXES
