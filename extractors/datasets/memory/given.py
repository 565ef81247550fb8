"""What `dataset add` is given: a path, or data that are written first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.errors import DatasetError
from headstart.extractors.datasets.memory.kept import Kept
from headstart.extractors.datasets.memory.unpacked import keep_unpacked
from headstart.extractors.datasets.source import Options
from headstart.storage.contents import Contents

HUB = "hf:"
UNPACKED = (None, "arrays")
"""Kinds, as they are given, of sources that may be compressed."""


def kept_in(contents: Contents, source: Any, kind: str | None, options: Options) -> Kept | None:
    """Data in memory or of the hub, or large and compressed, written into a workspace; None for a
    path that is read where it lies.

    Args:
        contents: of the workspace.
        source: as it was given; with labels beside it a pair.
        kind: as it was given.
        options: as they were given.

    Raises:
        DatasetError: the data are no samples; or labels are given for a path, or a kind for data.
    """
    from headstart.extractors.datasets.memory.adapter import as_source, is_in_memory

    if is_in_memory(source):
        if kind is not None:
            raise DatasetError(
                f"data in memory have no kind, received {kind!r}", hint="Leave it out."
            )
        return as_source(source, options=options, contents=contents)
    if isinstance(source, str) and source.startswith(HUB):
        from headstart.extractors.datasets.memory.huggingface import keep_from_hub

        return keep_from_hub(source, options, contents)
    return keep_unpacked(Path(source).expanduser(), contents) if kind in UNPACKED else None
