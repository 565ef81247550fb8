"""How to extract."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.errors import BackboneError
from headstart.storage.encoding import Encoding


@dataclass(frozen=True)
class Settings:
    """How to extract; but for `storage`, nothing here changes a feature.

    Attributes:
        batch_size: samples a call of the trunk.
        on_error: `fail` at the first sample that cannot be read, or `skip` and record it.
        commit_seconds: at the latest after so long, what was computed is committed.
        commit_bytes: and as soon as it is so large.
        storage: `float16` or `bfloat16` to store float32 features in half the bytes, rounded;
            None for what the feature set has, or as computed.
        compression: `none`, `gzip` or `blosc2`; None for what the feature set has, or none.
        lease_seconds: when this process is not heard of for so long, others take over.
    """

    batch_size: int = 32
    on_error: str = "fail"
    commit_seconds: float = 10.0
    commit_bytes: int = 32 << 20
    storage: str | None = None
    compression: str | None = None
    lease_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise BackboneError(f"batch_size is {self.batch_size}", hint="Give 1 or more.")
        if self.on_error not in ("fail", "skip"):
            raise BackboneError(f"on_error is {self.on_error!r}", hint="Give fail or skip.")
        Encoding.choose("float32", self.storage, self.compression)
