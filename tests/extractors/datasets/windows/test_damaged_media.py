"""Sounds and videos that were changed by hand: read, or unreadable; whoever decodes them lives."""

import io
import struct
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest

from headstart.errors import HeadstartError, SampleUnreadable
from headstart.extractors.datasets.windows.sounds import Sounds
from headstart.extractors.datasets.windows.videos import Videos
from headstart.extractors.preprocessing.pipeline import Preprocessing

soundfile = pytest.importorskip("soundfile")
av = pytest.importorskip("av")
CASES = 40
HALF = Fraction(1, 2)


def sound(form):
    file = io.BytesIO()
    wave = np.sin(np.arange(8000) / 4) / 2
    soundfile.write(file, wave.astype(np.float32), 8000, format=form)
    return file.getvalue()


def video(form="mp4"):
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for number in range(20):
            grey = np.full((32, 32, 3), 9 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def use(content):
    """As windows are listed, cut and prepared."""
    if content[4:8] == b"ftyp":
        medium = Videos(Fraction(1), 4)
    else:
        medium = Sounds(HALF, HALF)
        decode = {"step": "decode_audio", "rate": 16_000}
        Preprocessing.from_json({"steps": [decode]}).prepare(content)
    for _, place in medium.places(content)[:4]:
        medium.cut(content, place)


def damaged(content, rng):
    """Some bytes changed, mostly of the headers; perhaps cut off."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        end = min(len(changed), 400) if rng.random() < 0.6 else len(changed)
        changed[rng.integers(end)] = rng.integers(256)
    return bytes(changed[: rng.integers(len(changed))] if rng.random() < 0.15 else changed)


def content_of(form):
    return video() if form == "mp4" else sound(form)


def try_all(form):
    content, rng = content_of(form), np.random.default_rng(0)
    for _ in range(CASES):
        with suppress(HeadstartError):
            use(damaged(content, rng))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "mp4"])
def test_changed_bytes_are_unreadable_or_read_and_the_decoder_lives(form):
    """In a process of its own, and no fork: a decoder's threads and locks do not survive that."""
    use(content_of(form))
    ran = subprocess.run(
        [sys.executable, __file__, form], capture_output=True, timeout=200, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_pictures_of_an_unknown_codec_are_unreadable():
    with pytest.raises(SampleUnreadable, match="packed in a way that nobody here knows"):
        use(video().replace(b"minf", b"xinf"))  # the box that says of which codec they are


def test_a_flac_that_claims_weeks_is_unreadable():
    """The number of samples has 36 bits: https://www.rfc-editor.org/rfc/rfc9639#section-8.2"""
    changed = bytearray(sound("FLAC"))
    changed[21] |= 0x0F
    changed[22:26] = b"\xff" * 4
    with pytest.raises(SampleUnreadable, match="windows, more than"):
        Sounds(HALF, HALF).places(bytes(changed))
    with pytest.raises(SampleUnreadable, match="samples at 8,000 a second"):
        use(bytes(changed))


def test_a_video_that_claims_years_is_unreadable_or_one_clip():
    changed = bytearray(video("matroska"))
    start = changed.index(b"\x44\x89\x88") + 3  # the duration, in milliseconds
    changed[start : start + 8] = struct.pack(">d", 1e12)
    with pytest.raises(SampleUnreadable, match="windows, more than"):
        Videos(HALF, 4).places(bytes(changed))
    (_, place), *others = Videos(Fraction(1 << 40), 4).places(bytes(changed))
    assert not others
    with suppress(SampleUnreadable):
        Videos(Fraction(1 << 40), 4).cut(bytes(changed), place)


if __name__ == "__main__":
    try_all(sys.argv[1])
