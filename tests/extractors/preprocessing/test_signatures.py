"""A file of another kind than the backbone takes says what it is."""

import io

import numpy as np
import pytest
from PIL import Image

from headstart.errors import SampleUnreadable
from headstart.extractors.preprocessing.steps.pictures import open_picture
from headstart.extractors.preprocessing.steps.signatures import kind_of_bytes
from headstart.extractors.preprocessing.steps.texts import to_text


def picture(kind):
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    return out.getvalue()


def sound(kind):
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, np.zeros(4000, np.float32), 8000, format=kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP"])
def test_pictures_are_known(kind):
    found = kind_of_bytes(picture(kind))
    assert found is not None and found.lower() == f"a picture ({kind.lower()})"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_sounds_are_known(kind):
    assert str(kind_of_bytes(sound(kind))).startswith("a sound")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", None),
        (b"  \n", None),
        (b"RIFF", None),
        (b"RIFF1234what", None),
        (b"\0\1\2\3", None),
        (b"\xff\xfe\x00", None),
        ("Grüße, 写真\n".encode(), "a text"),
        (("é" * 600).encode()[1:], None),
        (("xé" * 600).encode(), "a text"),
        (("é" * 600).encode(), "a text"),
        (b"text\0", None),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04...", "an archive (ZIP, or a document in one)"),
        (b"\0\0\0\x18ftypheic", "a video or picture (MP4, HEIC, AVIF)"),
    ],
)
def test_other_contents_are_known_or_not(content, what):
    assert kind_of_bytes(content) == what


def test_a_backbone_says_what_it_takes_and_what_there_is():
    with pytest.raises(SampleUnreadable, match="it is a text, and the backbone takes pictures"):
        open_picture(b"hello")
    with pytest.raises(SampleUnreadable, match=r"a sound \(WAV\), and the backbone takes pictures"):
        open_picture(sound("WAV"))
    with pytest.raises(SampleUnreadable, match=r"a picture \(PNG\), and the backbone takes texts"):
        to_text(picture("PNG"))
    for damaged in (picture("PNG")[:20], b"", b"\xff\xfe\0"):
        with pytest.raises(SampleUnreadable, match="not a readable image"):
            open_picture(damaged)


def test_sounds_under_a_backbone_of_pictures(ready, run, tmp_path):
    for label in "ab":
        for number in range(3):
            file = tmp_path / "sounds" / label / f"{number}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(sound("WAV"))
    ready.datasets.add("sounds", tmp_path / "sounds")
    ran = run("extract", "net", "sounds")
    assert ran.code == 4
    assert "it is a sound (WAV), and the backbone takes pictures" in ran.err
    assert "Give a dataset of pictures" in ran.err


def test_pictures_under_a_backbone_of_sounds():
    audio = pytest.importorskip("headstart.extractors.preprocessing.steps.audio")
    with pytest.raises(SampleUnreadable, match=r"a picture \(JPEG\), and .* takes sounds"):
        audio.STEPS["decode_audio"].run(picture("JPEG"), rate=16000)
