"""Files and folders that nobody makes on purpose, or somebody does: an error in one line each."""

import json
import tarfile

import numpy as np
import pytest
from layout_makers import put, tfds, write_tar
from PIL import Image

from conftest import draw, draw_classes
from headstart.errors import EXITS, DatasetError
from headstart.extractors.datasets import open_source, scan
from headstart.extractors.datasets.memory.pictures import encoded
from headstart.extractors.datasets.sources.boxes.coco_file import objects_in


def read(kind, source, **options):
    return scan(open_source(kind, str(source), options), options)


@pytest.fixture
def yolo(tmp_path):
    """Writes a folder of YOLO with one picture and a `data.yaml`."""

    def write(text):
        folder = tmp_path / "y"
        draw(folder / "images" / "a.png", 1, (20, 16))
        (folder / "labels").mkdir()
        (folder / "labels" / "a.txt").write_text("0 .5 .5 .5 .5\n")
        (folder / "data.yaml").write_text(text)
        return folder

    return write


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path: [a]\ntrain: images\n", r"path is \['a'\], not a text"),
        ("path: {a: b}\ntrain: images\n", "path is {'a': 'b'}, not a text"),
        ("train: {a: b}\n", "train is {'a': 'b'}, neither a text nor a list"),
        ("train: 'a\0b'\n", "no folder"),
    ],
)
def test_a_data_yaml_of_other_types_is_named(yolo, text, why):
    folder = yolo(text)
    for options in ({}, {"on_error": "skip"}):
        with pytest.raises(DatasetError, match=why):
            read("yolo", folder, **options)


def test_a_line_that_is_no_picture_is_named_or_skipped(yolo):
    folder = yolo("train: list.txt\nnames: [cat]\n")
    for line in ("/", "images/\0.png", "images"):
        (folder / "list.txt").write_text(f"images/a.png\n{line}\n")
        with pytest.raises(DatasetError, match=r"no file|not a picture"):
            read("yolo", folder)
        source = open_source("yolo", str(folder), {"on_error": "skip"})
        assert len(scan(source, {"on_error": "skip"}).samples) == 1
        assert len(source.skipped) == 1


@pytest.mark.parametrize("made", ["nothing", "file"])
def test_a_folder_without_pictures_is_none_of_yolo(tmp_path, made):
    if made == "file":
        (tmp_path / "images").write_text("x")
    with pytest.raises(DatasetError, match=r"neither data\.yaml nor a folder images"):
        read("yolo", tmp_path)


@pytest.mark.parametrize("text", ["{[1]: 2}", "{{}: 2}", "{1: 2}", "{null: 2}"])
def test_names_of_members_that_are_none_are_no_annotations(tmp_path, text):
    with pytest.raises(DatasetError, match="no annotations of COCO"):
        list(objects_in(text, tmp_path / "a.json"))


@pytest.mark.parametrize("dtype", ["int7", "float12", "int08", "uint999999999999999999999"])
def test_a_type_that_no_numbers_have_is_no_sample(tmp_path, dtype):
    folder = tfds(draw_classes(tmp_path / "pictures"), tmp_path)
    told = json.loads((folder / "features.json").read_text())
    told["featuresDict"]["features"]["image"] = {
        "tensor": {"dtype": dtype, "shape": {}, "encoding": "bytes"}
    }
    (folder / "features.json").write_text(json.dumps(told))
    with pytest.raises(DatasetError, match="cannot be a sample"):
        read("tfds", folder, member="image")


def test_pictures_of_whole_numbers_are_kept_and_those_that_no_file_holds_are_refused(tmp_path):
    whole = Image.fromarray(np.array([[-5, 70_000], [2**31 - 1, 3]], np.int32), "I")
    (tmp_path / "a").write_bytes(encoded(whole))
    with Image.open(tmp_path / "a") as again:
        assert np.array_equal(np.asarray(again), np.asarray(whole))
    for mode, through in (("RGBa", "RGBA"), ("La", "LA")):
        with pytest.raises(DatasetError, match=f"mode {mode} cannot be kept"):
            encoded(Image.new(through, (2, 2)).convert(mode))


def test_a_sample_with_two_members_of_one_name_is_named_or_skipped(tmp_path):
    tar = write_tar(tmp_path / "a.tar", [("0", {"txt": b"a"}), ("1", {"txt": b"b"})])
    with tarfile.open(tar, "a") as more:
        put(more, "1.TXT", b"c")
        put(more, "2.txt", b"d")
    for look in (read, lambda kind, source: list(open_source(kind, str(source), {}).locations())):
        with pytest.raises(DatasetError, match=r"two members 'txt'.*--on-error skip"):
            look("webdataset", tar)
    assert [one.id for one in read("webdataset", tar, on_error="skip").samples] == ["0", "2"]


def test_json_that_is_none_is_skipped_also_in_the_first_samples(tmp_path):
    good = json.dumps({"label": "x"}).encode()
    samples = [(f"{n}", {"txt": b"%d" % n, "json": good}) for n in range(1, 3)]
    tar = write_tar(tmp_path / "a.tar", [("0", {"txt": b"a", "json": b"{"}), *samples])
    with pytest.raises(DatasetError, match=r"its \.json is none"):
        read("webdataset", tar)
    assert len(read("webdataset", tar, on_error="skip").samples) == 2


def test_a_source_with_nothing_in_it_is_not_found_there(ws, run, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").write_text("path,label\n")
    np.save(tmp_path / "empty.npy", np.ones((0, 6), np.float32))
    for name, said in (
        ("empty", "holds no class folders, and no images"),
        ("empty.csv", "lists no samples"),
        ("empty.npy", "holds no rows"),
    ):
        ran = run("dataset", "add", "d", tmp_path / name, "--json")
        assert ran.code == EXITS["not_found"], ran.err
        assert said in ran.err
