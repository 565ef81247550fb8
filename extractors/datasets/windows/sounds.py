"""Windows of sounds: cut at the sound's own rate, before anything is resampled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from headstart.errors import DatasetError, SampleUnreadable, first_line
from headstart.extractors.datasets.windows.medium import number_text, spans
from headstart.extractors.sound_parts import UNKNOWN, refuse_cut_short
from headstart.storage.windowed.places import Place

LARGEST = 1 << 28
"""Numbers of a window, all channels together: 1 GB."""


@dataclass(frozen=True)
class Sounds:
    """See `Medium`.

    Attributes:
        window: seconds.
        hop: seconds.
    """

    window: Fraction
    hop: Fraction

    def places(self, content: Any) -> list[tuple[str, Place]]:
        """As the sound's header says how long it is; nothing is decoded."""
        with _opened(content) as sound:
            refuse_cut_short(sound)
            rate, length, channels = sound.samplerate, sound.frames, sound.channels
        if not 0 <= length < UNKNOWN:
            raise SampleUnreadable(
                "its header does not say how long the sound is", hint="Convert it to FLAC or WAV."
            )
        if self.window * rate * channels > LARGEST:
            raise SampleUnreadable(f"a window of it has more than {LARGEST:,} numbers")
        return [
            (
                f"t={number_text(Fraction(start, rate))}-{number_text(Fraction(stop, rate))}",
                Place("samples", start, stop),
            )
            for start, stop in spans(length, self.window * rate, self.hop * rate)
        ]

    def cut(self, content: Any, place: Place) -> bytes:
        """A WAV file of float32, with the sound's own rate and channels."""
        import soundfile

        with _opened(content) as sound:
            sound.seek(place.start)
            part = sound.read(place.stop - place.start, dtype="float32", always_2d=True)
            rate = sound.samplerate
        if len(part) != place.stop - place.start:
            raise SampleUnreadable(
                f"the sound ends at sample {place.start + len(part):,}, before its header says so"
            )
        file = io.BytesIO()
        soundfile.write(file, part, rate, format="WAV", subtype="FLOAT")
        return file.getvalue()


@contextmanager
def _opened(content: Any) -> Iterator[Any]:
    try:
        import soundfile
    except ImportError as error:
        raise DatasetError(
            "sound is read with the package soundfile", hint="pip install 'headstart[audio]'"
        ) from error
    if not isinstance(content, bytes):
        raise SampleUnreadable(
            "the window is of seconds, the sample of numbers without a rate",
            hint="Of a series give rows: --window 256 --hop 128.",
        )
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            yield sound
    except (soundfile.SoundFileError, RuntimeError, MemoryError, ValueError) as error:
        if isinstance(error, SampleUnreadable):
            raise
        raise SampleUnreadable(
            f"not a readable sound file ({first_line(error)})",
            hint="Windows of seconds are of sounds; texts have words, --window 256w, and series "
            "rows, --window 256.",
        ) from error
