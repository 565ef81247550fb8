"""YOLO's annotations: shares of a picture in a text file beside it."""

from dataclasses import replace

import numpy as np
import pytest
from boxes_read import labels, pixels_of, read, refused

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets import find_kind, open_source
from headstart.extractors.datasets.sources.boxes.yaml_subset import parse
from headstart.extractors.preprocessing.steps.pictures import open_picture
from headstart.notices import HeadstartWarning

__all__ = ["labels"]
"""A fixture that has a file of its own."""


def test_a_box_is_shares_of_the_picture(labels):
    folder = labels("1 0.5 0.5 0.5 0.5\n\n0 0.25 0.25 0.5 0.5\n")
    assert find_kind(str(folder)) == find_kind(str(folder / "data.yaml")) == "yolo"
    (sample,) = read(folder, "yolo").samples
    assert (sample.id, sample.label) == ("images/a.png", "dog|cat")
    first, second = read(folder, "yolo", boxes="crop").samples
    assert (first.id, second.id) == ("images/a.png#1", "images/a.png#3")
    raw = open_source("yolo", str(folder), {"boxes": "crop"}).read(first.location)
    pixels = pixels_of(folder / "images" / "a.png")
    assert np.array_equal(np.asarray(open_picture(raw)), pixels[5:15, 4:12])


def test_polygons_and_points_are_boxes_and_said(ws, labels):
    folder = labels("0 0.25 0.5 0.75 0.5 0.5 1.0\n")
    with pytest.warns(HeadstartWarning, match=r"polygons \(a box around is taken\) of 1 boxes"):
        ws.datasets.add("p", folder, boxes="crop")
    (sample,) = ws.datasets.manifest("p").samples
    assert sample.location.endswith("#shares 0.250000 0.500000 0.750000 1.000000")
    folder = labels(
        "0 0.5 0.5 0.5 0.5 0.1 0.1 2\n", "train: images\nnames: [cat]\nkpt_shape: [1, 3]"
    )
    with pytest.warns(HeadstartWarning, match=r"points \(kpt_shape\) of 1 boxes"):
        ws.datasets.add("k", folder, boxes="crop")


def test_splits_and_the_ways_to_write_folders_are_understood(ws, tmp_path):
    for name in ("train", "valid"):
        for number in range(3):
            draw(tmp_path / "r" / name / "images" / f"{number}.png", number + len(name))
            text = tmp_path / "r" / name / "labels" / f"{number}.txt"
            text.parent.mkdir(exist_ok=True)
            text.write_text("0 .5 .5 .5 .5\n")
    (tmp_path / "r" / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\n\nnc: 1\nnames: ['a cat']\n"
        "roboflow:\n  workspace: w\n"
    )
    with pytest.warns(HeadstartWarning) as warned:
        ws.datasets.add("r", tmp_path / "r")
    said = [str(one.message) for one in warned]
    assert any("train, validation are its splits" in one for one in said)
    assert any("member 'roboflow' of data.yaml" in one for one in said)
    assert {(one.id, one.split) for one in ws.datasets.manifest("r").samples} == {
        (f"{name}/images/{n}.png", split)
        for name, split in (("train", "train"), ("valid", "validation"))
        for n in range(3)
    }
    (tmp_path / "r" / "list.txt").write_text("train/images/0.png\n./valid/images/1.png\n")
    (tmp_path / "r" / "data.yaml").write_text("path: .\ntrain: list.txt\nnames: {0: 'a, b'}\n")
    assert [one.label for one in read(tmp_path / "r", "yolo").samples] == ["a, b"] * 2


def test_a_folder_without_names_has_numbers_for_classes_or_those_of_a_list(labels):
    folder = labels(yaml=None)
    assert find_kind(str(folder)) == "yolo"
    assert read(folder, "yolo").samples[0].label == "0"
    (folder / "classes.txt").write_bytes(b"a\xe2\x80\xa8cat\r\ndog\r\n\r\n")
    assert read(folder, "yolo").samples[0].label == "a\u2028cat"
    (folder / "classes.txt").write_text("\ncat\ndog\n")
    assert "classes.txt, line 1: a class without a name" in refused(folder, "yolo")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("0 0.5 0.5 0.5\n", "line 1: 4 numbers. Expected: CLASS X Y WIDTH HEIGHT"),
        ("0 0.5 0.5 0.5 0.5 0.9\n", "line 1: 6 numbers"),
        ("0 0.5 0.5 0.5 x\n", "'x' is not a number"),
        ("0 0.5 0.5 0.5 nan\n", "'nan' is not a number"),
        ("0 0.5 0.5 1.5 0.5\n", "reaches out of the picture"),
        ("0 320 240 100 100\n", "reaches out of the picture"),
        ("0 0.5 0.5 0 0.5\n", "the box has no area"),
        ("5 0.5 0.5 0.5 0.5\n", "class 5 has no name; there are 2"),
        ("-1 0.5 0.5 0.5 0.5\n", "the class is '-1', not a number"),
        ("cat 0.5 0.5 0.5 0.5\n", "the class is 'cat', not a number"),
        ("\0 0.5 0.5 0.5 0.5\n", "the class is"),
    ],
)
def test_lines_that_are_wrong_are_named(ws, labels, lines, why):
    folder = labels(lines)
    assert why in refused(folder, "yolo", boxes="crop") and "a.txt, line 1" in refused(
        folder, "yolo", boxes="crop"
    )


@pytest.mark.parametrize(
    ("yaml", "why"),
    [
        ("train: images\nnames: [cat]\nnc: 2\n", "nc is 2, but there are 1 names"),
        ("train: images\nnames:\n  1: cat\n", "not numbered 0 to 0"),
        ("train: images\nnames: cat\n", "not a list of texts"),
        ("names: [cat]\n", "names no pictures"),
        ("train: nowhere\nnames: [cat]\n", "no folder nowhere"),
        ("train: data.yaml\nnames: [cat]\n", "no list of paths"),
        ("train: images\nval: images\nnames: [cat]\n", "is named twice"),
        ("train: &a images\nnames: [cat]\n", "not understood: '&a images'"),
        ("train: !!python/object images\nnames: [cat]\n", "not understood"),
        ("train: images\ntrain: images\nnames: [cat]\n", "'train' occurs twice"),
        ("train: images\nnames: [[cat]]\n", "not understood"),
        ("train: images\nnames:\n  - a: b\n", "not understood"),
        ("train: images\nnames: [cat\n", "not understood"),
        ("nonsense\n", "line 1: not understood: 'nonsense'"),
        ("train: images\nnames: [cat, , dog]\n", "line 2: a text is missing in '[cat, , dog]'"),
        ("train: images\nnames: [, cat]\n", "line 2: a text is missing in '[, cat]'"),
        ("train: images\nnames: [,]\n", "line 2: a text is missing in '[,]'"),
        ("train: images\nnames:\n- cat\f- dog\n", "line 3: not understood"),
    ],
)
def test_a_data_yaml_that_is_not_understood_is_named(labels, yaml, why):
    assert why in refused(labels(yaml=yaml), "yolo")


def test_the_yaml_of_tools_is_read_as_yaml_reads_it():
    yaml = pytest.importorskip("yaml")
    text = """# made by a tool
path: ../datasets/coco8  # dataset root dir
train: images/train
val:
  - images/val
  - images/more
names:
  0: person
  1: 'traffic light'
  2: "a: b # c"
nc: 3
download: |
  from x import y
  print("z: 1")
list: ["a, b", 'it''s', c d]
list3: [a, b, ]
list2:
- one
- two # three
map: {0: x, 1: "y, z"}
split: [a,
  b]
"""
    wanted = ["path", "train", "val", "names", "nc", "list", "list2", "list3", "map", "split"]
    found, others = parse(text, wanted, "f")
    known = yaml.safe_load(text)
    known["nc"] = str(known["nc"])
    for name in ("names", "map"):
        known[name] = {str(key): value for key, value in known[name].items()}
    assert found == {name: known[name] for name in wanted}
    assert others == ["download"]


@pytest.mark.parametrize("is_absolute", [False, True])
def test_yolo_reads_nothing_outside_of_its_folder_unless_a_root_allows_it(
    ws, labels, tmp_path, is_absolute
):
    labels()
    place = tmp_path / "set"
    place.mkdir()
    elsewhere = tmp_path / "y" / "images" if is_absolute else "../y/images"
    (place / "data.yaml").write_text(f"train: {elsewhere}\nnames: [cat, dog]\n")
    with pytest.raises(DatasetError, match="lies outside of the root"):
        ws.datasets.add("d", place / "data.yaml")
    ws.datasets.add("d", place / "data.yaml", root=tmp_path)
    assert ws.datasets.get("d").options["root"] == str(tmp_path)
    assert len(ws.datasets.manifest("d").samples) == 1
    (tmp_path / "list.txt").write_text(str(tmp_path / "y" / "images" / "a.png"))
    (place / "data.yaml").write_text("train: ../list.txt\nnames: [cat, dog]\n")
    with pytest.raises(DatasetError, match="lies outside of the root"):
        ws.datasets.add("e", place)
    (place / "images").symlink_to(tmp_path / "y" / "images")
    (place / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    with pytest.raises(DatasetError, match="lies outside of the root"):
        ws.datasets.add("e", place)


def test_a_dataset_of_yolo_from_before_is_looked_at_as_it_was(ws, labels, tmp_path):
    labels()
    place = tmp_path / "set"
    place.mkdir()
    (place / "data.yaml").write_text("train: ../y/images\nnames: [cat, dog]\n")
    ws.datasets.add("d", place, root=tmp_path)
    record = ws.datasets.get("d")
    before = {name: value for name, value in record.options.items() if name != "root"}
    ws.context.datasets.update(replace(record, options=before), instead_of=record)
    draw(tmp_path / "y" / "images" / "b.png", 2, (20, 16))
    ws.datasets.refresh("d")
    assert ws.datasets.get("d").samples == 2
