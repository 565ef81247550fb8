"""Model files from outside, copied before they are looked into: what is looked at is loaded.

Whoever may write where the model lies could exchange it between the look and the load. A copy lies
where nobody else can write; messages name what the user gave.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headstart.errors import HeadstartError, UnsafeModel
from headstart.storage.files import BLOCK, free_bytes, open_regular, place_of, storage_error

HUB_CACHE = "blobs"
"""Where Hugging Face keeps the files that a downloaded folder links to, two folders up."""


@dataclass(frozen=True)
class Copy:
    """A file or folder as it was when it was copied.

    Attributes:
        path: of the copy.
        source: what was copied.
        sha256: of the file's content; empty for a folder.
    """

    path: Path
    source: Path
    sha256: str = ""

    def renamed(self, text: str) -> str:
        """A message with the name that the user knows."""
        return text.replace(str(self.path), str(self.source))

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors of the block name the source in place of the copy."""
        try:
            yield
        except HeadstartError as error:
            error.message = self.renamed(error.message)
            error.hint = None if error.hint is None else self.renamed(error.hint)
            error.args = (error.message,)
            raise


def copy_file(path: Path, scratch: Path) -> Copy:
    """Copy a file into a new folder under `scratch`, hashed on the way.

    Raises:
        StorageError: it is no regular file, or there is no room for it.
        OSError: it cannot be read.
    """
    target = _new_folder(scratch) / path.name
    with open_regular(path) as source:
        return Copy(target, path, _write(source, target))


def copy_folder(folder: Path, scratch: Path, what: str) -> Copy:
    """Copy a folder into a new one under `scratch`; links out of it are refused.

    Args:
        folder: what to copy.
        scratch: where to.
        what: it is, for messages.

    Raises:
        UnsafeModel: a link leads out of it, to what is no file that a downloaded folder shares.
        StorageError: something in it is no regular file, or there is no room for it.
    """
    target = _new_folder(scratch) / "copy"  # its own name may be `..`
    copy_below(folder, target, folder, what)
    return Copy(target, folder)


def copy_below(folder: Path, target: Path, root: Path, what: str) -> None:
    """Copy the files below a folder; see `copy_folder`.

    Args:
        folder: what to copy.
        target: the new folder.
        root: outside of which no link may lead.
        what: it is, for messages.
    """
    target.mkdir()
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            refuse_outside(path, path.resolve(), root, what)
            if path.is_symlink():
                raise UnsafeModel(
                    f"{what} {folder} has a link to a folder, {path.name}",
                    hint="Put the folder itself in its place.",
                )
            continue
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with open_regular(path) as source:
            refuse_outside(path, place_of(source, path), root, what)
            _write(source, copy)


def refuse_outside(path: Path, place: Path, root: Path, what: str) -> None:
    """Refuse a file that lies elsewhere.

    Args:
        path: of the file.
        place: where it lies, with no link on the way.
        root: the folder outside of which it may not lie.
        what: that folder is, for messages.

    Raises:
        UnsafeModel: it lies outside, and is no file that a downloaded folder shares.
    """
    real = root.resolve()
    in_cache = len(real.parents) > 1 and place.parent == real.parents[1] / HUB_CACHE
    if not (place.is_relative_to(real) or in_cache):
        raise UnsafeModel(
            f"{path} is refused: it is a link to {place}, outside of {what}",
            hint="Copy the file into the folder if it belongs there.",
        )


def _new_folder(scratch: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="given-", dir=scratch)).absolute()


def _write(source: BinaryIO, target: Path) -> str:
    """Write what is read; gives its sha256."""
    found = hashlib.sha256()
    if os.fstat(source.fileno()).st_size > free_bytes(target.parent):  # it may be all holes
        raise storage_error(target.parent, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with target.open("xb") as file:
        while block := source.read(BLOCK):
            found.update(block)
            try:
                file.write(block)
            except OSError as error:
                raise storage_error(target.parent, error) from error
    return found.hexdigest()
