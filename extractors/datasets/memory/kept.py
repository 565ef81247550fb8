"""What data in memory become: a file of the workspace, and how it is to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError


@dataclass(frozen=True)
class Kept:
    """Data that were in memory, as a source.

    Attributes:
        kind: of the source.
        path: the file in which they are kept now.
        options: how it is to be read, besides what was asked for.
        origin: what they were, in words; stored with the dataset.
        stored: what is stored with the dataset besides.
        used: names of options that were used already; of no use to a source that does not know
            them.
    """

    kind: str
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "data in memory"
    stored: Mapping[str, Any] = field(default_factory=dict)
    used: tuple[str, ...] = ()


def refused(received: str, hint: str) -> DatasetError:
    """The error of data that are no samples, in one line."""
    return DatasetError(f"received {received}", hint=hint)


def named_type(value: Any) -> str:
    """What something is, for messages: its class with the package that it is of."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"
