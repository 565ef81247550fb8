"""Sounds: decoded, resampled, cut to length."""

import io
import struct
import wave
from fractions import Fraction

import numpy as np
import pytest
import soundfile
import soxr
from waves import sine

from conftest import keras
from headstart.errors import SampleUnreadable
from headstart.extractors.datasets.windows.sounds import Sounds
from headstart.extractors.preprocessing.defaults import for_input
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.sound_preview import wav_of

layers = keras.layers
TOLERANCE = 1e-5


def test_sounds_are_decoded_resampled_and_cut_to_length(ws, tmp_path):
    for number in range(12):
        folder = tmp_path / "sounds" / ("high" if number % 2 else "low")
        folder.mkdir(parents=True, exist_ok=True)
        suffix = (".wav", ".flac", ".ogg")[number % 3]
        sine(
            folder / f"{number}{suffix}",
            0.2 + 0.1 * (number % 4),
            (8000, 22050)[number % 2],
            1 + number % 2,
            200 + 400 * (number % 2),
        )
    heard = keras.Input((4000, 1), name="wave")
    x = layers.Conv1D(4, 64, 32, activation="relu", name="conv")(heard)
    x = layers.GlobalMaxPooling1D(name="pool")(x)
    model = keras.Model(heard, layers.Dense(2, name="out")(x))
    backbone = ws.backbones.add("ear", model, preprocess="audio:8000")
    assert [step["step"] for step in backbone.preprocessing["steps"]] == [
        "decode_audio",
        "window",
        "reshape",
    ]
    ws.datasets.add("sounds", tmp_path / "sounds")
    view = ws.extract("ear", "sounds")
    inputs = []
    for sample in view.samples:
        waveform, rate = soundfile.read(sample.location, dtype="float32", always_2d=True)
        mono = waveform.mean(axis=1)
        if rate != 8000:
            mono = soxr.resample(mono, rate, 8000, quality="HQ")
        inputs.append(np.pad(mono[:4000], (0, max(0, 4000 - len(mono)))))
    by_hand = keras.Model(heard, model.get_layer("pool").output)
    expected = by_hand(np.stack(inputs)[..., None].astype(np.float32))
    np.testing.assert_allclose(view.to_numpy(), expected, atol=TOLERANCE)


@pytest.mark.parametrize("content", [b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound_is_refused(content):
    pipeline = for_input((100,), "float32", "audio:8000")
    with pytest.raises(SampleUnreadable, match="not a readable sound file"):
        pipeline.prepare(content)


def written(kind, count=16_000):
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(count) / 20).astype(np.float32), 8000, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "MP3", "FLAC", "OGG"])
def test_a_sound_that_is_cut_short_is_refused(kind):
    pipeline = for_input((100,), "float32", "audio:8000")
    content = written(kind)
    whole = pipeline.prepare(content)
    assert whole.shape == (100,) and np.abs(whole).max() > 0
    with pytest.raises(SampleUnreadable, match=r"cut short|not a readable sound file"):
        pipeline.prepare(content[: len(content) // 2])


def test_of_a_sound_that_is_cut_short_is_played_what_there_is_and_nothing_else():
    content = written("MP3")
    half = content[: len(content) // 2]
    with soundfile.SoundFile(io.BytesIO(half)) as sound:
        promised, there = sound.frames, len(sound.read())
    assert there < promised  # what lay in memory stood for the rest
    with wave.open(io.BytesIO(wav_of(half))) as played:
        assert played.getnframes() == there


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU"])
def test_windows_refuse_what_is_cut_short_as_well(kind):
    content = written(kind)
    half = content[: len(content) // 2]
    assert len(Sounds(Fraction(1), Fraction(1)).places(content)) == 2
    with pytest.raises(SampleUnreadable, match="it is cut short: its header promises 32,0"):
        Sounds(Fraction(1), Fraction(1)).places(half)


def test_a_sound_of_no_samples_is_refused():
    pipeline = for_input((100,), "float32", "audio:8000")
    with pytest.raises(SampleUnreadable, match="the sound has no samples"):
        pipeline.prepare(written("WAV", 0))


@pytest.mark.parametrize("promise", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_stream_that_does_not_say_how_long_it_is_is_read_to_its_end(promise):
    pipeline = for_input((16_000,), "float32", "audio:8000")
    content = bytearray(written("WAV"))
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", promise)
    np.testing.assert_array_equal(
        pipeline.prepare(bytes(content)), pipeline.prepare(written("WAV"))
    )


def test_a_window_from_the_centre_is_the_centre():
    pipeline = Preprocessing.from_json(
        {"steps": [{"step": "window", "length": 4, "place": "centre"}]}
    )
    np.testing.assert_array_equal(pipeline.prepare(np.arange(10.0)), [3, 4, 5, 6])
    np.testing.assert_array_equal(pipeline.prepare(np.ones(2)), [1, 1, 0, 0])
