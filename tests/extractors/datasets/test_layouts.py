"""The same pictures in others' layouts are the same samples: digests, labels, features."""

import numpy as np
import pytest
from layout_makers import LAYOUTS, example, write_records, write_tar
from PIL import Image

import headstart as hs
from headstart.extractors.datasets import find_kind, open_source
from headstart.notices import HeadstartWarning


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_samples_are_those_of_the_folder_and_nothing_is_computed_again(
    ready, pictures, tmp_path, layout
):
    ready.extract("net", "pics")
    source = LAYOUTS[layout](pictures, tmp_path / "made")
    ready.datasets.add("same", source)

    def known(name):
        samples = ready.datasets.manifest(name).samples
        return {one.digest: one.label for one in samples}

    assert known("same") == known("pics")
    features = ready.extract("net", "same")
    assert (features.report.computed, features.report.samples) == (0, 36)
    rows = dict(zip([one.digest for one in features.samples], features.to_numpy(), strict=True))
    plain = ready.extract("net", "pics")
    for sample, row in zip(plain.samples, plain.to_numpy(), strict=True):
        assert np.array_equal(rows[sample.digest], row)


def test_all_of_them_are_predicted_where_they_lie(ready, pictures, tmp_path):
    head = ready.heads.train("h", ready.extract("net", "pics"), hs.Linear(strengths=(0.1,)))
    plain = sorted(one.label for one in head.predict([pictures]))
    for layout, make in LAYOUTS.items():
        source = make(pictures, tmp_path / layout)
        assert sorted(one.label for one in head.predict([source])) == plain, layout


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_boxes_are_features_and_predictions_of_their_own(ready, pictures, tmp_path, layout):
    source = LAYOUTS[layout](pictures, tmp_path / "made")
    ready.datasets.add("boxes", source, boxes="crop", margin=0.1)
    features = ready.extract("net", "boxes")
    assert (features.report.computed, features.shape) == (36, (36, 8))
    head = ready.heads.train("h", features, hs.Linear(strengths=(0.1,)))
    assert len(head.predict(["boxes"])) == 36
    assert ready.extract("net", "boxes").report.computed == 0


@pytest.mark.parametrize("kind", ["webdataset", "tfrecord"])
def test_pictures_that_lie_on_their_side_are_counted_in_archives(ws, tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 6), "red").save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    if kind == "webdataset":
        source = write_tar(tmp_path / "a.tar", [("a", {"jpg": content, "cls": b"1"})])
    else:
        source = write_records(tmp_path / "a.tfrecord", [example({"image": content, "label": 1})])
    assert find_kind(str(source)) == kind
    with pytest.warns(HeadstartWarning, match="1 of 1 picture .* turned by their EXIF"):
        ws.datasets.add("a", source)
    opened = open_source(kind, str(source), {})
    place = next(opened.scan()).location
    assert opened.beginning(place, 10) == content[:10]
