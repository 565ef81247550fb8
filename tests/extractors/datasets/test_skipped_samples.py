"""Rows that are no samples: an error that names one, or skipped, counted and listed."""

import json
import os

import numpy as np
import pytest

from conftest import draw
from headstart.errors import DatasetError
from headstart.notices import HeadstartWarning


@pytest.fixture
def table(tmp_path):
    """Texts and labels; two rows have no label, one no text."""
    rows = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(12)]
    rows[3]["label"] = ""
    del rows[5]["label"]
    rows[8]["text"] = " "
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path / "t.jsonl"


def test_rows_without_a_label_or_a_text_can_be_skipped(ws, table, run, fails):
    assert f"{table}, line 4: no label" in fails("dataset", "add", "d", table)
    assert "--on-error skip" in fails("dataset", "add", "d", table)
    ran = run("dataset", "add", "d", table, "--on-error", "skip")
    assert ran.code == 0
    assert "3 samples skipped: " in ran.err and f"{table}, line 9: no text" in ran.err
    assert [s.id for s in ws.datasets.manifest("d").samples] == [
        str(n) for n in range(12) if n not in (3, 5, 8)
    ]
    shown = run("dataset", "show", "d")
    assert "3 samples were skipped" in shown.out.replace("\n", " ")
    assert all(f"line {line}: no" in shown.out for line in (4, 6, 9))
    listed = run("dataset", "show", "d", "--json").json["skipped"]
    assert listed["count"] == 3
    assert listed["first"][0] == f"{table}, line 4: no label"


def test_what_is_skipped_is_looked_at_again(ws, table):
    with pytest.warns(HeadstartWarning, match="3 samples skipped"):
        ws.datasets.add("d", table, on_error="skip")
    before = {s.id: s.split for s in ws.datasets.manifest("d").samples}
    table.write_text(table.read_text().replace('"text": " "', '"text": "text 8"'))
    with pytest.warns(HeadstartWarning, match="2 samples skipped"):
        assert ws.datasets.refresh("d").samples == 10
    after = {s.id: s.split for s in ws.datasets.manifest("d").samples}
    assert after | before == after
    assert ws.datasets.get("d").options["skipped"]["count"] == 2
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], lines[4], *lines[6:]]))
    ws.datasets.refresh("d")
    assert "skipped" not in ws.datasets.get("d").options


def test_files_that_are_not_there_can_be_skipped(ws, tmp_path):
    for number in range(4):
        draw(tmp_path / f"{number}.png", number, (4, 4))
    rows = "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(6))
    (tmp_path / "t.csv").write_text(f"path,label\n{rows}")
    with pytest.warns(HeadstartWarning, match=r"2 samples skipped: .*line 6: no file .*4\.png, "):
        ws.datasets.add("d", tmp_path / "t.csv", on_error="skip")
    assert ws.datasets.get("d").samples == 4


def test_rows_of_arrays_can_be_skipped(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(6), y=[0, 1, np.nan, 0, np.inf, 1])
    with pytest.warns(HeadstartWarning, match="2 samples skipped: .*row 2: the label nan"):
        ws.datasets.add("d", tmp_path / "a.npz", on_error="skip")
    assert [s.location for s in ws.datasets.manifest("d").samples] == [0, 1, 3, 5]
    assert ws.datasets.refresh("d").options["skipped"]["count"] == 2


def test_files_of_a_folder_that_cannot_be_read_can_be_skipped(ws, pictures, monkeypatch):
    from headstart.extractors.datasets import places

    real = places.digest_of_file

    def digest(path, root=None):
        if path.name == "03.png":
            raise DatasetError(f"cannot read {path}: Input/output error")
        return real(path, root)

    monkeypatch.setattr(places, "digest_of_file", digest)
    with pytest.raises(DatasetError, match="Input/output error"):
        ws.datasets.add("d", pictures)
    with pytest.warns(HeadstartWarning, match="3 samples skipped: cannot read .*blue/03"):
        ws.datasets.add("d", pictures, on_error="skip")
    assert ws.datasets.get("d").samples == 33


def test_links_to_nothing_and_pipes_among_the_pictures_can_be_skipped(ws, pictures, fails):
    (pictures / "blue" / "gone.png").symlink_to(pictures / "nowhere.png")
    assert "gone.png: No such file" in fails("dataset", "add", "d", pictures)
    os.mkfifo(pictures / "blue" / "pipe.png")
    with pytest.warns(HeadstartWarning, match=r"2 samples skipped: .*gone\.png.*pipe\.png"):
        ws.datasets.add("d", pictures, on_error="skip")
    assert ws.datasets.get("d").samples == 36


def test_a_source_of_which_all_is_skipped_is_an_error(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\nx,\ny,\n")
    with pytest.raises(
        DatasetError, match=r"all 2 samples were skipped, such as .*line 2: no label"
    ):
        ws.datasets.add("d", tmp_path / "t.csv", on_error="skip")
    with pytest.raises(DatasetError, match="on_error is 'ignore'"):
        ws.datasets.add("d", tmp_path / "t.csv", on_error="ignore")
