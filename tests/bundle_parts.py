"""A bundle taken apart, to be changed and put together again."""

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from io import BytesIO

import h5py


@dataclass
class Parts:
    """A bundle taken apart: its head, its members, and how they are compressed."""

    head: dict
    members: dict[str, bytes]
    raw_head: bytes | None = None
    compression: int = zipfile.ZIP_STORED
    twice: list[str] = field(default_factory=list)

    @property
    def shard(self):
        return self.head["shards"][0]

    @property
    def record(self):
        return self.head["backbone"]

    def write(self, file):
        head = json.dumps(self.head).encode() if self.raw_head is None else self.raw_head
        with zipfile.ZipFile(file, "w", self.compression) as archive:
            archive.writestr("bundle.json", head)
            for name, content in self.members.items():
                archive.writestr(name, content)
        return file


def with_shard(parts, change):
    """The bundle with its first shard changed by h5py, its sha256 and size made right again."""
    memory = BytesIO(parts.members[parts.shard["name"]])
    with h5py.File(memory, "r+") as file:
        change(file)
    return with_bytes(parts, memory.getvalue())


def with_bytes(parts, content):
    """The bundle with other bytes for its first shard, of the right sha256 and size."""
    parts.members[parts.shard["name"]] = content
    parts.shard.update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    return parts
