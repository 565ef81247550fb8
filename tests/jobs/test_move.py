"""Data that were moved are the same dataset: nothing is computed again, nothing is dealt anew."""

import shutil

import pytest

import headstart as hs
from conftest import draw
from headstart.notices import HeadstartWarning


def splits(ws, name):
    return {sample.id: sample.split for sample in ws.datasets.manifest(name).samples}


def test_a_moved_folder_is_found_again(ready, run, fails, pictures, tmp_path):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    dealt = splits(ready, "pics")
    moved = shutil.move(pictures, tmp_path / "elsewhere")
    assert "If it was moved: `headstart dataset move pics PATH`" in fails(
        "dataset", "refresh", "pics"
    )
    added = fails("dataset", "add", "pics", moved)
    assert "If the same data were moved: `headstart dataset move pics PATH`" in added
    ran = run("dataset", "move", "pics", moved)
    assert (ran.code, "36 of 36 samples are as they were at" in ran.out) == (0, True)
    assert ready.datasets.get("pics").source == str(moved)
    assert splits(ready, "pics") == dealt
    assert ready.extract("net", "pics").report.computed == 0
    assert ready.datasets.refresh("pics").source == str(moved)
    assert head.reproduce().agrees
    (event,) = ready.events.find("pics", action="change")
    assert (event.before["source"], event.after["source"]) == (str(pictures), str(moved))


def test_a_table_moves_with_the_files_beside_it_and_its_root(ws, tmp_path):
    old = tmp_path / "old"
    rows = [f"{draw(old / 'p' / f'{n}.png', n).relative_to(old)},{'ab'[n % 2]}" for n in range(12)]
    (old / "t.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    ws.datasets.add("t", old / "t.csv", root=str(old))
    new = shutil.move(old, tmp_path / "new")
    dataset = ws.datasets.move("t", new / "t.csv")
    assert dataset.options["root"] == str(new)
    assert all(str(new) in sample.location for sample in ws.datasets.manifest("t").samples)


def test_corrections_move_with_the_data_and_are_told_as_events(ready, pictures, tmp_path):
    ready.datasets.correct("pics", {"red/00.jpg": "green"})
    (event,) = ready.events.find("pics", action="change")
    labels = event.after["options"]["corrections"]["labels"]
    assert labels["red/00.jpg"]["after"] == "green" and list(labels) == ["red/00.jpg"]
    corrected = ready.datasets.get("pics").digest
    ready.datasets.move("pics", shutil.move(pictures, tmp_path / "elsewhere"))
    assert ready.datasets.get("pics").digest == corrected


def test_other_data_are_refused_and_a_part_is_told(ready, pictures, tmp_path):
    for number in range(6):
        draw(tmp_path / "other" / "ab"[number % 2] / f"{number}.png", 900 + number)
    with pytest.raises(hs.HeadstartError, match="has none of the 36 samples of dataset 'pics'"):
        ready.datasets.move("pics", tmp_path / "other")
    with pytest.raises(hs.HeadstartError, match="there is nothing at"):
        ready.datasets.move("pics", tmp_path / "nowhere")
    assert ready.datasets.get("pics").source == str(pictures)
    moved = shutil.move(pictures, tmp_path / "part")
    (moved / "red" / "00.jpg").unlink()
    with pytest.warns(HeadstartWarning, match="35 of the 36 samples .* there are 35 now"):
        ready.datasets.move("pics", moved)


def test_fewer_than_half_of_the_samples_are_no_place_of_a_dataset(ws, fails, tmp_path):
    for number in range(8):
        draw(tmp_path / "own" / "ab"[number % 2] / f"{number}.png", number)
        draw(tmp_path / "other" / "ab"[number % 2] / f"{number}.png", number + 900 * (number > 2))
    ws.datasets.add("own", tmp_path / "own")
    before = ws.datasets.get("own")
    line = fails("dataset", "move", "own", tmp_path / "other")
    assert "has 3 of the 8 samples of dataset 'own', fewer than half" in line and "--force" in line
    assert ws.datasets.get("own") == before
    draw(tmp_path / "other" / "b" / "3.png", 3)
    with pytest.warns(HeadstartWarning, match="4 of the 8 samples"):
        ws.datasets.move("own", tmp_path / "other")
    draw(tmp_path / "own" / "b" / "3.png", 903)
    with pytest.warns(HeadstartWarning, match="3 of the 8 samples"):
        ws.datasets.move("own", tmp_path / "own", force=True)


def test_data_of_the_workspace_itself_are_not_moved(ws, fails, tmp_path):
    import numpy as np

    ws.datasets.add("m", np.arange(12.0).reshape(6, 2), list("ababab"))
    assert "are kept in the workspace itself" in fails("dataset", "move", "m", tmp_path)
