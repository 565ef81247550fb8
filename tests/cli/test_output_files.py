"""Files that commands write: folders are made, and what is there is not written over unasked."""

import os
import subprocess
import sys

import click
import pytest

from conftest import clean_environment
from headstart.cli import cli
from headstart.cli.parameters import OutputFile

pty = pytest.importorskip("pty")


@pytest.fixture
def trained(ready):
    ready.heads.train("h", ready.extract("net", "pics"))
    return ready


COMMANDS = [
    "features export net pics {}/new/f.npz",
    "features export net pics {}/new/f.npy",
    "features export net pics {}/new/f.hf",
    "features plot net pics {}/new/map.png --method pca",
    "head plot h {}/new/h.svg",
    "head report h {}/new/h.html",
    "head predict h {}/pictures/red -o {}/new/p.csv",
    "head attach h -o {}/new/net.keras",
    "head attach h -o {}/new/saved",
    "backbone export net {}/new/net.zip",
    "rank pics net --folds 2 --plot {}/new/rank.png",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_is_made_and_what_is_there_wants_force(trained, run, fails, tmp_path, command):
    words = command.format(tmp_path, tmp_path).split()
    assert run(*words).code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "new").rglob("*")}
    assert before
    told = fails(*words)
    assert str(tmp_path / "new") in told and "there. Add --force to write over" in told
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "new").rglob("*")} == before
    assert run(*words, "--force").code == 0
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "new").rglob("*")}
    assert after.keys() == before.keys() and after != before


@pytest.mark.parametrize("command", ["head attach h -o", "features export net pics"])
@pytest.mark.parametrize("place", [".", "/", "..", "a/.."])
def test_a_place_that_is_no_name_of_a_file_is_refused(run, ws, command, place):
    for more in ((), ("--force",)):
        told = run(*command.split(), place, *more)
        assert told.code == 2
        assert f"{place} is a folder; name a file in it" in told.err


def test_what_is_no_file_to_predict_is_named_once(trained, fails):
    told = fails("head", "predict", "h", "/dev/null")
    assert told.count("/dev/null") == 1 and "/dev/null is a device, not a file" in told


def test_what_is_written_beside_it_is_asked_about_as_well(trained, fails, tmp_path):
    """An export as .npy writes a .csv with the labels, an attached model its card."""
    for name, beside in (("photos.csv", "photos.npy"), ("net.md", "net.keras")):
        (tmp_path / name).write_text("mine")
        words = "features export net pics" if name.endswith("csv") else "head attach h -o"
        assert f"{tmp_path / name} is there. Add --force" in fails(
            *words.split(), tmp_path / beside
        )
        assert (tmp_path / name).read_text() == "mine"


def test_a_folder_of_other_things_is_never_written_over(trained, fails, tmp_path):
    (tmp_path / "mine.hf").mkdir()
    (tmp_path / "mine.hf" / "letter.txt").write_text("dear")
    told = fails("features", "export", "net", "pics", tmp_path / "mine.hf", "--force")
    assert "not a folder of Hugging Face datasets" in told
    assert (tmp_path / "mine.hf" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 6)])
def test_a_terminal_is_asked(trained, tmp_path, answer, code):
    target = tmp_path / "f.npz"
    target.write_bytes(b"old")
    start = "import sys; from headstart.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", start, "features", "export", "net", "pics", str(target)]
    environment = clean_environment(HEADSTART_HOME=str(trained.config.root), COLUMNS="200")
    outer, inner = pty.openpty()
    with subprocess.Popen(
        command, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    ) as running:
        os.close(inner)
        os.write(outer, f"{answer}\n".encode())
        seen = b""
        while chunk := _read(outer):
            seen += chunk
    os.close(outer)
    assert running.returncode == code, seen
    assert b"f.npz is there. Write over it? [y/N]" in seen
    assert (target.read_bytes() == b"old") == (answer == "n")
    if answer == "n":
        assert b"error: nothing was written" in seen


def _read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux, where the other side was closed
        return b""


def test_every_command_that_writes_a_file_has_the_option():
    """Whatever is called FILE or --output is of the type that is asked about, but for inputs."""
    reads = {
        ("features", "import"),
        ("backbone", "import"),
        ("head", "import"),
        ("dataset", "correct"),
    }
    found = set()
    for group in (one for one in cli.commands.values() if isinstance(one, click.Group)):
        for command in group.commands.values():
            for one in command.params:
                if (
                    one.name in ("file", "output", "plot")
                    and (group.name, command.name) not in reads
                ):
                    assert isinstance(one.type, OutputFile), command.name
                    assert any(other.name == "force" for other in command.params)
                    found.add(command.name)
    assert {"export", "plot", "report", "predict", "attach", "finetune"} <= found
