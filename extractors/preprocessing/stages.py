"""A sample after each step of a pipeline: what the trunk will see, and how it came to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable
from headstart.extractors.preprocessing.batches import arrays
from headstart.extractors.preprocessing.pipeline import Preprocessing, Steps
from headstart.extractors.preprocessing.steps import STEPS


@dataclass(frozen=True)
class Stage:
    """What a step gave.

    Attributes:
        input: of the backbone that the step belongs to; empty where there is one.
        step: in words.
        value: behind it: an array, or those by name.
    """

    input: str
    step: str
    value: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self._first.shape

    @property
    def dtype(self) -> str:
        return str(self._first.dtype)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The least and the largest number in it; None where there is none, as of texts."""
        first = self._first
        has_numbers = first.size and first.dtype.kind in "buif"
        return (float(first.min()), float(first.max())) if has_numbers else None

    @property
    def _first(self) -> np.ndarray:
        return np.asarray(next(iter(arrays(self.value))))


def stages_of(pipeline: Preprocessing, raw: Any) -> Iterator[Stage]:
    """The stages of a sample. Each is made from the sample anew: some steps are done together where
    all are run, such as decoding and resizing, with the same result but for what no picture shows.

    Args:
        pipeline: of the backbone, with its files.
        raw: content of the sample.

    Raises:
        SampleUnreadable: it is not what the backbone takes.
    """
    for name, steps in pipeline.chains.items():
        own = _own(name, raw)
        for number, step in enumerate(steps, start=1):
            part = _of(pipeline, steps[:number])
            yield Stage(name, STEPS[step["step"]].describe(step), part.prepare(own))


def _own(name: str, raw: Any) -> Any:
    if not name:
        return raw
    if not isinstance(raw, Mapping) or name not in raw:
        raise SampleUnreadable(f"the sample has no value {name!r}, which the backbone takes")
    return raw[name]


def _of(pipeline: Preprocessing, steps: Steps) -> Preprocessing:
    return replace(pipeline, steps=steps, inputs={})
