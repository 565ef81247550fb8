"""Clips of videos: pictures evenly spread, a row a clip."""

from fractions import Fraction

import numpy as np
import pytest

from conftest import keras
from headstart.errors import DatasetError
from headstart.extractors.datasets.windows.videos import Videos

av = pytest.importorskip("av")
layers = keras.layers
FPS, SIDE = 10, 32


def write_video(path, seconds, shade=0):
    """A video whose picture number n is of the grey 5 + 4 n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(round(seconds * FPS)):
            picture = np.full((SIDE, SIDE, 3), shade + 5 + 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def greys(clip):
    return clip.reshape(len(clip), -1).mean(axis=1) if clip.ndim == 4 else clip.mean()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_pictures_are_those_shown_in_the_middle_of_each_share(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_video(path, 5)
    content = path.read_bytes()
    medium = Videos(every=Fraction(2), frames=4)
    places = medium.places(content)
    assert [name for name, _ in places] == ["t=0-2", "t=2-4", "t=3-5"]
    for (_, place), start in zip(places, (0, 20, 30), strict=True):
        clip = medium.cut(content, place)
        assert clip.shape == (4, SIDE, SIDE, 3) and clip.dtype == np.uint8
        # Pictures 2, 7, 12 and 17 are shown at 0.25, 0.75, 1.25 and 1.75 seconds.
        shown = [5 + 4 * (start + number) for number in (2, 7, 12, 17)]
        np.testing.assert_allclose(greys(clip), shown, atol=2.5)


def test_a_picture_each_goes_into_a_model_of_pictures(ws, tmp_path):
    for number in range(8):
        folder = tmp_path / "videos" / ("dark" if number % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{number}.mp4", 2 + number / 10, 0 if number % 2 else 100)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(3, 3, name="conv")(image))
    ws.backbones.add("eye", keras.Model(image, layers.Dense(2, name="out")(x)), preprocess="unit")
    ws.datasets.add("videos", tmp_path / "videos", frames=1, every="1s")
    view = ws.extract("eye", "videos")
    medium, pictures = Videos(every=Fraction(1), frames=1), []
    for path in sorted((tmp_path / "videos").rglob("*.mp4")):
        content = path.read_bytes()
        pictures += [medium.cut(content, place) for _, place in medium.places(content)]
    expected = keras.Model(image, x).predict(np.stack(pictures) / np.float32(255), verbose=0)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    assert len(view.grouped()) == 8


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"frames": 4}, "clips of videos have --frames and --every"),
        ({"frames": 4, "every": "1s", "window": "2s"}, "and nothing else"),
        ({"frames": 0, "every": "1s"}, "--frames is '0'"),
        ({"frames": 4, "every": "16w"}, "--every is '16w'"),
        ({"frames": 2000, "every": "1s"}, "--frames is '2000'"),
        ({"frames": 4, "every": "0s"}, "--every is '0s'"),
    ],
)
def test_what_cannot_be_cut_is_said(ws, tmp_path, asked, said):
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "one.mp4", 1)
    with pytest.raises(DatasetError, match=said):
        ws.datasets.add("videos", tmp_path / "videos", **asked)


def test_playlists_that_name_other_files_are_never_opened(ws, tmp_path):
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "other.mp4", 1)
    playlist = f"ffconcat version 1.0\nfile {tmp_path / 'other.mp4'}\n"
    (tmp_path / "videos" / "list.mp4").write_text(playlist)
    with pytest.raises(DatasetError, match="none of MP4, WebM, Matroska, AVI"):
        ws.datasets.add("videos", tmp_path / "videos", frames=1, every="1s")
