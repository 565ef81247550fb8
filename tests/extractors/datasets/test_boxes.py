"""Pictures with boxes: COCO's and YOLO's annotations, as pictures or as parts of them."""

import json
import tracemalloc

import numpy as np
import pytest
from boxes_read import labels, pixels_of, read, refused
from layout_makers import coco, yolo

from conftest import draw, draw_classes
from headstart.errors import SampleChanged, SampleUnreadable
from headstart.extractors.crops import PIXELS, SHARES, Box, box_in, head_of, parted
from headstart.extractors.datasets import find_kind, open_source, scan
from headstart.extractors.datasets.sources import numpy_files
from headstart.extractors.datasets.sources.boxes import coco_file
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.pictures import is_turned, open_picture
from headstart.notices import HeadstartWarning
from headstart.storage.keys import digest_of

# Parts of pictures.

__all__ = ["labels"]
"""A fixture that has a file of its own."""


def test_a_part_is_the_pixels_of_the_box_whatever_the_backbone_resizes(tmp_path):
    picture = draw(tmp_path / "a.png", 3, (20, 16))
    box = Box(PIXELS, (2.0, 3.0, 10.0, 9.0))
    part = head_of(box) + picture.read_bytes()
    wanted = pixels_of(picture)[3:9, 2:10]
    assert np.array_equal(np.asarray(open_picture(part)), wanted)
    decode = Preprocessing.from_json({"steps": [{"step": "decode_image"}]}, "t")
    assert np.array_equal(decode.prepare(part), wanted)


def test_a_large_jpeg_is_cut_at_its_full_size_though_it_would_be_reduced(tmp_path):
    picture = draw(tmp_path / "a.jpg", 3, (800, 600))
    part = head_of(Box(PIXELS, (100, 200, 400, 600))) + picture.read_bytes()
    reduced = Preprocessing.from_json({"steps": [{"step": "decode_reduced", "side": 50}]}, "t")
    assert np.array_equal(reduced.prepare(part), pixels_of(picture)[200:600, 100:400])


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        (Box(PIXELS, (2.2, 3.9, 4.0, 5.1)), (2, 3, 4, 6)),
        (Box(PIXELS, (-5.0, -5.0, 99.0, 99.0)), (0, 0, 16, 20)),
        (Box(SHARES, (0.25, 0.5, 0.75, 1.0)), (4, 10, 12, 20)),
        (Box(SHARES, (1 / 3, 0.1, 2 / 3, 0.2)), (5, 2, 11, 4)),
        (Box(PIXELS, (4.0, 4.0, 8.0, 8.0)).grown(0.5), (2, 2, 10, 10)),
    ],
)
def test_boxes_are_clipped_to_whole_pixels_of_their_picture(box, pixels):
    assert box.within(16, 20) == pixels
    assert box_in(box.text).within(16, 20) == pixels


def test_parts_that_are_none_are_errors_in_one_line(tmp_path):
    content = draw(tmp_path / "a.png", 3, (20, 16)).read_bytes()
    away = head_of(Box(PIXELS, (50, 50, 60, 60))) + content
    with pytest.raises(SampleUnreadable, match="holds nothing of a picture of 16 x 20"):
        open_picture(away)
    nested = head_of(Box(PIXELS, (0, 0, 5, 5))) + away
    for hostile in (b"headstart.crop/1 ", b"headstart.crop/1 pixels 1 2 3\n" + content, nested,
                    b"headstart.crop/1 " + b"9" * 10**6 + b"\n" + content):  # fmt: skip
        with pytest.raises(SampleUnreadable, match="not a readable part"):
            parted(hostile)
    assert not is_turned(nested)


# COCO.


@pytest.fixture
def made(tmp_path):
    """Two pictures with four boxes, and what one can change of the annotations."""
    for number in range(2):
        draw(tmp_path / f"{number}.png", number, (20, 16))
    told = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 16, "height": 20}
            for number in range(2)
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [
            {"id": 10, "image_id": 0, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"id": 11, "image_id": 0, "category_id": 7, "bbox": [0, 0, 16, 20]},
            {"id": 12, "image_id": 1, "category_id": 7, "bbox": [5, 5, 5, 5]},
            {"id": 13, "image_id": 1, "category_id": 7, "bbox": [1.5, 1.5, 2, 2]},
        ],
    }

    def write(change=lambda told: None, name="a.json"):
        changed = change(told)
        (tmp_path / name).write_text(json.dumps(told if changed is None else changed))
        return tmp_path / name

    return write


def test_a_picture_has_the_labels_of_its_boxes(tmp_path, made):
    found = {one.id: (one.label, one.digest) for one in read(made()).samples}
    digests = [digest_of((tmp_path / f"{n}.png").read_bytes()) for n in range(2)]
    assert found == {"0.png": ("cat|dog", digests[0]), "1.png": ("dog", digests[1])}


def test_pictures_with_one_class_are_those_of_the_folder(tmp_path):
    folder = draw_classes(tmp_path / "pictures")
    plain = scan(open_source("folder", str(folder), {}), {})
    for kind, source in (("coco", coco(folder, tmp_path)), ("yolo", yolo(folder, tmp_path))):
        found = read(source, kind)
        assert sorted((one.digest, one.label) for one in found.samples) == sorted(
            (one.digest, one.label) for one in plain.samples
        )


def test_a_sample_a_box_is_a_part_of_the_picture_and_stands_with_the_others(tmp_path, made):
    manifest = read(made(), boxes="crop")
    assert [(one.id, one.label, one.group) for one in manifest.samples] == [
        ("0.png#10", "cat", "0.png"),
        ("0.png#11", "dog", "0.png"),
        ("1.png#12", "dog", "1.png"),
        ("1.png#13", "dog", "1.png"),
    ]
    by_picture = {one.group: one.split for one in manifest.samples}
    assert all(by_picture[one.group] == one.split for one in manifest.samples)
    raw = open_source("coco", str(tmp_path / "a.json"), {"boxes": "crop"}).read(
        manifest.samples[0].location
    )
    pixels = pixels_of(tmp_path / "0.png")
    assert np.array_equal(np.asarray(open_picture(raw)), pixels[2:6, 1:4])


def test_margin_is_a_share_of_the_box_and_part_of_what_the_sample_is(tmp_path, made):
    plain, wide = read(made(), boxes="crop"), read(made(), boxes="crop", margin="0.5")
    assert not {one.digest for one in plain.samples} & {one.digest for one in wide.samples}
    raw = open_source("coco", str(tmp_path / "a.json"), {"boxes": "crop"}).read(
        wide.samples[2].location
    )
    assert open_picture(raw).size == (11, 11)  # from 2.5 to 12.5, in whole pixels


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_boxes_are_extracted_and_read_again_in_all_ways(tmp_path, kind, ws):
    folder = draw_classes(tmp_path / "pictures")
    source = {"coco": coco, "yolo": yolo}[kind](folder, tmp_path)
    added = ws.datasets.add("boxes", source, boxes="crop", margin=0.1)
    assert (added.samples, added.classes) == (36, ["blue", "green", "red"])
    assert ws.datasets.refresh("boxes").digest == added.digest
    options = {"boxes": "crop", "margin": 0.1}
    opened = open_source(kind, str(source), options)
    places = list(opened.locations())
    assert places == [one.location for one in ws.datasets.manifest("boxes").samples]
    for place in places[:3]:
        assert digest_of(opened.read(place)) == opened.digest(place)


def test_members_fields_crowds_and_pictures_without_boxes_are_named(ws, made):
    def change(told):
        told["info"] = {"year": 2017}
        told["images"].append({**told["images"][0], "id": 5, "license": 1})
        told["annotations"][0] |= {"segmentation": [[1, 2, 3, 4, 5, 6]], "area": 9}
        told["annotations"][1]["iscrowd"] = 1
        told["annotations"][2]["keypoints"] = [1, 2, 2]
        told["annotations"][3]["bbox"] = [10, 10, 50, 5]
        told["categories"][0]["supercategory"] = "animal"

    source = made(change)
    with pytest.warns(HeadstartWarning) as warned:
        ws.datasets.add("t", source, boxes="crop", id_column=None)
    said = " ".join(str(one.message) for one in warned)
    for what in (
        "1 boxes of crowds (iscrowd)",
        "1 picture without boxes",
        "1 boxes that reach out of their picture",
        "member 'info' of a.json",
        "of annotations: area, keypoints, segmentation",
        "of images: license",
        "of categories: supercategory",
    ):
        assert what in said
    with pytest.warns(HeadstartWarning, match="option margin"):
        ws.datasets.add("u", made(lambda told: told["images"].pop(2) and None), margin=0.2)


def test_files_of_a_folder_are_splits_by_their_names_which_is_said(ws, tmp_path, made):
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    for number, name in enumerate(("train2017", "val2017")):
        draw(folder / name / "0.png", number)
        draw(folder / name / "1.png", 10 + number)
        made().rename(folder / "annotations" / f"instances_{name}.json")
    (folder / "annotations" / "captions_train2017.json").write_text("{}")
    assert find_kind(str(folder)) == "coco"
    with pytest.warns(HeadstartWarning) as warned:
        ws.datasets.add("t", folder)
    said = [str(one.message) for one in warned]
    assert any("splits by their names: 1 of train, 1 of validation" in one for one in said)
    assert any("not used: file 'captions_train2017.json'" in one for one in said)
    samples = ws.datasets.manifest("t").samples
    assert {(one.id, one.split) for one in samples} == {
        (f"annotations/instances_{name}2017/{n}.png", split)
        for name, split in (("train", "train"), ("val", "validation"))
        for n in range(2)
    }


def test_pictures_are_found_where_tools_put_them_or_where_one_says(tmp_path, made):
    source = made()
    for where in ("images", "../images"):
        away = tmp_path / "in" / "annotations"
        away.mkdir(parents=True, exist_ok=True)
        moved = away / "a.json"
        moved.write_text(source.read_text())
        for number in range(2):
            draw(away / where / f"{number}.png", number, (20, 16))
        assert len(read(moved).samples) == 2
        for number in range(2):
            (away / where / f"{number}.png").unlink()
    assert "the pictures are not next to it, such as '0.png'. Name their folder" in refused(moved)
    assert len(read(moved, images=str(tmp_path)).samples) == 2


def test_a_picture_that_is_missing_is_an_error_or_is_skipped(ws, tmp_path, made):
    source = made()
    (tmp_path / "1.png").unlink()
    assert "image 1: no file" in refused(source) and "--images" in refused(source)
    with pytest.warns(HeadstartWarning, match="1 sample skipped: .*image 1: no file"):
        assert ws.datasets.add("t", source, on_error="skip").samples == 1


def test_pictures_and_masks_in_two_folders_are_no_labels_of_yolo(tmp_path):
    for name in ("images", "labels"):
        draw(tmp_path / "masks" / name / "0.png", 1)
    assert find_kind(str(tmp_path / "masks")) == "folder"


def box(place, **changes):
    return lambda told: told["annotations"][place].update(changes)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (box(0, bbox=[1, 2, 3]), "not four numbers"),
        (box(0, bbox=[1, 2, "3", 4]), "not four numbers"),
        (box(0, bbox=[1, 2, True, 4]), "not four numbers"),
        (box(0, bbox=[1, 2, 1e300, 4]), "not four numbers"),
        (box(0, bbox=None), "not four numbers"),
        (box(0, bbox=[1, 2, 0, 4]), "annotation 10: the box has no area"),
        (box(0, bbox=[1, 2, -3, 4]), "the box has no area"),
        (box(0, bbox=[16, 2, 3, 4]), "lies outside of its picture"),
        (box(0, bbox=[-9, 2, 3, 4]), "lies outside of its picture"),
        (box(0, category_id=99), "annotation 10 is of category 99, which has no name"),
        (box(0, category_id=[3]), "which has no name"),
        (box(0, image_id=99), "annotation 10 is of image 99, which is not in images"),
        (lambda t: t["categories"][0].update(name=""), "the category 3 has no name"),
        (lambda t: t["categories"][0].pop("name"), "the category 3 has no name"),
        (lambda t: t["categories"].append({"id": 3, "name": "owl"}), "two categories have the id"),
        (lambda t: t["images"][1].update(id=0), "image 0 occurs twice"),
        (lambda t: t["images"][0].pop("file_name"), "has no id or no file_name"),
        (lambda t: t["images"][0].update(file_name="../a.png"), "leads out of the folder"),
        (lambda t: t["images"][0].update(file_name="/etc/passwd"), "leads out of the folder"),
        (lambda t: t["images"][0].update(file_name="C:\\a.png"), "leads out of the folder"),
        (lambda t: t["images"][0].update(file_name="..\\a.png"), "leads out of the folder"),
        (lambda t: t["images"][0].update(file_name="a\0b.png"), "has no id or no file_name"),
        (lambda t: {**t, "annotations": {}}, "is no annotations of COCO (expected '[')"),
        (lambda t: {**t, "annotations": [7]}, "annotations holds what is no object"),
        (lambda t: {**t, "images": []}, "has no images"),
        (lambda t: [t], "is no annotations of COCO (expected '{')"),
    ],
)
def test_annotations_that_are_wrong_are_named(made, change, why):
    source = made(lambda told: change(told) if isinstance(change(told), dict | list) else None)
    assert why in refused(source, boxes="crop")


def test_single_boxes_that_are_wrong_can_be_skipped(ws, made):
    def change(told):
        told["annotations"][0]["bbox"] = [1, 2, 0, 4]
        told["annotations"][1]["category_id"] = 99

    with pytest.warns(HeadstartWarning, match="2 samples skipped"):
        assert ws.datasets.add("t", made(change), boxes="crop", on_error="skip").samples == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected '{'"),
        ("{", "Expecting value"),
        ('{"images": [{"id": 1', "is no annotations of COCO"),
        ('{"images": [' + "[" * 100_000, "nested too deeply"),
        ('{"images": [{"id": 1}] "x": 1}', "expected ','"),
        ('{"images": [{"id": ' + "9" * 5000 + "}]}", "is no annotations of COCO"),
    ],
)
def test_a_file_that_is_damaged_is_an_error_in_one_line(tmp_path, text, why):
    (tmp_path / "a.json").write_text(text)
    assert why in refused(tmp_path / "a.json")


def test_a_file_that_does_not_fit_into_memory_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(1 << 40)
    assert "are more than half of the" in refused(tmp_path / "a.json")


def test_options_that_are_none_are_refused(made):
    assert "boxes is 'crops'. It can be picture or crop" in refused(made(), boxes="crops")
    for margin in ("much", "-1", "nan", "11"):
        assert "the margin is" in refused(made(), boxes="crop", margin=margin)


def test_places_that_are_none_are_errors_of_ours(tmp_path, made):
    source = open_source("coco", str(made()), {"boxes": "crop"})
    for place in ("", f"{tmp_path / '0.png'}", f"{tmp_path / '0.png'}#pixels 1 2 3", 7):
        with pytest.raises(SampleChanged):
            source.read(place)
    with pytest.raises(SampleChanged, match="is gone"):
        source.read(f"{tmp_path / 'gone.png'}#pixels 1 2 3 4")


def test_a_root_holds_for_pictures_and_their_parts(tmp_path, made):
    source = made()
    (tmp_path / "inner").mkdir()
    for mode in ("picture", "crop"):
        why = refused(source, boxes=mode, root=str(tmp_path / "inner"))
        assert "lies outside of the root" in why
        assert len(read(source, boxes=mode, root=str(tmp_path)).samples) in (2, 4)


def test_what_is_not_used_of_annotations_is_not_built_as_a_whole(made, monkeypatch):
    """A list of empty lists takes twenty times as much in memory as in the file."""
    monkeypatch.setattr(coco_file, "LONGEST", 1 << 16, raising=False)
    path = made(lambda told: {"more": [[]] * 300_000, "odd": {"a": [1, "]"], "b": 2}, **told})
    tracemalloc.start()
    found = list(coco_file.objects_in(path.read_text(), path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 10 and peak < 4 * path.stat().st_size
    one = {"id": 14, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2]}
    many = {**one, "segmentation": [[]] * 100_000}
    path = made(lambda told: told["annotations"].append(many), "b.json")
    assert "a value of more than 65,536 characters" in refused(path)


def test_annotations_are_the_same_in_pieces_of_any_length(made, monkeypatch):
    path = made(lambda told: {"more": [123456, "a\\", None], "n": -12.5e3, **told})
    text = path.read_text()
    wanted = list(coco_file.objects_in(text, path))
    for longest in range(90, 240):
        monkeypatch.setattr(coco_file, "LONGEST", longest)
        assert list(coco_file.objects_in(text, path)) == wanted


def test_annotations_of_very_many_empty_objects_are_weighed(made, monkeypatch):
    monkeypatch.setattr(numpy_files, "free_memory", lambda: 40_000_000)
    path = made(lambda told: told["annotations"].extend({} for _ in range(50_000)))
    assert "what is kept of the annotations in" in refused(path)


def test_pictures_and_labels_that_belong_to_nothing_are_named(ws, tmp_path, made, labels):
    draw(tmp_path / "other.png", 9)
    with pytest.warns(HeadstartWarning, match="not used: 1 picture in .* that no annotations nam"):
        ws.datasets.add("c", made())
    folder = labels()
    (folder / "labels" / "gone.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    with pytest.warns(HeadstartWarning, match=r"not used: file .*gone.txt' \(of no picture\)"):
        ws.datasets.add("y", folder)
