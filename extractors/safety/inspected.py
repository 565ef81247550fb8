"""What was found in a model file that was looked into, and whether it is too large to be true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headstart.extractors.safety.sizes import BYTES

ROOM = 128 << 20
"""Bytes that anything may have: below this nothing is taken for a bomb."""
NUMBERS = ROOM // BYTES


@dataclass
class Inspection:
    """What was found in a file.

    Attributes:
        problems: what is wrong with the file, in words.
        names: (module or None, class or function name) of everything that would be built.
        texts: (class, argument, text) of every text that a class of KerasHub is given.
        sizes: the layer sizes that the configuration names.
        layers: what each layer's weights hold at least, by its class and configuration.
        dimensions: the largest dimension of any stored weight.
        stored: how many numbers the stored weights hold.
        damage: why HDF5 cannot open it; empty where it can.
        has_architecture: whether it says what its weights belong to.
    """

    problems: list[str] = field(default_factory=list)
    names: list[tuple[str | None, str]] = field(default_factory=list)
    texts: list[tuple[str, str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    layers: dict[str, int] = field(default_factory=dict)
    dimensions: int = 0
    stored: int = 0
    damage: str = ""
    has_architecture: bool = True

    @staticmethod
    def from_json(found: dict[str, Any]) -> Inspection:
        """As `dataclasses.asdict` gives it, and JSON hands it on."""
        names = [(module, name) for module, name in found.pop("names")]
        texts = [(name, argument, text) for name, argument, text in found.pop("texts")]
        return Inspection(**found, names=names, texts=texts)


def too_large(found: Inspection, stored_bytes: int, max_bytes: int | None) -> str | None:
    """What of a configuration its stored weights do not explain; None if nothing."""
    if max_bytes is None and found.dimensions and max(found.sizes, default=0) > found.dimensions:
        return (
            f"a layer of size {max(found.sizes):,}, where no weight is longer than "
            f"{found.dimensions:,}"
        )
    numbers = sum(found.layers.values())
    stored = found.stored + stored_bytes
    # Twice: two numbers of four bits are stored as one of eight.
    allowed = NUMBERS + 2 * stored if max_bytes is None else max_bytes // BYTES
    if numbers <= allowed:
        return None
    largest = max(found.layers, key=lambda layer: found.layers[layer])
    return (
        f"its layers would hold at least {numbers:,} numbers ({largest.split(' ')[0]} alone "
        f"{found.layers[largest]:,}), where {stored:,} are stored"
    )
