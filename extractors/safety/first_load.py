"""The first load of a model that is not trusted: apart, and within limits.

What comes back is data: a frozen graph or a model file made by Keras, both looked at again here. A
`.keras` or `.h5` file is kept as it is, so of those a verdict comes back, on exactly these bytes,
which is kept by their sha256. See docs/design/first-load.md.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart import errors
from headstart.errors import HeadstartError, ModelFileError, UnsafeModel
from headstart.extractors.safety.confinement import Limits
from headstart.extractors.safety.copies import Copy
from headstart.extractors.safety.forkserver import ForkServer
from headstart.paths import inside
from headstart.storage.files import check_regular, make_folder, open_regular, written_aside
from headstart.values.installed import version_of

ROOM = 768 << 20
COPIES = 6
"""How many times its stored size a model takes while it is loaded and made into a file."""
SECONDS = 20
"""Of the processor, for a model that stores nothing: the largest of Keras' own takes half of it."""
BYTES_A_SECOND = 20 << 20
"""What is stored, for one more: 51 s a GiB, several times what reading and writing it takes."""
FILE_ROOM = 1 << 30
FOLDER = "first_loads"
VERSION = 2
LARGEST_VERDICT = 4096
LOOKED = ".looked"
"""Behind the name of what was looked into and not loaded apart: a model of our own making."""
NOTICEABLE_SECONDS = 2.0
MEMORY_SIGNALS = (6, 11, "memory")
"""What TensorFlow dies of when it is given no more memory: an abort, or a bad address."""

server = ForkServer()


def unheard(_message: str) -> None:
    """Where nobody wants to know what a first load cost."""


@dataclass(frozen=True)
class FirstLoad:
    """How models that are not trusted are loaded first.

    Attributes:
        verdicts: the folder where each user keeps which files were loaded well; None keeps nothing.
        max_bytes: what a model may take in memory, if not some times what it stores.
        say: told what it cost, when that is noticeable.
        later: collects verdicts that are written when `keep` is called; None writes them at once.
    """

    verdicts: Path | None = None
    max_bytes: int | None = None
    say: Callable[[str], None] = unheard
    later: dict[str, dict[str, Any]] | None = None

    def limits(self, size: int) -> Limits:
        """The limits for a model of so many bytes on disk."""
        size = max(size, self.max_bytes or 0)
        return Limits(
            memory=ROOM + COPIES * size,
            seconds=SECONDS + size // BYTES_A_SECOND,
            file_bytes=FILE_ROOM + 2 * size,
        )

    def run(
        self, task: str, source: Path, scratch: Path, named: Path | None = None, **more: Any
    ) -> dict[str, Any]:
        """Do a task in a confined child; its answer.

        Args:
            task: one of `headstart.extractors.backbones.first_load_tasks`.
            source: the file or folder.
            scratch: a folder; a new one under it is the child's, and its path is in the answer.
            named: what the user calls the source, if it is a copy.
            more: what else the task needs; other files by their paths.

        Raises:
            HeadstartError: what the task raised.
            UnsafeModel: it took more than its limits; the message says which.
        """
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(dir=scratch)).absolute()
        size = size_of(source) + sum(
            size_of(Path(path)) for path in more.values() if _is_path(path)
        )
        limits = self.limits(size)
        request = {"task": task, "source": str(source.absolute()), "scratch": str(folder)}
        answer = server.run({**request, "limits": limits.to_json(), **more})
        _raise(answer, source, limits)
        seconds = time.monotonic() - began
        if seconds > NOTICEABLE_SECONDS:
            what = named or source
            self.say(f"{what} was loaded in a process of its own first ({seconds:.0f} s)")
        return {**answer, "folder": folder}

    @staticmethod
    def warm() -> None:
        """Let what loads models apart start, while the source is looked into."""
        server.warm()

    def passes(self, copy: Copy, kind: str, scratch: Path) -> Path | None:
        """Have a model file loaded apart, if these bytes were not before.

        Args:
            copy: the file, where nobody else can change it; it was looked into.
            kind: `keras`, `h5` or `tensorflow`, as what it is loaded.
            scratch: a folder.

        Returns:
            The file of its frozen graph, where its wiring cannot be read; None to load it as it is.

        Raises:
            HeadstartError: it cannot be loaded.
        """
        if self.knows(copy.sha256, kind):
            return None
        answer = self.run("file", copy.path, scratch, copy.source)
        if answer["file"] is not None:
            return made(answer)
        self._write(copy.sha256, _verdict(copy.sha256, kind))
        return None

    def knows(self, digest: str, kind: str) -> bool:
        """Whether these bytes were loaded apart, as this user knows it."""
        return self._read(digest) == _verdict(digest, kind)

    def was_looked_into(self, digest: str, kind: str) -> bool:
        """Whether these bytes were at least looked into, as this user knows it."""
        looked = self._read(digest + LOOKED) == _verdict(digest, kind)
        return looked or self.knows(digest, kind)

    def note_look(self, digest: str, kind: str) -> None:
        """Keep that these bytes were looked into and nothing was found."""
        self._write(digest + LOOKED, _verdict(digest, kind))

    def _read(self, name: str) -> Any:
        """What a verdict says, if nobody else can have written its folder and its file."""
        if self.verdicts is None:
            return None
        own = own_folder(self.verdicts)
        try:
            with open_regular(inside(own, name)) as file:
                content = json.loads(file.read(LARGEST_VERDICT))
            ours = all(_only_ours_to_write(path) for path in (own, inside(own, name)))
        except (OSError, ValueError, RecursionError):
            return None
        return content if ours else None

    def keep(self) -> None:
        """Write what was collected: nothing of it is lost, and nothing is left of what failed."""
        for name, content in (self.later or {}).items():
            replace(self, later=None)._write(name, content)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        if self.verdicts is None:
            return
        if self.later is not None:
            self.later[name] = content
            return
        own = own_folder(self.verdicts)
        with suppress(OSError):  # read-only, or full: it is done again
            make_folder(self.verdicts)
            own.mkdir(mode=0o700, exist_ok=True)
            with written_aside(inside(own, name)) as file:
                file.write(json.dumps(content).encode())
            inside(own, name).chmod(0o600)


def own_folder(verdicts: Path) -> Path:
    """Where this user keeps verdicts: one believes nobody else's, so each pays once."""
    return inside(verdicts, f"user-{os.getuid()}" if hasattr(os, "getuid") else "user")


def _verdict(digest: str, kind: str) -> dict[str, Any]:
    """What a kept file says: these bytes went well, read as this, by this Keras."""
    return {"version": VERSION, "sha256": digest, "format": kind, "keras": version_of("keras")}


def size_of(source: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = source.rglob("*") if source.is_dir() else [source]
    return sum(file.stat().st_size for file in files if file.is_file())


def made(answer: dict[str, Any]) -> Path:
    """A copy of a file that a child made, found to be a plain one.

    The copy lies where the child may not write: what it forked may outlive it, and change the file.
    """
    path = Path(answer["folder"]) / Path(str(answer["file"])).name
    if path.is_symlink():
        raise UnsafeModel(f"what came of loading the model is a link, {path}")
    check_regular(path)
    copy = Path(tempfile.mkdtemp(dir=path.parent.parent)) / path.name
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as source, copy.open("xb") as target:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise UnsafeModel(f"what came of loading the model is no plain file, {path}")
        shutil.copyfileobj(source, target)
    return copy


def _is_path(value: Any) -> bool:
    return isinstance(value, str)


def _only_ours_to_write(path: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    state = path.stat()
    return state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _raise(answer: dict[str, Any], source: Path, limits: Limits) -> None:
    """The error that an answer stands for, if it is one."""
    if "error" in answer:
        name, message, hint = answer["error"]
        kind = getattr(errors, str(name), None)
        if not (isinstance(kind, type) and issubclass(kind, HeadstartError)):
            kind = ModelFileError
        raise kind(message, hint=hint)
    if "failed" in answer:
        raise ModelFileError(
            f"{source} cannot be loaded ({answer['failed']})",
            hint="It is damaged or of a kind that cannot be read; nothing was registered.",
        )
    if "killed" in answer:
        raise UnsafeModel(
            f"{source} is refused: loading it took more than {_limit(answer['killed'], limits)}",
            hint="It is damaged or made to harm; if it is meant to be so large, allow it with "
            "--max-model-bytes N.",
        )


def _limit(killed: Any, limits: Limits) -> str:
    if killed in MEMORY_SIGNALS:
        return f"{limits.memory / (1 << 30):.1f} GiB of memory"
    if killed == 25:  # SIGXFSZ
        return f"{limits.file_bytes / (1 << 30):.1f} GiB of disk"
    if killed == 24:  # SIGXCPU
        return f"{limits.seconds} s of the processor's time"
    if killed == "late":
        return f"{limits.clock_seconds} s"
    return f"it may (its process was ended, {killed})"
