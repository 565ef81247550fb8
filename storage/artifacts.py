"""Model files and heads, kept by content address and checked whenever they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import ArtifactDamaged
from headstart.paths import by_digest
from headstart.storage.files import BLOCK, sha256_of_file, written_aside
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.shared_folder import SharedFolder, Stored


@dataclass(frozen=True)
class Artifact:
    """A stored file: its sha256 in hex and its size in bytes."""

    digest: str
    size: int


PART = ".part"
HELD_AS = "artifacts"
"""What is held (`storage.locks`) from before a file is put there until a row names it."""


class ArtifactStore:
    """Files under `root`, each called by its sha256; the suffix is kept, as Keras reads it.

    Args:
        root: where they lie.
        bucket: where they lie for other machines as well, if there are any; what is not here is
            fetched when it is asked for.
    """

    def __init__(self, root: Path, bucket: Bucket | None = None) -> None:
        self._root = root
        self._folder = SharedFolder(root, bucket, "artifacts")
        self._notes: list[list[Path]] = []

    def beside(self, name: str) -> Path:
        """A folder of the same workspace, for what is known about the files."""
        return self._root.parent / name

    @contextmanager
    def noted(self) -> Iterator[list[Path]]:
        """The files that are put and were not there before, while the block lasts; of whoever
        shares this store, too."""
        new: list[Path] = []
        self._notes.append(new)
        try:
            yield new
        finally:
            self._notes = [one for one in self._notes if one is not new]

    def put(self, source: Path, suffix: str) -> Artifact:
        """Copy a file into the store; a file already there is not written again."""
        digest = sha256_of_file(source)
        size = source.stat().st_size
        target = self.path_of(digest, suffix)
        is_there = target.exists() and target.stat().st_size == size
        if is_there and self._folder.bucket is not None:  # what is put there is everybody's
            is_there = sha256_of_file(target) == digest
        if not is_there:
            self._note(target)
            self._copy(source, target, digest)
        else:
            with suppress(PermissionError):  # another user's: that one's time is not to be had
                os.utime(target)  # `features gc` leaves alone what is young
        self._folder.keep(target, digest)
        return Artifact(digest, size)

    def put_bytes(self, content: bytes, suffix: str) -> Artifact:
        artifact = Artifact(hashlib.sha256(content).hexdigest(), len(content))
        path = self.path_of(artifact.digest, suffix)
        if not path.exists():
            self._note(path)
        with written_aside(path) as file:
            file.write(content)
        self._folder.keep(path, artifact.digest)
        return artifact

    def get(self, artifact: Artifact, suffix: str) -> Path:
        """The path of a stored file, after its size and sha256 were found right.

        Raises:
            ArtifactDamaged: the file is missing or is not what was stored.
            StorageError: it lies in a bucket that does not give it now.
        """
        path = self.here(artifact.digest, suffix)
        hint = "Add the same thing again: that puts the file back."
        if not path.exists():
            raise ArtifactDamaged(f"the artifact {path} is missing", hint=hint)
        size = path.stat().st_size
        if size != artifact.size:
            raise ArtifactDamaged(
                f"the artifact {path} is damaged: {size:,} bytes, not {artifact.size:,}", hint=hint
            )
        if sha256_of_file(path) != artifact.digest:
            path.unlink()  # so that adding it again writes it anew
            raise ArtifactDamaged(
                f"the artifact {path} is damaged: its sha256 is another", hint=hint
            )
        return path

    def keep(self, content: bytes) -> str:
        """Store a part that a record names by its sha256 alone; returns that."""
        return self.put_bytes(content, PART).digest

    def read(self, digest: str) -> bytes:
        """The content of a part, after its sha256 was found right.

        Raises:
            ArtifactDamaged: it is missing or is not what was stored.
        """
        path = self.here(digest, PART)
        size = path.stat().st_size if path.exists() else 0
        return self.get(Artifact(digest, size), PART).read_bytes()

    def path_of(self, digest: str, suffix: str) -> Path:
        """Where a file lies, or would lie."""
        return by_digest(self._root, digest, suffix)

    def here(self, digest: str, suffix: str) -> Path:
        """The path of a file, which is fetched if it lies elsewhere; it need not be anywhere."""
        return self._folder.here(self.path_of(digest, suffix), digest)

    def has(self, digest: str, suffix: str, size: int | None = None) -> bool:
        """Whether a file is stored, of that size if it is given; it is not looked into."""
        return self._folder.has(self.path_of(digest, suffix), size)

    def clock(self) -> float:
        """See `SharedFolder.clock`."""
        return self._folder.clock()

    def stored(self) -> list[Stored]:
        """All files of the store, temporary ones too."""
        return self._folder.stored()

    def files(self) -> list[Path]:
        """Where they lie here, or would lie."""
        return [one.path for one in self.stored()]

    def remove(self, paths: Iterable[Path]) -> None:
        """Delete files; nothing happens to those that are gone."""
        self._folder.remove(paths)

    def _note(self, path: Path) -> None:
        for new in self._notes:
            new.append(path)

    def _copy(self, source: Path, target: Path, digest: str) -> None:
        copied = hashlib.sha256()
        with source.open("rb") as reading, written_aside(target) as writing:
            while block := reading.read(BLOCK):
                copied.update(block)
                writing.write(block)
            if copied.hexdigest() != digest:
                raise ArtifactDamaged(f"{source} changed while it was copied", hint="Try again.")
