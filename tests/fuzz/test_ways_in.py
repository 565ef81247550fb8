"""The hostile corpus: each file is refused in one clear line, and nothing else comes of it.

Each is tried in a process of its own, whose memory is measured; `ways_in` is the table.
"""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from time_bombs import BOMBS
from ways_in import CORPUS, WAYS

import headstart as hs

SECONDS = 30
SLACK = 5
"""For a machine that has other things to do."""
MOST_SAID = 8100
"""Letters of an error: no name in a file makes it longer."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
README = CORPUS.parent / "README.md"


@pytest.fixture
def folder(tmp_path, with_net) -> Path:
    """With a workspace that has a backbone, and a folder for what comes from outside."""
    place = tmp_path / "case"
    shutil.copytree(with_net[1], place / "zoo")
    (place / "input").mkdir()
    return place


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such files")
@pytest.mark.parametrize("way", [*WAYS, *BOMBS], ids=lambda way: way.name)
def test_each_is_refused_in_one_clear_line_and_nothing_comes_of_it(way, folder, zygotes, files_of):
    path = way.put(folder / "input")
    before = registered(folder, files_of)
    commands = [[part.format(path) for part in command] for command in way.commands]
    request = {"commands": commands, "folder": str(folder), "seconds": SECONDS * SLACK}
    answer = zygotes[0].ask(request)
    detail = (folder / "detail").read_text()
    assert answer["outcome"] == ("refused" if way.is_refused else "accepted"), detail
    assert zygotes[0].touched(folder, answer) == []
    assert answer["megabytes"] < 1536
    assert answer["processor"] < SECONDS
    said = json.loads(detail)
    last = said[-1]["err"] if way.is_refused else said[-1]["out"]
    assert len(last) < MOST_SAID or not way.is_refused
    assert way.says in " ".join(last.split())
    assert not CONTROL.search("".join(one["out"] + one["err"] for one in said))
    if way.is_refused and len(commands) == 1:
        assert registered(folder, files_of) == before


def registered(folder, files_of):
    ws = hs.open(folder / "zoo")
    names = [[one.name for one in found.list()] for found in (ws.backbones, ws.datasets, ws.heads)]
    ws.database.close()
    return names, {name for name in files_of(folder / "zoo") if "headstart.db" not in name}


def test_every_file_of_the_corpus_is_tried_and_explained():
    there = {path.name for path in CORPUS.iterdir()}
    assert there <= {way.name for way in WAYS}
    assert there == set(re.findall(r"^\| `([^`]+)` \|", README.read_text("utf-8"), re.MULTILINE))
