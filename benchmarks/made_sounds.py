"""Sounds that are made, of classes that overlap, and a backbone that hears them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from headstart.extractors.runtime import keras

RATE, SECONDS = 8000, 1
BANDS, FILTERS, HEARD = 64, 256, (9, 5)
"""Of the backbone: bands of a frame, and what it hears in nine frames of five bands."""
Wave = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def write_sounds(folder: Path, each: int, seed: int = 0) -> Path:
    """WAV files of a second, so many of each class, in class folders.

    Every one has a pitch, an onset, a length and a loudness of its own, and lies in noise between a
    thirtieth as loud as it and half as loud: the classes overlap.
    """
    import soundfile

    rng = np.random.default_rng(seed)
    times = np.arange(RATE * SECONDS) / RATE
    for name, wave in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            sound = wave(rng, times) * _heard(rng, times)
            noise = rng.standard_normal(len(times))
            noise *= np.exp(rng.uniform(np.log(1 / 30), np.log(1 / 2))) * sound.std()
            mixed = sound + noise
            mixed *= rng.uniform(0.1, 0.9) / np.abs(mixed).max()
            soundfile.write(folder / name / f"{number:03}.wav", mixed, RATE)
    return folder


def listener(file: Path) -> Path:
    """A backbone of logarithmic mel frames and random filters over some of them, of each the
    largest of all pitches: `frames`, of which `heard` is the mean over time."""
    k = keras()
    k.utils.set_random_seed(0)
    wave = k.Input((RATE * SECONDS,), name="wave")
    bands = k.layers.MelSpectrogram(
        fft_length=512, sequence_stride=128, num_mel_bins=BANDS, sampling_rate=RATE, max_freq=4000
    )(wave)
    scaled = k.layers.Rescaling(1 / 20, offset=2)(bands)  # decibels, 0 to -80 of most
    steps = k.layers.Reshape((*bands.shape[1:], 1))(scaled)
    filtered = k.layers.Conv2D(FILTERS, HEARD[::-1], activation="relu")(steps)
    loudest = k.layers.MaxPooling2D((filtered.shape[1], 1))(filtered)
    frames = k.layers.Reshape(filtered.shape[2:], name="frames")(loudest)
    heard = k.layers.GlobalAveragePooling1D(name="heard")(frames)
    k.Model(wave, k.layers.Dense(2, name="out")(heard)).save(file)
    return file


def _heard(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """When a sound begins and ends: 1 between, 0 beyond, with soft edges."""
    length = rng.uniform(0.3, 0.9)
    start = rng.uniform(0, 1 - length)
    return np.clip(np.minimum(times - start, start + length - times) / 0.02, 0, 1)


def _pitch(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(200), np.log(1500))))


def _sung(rng: np.random.Generator, pitches: np.ndarray) -> np.ndarray:
    """Of a pitch at each time, with overtones."""
    phases = 2 * np.pi * np.cumsum(pitches) / RATE
    return sum(rng.uniform(0, 1) / n * np.sin(n * phases) for n in (1, 2, 3)) + np.sin(phases)


def _glide(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """From a pitch up, by a tenth to an octave."""
    return _pitch(rng) * np.exp(rng.uniform(0.1, 0.7) * times)


def _steady(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    return _sung(rng, np.full(len(times), _pitch(rng)))


def _vibrato(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    swing = rng.uniform(0.01, 0.06) * np.sin(2 * np.pi * rng.uniform(4, 9) * times)
    return _sung(rng, _pitch(rng) * (1 + swing))


def _tremolo(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    swing = rng.uniform(0.2, 0.9) * np.sin(2 * np.pi * rng.uniform(4, 9) * times)
    return _steady(rng, times) * (1 + swing)


def _trill(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    is_high = np.sin(2 * np.pi * rng.uniform(4, 9) * times) > 0
    return _sung(rng, _pitch(rng) * np.where(is_high, rng.uniform(1.04, 1.2), 1.0))


def _hiss(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """Noise of a band around a pitch."""
    spectrum = np.fft.rfft(rng.standard_normal(len(times)))
    away = np.log(np.maximum(np.fft.rfftfreq(len(times), 1 / RATE), 1) / _pitch(rng))
    return np.fft.irfft(spectrum * np.exp(-((away / rng.uniform(0.02, 0.3)) ** 2)), len(times))


def _knocks(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """A tone that is struck again and again, and dies away."""
    since = times % (1 / rng.uniform(4, 12))
    return _steady(rng, times) * np.exp(-since * rng.uniform(5, 60))


CLASSES: dict[str, Wave] = {
    "falling": lambda rng, times: _sung(rng, _glide(rng, times)[::-1]),
    "hiss": _hiss,
    "knocks": _knocks,
    "rising": lambda rng, times: _sung(rng, _glide(rng, times)),
    "steady": _steady,
    "tremolo": _tremolo,
    "trill": _trill,
    "vibrato": _vibrato,
}
