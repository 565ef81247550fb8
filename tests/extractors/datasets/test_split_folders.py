"""Folders called train and test: splits where they hold class folders, asked about where unsure."""

from pathlib import Path

import pytest

from conftest import draw
from headstart.errors import DatasetError
from headstart.notices import HeadstartNote, HeadstartWarning


def laid_out(root: Path, *folders: str, count: int = 3) -> Path:
    """Pictures in each of some folders."""
    for place, folder in enumerate(folders):
        for number in range(count):
            draw(root / folder / f"{number}.png", 100 * place + number, (4, 4))
    return root


def of(ws, name="d"):
    return [(s.id, s.label, s.split) for s in ws.datasets.manifest(name).samples]


@pytest.mark.parametrize(
    ("named", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("VALIDATION", "validation"),
        ("dev", "validation"),
        ("TEST", "test"),
        ("testing", "test"),
        ("eval", "test"),
    ],
)
def test_every_usual_name_of_a_split_is_one(ws, tmp_path, named, split):
    root = laid_out(tmp_path / "d", f"{named}/birds", f"{named}/cats", count=1)
    with pytest.warns(HeadstartNote, match="are splits, not classes"):
        dataset = ws.datasets.add("d", root)
    assert dataset.classes == ["birds", "cats"]
    assert of(ws) == [
        (f"{named}/birds/0.png", "birds", split),
        (f"{named}/cats/0.png", "cats", split),
    ]


def test_split_folders_are_found_and_said(ws, tmp_path, run):
    root = laid_out(tmp_path / "tt", "train/birds", "train/cats", "test/birds", "test/cats")
    ran = run("dataset", "add", "d", root)
    assert ran.code == 0
    assert "note: " in ran.err and "test, train are splits, not classes" in ran.err
    dataset = ws.datasets.get("d")
    assert dataset.classes == ["birds", "cats"] and dataset.samples == 12
    assert {split for _, label, split in of(ws) if label == "cats"} == {"train", "test"}
    assert all(id_.startswith(f"{split}/") for id_, _, split in of(ws))
    assert "splits  as the folders say" in run("dataset", "show", "d").out
    assert run("dataset", "show", "d", "--json").json["split"] == "folders"


@pytest.mark.filterwarnings("ignore:.*are copies of samples to test on")
def test_split_folders_stay_so_when_others_come(ws, tmp_path):
    root = laid_out(tmp_path / "tt", "train/birds", "test/birds")
    ws.datasets.add("d", root)
    laid_out(root, "train/cats", "val/cats")
    ws.datasets.refresh("d")
    assert {split for _, label, split in of(ws) if label == "cats"} == {"train", "validation"}
    laid_out(root, "attic")
    with pytest.warns(HeadstartWarning, match="not used: folder 'attic'"):
        ws.datasets.add("d", root, split="folders")
    assert ws.datasets.get("d").classes == ["birds", "cats"]


@pytest.mark.parametrize("folders", [("test", "exam"), ("train/a", "bus/a"), ("Eval", "b", "c")])
def test_one_class_that_is_called_like_a_split_is_asked_about(ws, tmp_path, fails, folders):
    root = laid_out(tmp_path / "d", *folders)
    said = fails("dataset", "add", "d", root)
    assert f"{root}: {folders[0].split('/')[0]} may be a class or a split" in said
    assert "--split folders" in said and "--split hash" in said
    assert ws.datasets.list() == []
    ws.datasets.add("d", root, split="hash")
    assert ws.datasets.get("d").classes == sorted(name.split("/")[0] for name in folders)


def test_folders_called_like_splits_that_hold_no_class_folders_are_asked_about(ws, tmp_path, fails):
    root = laid_out(tmp_path / "d", "train", "test")
    said = fails("dataset", "add", "d", root)
    assert "test, train may be classes or splits" in said and "--split hash" in said
    ws.datasets.add("d", root, split="hash")
    assert ws.datasets.get("d").classes == ["test", "train"]


def test_a_split_folder_without_class_folders_is_an_error_that_names_it(ws, tmp_path, fails):
    root = laid_out(tmp_path / "d", "train/birds", "train/cats", "test")
    assert f"the split folder {root / 'test'} holds no class folders" in fails(
        "dataset", "add", "d", root
    )


def test_folders_that_are_no_splits_cannot_be_read_as_such(ws, tmp_path, fails):
    said = fails("dataset", "add", "d", laid_out(tmp_path / "d", "a", "b"), "--split", "folders")
    assert "holds no folders that are called like splits" in said
    np_file = tmp_path / "t.csv"
    np_file.write_text("text,label\nx,a\ny,b\n")
    assert "has no folders" in fails("dataset", "add", "d", np_file, "--split", "folders")
    with pytest.raises(DatasetError, match="no way to split is called 'fold'"):
        ws.datasets.add("d", tmp_path / "d", split="fold")


def test_a_dataset_of_before_keeps_its_classes(ws, tmp_path):
    """It was registered when every folder was a class, and holds no word of how it is split."""
    root = laid_out(tmp_path / "d", "train/birds", "test/birds")
    ws.datasets.add("d", root)
    from dataclasses import replace

    old = ws.datasets.get("d")
    ws.datasets._context.datasets.update(replace(old, options={}), old)
    laid_out(root, "train/cats")
    with pytest.warns(HeadstartWarning, match="no sample of the class 'birds' is left"):
        assert ws.datasets.refresh("d").classes == ["test", "train"]
    assert ws.datasets.add("d", root).classes == ["test", "train"]


def test_files_that_are_no_samples_are_named(ws, pictures):
    (pictures / "red" / "caption.txt").write_text("x")
    (pictures / "metadata.csv").write_text("x")
    (pictures / "red" / "Thumbs.db").write_bytes(b"x")
    (pictures / "red" / "._00.png").write_bytes(b"x")
    message = r"not used: file 'metadata.csv', file 'red/caption.txt'$"
    with pytest.warns(HeadstartWarning, match=message):
        ws.datasets.add("d", pictures)


def test_the_splits_of_a_table_may_have_their_usual_names(ws, tmp_path):
    names = ["train", "Training", "valid", "val", "dev", "Validation", "test", "TESTING", "eval"]
    rows = "".join(f"text {n},{'ab'[n % 2]},{name}\n" for n, name in enumerate(names))
    (tmp_path / "t.csv").write_text(f"text,label,split\n{rows}")
    ws.datasets.add("d", tmp_path / "t.csv")
    assert [split for _, _, split in of(ws)] == ["train"] * 2 + ["validation"] * 4 + ["test"] * 3


def test_samples_of_split_folders_can_be_dealt_anew_and_keep_their_classes(ws, tmp_path):
    folders = ("train/birds", "train/cats", "test/birds", "test/cats")
    root = laid_out(tmp_path / "d", *folders, count=10)
    with pytest.warns(HeadstartNote, match="2 classes, which are dealt out again"):
        ws.datasets.add("d", root, split="80/20")
    ws.datasets.add("e", root)
    ws.datasets.resplit("e", "80/20")
    laid_out(root, "test/dogs")
    for name in "de":
        assert sum(split == "train" for _, _, split in of(ws, name)) == 32
        assert ws.datasets.refresh(name).classes == ["birds", "cats", "dogs"]
    ws.datasets.resplit("e", "folders")
    assert all(id_.startswith(split) for id_, _, split in of(ws, "e"))
