"""Pictures with boxes as a test reads them, or has them refused."""

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets import open_source, scan


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def read(source, kind="coco", **options):
    return scan(open_source(kind, str(source), options), options)


def refused(source, kind="coco", **options):
    with pytest.raises(DatasetError) as error:
        read(source, kind, **options)
    said = str(error.value)
    assert "\n" not in said and len(said) < 600
    return said


@pytest.fixture
def labels(tmp_path):
    """Writes a folder of YOLO with one picture and the lines that are given."""

    def write(lines="0 0.5 0.5 0.5 0.5\n", yaml="train: images\nnames: [cat, dog]\n"):
        folder = tmp_path / "y"
        draw(folder / "images" / "a.png", 1, (20, 16))
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / "a.txt").write_text(lines)
        if yaml is not None:
            (folder / "data.yaml").write_text(yaml)
        return folder

    return write
