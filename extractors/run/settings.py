"""How to extract."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from headstart.errors import InvalidBackboneSetting
from headstart.extractors.engines.engine import PRECISIONS, kind_of
from headstart.extractors.engines.providers import PROVIDERS
from headstart.registry.names import nearest
from headstart.storage.encoding import Encoding
from headstart.values.options import Options

LARGEST_BATCH = 1 << 16
"""Samples a call; of pictures of 224 pixels 37 GiB."""


@dataclass(frozen=True)
class Settings(Options, error=InvalidBackboneSetting):
    """How to extract; but for `precision` and `storage`, nothing here changes a feature.

    Attributes:
        batch_size: samples a call of the trunk; found out in the first seconds without it.
        on_error: `fail` at the first sample that cannot be read, or `skip` and record it. What is
            on record is left out either way, until `ws.datasets.forget_failures`.
        commit_seconds: at the latest after so long, what was computed is committed.
        commit_bytes: and as soon as it is so large.
        storage: `float16` or `bfloat16` to store float32 features in half the bytes, rounded;
            None for what the feature set has, or as computed.
        compression: `none`, `gzip` or `blosc2`; None for what the feature set has, or none.
        lease_seconds: when this process is not heard of for so long, others take over.
        precision: `float32`, or `bfloat16`: the trunk computes in half the bits, faster on
            processors that have them; or `int8`: its weights and activations have eight bits, after
            the first extraction of a trunk calibrated that by some of its samples. Features of
            one precision are never taken for the other's.
        max_loss: in int8, points of accuracy that a linear head may lose against float32, or it
            is refused; see `docs/engines.md`.
        stall_seconds: when a sample is not decoded, or the engine not done with a batch, after so
            long (and after ten times the longest such step before), the run ends.
        engine: `tensorflow`, `openvino`, one of a plug-in, or `auto`: the preferred one that gives
            the same features, unless another is faster beyond doubt.
    """

    batch_size: int | None = None
    on_error: str = "fail"
    commit_seconds: float = 10.0
    commit_bytes: int = 32 << 20
    storage: str | None = None
    compression: str | None = None
    lease_seconds: float = 60.0
    precision: str = "float32"
    engine: str = "auto"
    stall_seconds: float = 300.0
    max_loss: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size is not None and not 1 <= self.batch_size <= LARGEST_BATCH:
            raise InvalidBackboneSetting(
                f"batch_size is {self.batch_size}",
                hint=f"Give 1 to {LARGEST_BATCH:,}.",
            )
        if not self.stall_seconds > 0:
            raise InvalidBackboneSetting(
                f"stall_seconds is {self.stall_seconds}",
                hint="Give a number above 0.",
            )
        check_precision(self.precision)
        if not 0 <= self.max_loss <= 100:
            raise InvalidBackboneSetting(
                f"max_loss is {self.max_loss}",
                hint="Give points of accuracy, 0 to 100.",
            )
        if self.engine != "auto" and self.engine not in PROVIDERS:
            raise InvalidBackboneSetting(
                f"no engine {self.engine!r}",
                hint=f"Give auto, {' or '.join(PROVIDERS)}.",
            )
        if self.on_error not in ("fail", "skip"):
            raise InvalidBackboneSetting(
                f"on_error is {self.on_error!r}",
                hint="Give fail or skip.",
            )
        Encoding.choose("float32", self.storage, self.compression)


def with_options(settings: Settings | None, options: dict[str, Any]) -> Settings:
    """Settings with some fields given by name.

    Raises:
        BackboneError: there is no such field, or it cannot be that.
    """
    known = [field.name for field in fields(Settings)]
    for name in options:
        if name not in known:
            raise InvalidBackboneSetting(
                f"no setting of an extraction is called {name!r}",
                hint=nearest(name, known) or f"There are {', '.join(known)}.",
            )
    return replace(settings or Settings(), **options)


def check_precision(precision: str) -> None:
    """Refuse a precision that there is not.

    Raises:
        BackboneError: the name is none of the precisions.
    """
    if kind_of(precision) not in PRECISIONS:
        raise InvalidBackboneSetting(
            f"no precision {precision!r}", hint=f"Give {' or '.join(PRECISIONS)}."
        )
