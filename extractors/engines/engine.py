"""What every engine is, and what all of them refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from headstart.extractors.preprocessing.batches import Batch

INT8 = "int8"
PRECISIONS = ("float32", "bfloat16", INT8)
"""In what a trunk computes. `int8` is what a person says; features in it are of one calibration of
the trunk, and their precision is `int8-` and the digest of that, see `calibrations`."""
DIGITS = 15
"""Of a calibration's sha256 in hex, in the name of its precision: SQL has twenty characters."""
_CALIBRATED = re.compile(rf"{INT8}-[0-9a-f]{{{DIGITS}}}")


def kind_of(precision: str) -> str:
    """One of `PRECISIONS`: of which a precision is, whatever calibration it names."""
    return INT8 if _CALIBRATED.fullmatch(precision) else precision


class Engine(Protocol):
    """Runs a trunk.

    Attributes:
        name: recorded with every shard.
        precision: in what the trunk computes, see `PRECISIONS`; features are float32.
        lanes: how many calls of `run` may be under way at once, each in a thread of its own.
        call_size: samples that it likes to get a call, or a multiple of that.
    """

    name: str
    precision: str
    lanes: int
    call_size: int

    def run(self, batch: Batch) -> list[np.ndarray]:
        """Features of a batch: an array with n samples in front, or one an input by name.

        Returns:
            One array a cut, with n rows of the shape of its features.

        Raises:
            ValueError: the batch does not fit the trunk.
        """
        ...


def in_order(batch: Batch, names: Sequence[str]) -> list[np.ndarray]:
    """The arrays of a batch as the trunk's inputs are ordered; it may want only some of them."""
    return [batch[name] for name in names] if isinstance(batch, Mapping) else [batch]


def refuse_unknown_rows(
    names: Sequence[str], arrays: Sequence[np.ndarray], limits: Mapping[str, int]
) -> None:
    """Refuse numbers of rows that a table does not have.

    A GPU gives zeros for them, and OpenVINO whatever lies there; here that is an error everywhere.

    Args:
        names: of the inputs.
        arrays: what goes in.
        limits: for inputs that are row numbers of a table, how many rows it has.

    Raises:
        ValueError: there are such.
    """
    for name, numbers in zip(names, arrays, strict=True):
        rows = limits.get(name)
        if rows is not None and numbers.size and not 0 <= numbers.min() <= numbers.max() < rows:
            raise ValueError(
                f"the input {name} holds numbers from {numbers.min()} to {numbers.max()}, its "
                f"table has {rows:,} rows"
            )
