"""Odd input ends in one clear line, never in "this is a bug"."""

import json
import os
import shutil
import sys

import pytest

from conftest import draw
from headstart.errors import PreprocessingError
from headstart.extractors.preprocessing.pipeline import read_file

DEEP = "[" * 200_000 + "]" * 200_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
NO_TEXT = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (DEEP, "line 2: nested too deeply"),
        ('{"text": ' + DEEP + ', "label": "a"}', "line 2: nested too deeply"),
        ('{"text": "x", "label": "\\ud800"}', "line 2: half a letter"),
        ('{"text": "\\udfff", "label": "a"}', "line 2: half a letter"),
        ('{"text": "x", "label": ' + "9" * 5000 + "}", "line 2: not JSON"),
        ("[" * 100, "line 2: not JSON"),
        ("7", "line 2: not a JSON object"),
    ],
)
def test_a_line_of_json_that_cannot_be_is_named(ws, fails, tmp_path, line, message):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "good", "label": "a"}\n' + line + "\n", encoding="utf-8")
    assert message in fails("dataset", "add", "rows", file)


def test_numbers_of_a_table_that_are_too_large_are_named(ws, fails, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"x": 1' + "0" * 400 + ', "label": "a"}\n', encoding="utf-8")
    assert "not a number" in fails("dataset", "add", "rows", file, "--value", "number:x")


def test_a_file_of_a_table_with_an_endless_name_is_missing(ws, fails, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(f"path,label\n{'x' * 5000}.png,a\n", encoding="utf-8")
    assert "no file" in fails("dataset", "add", "rows", file)


@linux
@pytest.mark.parametrize("where", ["file", "class", "root"])
def test_a_file_name_that_is_no_text_is_named(ws, fails, tmp_path, where):
    root = tmp_path / (NO_TEXT if where == "root" else "pictures")
    for number, name in enumerate(("a", NO_TEXT if where == "class" else "b")):
        draw(tmp_path / "plain.png", number)
        (root / name).mkdir(parents=True)
        shutil.copy(
            tmp_path / "plain.png", root / name / f"{NO_TEXT if where == 'file' else 'x'}.png"
        )
    line = fails("dataset", "add", "pics", root)
    assert "not UTF-8" in line
    assert r"caf\udce9" in line


@linux
def test_a_model_whose_path_is_no_text_is_added(ws, run, model_file, tmp_path):
    odd = tmp_path / f"{NO_TEXT}.keras"
    shutil.copy(model_file, odd)
    assert run("backbone", "add", "net", odd, "--preprocess", "unit").code == 0
    assert r"caf\udce9.keras" in ws.backbones.get("net").source
    assert run("backbone", "show", "net").code == 0
    assert run("backbone", "show", "net", "--json").code == 0


@linux
def test_arguments_that_are_no_text_are_shown(ready, fails):
    assert r"caf\udce9" in fails("backbone", "show", NO_TEXT)
    assert r"caf\udce9" in fails("dataset", "add", "x", f"/no/{NO_TEXT}")
    assert r"caf\udce9" in fails("backbone", "add", "x", f"/no/{NO_TEXT}.keras")
    assert r"caf\udce9" in fails("extract", NO_TEXT, "pics")
    assert r"caf\udce9" in fails("backbone", "tag", "net", f"k={NO_TEXT}")


@pytest.mark.parametrize(
    "content",
    [
        DEEP,
        json.dumps({"steps": [{"step": ["resize"]}]}),
        json.dumps({"steps": [{"step": "resize", "version": [1]}]}),
        json.dumps({"steps": [{"step": "resize", "height": {}, "width": []}]}),
        json.dumps({"inputs": {"x": 3}}),
        json.dumps({"inputs": [1]}),
        json.dumps([1]),
        "null",
    ],
)
def test_a_preprocessing_file_that_cannot_be_is_refused(ws, fails, model_file, tmp_path, content):
    file = tmp_path / "steps.json"
    file.write_text(content)
    fails("backbone", "add", "net", model_file, "--preprocess", file)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such files")
def test_a_file_with_a_url_is_a_file(fails, tmp_path, make):
    make(tmp_path / "url")
    said = fails("init", "--workspace", tmp_path / "w", "--database-url-file", tmp_path / "url")
    assert "is not a file" in said


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.txt", "link.txt"])
def test_a_specification_takes_no_file_from_elsewhere(tmp_path, ws, name):
    (tmp_path / "specifications").mkdir()
    (tmp_path / "secret.txt").write_text("root:x")
    (tmp_path / "specifications" / "link.txt").symlink_to(tmp_path / "secret.txt")
    steps = [{"step": "vectorize", "file": name, "length": 8}]
    file = tmp_path / "specifications" / "p.json"
    file.write_text(json.dumps({"steps": steps}))
    with pytest.raises(PreprocessingError, match="lies outside of that folder"):
        read_file(file, ws.context.artifacts)
    assert not list(ws.config.root.rglob("*.part"))
