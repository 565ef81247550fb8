"""Clips of videos: some pictures evenly spread over a stretch of time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from headstart.errors import DatasetError, SampleUnreadable, first_line
from headstart.extractors.datasets.windows.medium import number_text, spans
from headstart.storage.windowed.places import Place

LARGEST = 1 << 29
"""Bytes of a clip."""
MOST_FRAMES = 1024
"""Pictures of a clip."""
MS = 1000


@dataclass(frozen=True)
class Videos:
    """See `Medium`.

    Attributes:
        every: seconds of a clip; the next begins where it ends.
        frames: pictures of a clip, each from the middle of its share of the time.
    """

    every: Fraction
    frames: int

    def places(self, content: Any) -> list[tuple[str, Place]]:
        with _opened(content) as (container, stream):
            length = stream.duration and stream.duration * stream.time_base
            length = length or (container.duration and Fraction(container.duration, 1_000_000))
            size = stream.width * stream.height * 3 * self.frames
        if not length or length < 0:
            raise SampleUnreadable("it does not say how long the video is", hint="Convert it.")
        if size > LARGEST:
            raise SampleUnreadable(f"a clip of it takes {size:,} bytes, more than {LARGEST:,}")
        every = self.every * MS
        return [
            (
                f"t={number_text(Fraction(start, MS))}-{number_text(Fraction(stop, MS))}",
                Place("ms", start, stop, self.frames),
            )
            for start, stop in spans(max(1, int(length * MS)), every, every)
        ]

    def cut(self, content: Any, place: Place) -> np.ndarray:
        """uint8, (frames, height, width, 3); of clips of one picture (height, width, 3)."""
        share = (place.stop - place.start) / place.frames
        times = [(place.start + share * (number + 0.5)) / MS for number in range(place.frames)]
        with _opened(content) as (container, stream):
            begin = float((stream.start_time or 0) * stream.time_base)
            found = list(_shown(container, stream, [begin + time for time in times]))
        if len({one.shape for one in found}) > 1:
            raise SampleUnreadable("pictures of one clip are of different sizes")
        clip = np.stack(found)
        return clip if place.frames > 1 else clip[0]


def _shown(container: Any, stream: Any, times: list[float]) -> Iterator[np.ndarray]:
    """The picture that is shown at each of some moments, ascending."""
    container.seek(int(times[0] / stream.time_base), stream=stream)
    wanted, before = list(times), None
    for frame in container.decode(stream):
        while wanted and before is not None and frame.time > wanted[0]:
            yield _pixels(before, len(times))
            wanted.pop(0)
        if not wanted:
            return
        before = frame
    if before is None:
        raise SampleUnreadable(f"the video has no picture at second {times[0]:.2f}")
    yield from (_pixels(before, len(times)) for _ in wanted)


def _pixels(frame: Any, frames: int) -> np.ndarray:
    if frame.width * frame.height * 3 * frames > LARGEST:
        raise SampleUnreadable(f"a picture of {frame.width:,} x {frame.height:,} is too large")
    return frame.to_ndarray(format="rgb24")


@contextmanager
def _opened(content: Any) -> Iterator[tuple[Any, Any]]:
    """A video's container and its first stream of pictures; nothing but its bytes is read."""
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise DatasetError(
            "videos are read with the package av", hint="pip install 'headstart[video]'"
        ) from error
    kind = _kind_of(content)
    try:
        with av.open(io.BytesIO(content), format=kind) as container:
            if not container.streams.video:
                raise SampleUnreadable("it has no pictures")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise SampleUnreadable("its pictures are packed in a way that nobody here knows")
            yield container, stream
    except (FFmpegError, RuntimeError, MemoryError, ValueError) as error:
        if isinstance(error, SampleUnreadable):
            raise
        raise SampleUnreadable(f"not a readable video ({first_line(error)})") from error


def _kind_of(content: Any) -> str:
    """FFmpeg's name of a container, by its first bytes: playlists, which name other files, and all
    else that FFmpeg would try, are never opened."""
    head = content[:12] if isinstance(content, bytes) else b""
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    raise SampleUnreadable(
        "not a readable video: it is none of MP4, WebM, Matroska, AVI",
        hint="Clips are of videos; of sounds --window 2s, of texts --window 256w.",
    )
