"""What a kind of long sample is, and how many windows of one there are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

from headstart.errors import SampleUnreadable
from headstart.storage.windowed.places import Place

MOST = 1 << 17
"""Windows of one sample: a day and a half, second by second."""


class Medium(Protocol):
    """How samples of a kind are measured and cut; any thread may call it."""

    def places(self, content: Any) -> list[tuple[str, Place]]:
        """The windows of a sample, each with its name, such as `t=2-4`.

        Raises:
            SampleUnreadable: it is no sample of this kind, or has too many windows.
        """
        ...

    def cut(self, content: Any, place: Place) -> Any:
        """A window as if it were a sample of its own: bytes, or an array.

        Raises:
            SampleUnreadable: it cannot be had.
        """
        ...


def spans(length: int, window: Fraction, hop: Fraction) -> Iterator[tuple[int, int]]:
    """Where windows begin and end: full ones, and one more that ends at the end of the sample.

    A sample that is not longer than a window is one window.

    Args:
        length: of the sample.
        window: of a window, 1 or more, in the same unit; windows begin at whole numbers.
        hop: from one to the next.

    Raises:
        SampleUnreadable: there are more than `MOST`.
    """
    size = max(1, nearest(window))
    if length <= size:
        yield 0, length
        return
    count = int((length - size) / hop) + 1
    if count > MOST:
        raise SampleUnreadable(
            f"it would be {count:,} windows, more than {MOST:,} of one sample",
            hint="Take a larger --hop, or cut the sample into several.",
        )
    rounded = (nearest(number * hop) for number in range(count))
    starts = list(dict.fromkeys(start for start in rounded if start <= length - size))
    if starts[-1] < length - size:
        starts.append(length - size)
    yield from ((start, start + size) for start in starts)


def nearest(value: Fraction) -> int:
    """The nearest whole number, halves upwards."""
    return int(value + Fraction(1, 2))


def number_text(value: Fraction) -> str:
    """A number with at most six digits behind the point."""
    return f"{float(value):.6f}".rstrip("0").rstrip(".")
