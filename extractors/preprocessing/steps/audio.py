"""Steps for sound: decode to one channel at a fixed rate, cut or pad to a fixed length."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from headstart.errors import PreprocessingError, SampleUnreadable, first_line
from headstart.extractors.preprocessing.steps.kinds import StepKind, is_text_of, untold
from headstart.extractors.preprocessing.steps.signatures import unlike
from headstart.extractors.sound_parts import mono_of, refuse_cut_short, refuse_lost

LARGEST_RATE = 384_000
LONGEST = 1 << 26
LONGEST_SOUND = 1 << 27
"""Samples of a channel, at its own rate and at the wanted one: 512 MB; 50 minutes at 44,100 a
second, 2 hours at 16,000."""
PART = 1 << 20
"""Samples of all channels that are in memory at a time."""


def _decode_audio(raw: Any, *, rate: int) -> np.ndarray:
    """WAV, FLAC, OGG or MP3 bytes as a waveform of -1 to 1: float32, (samples,).

    The channels' mean is taken, then it is resampled (soxr, quality HQ).
    """
    try:
        import soundfile
        import soxr
    except ImportError as error:
        raise PreprocessingError(
            "sound is read with the packages soundfile and soxr",
            hint="pip install 'headstart[audio]'",
        ) from error
    if not isinstance(raw, bytes):
        raise SampleUnreadable(
            "the backbone takes sound files, the dataset holds arrays",
            hint="Add it with --preprocess array to take waveforms as arrays.",
        )
    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as sound:
            own_rate, promised = sound.samplerate, sound.frames
            _refuse_long(promised, own_rate, rate)
            refuse_cut_short(sound)
            mono = mono_of(sound, PART)
            refuse_lost(promised, len(mono))
    except (soundfile.SoundFileError, RuntimeError, MemoryError, ValueError) as error:
        if isinstance(error, SampleUnreadable):
            raise
        reason = f"not a readable sound file ({first_line(error)})"
        raise unlike(raw, "a sound", reason) from error
    if own_rate != rate:
        mono = soxr.resample(mono, own_rate, rate, quality="HQ").astype(np.float32)
    return mono


def _refuse_long(frames: int, own_rate: int, rate: int) -> None:
    """Refuse what its header says is too long, as it is or once it is resampled."""
    for count, at in ((frames, own_rate), (frames * rate // own_rate, rate)):
        if count > LONGEST_SOUND:
            raise SampleUnreadable(
                f"the sound has {count:,} samples at {at:,} a second, more than {LONGEST_SOUND:,}",
                hint="Cut it into parts, or leave it out: --on-error skip.",
            )


def _window(
    waveform: np.ndarray, *, length: int, place: str, tell: Callable[[float], None] = untold
) -> np.ndarray:
    """Exactly `length` values: from the start or the centre; silence follows a short sound."""
    spare = max(0, len(waveform) - length)
    tell(spare / max(1, len(waveform)))
    start = spare // 2 if place == "centre" else 0
    kept = waveform[start : start + length]
    return np.pad(kept, (0, length - len(kept)))


def _is_up_to(largest: int) -> Any:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 < v <= largest


STEPS = {
    "decode_audio": StepKind(
        version=1,
        settings={"rate": (16_000, "samples per second", _is_up_to(LARGEST_RATE))},
        run=_decode_audio,
        words="decode the sound to one channel of -1..1, resample to {rate} a second (soxr HQ)",
    ),
    "window": StepKind(
        version=1,
        settings={
            "length": (16_000, "a number of samples", _is_up_to(LONGEST)),
            "place": ("start", "start or centre", is_text_of("start", "centre")),
        },
        run=_window,
        tells=True,
        words="take {length} values from the {place}, silence where it is shorter",
    ),
}
