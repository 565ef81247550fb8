"""Photos of phones are stored turned: said when they are added, turned where that is asked for."""

import numpy as np
import pytest
from PIL import Image

from conftest import network
from headstart.errors import PreprocessingError
from headstart.notices import HeadstartWarning


@pytest.fixture
def photos(pictures):
    """The pictures with one that lies on its side, by its EXIF alone."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (20, 16, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(pictures / "red" / "turned.jpg", exif=exif, quality=95)
    exif[0x0112] = 1
    image.save(pictures / "red" / "upright.jpg", exif=exif, quality=95)
    (pictures / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe1")
    return pictures


def test_turned_pictures_are_counted_when_they_are_added(ws, photos):
    with pytest.warns(HeadstartWarning, match=r"1 of \d+ pictures .* turned .*'red/turned.jpg'"):
        ws.datasets.add("pics", photos)


def test_pictures_are_turned_where_that_is_asked_for(ws, photos, run):
    (photos / "red" / "broken.jpg").unlink()
    with pytest.warns(HeadstartWarning, match="turned by their EXIF"):
        ws.datasets.add("pics", photos)
    network().save(photos.parent / "net.keras")
    made = run("backbone", "add", "exif", photos.parent / "net.keras", "--orient", "exif", "--json")
    assert made.code == 0, made
    ws.backbones.add("plain", photos.parent / "net.keras", preprocess="unit")
    ws.backbones.add("turning", photos.parent / "net.keras", preprocess="unit", orient="exif")
    plain, turning = (ws.extract(name, "pics") for name in ("plain", "turning"))
    differs = np.abs(plain.to_numpy() - turning.to_numpy()).max(axis=1) > 1e-6
    assert [id_ for id_, is_other in zip(plain.ids, differs, strict=True) if is_other] == [
        "red/turned.jpg"
    ]


def test_a_backbone_without_pictures_cannot_turn_them(ws, photos):
    with pytest.raises(PreprocessingError, match="no pictures are decoded"):
        ws.backbones.add("net", network(), preprocess="array", orient="exif")
