"""The pictures of the README are drawn of what they show, and need nothing from elsewhere."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs/pictures"


@pytest.fixture(scope="module")
def draw():
    spec = importlib.util.spec_from_file_location("draw_pictures", PICTURES / "draw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_badges_say_what_the_project_says(draw):
    for name, drawn in draw.badges().items():
        assert (PICTURES / name).read_text(encoding="utf-8") == drawn


def words(drawn: str) -> str:
    tree = ElementTree.fromstring(drawn)
    return " ".join(one.text or "" for one in tree.iter("{http://www.w3.org/2000/svg}text"))


def test_the_terminal_is_drawn_of_what_was_recorded(draw):
    """Word by word: another version of rich draws the same at other places."""
    recording = (PICTURES / "terminal.txt").read_text(encoding="utf-8")
    kept = (PICTURES / "terminal.svg").read_text(encoding="utf-8")
    assert words(kept).split() == words(draw.terminal(recording)).split()
    for command in draw.COMMANDS:
        assert f"$ {command}\n" in recording


@pytest.mark.parametrize("picture", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_loads_nothing_and_its_text_is_text(picture):
    drawn = picture.read_text(encoding="utf-8")
    assert re.findall(r'(?:href|src|url)\s*[=(]\s*"?https?:', drawn) == []
    tree = ElementTree.fromstring(drawn)
    assert list(tree.iter("{http://www.w3.org/2000/svg}text"))


def test_the_readme_begins_with_what_it_is_for_then_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")
    assert lines[0].startswith("# ") and lines[1].startswith("**")
    assert lines[2].startswith("```console\nmake demo") and lines[2].count("\n") == 3
