"""Folders with metadata that name their files, as Hugging Face has them."""

import json

import pytest
from layout_makers import imagefolder

from conftest import draw, draw_classes
from headstart.errors import DatasetError
from headstart.extractors.datasets import find_kind, open_source, scan
from headstart.notices import HeadstartNote, HeadstartWarning


def read(source, **options):
    return scan(open_source("imagefolder", str(source), options), options)


def refused(source, **options):
    with pytest.raises(DatasetError) as error:
        read(source, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def made(tmp_path):
    """A folder of two pictures, with metadata as they are given."""
    for number in range(2):
        draw(tmp_path / "f" / f"{number}.png", number)

    def write(text="file_name,label\n0.png,a\n1.png,b\n", name="metadata.csv"):
        (tmp_path / "f" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "f" / name).write_text(text)
        return tmp_path / "f"

    return write


def test_the_samples_are_those_of_the_folder_that_it_was_made_of(tmp_path):
    folder = draw_classes(tmp_path / "pictures")
    found, plain = read(imagefolder(folder, tmp_path)), open_source("folder", str(folder), {})
    assert sorted((one.digest, one.label) for one in found.samples) == sorted(
        (one.digest, one.label) for one in scan(plain, {}).samples
    )


def test_it_is_recognised_when_it_is_added_and_said(ws, made):
    folder = made()
    with pytest.warns(HeadstartNote, match="that metadata.csv names; labels are .* 'label'"):
        added = ws.datasets.add("f", folder)
    assert (added.kind, added.classes) == ("imagefolder", ["a", "b"])
    assert ws.datasets.refresh("f").digest == added.digest


def test_other_columns_and_files_are_named(ws, made):
    folder = made("file_name,by,label\n0.png,me,a\n")
    (folder / "notes.md").write_text("x")
    with pytest.warns(HeadstartWarning) as warned:
        ws.datasets.add("f", folder)
    said = " ".join(str(one.message) for one in warned)
    assert "column 'by', file '1.png', file 'notes.md'" in said


def test_captions_are_no_labels_unless_they_are_said_to_be(made):
    folder = made('{"file_name": "0.png", "text": "a dog"}\n', "metadata.jsonl")
    assert "has no label column; its columns are file_name, text" in refused(folder)
    assert [one.label for one in read(folder, label_column="none").samples] == [None]
    assert [one.label for one in read(folder, label_column="text").samples] == ["a dog"]


def test_lists_of_labels_are_several(made):
    rows = [{"file_name": "0.png", "label": ["a", "b"]}, {"file_name": "1.png", "label": ["b"]}]
    folder = made("".join(f"{json.dumps(row)}\n" for row in rows), "metadata.jsonl")
    assert [one.label for one in read(folder).samples] == ["a|b", "b"]


@pytest.mark.parametrize("where", ["inside", "top"])
def test_folders_that_are_called_like_splits_are_splits(ws, tmp_path, where):
    lines = {}
    for split in ("train", "test"):
        for number in range(2):
            draw(tmp_path / "s" / split / f"{number}.png", number + 10 * len(split))
            name = f"{number}.png" if where == "inside" else f"{split}/{number}.png"
            lines.setdefault(split, []).append(f"{name},{'ab'[number]}\n")
    head = "file_name,label\n"
    if where == "inside":
        for split, rows in lines.items():
            (tmp_path / "s" / split / "metadata.csv").write_text(head + "".join(rows))
    else:
        text = head + "".join(row for rows in lines.values() for row in rows)
        (tmp_path / "s" / "metadata.csv").write_text(text)
    assert find_kind(str(tmp_path / "s")) == "imagefolder"
    with pytest.warns(HeadstartNote, match="test, train are splits"):
        ws.datasets.add("s", tmp_path / "s")
    assert {(one.id, one.split) for one in ws.datasets.manifest("s").samples} == {
        (f"{split}/{number}.png", split) for split in ("train", "test") for number in range(2)
    }


def test_a_folder_whose_metadata_name_no_files_stays_a_folder_of_classes(ws, tmp_path):
    folder = draw_classes(tmp_path / "pictures")
    (folder / "metadata.csv").write_text("class,photographer\nred,me\n")
    assert find_kind(str(folder)) == "folder"
    with pytest.warns(HeadstartWarning, match="not used: file 'metadata.csv'"):
        ws.datasets.add("f", folder)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gone.png", "line 2: no file"),
        ("", "line 2: no file_name"),
        ("../f/0.png", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("C:\\x.png", "leads out of the folder"),
    ],
)
def test_names_that_are_wrong_are_named(ws, made, name, why):
    folder = made(f"file_name,label\n{name},a\n1.png,b\n")
    assert why in refused(folder)
    with pytest.raises(DatasetError, match=why):
        list(open_source("imagefolder", str(folder), {}).locations())
    with pytest.warns(HeadstartWarning) as warned:
        assert ws.datasets.add("f", folder, on_error="skip").samples == 1
    assert any("1 sample skipped" in str(one.message) for one in warned)


def test_a_link_that_leads_out_of_the_root_is_not_read(tmp_path, made):
    folder = made()
    draw(tmp_path / "away.png", 5)
    (folder / "0.png").unlink()
    (folder / "0.png").symlink_to(tmp_path / "away.png")
    assert "lies outside of the root" in refused(folder, root=str(folder))


def test_prediction_needs_no_labels(made):
    folder = made("file_name,label\n0.png,\n1.png,b\n")
    assert len(list(open_source("imagefolder", str(folder), {}).locations())) == 2
    assert "no label" in refused(folder)
