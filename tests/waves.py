"""Sounds, made here."""

import numpy as np
import soundfile


def sine(path, seconds, rate, channels, pitch):
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * pitch * time)
    soundfile.write(path, np.stack([wave * (c + 1) / 2 for c in range(channels)], axis=1), rate)
