"""Texts of like length go in together, so that little padding is computed."""

from __future__ import annotations

import numpy as np

from headstart.extractors.difference import relative_error
from headstart.extractors.engines.engine import Engine, kind_of
from headstart.extractors.preprocessing import batches
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.preprocessing.pipeline import Preprocessing

ROUNDED_TO = 16
"""Lengths are rounded up to that: an engine prepares itself for each one it meets."""


ALLOWED = {"float32": 1e-4, "bfloat16": 0.02, "int8": 0.02}
"""Largest relative error of a row with less padding against the row with all of it."""


class Buckets:
    """Runs padded sequences sorted by length, each part cut to its longest.

    Whether a model leaves padding out is seen, not believed: the first samples are run both ways,
    and if that gives other features, nothing is cut.

    Args:
        engine: runs the parts.
        mask: the input that says which steps count.
    """

    def __init__(self, engine: Engine, mask: str) -> None:
        self._engine = engine
        self._mask = mask
        self._is_right: bool | None = None

    @staticmethod
    def of(pipeline: Preprocessing, engine: Engine) -> Buckets | None:
        """For a pipeline that gives tokens and a mask; None for the others."""
        if not pipeline.steps:
            return None
        last = pipeline.steps[-1]
        if last["step"] == "tokenize":
            mask = next((name for name, part in last["outputs"].items() if part == "mask"), None)
            return Buckets(engine, mask) if mask and len(last["outputs"]) > 1 else None
        if last["step"] == "kerashub":
            mask = next((name for name in last["inputs"] if "mask" in name), None)
            return Buckets(engine, mask) if mask and len(last["inputs"]) > 1 else None
        return None

    def run(self, batch: Batch) -> list[np.ndarray]:
        """Features of a batch, rows in the batch's order."""
        if self._is_right is None:
            self._is_right = self._look(batch)
        return self._sorted(batch) if self._is_right else self._engine.run(batch)

    def _look(self, batch: Batch) -> bool:
        few = batches.take(batch, slice(0, self._engine.call_size))
        error = relative_error(self._sorted(few), self._engine.run(few))
        return error <= ALLOWED[kind_of(self._engine.precision)]

    def _sorted(self, batch: Batch) -> list[np.ndarray]:
        assert isinstance(batch, dict)
        lengths = _lengths(batch[self._mask])
        order = np.argsort(lengths, kind="stable")
        size = self._engine.call_size
        found = [
            self._engine.run(_cut(batches.take(batch, rows), int(lengths[rows].max())))
            for rows in (order[start : start + size] for start in range(0, len(order), size))
        ]
        back = np.argsort(order, kind="stable")
        return [np.concatenate(parts)[back] for parts in zip(*found, strict=True)]


def _lengths(mask: np.ndarray) -> np.ndarray:
    """Steps up to the last one that counts, rounded up: int, (n,)."""
    steps = mask.shape[1]
    last = steps - np.argmax(mask[:, ::-1] != 0, axis=1)
    rounded = -(-last // ROUNDED_TO) * ROUNDED_TO
    return np.where(mask.any(axis=1), np.minimum(rounded, steps), min(ROUNDED_TO, steps))


def _cut(batch: Batch, length: int) -> Batch:
    assert isinstance(batch, dict)
    return {name: np.ascontiguousarray(array[:, :length]) for name, array in batch.items()}
