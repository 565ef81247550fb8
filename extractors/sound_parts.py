"""The samples of a sound file, and whether they are all that its header promises.

libsndfile reads what there is of a file that was cut short, and says nothing; and
`SoundFile.blocks` fills up what is missing with whatever lay in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from headstart.errors import SampleUnreadable

PROMISED = re.compile(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)")
"""In libsndfile's own notes on a WAV, AIFF or AU file: bytes of sound by the header, and those that
there are."""
STREAMED = 2**31 - 1
"""Bytes from which on a header means that who wrote it did not know how long it would be."""
UNKNOWN = 1 << 48
"""Samples, likewise; libsndfile says 2^63 - 1."""
ROUGH = 2 * 1152
"""Samples by which the header of an MP3 may be wrong: two of its frames."""


def mono_of(sound: Any, part: int, most: int | None = None) -> np.ndarray:
    """The mean of the channels: float32, (samples,).

    Args:
        sound: an open `soundfile.SoundFile`, at its beginning.
        part: samples of each channel that are in memory at a time.
        most: samples that are read; all there are without it.
    """
    found = [np.empty(0, np.float32), *_means(sound, part, sound.frames if most is None else most)]
    return np.concatenate(found)


def _means(sound: Any, part: int, most: int) -> Iterator[np.ndarray]:
    left = most
    while left > 0 and len(read := sound.read(min(part, left), "float32", always_2d=True)):
        yield read.mean(axis=1, dtype=np.float32)
        left -= len(read)


def refuse_cut_short(sound: Any) -> None:
    """See that the file has the bytes that its header promises.

    Args:
        sound: an open `soundfile.SoundFile`.

    Raises:
        SampleUnreadable: it has fewer.
    """
    for promised, there in PROMISED.findall(sound.extra_info):
        if int(there) < int(promised) < STREAMED:
            raise SampleUnreadable(
                f"it is cut short: its header promises {int(promised):,} bytes of sound, "
                f"{int(there):,} are there",
                hint="Get it again, or leave it out: --on-error skip.",
            )


def refuse_lost(promised: int, count: int) -> None:
    """See that what was read is what the header promises, as far as a decoder can tell.

    Args:
        promised: `SoundFile.frames` before it was read, which changes it.
        count: samples of a channel that were read, to its end.

    Raises:
        SampleUnreadable: there were fewer, or none.
    """
    if not count:
        raise SampleUnreadable("the sound has no samples", hint="Leave it out: --on-error skip.")
    if count + ROUGH < promised < UNKNOWN:
        raise SampleUnreadable(
            f"it is cut short: its header promises {promised:,} samples, {count:,} are there",
            hint="Get it again, or leave it out: --on-error skip.",
        )
