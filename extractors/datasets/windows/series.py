"""Windows of series: arrays, cut along their first axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable
from headstart.extractors.datasets.windows.medium import spans
from headstart.storage.windowed.places import Place


@dataclass(frozen=True)
class Series:
    """See `Medium`.

    Attributes:
        window: rows.
        hop: rows.
    """

    window: Fraction
    hop: Fraction

    def places(self, content: Any) -> list[tuple[str, Place]]:
        length = len(_checked(content))
        return [
            (f"rows={start}-{stop}", Place("rows", start, stop))
            for start, stop in spans(length, self.window, self.hop)
        ]

    def cut(self, content: Any, place: Place) -> np.ndarray:
        return np.ascontiguousarray(_checked(content)[place.start : place.stop])


def _checked(content: Any) -> np.ndarray:
    if not isinstance(content, np.ndarray) or content.ndim < 1:
        if isinstance(content, Mapping):
            raise SampleUnreadable(
                f"it is of several arrays, {', '.join(map(str, content))}; windows are cut of one",
                hint="Give one array, such as --value array:COLUMN or x of an .npz, or leave out "
                "--window.",
            )
        what = "a single number" if isinstance(content, np.ndarray) else "no array"
        raise SampleUnreadable(
            f"the window is of rows, the sample is {what}",
            hint="Of a sound give seconds, --window 2s; of a text words, --window 256w.",
        )
    return content
