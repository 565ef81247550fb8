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

from headstart.errors import StorageError
from headstart.paths import inside
from headstart.storage.files import written_aside
from headstart.storage.keys import fingerprint

FORMAT = "headstart.compiled/1"
SUFFIX = ".compiled"
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
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: Mapping[str, Any]) -> Compiled | None:
        """What was kept under a key; None if nothing was, or if the file is damaged."""
        try:
            content = self._path(key).read_bytes()
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
        with suppress(StorageError), written_aside(self._path(key)) as file:
            file.write(body)
            file.write(hashlib.sha256(body).digest())

    def _path(self, key: Mapping[str, Any]) -> Path:
        return inside(self._folder, f"{fingerprint(FORMAT, dict(key))}{SUFFIX}")
