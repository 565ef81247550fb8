"""What opening a source gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.extractors.backbones.graph import Graph
from headstart.extractors.preprocessing.pipeline import Preprocessing


@dataclass(frozen=True)
class Opened:
    """A backbone's model, read from its source and ready to be registered.

    Attributes:
        graph: the model's graph.
        file: the model file to keep.
        format: `keras`, `h5`, or `tensorflow` for a frozen graph.
        preprocessing: what the source knows about it; None where it knows nothing.
        licence: SPDX name, where the source states one.
        is_headless: whether the source says that the model ends in features.
        pooling: how the makers of a text model make one vector of its sequence, if they say so.
    """

    graph: Graph
    file: Path
    format: str
    preprocessing: Preprocessing | None = None
    licence: str | None = None
    is_headless: bool = False
    pooling: str | None = None
