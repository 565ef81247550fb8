"""Sounds: decoded, resampled, cut to length."""

import numpy as np
import pytest
import soundfile
import soxr
from waves import sine

from conftest import keras
from headstart.errors import SampleUnreadable
from headstart.extractors.preprocessing.defaults import for_input
from headstart.extractors.preprocessing.pipeline import Preprocessing

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
    wave = keras.Input((4000, 1), name="wave")
    x = layers.Conv1D(4, 64, 32, activation="relu", name="conv")(wave)
    x = layers.GlobalMaxPooling1D(name="pool")(x)
    model = keras.Model(wave, layers.Dense(2, name="out")(x))
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
    by_hand = keras.Model(wave, model.get_layer("pool").output)
    expected = by_hand(np.stack(inputs)[..., None].astype(np.float32))
    np.testing.assert_allclose(view.to_numpy(), expected, atol=TOLERANCE)


@pytest.mark.parametrize("content", [b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound_is_refused(content):
    pipeline = for_input((100,), "float32", "audio:8000")
    with pytest.raises(SampleUnreadable, match="not a readable sound file"):
        pipeline.prepare(content)


def test_a_window_from_the_centre_is_the_centre():
    pipeline = Preprocessing.from_json(
        {"steps": [{"step": "window", "length": 4, "place": "centre"}]}
    )
    np.testing.assert_array_equal(pipeline.prepare(np.arange(10.0)), [3, 4, 5, 6])
    np.testing.assert_array_equal(pipeline.prepare(np.ones(2)), [1, 1, 0, 0])
