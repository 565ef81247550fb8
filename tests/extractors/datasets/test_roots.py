"""A root: nothing outside of it is read, wherever paths, `..` and links lead."""

import os
import shutil
import sys

import pytest

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets import SampleReader, named_files


@pytest.fixture
def others(tmp_path):
    """A folder from somebody else, beside a file of ours."""
    draw(tmp_path / "own.png", 1)
    (tmp_path / "data-and-more").mkdir()
    draw(tmp_path / "data-and-more" / "x.png", 1)
    for number in range(4):
        draw(tmp_path / "data" / "img" / f"{number}.png", number)
    return tmp_path / "data"


def table(folder, *paths):
    rows = "".join(f"{path},{'ab'[n % 2]}\n" for n, path in enumerate(paths))
    (folder / "t.csv").write_text(f"path,label\nimg/0.png,a\n{rows}")
    return folder / "t.csv"


@pytest.mark.parametrize(
    "path",
    [
        "../own.png",
        "img/../../own.png",
        "{outside}/own.png",
        "link.png",
        "linked/own.png",
        "../data-and-more/x.png",
    ],
)
def test_a_table_cannot_name_a_file_outside_of_the_root(ws, others, fails, run, path):
    (others / "link.png").symlink_to(others.parent / "own.png")
    (others / "linked").symlink_to(others.parent)
    file = table(others, "img/1.png", path.format(outside=others.parent))
    message = fails("dataset", "add", "d", file, "--root", others)
    assert f"{file}, line 4: " in message
    assert f"lies outside of the root {others}" in message
    assert ws.datasets.list() == []
    value = fails("dataset", "add", "d", file, "--root", others, "--value", "path:path")
    assert f"{file}, line 4: " in value
    assert run("dataset", "add", "d", file).code == 0


def test_what_lies_inside_is_read_and_the_root_is_kept(ready, others):
    file = table(others, "img/1.png", "img/../img/2.png", others / "img" / "3.png")
    dataset = ready.datasets.add("d", file, root=os.path.relpath(others))
    assert dataset.options["root"] == str(others)
    assert ready.extract("net", "d").report.computed == 4
    table(others, "../own.png")
    with pytest.raises(DatasetError, match=r"line 3: .* lies outside of the root"):
        ready.datasets.refresh("d")


@pytest.mark.parametrize("values", [None, ["path:path"], ["a=path:path", "b=text:label"]])
def test_a_link_that_is_put_there_later_is_not_followed_when_the_sample_is_read(ws, others, values):
    dataset = ws.datasets.add("d", table(others, "img/1.png"), root=others, values=values)
    (others / "img" / "1.png").unlink()
    (others / "img" / "1.png").symlink_to(others.parent / "own.png")
    manifest = ws.datasets.manifest("d")
    with pytest.raises(DatasetError, match="lies outside of the root"):
        SampleReader(manifest, dataset.options).read(manifest.samples[1])


@pytest.mark.parametrize("name", ["red/link.png", "red/more", "other"])
def test_a_folder_cannot_lead_out_of_the_root_by_a_link(ws, pictures, others, fails, name):
    inside = others if name != "red/link.png" else others.parent / "own.png"
    (pictures / name).symlink_to(inside)
    message = fails("dataset", "add", "d", pictures, "--root", pictures)
    assert f"{pictures / name} lies outside of the root {pictures}" in message
    assert ws.datasets.add("e", pictures).samples > 36


def test_predict_reads_nothing_outside_of_its_root(ready, others, pictures, fails, run):
    ready.heads.train("h", ready.extract("net", "pics"))
    file = table(others, "../own.png")
    assert f"{file}, line 3: " in fails("head", "predict", "h", file, "--root", others)
    assert run("head", "predict", "h", file).code == 0
    (pictures / "red" / "link.png").symlink_to(others.parent / "own.png")
    assert "lies outside of the root" in fails("head", "predict", "h", pictures, "--root", pictures)


def test_files_outside_of_a_tables_folder_are_counted(ws, others, run):
    file = table(others, "img/1.png", "../own.png")
    said = run("dataset", "add", "d", file).err
    assert "note: 1 of 3 files lie outside of the table's folder, such as" in said
    assert "note:" not in run("dataset", "add", "e", table(others, "img/1.png")).err


def test_a_root_that_is_no_folder_or_has_no_use_is_an_error(ws, others, fails, tmp_path):
    file = table(others, "img/1.png")
    assert "is not a folder" in fails("dataset", "add", "d", file, "--root", file)
    (tmp_path / "x.npy").write_bytes(b"")
    message = fails("dataset", "add", "d", tmp_path / "x.npy", "--root", tmp_path)
    assert "arrays name no files" in message


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells where a file lies")
@pytest.mark.parametrize("step", ["added", "read"])
def test_a_link_that_is_turned_between_the_look_and_the_opening_gives_nothing(
    ws, others, monkeypatch, step
):
    file, outside = others / "img" / "1.png", others.parent / "own.png"
    source = table(others, "img/1.png")
    real = named_files.open_regular

    def turning(path):
        if path == file:
            file.unlink()
            file.symlink_to(outside)
        opened = real(path)
        if path == file:
            file.unlink()
            shutil.copy(others / "img" / "2.png", file)
        return opened

    if step == "added":
        monkeypatch.setattr(named_files, "open_regular", turning)
        with pytest.raises(DatasetError, match="lies outside of the root"):
            ws.datasets.add("d", source, root=others)
        return
    dataset = ws.datasets.add("d", source, root=others)
    manifest = ws.datasets.manifest("d")
    monkeypatch.setattr(named_files, "open_regular", turning)
    with pytest.raises(DatasetError, match="lies outside of the root"):
        SampleReader(manifest, dataset.options).read(manifest.samples[1])


def test_commands_without_the_option_say_of_which_one_it_is(ready, others, fails):
    said = "another --root. (--root is an option of `headstart dataset add`.)"
    file = table(others, "img/1.png")
    ready.datasets.add("d", file, root=others)
    table(others, "../own.png", "img/1.png", "img/2.png")
    assert fails("extract", "net", "d").endswith(said)
    folder = others.parent / "boxes"
    folder.mkdir()
    (folder / "data.yaml").write_text("train: ../data/img\nnames: [a, b]\n")
    for words in (("extract", "net"), ("head", "train", "h", "net")):
        assert fails(*words, folder / "data.yaml").endswith(said)
    assert said not in fails("dataset", "add", "e", folder / "data.yaml")
