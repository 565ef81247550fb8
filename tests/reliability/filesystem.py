"""The file operations of `headstart.storage.files`, watched: counted, refused, or recorded."""

import io
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from headstart.storage import files


class Watched(io.FileIO):
    """A file whose writes are announced."""

    def __init__(self, path, announce):
        super().__init__(path, "x+")
        self._announce = announce
        self._path = Path(path)

    def write(self, content):
        self._announce("write", self._path, bytes(content))
        return super().write(content)


@contextmanager
def watched(announce):
    """Calls `announce(operation, path, more)` before each operation on files.

    Operations: `create`, `write` (with the bytes), `fsync`, `rename` (with the new path),
    `sync folder`, `unlink`.
    """
    real_open, real_replace, real_unlink = Path.open, Path.replace, Path.unlink
    real_sync, real_fsync = files.sync_folder, os.fsync

    def open_(path, mode="r", *arguments, **more):
        if mode != "x+b":
            return real_open(path, mode, *arguments, **more)
        announce("create", path, None)
        return Watched(path, announce)

    def replace(path, target):
        announce("rename", path, Path(target))
        return real_replace(path, target)

    def unlink(path, missing_ok=False):
        announce("unlink", path, None)
        return real_unlink(path, missing_ok=missing_ok)

    def sync_folder(folder):
        announce("sync folder", Path(folder), None)
        real_sync(folder)

    def fsync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_file():
            announce("fsync", path, None)
        real_fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", open_)
        patch.setattr(Path, "replace", replace)
        patch.setattr(Path, "unlink", unlink)
        patch.setattr(files, "sync_folder", sync_folder)
        patch.setattr(files.os, "fsync", fsync)
        yield
