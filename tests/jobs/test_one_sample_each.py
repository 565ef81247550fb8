"""Cells of frames, and what `transform` is given, are one sample each; a root holds for them."""

import numpy as np
import pandas as pd
import pytest

from conftest import draw
from headstart.errors import DatasetError, FeatureError, HeadError, SampleChanged
from headstart.jobs.raw_samples import Taker
from headstart.transformer import FeatureTransformer

PICTURES = ([{"name": "image", "shape": [16, 16, 3]}], {"image": "decode"})
TEXTS = ([{"name": "text", "shape": [1]}], {"text": "vectorize"})


@pytest.fixture
def place(tmp_path, pictures, monkeypatch):
    """Where names are looked for: `red/`, `blue/`, `green/` hold pictures."""
    monkeypatch.chdir(pictures)
    return pictures


def taken(ws, of, given, **how):
    return list(Taker(ws.context, *of, **how).take(given))


def test_a_frames_cells_are_read_in_the_root_alone(ws, place):
    secret = draw(place.parent / "own" / "secret.png", 1)
    (place / "link.png").symlink_to(secret)
    inside = str(place / "red" / "01.png")
    for path in (str(secret), "../own/secret.png", "link.png"):
        found = taken(ws, PICTURES, pd.DataFrame({"path": [inside, path]}), root=place)
        assert found[0].read() == (place / "red" / "01.png").read_bytes()
        with pytest.raises(DatasetError, match="lies outside of the root"):
            found[1].read()
        (other,) = taken(ws, PICTURES, [path], root=place)
        with pytest.raises(DatasetError, match="lies outside of the root"):
            other.read()
    nested = pd.DataFrame({"image": [{"bytes": None, "path": str(secret)}]})
    with pytest.raises(DatasetError, match="lies outside of the root"):
        taken(ws, PICTURES, nested, root=place)[0].read()
    assert taken(ws, PICTURES, pd.DataFrame({"path": [str(secret)]}))[0].read()


def test_a_frames_cell_is_one_file_and_no_folder_table_or_dataset(ws, place):
    ws.datasets.add("pics", place)
    (place / "t.csv").write_text("path,label\nred/01.png,a\nred/03.png,b\n")
    folder, table = taken(ws, PICTURES, pd.DataFrame({"path": ["red", "t.csv"]}))
    with pytest.raises(SampleChanged, match="red is a folder, not a file"):
        folder.read()
    assert table.read() == (place / "t.csv").read_bytes()
    with pytest.raises(HeadError, match="no file pics"):
        taken(ws, PICTURES, pd.DataFrame({"path": ["pics"]}))


def test_texts_that_are_called_like_folders_are_texts_where_each_is_one_sample(ws, place):
    for given in (["red", "blue"], np.array(["red", "blue"]), pd.Series(["red", "blue"])):
        found = taken(ws, TEXTS, given, is_each=True)
        assert [one.read() for one in found] == [b"red", b"blue"]
    assert len(taken(ws, TEXTS, ["red"])) > 1  # `head predict` goes through folders


def test_a_transform_gives_as_many_rows_as_it_is_given(ready, place):
    files = [str(file) for file in sorted(place.glob("*/*.*"))[:2]]
    made = ready.transformer("net").fit(files)
    for given in ([files[0], "red"], pd.DataFrame({"path": [files[0], "red"]})):
        with pytest.raises(SampleChanged, match="red is a folder, not a file"):
            made.transform(given)
    assert made.transform(pd.DataFrame({"path": files})).shape == (2, 8)
    with pytest.raises(HeadError, match="no file pics"):
        made.transform(["pics"])
    with pytest.raises(FeatureError, match=r"16 samples, of which 1 was found"):
        FeatureTransformer(ready, "net").fit(None).transform(np.zeros((16, 16, 3), np.uint8))
