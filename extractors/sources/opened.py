"""What opening a source gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.extractors.preprocessing import Preprocessing


@dataclass(frozen=True)
class Opened:
    """A backbone's model, read from its source and ready to be registered.

    Attributes:
        model: the Keras model.
        file: the model file to keep; its suffix says the format.
        format: `keras` or `h5`.
        preprocessing: what the source knows about it; None where it knows nothing.
        licence: SPDX name, where the source states one.
    """

    model: Any
    file: Path
    format: str
    preprocessing: Preprocessing | None = None
    licence: str | None = None
