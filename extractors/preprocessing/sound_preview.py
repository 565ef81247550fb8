"""A sound as people hear it: made anew, one channel, and no longer than it has to be."""

from __future__ import annotations

import io
import wave

import numpy as np

from headstart.errors import SampleUnreadable, first_line
from headstart.extractors.preprocessing.steps.signatures import kind_of_bytes
from headstart.extractors.sound_parts import mono_of

SECONDS = 60
"""From its beginning."""
HIGHEST_RATE = 48_000
"""Samples a second; of more, every so many are taken."""
LARGEST_RATE = 384_000
MOST_CHANNELS = 64
PART = 1 << 16
"""Samples of each channel that are in memory at a time."""


def is_sound(content: object) -> bool:
    """Whether a sample's content begins as the file of a sound."""
    return isinstance(content, bytes) and (kind_of_bytes(content) or "").startswith("a sound")


def wav_of(content: bytes) -> bytes:
    """The first seconds of a sound as a WAV file of 16 bits, made of the decoded samples alone.

    Args:
        content: of a file as `soundfile` reads it.

    Raises:
        SampleUnreadable: it cannot be decoded.
    """
    try:
        import soundfile
    except ImportError:
        raise SampleUnreadable(
            "sound is read with the package soundfile", hint="pip install 'headstart[audio]'"
        ) from None
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            rate = sound.samplerate
            if not 0 < rate <= LARGEST_RATE or not 0 < sound.channels <= MOST_CHANNELS:
                raise SampleUnreadable(f"a sound of {rate:,} a second, {sound.channels} channels")
            heard = mono_of(sound, PART, rate * SECONDS)
    except (soundfile.SoundFileError, RuntimeError, MemoryError, ValueError) as error:
        if isinstance(error, SampleUnreadable):
            raise
        raise SampleUnreadable(f"not a readable sound file ({first_line(error)})") from error
    step = -(-rate // HIGHEST_RATE)
    return _packed(heard[::step], rate // step)


def _packed(heard: np.ndarray, rate: int) -> bytes:
    tones = np.nan_to_num(heard).clip(-1, 1) * 32_767
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(rate)
        made.writeframes(tones.round().astype("<i2").tobytes())
    return file.getvalue()
