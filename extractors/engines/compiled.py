"""What is known of a trunk on this machine: which engine won, and the compiled model if one did.

A file is a cache like any other: it is named by all that it depends on, and it counts only if its
hash is right; else it is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import RegistryError, StorageError
from headstart.paths import inside
from headstart.registry.entities import Run
from headstart.registry.runs import RunRepository
from headstart.storage.files import written_aside
from headstart.storage.keys import fingerprint
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.shared_folder import SharedFolder

FORMAT = "headstart.compiled/1"
SUFFIX = ".compiled"
KIND = "compiled"
"""Of rows of what was compiled and shared."""
HASH_BYTES = 32


@dataclass(frozen=True)
class Compiled:
    """One file: `facts` are JSON values, `model` is empty where TensorFlow won."""

    facts: dict[str, Any]
    model: bytes = b""


class CompiledStore:
    """The files of one workspace.

    Args:
        folder: where they lie.
        bucket: where they lie for other machines with the same processor, if there are any. What is
            fetched runs in this process, so it counts only with the sha256 that a row has of it.
        runs: where such rows are.
    """

    def __init__(
        self, folder: Path, bucket: Bucket | None = None, runs: RunRepository | None = None
    ) -> None:
        self._folder = SharedFolder(folder, bucket, "compiled")
        self._runs = runs

    def find(self, key: Mapping[str, Any]) -> Compiled | None:
        """What was kept under a key; None if nothing was, or if the file is damaged."""
        path = self._path(key)
        self._fetch(path)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        body, checksum = content[:-HASH_BYTES], content[-HASH_BYTES:]
        if hashlib.sha256(body).digest() != checksum:
            return None
        head, _, model = body.partition(b"\n")
        return Compiled(json.loads(head), model)

    def keep(self, key: Mapping[str, Any], compiled: Compiled) -> None:
        """Keep it for next time, if the disk takes it: it can always be made again."""
        body = json.dumps(compiled.facts).encode() + b"\n" + compiled.model
        content, path = body + hashlib.sha256(body).digest(), self._path(key)
        with suppress(StorageError, RegistryError):
            with written_aside(path) as file:
                file.write(content)
            self._share(path, hashlib.sha256(content).hexdigest())

    def _share(self, path: Path, sha256: str) -> None:
        if self._folder.bucket is not None and self._runs is not None:
            self._folder.keep(path, sha256)
            self._runs.add(Run(KIND, path.stem, "", "done", {"sha256": sha256}, 0.0, {}))

    def _fetch(self, path: Path) -> None:
        """Fetch what another machine has made, as it was then; else it is made here."""
        if self._folder.bucket is None or self._runs is None or path.exists():
            return
        for run in self._runs.find_latest(KIND, path.stem, 1):
            with suppress(StorageError):
                self._folder.here(path, run.counts["sha256"])

    def _path(self, key: Mapping[str, Any]) -> Path:
        return inside(self._folder.root, f"{fingerprint(FORMAT, dict(key))}{SUFFIX}")
