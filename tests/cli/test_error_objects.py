"""What goes wrong is an object for programs that ask for JSON, and a line for people always."""

import json
import re
from pathlib import Path

import pytest

from headstart import errors
from headstart.errors import HeadstartError

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def every_error(cls=HeadstartError):
    yield cls
    for one in cls.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from every_error(one)


@pytest.mark.parametrize(
    ("line", "code", "message", "hint"),
    [
        ("backbone show nothing", "not_found", "no backbone 'nothing' is registered", "See `head"),
        ("backbone alias net net", "exists", "a backbone is called 'net'", "Choose another"),
        ("backbone shwo net", "usage", "No such command 'shwo'.", "See `headstart backbone --help"),
        ("log --since soon", "failed", "'soon' is no moment", "Give such as"),
    ],
)
def test_an_error_is_an_object_with_a_code_and_a_hint(ready, run, line, code, message, hint):
    ran = run(*line.split(), "--json")
    assert (ran.code, ran.out) == (1, "")
    for_programs, for_people = ran.err.strip().splitlines()
    told = json.loads(for_programs)["error"]
    assert (told["code"], set(told)) == (code, {"code", "message", "hint"})
    assert told["message"].startswith(message) and told["hint"].startswith(hint)
    assert for_people.startswith("error: ")
    plain = run(*line.split())
    assert plain.err.strip().splitlines() == [for_people]


def test_a_lost_model_file_is_damaged_and_passwords_are_not_told(ready, run, tmp_path):
    url = "postgresql+nodriver://ada:secret@nowhere/x"
    ran = run("init", "--workspace", tmp_path / "w", "--database-url", url, "--json")
    assert "secret" not in ran.err and json.loads(ran.err.splitlines()[0])["error"]["code"]
    head = ready.heads.train("h", ready.extract("net", "pics"))
    ready.context.artifacts.path_of(head.record.artifact_digest, ".npz").unlink()
    ran = run("head", "predict", "h", "pics", "--json")
    objects = [line for line in ran.err.splitlines() if line.startswith('{"error"')]
    assert json.loads(objects[0])["error"]["code"] == "damaged"


def test_every_code_is_written_down_and_every_written_one_is_there():
    page = PAGE.read_text(encoding="utf-8")
    table = page.split("| code | what |")[1].split("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if "|" in row]
    written = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert written == {cls.code for cls in every_error()} | {"usage", "bug"}
