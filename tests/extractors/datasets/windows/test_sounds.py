"""Long sounds in windows: as many rows as windows, each what the model gives of that window."""

import json
from fractions import Fraction

import numpy as np
import pytest

from conftest import keras
from headstart.errors import DatasetError
from headstart.extractors.datasets.windows.medium import spans
from headstart.notices import HeadstartWarning

soundfile = pytest.importorskip("soundfile")
layers = keras.layers
RATE = 8000


def notes(seed: int, seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """A tune of seeded notes with a little noise: (samples, channels), float32."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    pitch = np.repeat(rng.uniform(200, 1500, int(seconds * 4) + 1), rate // 4 + 1)[:count]
    wave = 0.4 * np.sin(np.cumsum(2 * np.pi * pitch / rate))
    return (wave[:, None] + rng.normal(0, 0.05, (count, channels))).astype(np.float32)


@pytest.fixture
def ear(ws):
    """A workspace with a model that takes two seconds at 8,000 Hz, and the model."""
    keras.utils.set_random_seed(0)
    wave = keras.Input((2 * RATE, 1), name="wave")
    x = layers.Conv1D(8, 64, 32, activation="relu", name="conv")(wave)
    x = layers.GlobalAveragePooling1D(name="pool")(layers.Conv1D(16, 8, 4, name="deep")(x))
    model = keras.Model(wave, layers.Dense(3, activation="softmax", name="out")(x))
    ws.backbones.add("ear", model, preprocess=f"audio:{RATE}")
    return ws, keras.Model(wave, x)


def windows_by_hand(path, rate=RATE):
    """Two seconds each, one second apart; the last one ends at the end of the sound."""
    wave, own = soundfile.read(path, dtype="float32", always_2d=True)
    starts = list(range(0, len(wave) - 2 * own + 1, own))
    if starts[-1] + 2 * own < len(wave):
        starts.append(len(wave) - 2 * own)
    found = []
    for start in starts:
        part = wave[start : start + 2 * own].mean(axis=1, dtype=np.float32)
        if own != rate:
            part = pytest.importorskip("soxr").resample(part, own, rate, quality="HQ")
        found.append(part)
    return np.stack(found)[..., None].astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"), [("wav", RATE, 1), ("flac", 22_050, 2), ("ogg", RATE, 1)]
)
def test_a_song_of_three_minutes_has_a_row_a_window(ear, tmp_path, suffix, rate, channels):
    ws, trunk = ear
    (tmp_path / "songs").mkdir()
    song = tmp_path / "songs" / f"song.{suffix}"
    soundfile.write(song, notes(1, 180.3, rate, channels), rate)
    ws.datasets.add("songs", tmp_path / "songs", window="2s", hop="1s")
    view = ws.extract("ear", "songs")
    by_hand = windows_by_hand(song)
    assert len(view) == len(by_hand) == 180  # 179 full ones, and one that ends at the end
    np.testing.assert_allclose(view.to_numpy(), trunk.predict(by_hand, verbose=0), atol=1e-5)
    assert view.ids[:2] == [f"song.{suffix}#t=0-2", f"song.{suffix}#t=1-3"]
    assert view.report.warnings == []
    assert ws.extract("ear", "songs").report.computed == 0


@pytest.fixture
def songs(tmp_path):
    """Ten songs of about six seconds, in two classes."""
    for number in range(10):
        folder = tmp_path / "songs" / ("high" if number % 2 else "low")
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{number}.wav", notes(number, 6 + number / 100), RATE)
    return tmp_path / "songs"


def test_windows_are_in_the_split_of_their_song_as_are_copies_of_it(ws, songs):
    (songs / "low" / "copy.wav").write_bytes((songs / "low" / "0.wav").read_bytes())
    ws.datasets.add("whole", songs)
    ws.datasets.add("parts", songs, window="2s", hop="1s")
    of_song = {one.id: one.split for one in ws.datasets.manifest("whole").samples}
    samples = ws.datasets.manifest("parts").samples
    assert {one.id.rpartition("#")[0]: one.split for one in samples} == of_song
    assert all(one.split == of_song[one.id.rpartition("#")[0]] for one in samples)
    groups = {one.id.rpartition("#")[0]: one.group for one in samples}
    assert len(set(groups.values())) == 10
    assert groups["low/copy.wav"] == groups["low/0.wav"]


def test_windows_are_found_again_wherever_the_song_lies(ear, songs, tmp_path):
    ws, _ = ear
    ws.datasets.add("songs", songs, window="2s", hop="1s")
    first = ws.extract("ear", "songs")
    songs.rename(tmp_path / "moved")
    ws.datasets.add("moved", tmp_path / "moved", window="2s", hop="2s")
    again = ws.extract("ear", "moved")
    # Every second window of each song was there before, and so was the one at its end.
    assert again.report.computed == 0
    assert len(again) < len(first)


def test_a_song_that_comes_is_the_only_one_that_is_looked_at(ws, songs, monkeypatch):
    from headstart.extractors.datasets.windows.sounds import Sounds

    ws.datasets.add("songs", songs, window="2s", hop="1s")
    before = ws.datasets.manifest("songs")
    measured = []
    real = Sounds.places
    monkeypatch.setattr(
        Sounds, "places", lambda self, content: measured.append(1) or real(self, content)
    )
    assert ws.datasets.refresh("songs").digest == before.digest
    assert measured == []
    soundfile.write(songs / "low" / "new.wav", notes(77, 5), RATE)
    ws.datasets.refresh("songs")
    after = ws.datasets.manifest("songs").samples
    assert len(measured) == 1
    assert [one for one in after if "new" not in one.id] == list(before.samples)


def test_a_song_that_comes_back_is_in_the_split_it_was_in(ws, songs, tmp_path):
    ws.datasets.add("songs", songs, window="2s", hop="1s")
    tested = {one.id.rpartition("#")[0] for one in ws.datasets.manifest("songs").samples
              if one.split == "test"}  # fmt: skip
    for name in tested:
        (songs / name).rename(tmp_path / name.replace("/", "-"))
    ws.datasets.refresh("songs")
    for name in tested:
        (tmp_path / name.replace("/", "-")).rename(songs / name)
    ws.datasets.refresh("songs")
    samples = ws.datasets.manifest("songs").samples
    assert {one.id.rpartition("#")[0] for one in samples if one.split == "test"} == tested


def test_a_song_shorter_than_the_window_is_one_row_padded_as_the_model_pads(ear, tmp_path):
    ws, trunk = ear
    (tmp_path / "songs").mkdir()
    wave = notes(5, 1.2)
    soundfile.write(tmp_path / "songs" / "short.wav", wave, RATE, subtype="FLOAT")
    ws.datasets.add("songs", tmp_path / "songs", window="2s", hop="1s")
    view = ws.extract("ear", "songs")
    padded = np.pad(wave, ((0, 2 * RATE - len(wave)), (0, 0)))[None]
    np.testing.assert_allclose(view.to_numpy(), trunk.predict(padded, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"window": "2s", "hop": "0s"}, "--hop is '0s'"),
        ({"window": "2s", "hop": "3s"}, "--hop 3s is larger than --window 2s"),
        ({"window": "-2s"}, "--window is '-2s'"),
        ({"window": "nan"}, "--window is 'nan'"),
        ({"window": "infs"}, "--window is 'infs'"),
        ({"window": ""}, "--window is ''"),
        ({"window": float("nan")}, "--window is 'nan'"),
        ({"window": "2s", "hop": "100w"}, "--window 2s and --hop 100w are of different units"),
        ({"window": "1.5w"}, "--window is '1.5w'"),
        ({"hop": "1s"}, "--hop 1s without --window"),
        ({"window": "256"}, "the window is of rows, the sample is no array"),
        ({"window": "100w"}, "not UTF-8 text"),
        ({"window": "0.1ms", "hop": "0.02ms"}, r"windows, more than 131,072 of one sample"),
    ],
)
def test_what_cannot_be_cut_is_said(ws, songs, asked, said):
    with pytest.raises(DatasetError, match=said):
        ws.datasets.add("songs", songs, **asked)
    assert ws.datasets.list() == []


def test_a_recording_of_three_hours_is_not_cut_by_the_millisecond(ws, tmp_path):
    (tmp_path / "songs").mkdir()
    silence = np.zeros(3 * 3600 * 1000, np.int16)
    soundfile.write(tmp_path / "songs" / "long.flac", silence, 1000)
    with pytest.raises(DatasetError, match=r"10,798,001 windows, more than 131,072"):
        ws.datasets.add("songs", tmp_path / "songs", window="2s", hop="1ms")
    assert ws.datasets.add("songs", tmp_path / "songs", window="2s", hop="1s").samples == 10_799


def test_a_sound_that_cannot_be_read_is_an_error_or_left_out_and_named(ws, songs):
    (songs / "low" / "broken.wav").write_bytes(b"RIFF....")
    with pytest.raises(DatasetError, match=r"sample 'low/broken.wav' cannot be cut into windows"):
        ws.datasets.add("songs", songs, window="2s")
    with pytest.warns(HeadstartWarning, match="1 sample skipped: .*broken.wav"):
        made = ws.datasets.add("songs", songs, window="2s", on_error="skip")
    assert made.options["skipped"]["count"] == 1


def test_a_song_that_was_cut_short_since_is_not_read_as_it_was(ear, songs):
    from headstart.errors import SampleChanged
    from headstart.extractors.datasets import reader_of

    ws, _ = ear
    made = ws.datasets.add("songs", songs, window="2s", hop="1s")
    first = ws.datasets.manifest("songs").samples[0]
    soundfile.write(songs / first.id.rpartition("#")[0], notes(99, 3), RATE)
    with pytest.raises(SampleChanged, match="has changed"):
        reader_of(made)(first)


def test_windows_of_a_shorter_time_than_the_model_takes_say_what_is_left_out(ear, songs):
    ws, _ = ear
    ws.datasets.add("songs", songs, window="4s", hop="1s")
    (line,) = ws.extract("ear", "songs").report.warnings
    assert "longer than the step 'window' takes: 50% of each is left out" in line


def test_the_command_says_what_was_cut(ws, songs, run):
    ran = run("dataset", "add", "songs", songs, "--window", "2s", "--hop", "1s")
    assert ran.code == 0, ran
    assert "windows of 10 samples (--window 2s --hop 1s), " in ran.out
    assert "windows of 10 samples" in ran.err
    assert json.loads(run("dataset", "show", "songs", "--json").out)["windows_of"] == 10


def test_no_window_is_listed_twice_where_the_hop_is_below_a_sample_of_sound():
    found = list(spans(16_000, Fraction(8), Fraction(4, 5)))
    assert len(found) == len(set(found)) == 15_993
