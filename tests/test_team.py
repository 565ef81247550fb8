"""The recipes of docs/team.md, run as far as they can be."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from sqlalchemy import create_engine, text

import headstart as hs
from headstart.cli import cli
from headstart.errors import DatabaseDenied

PAGE = (Path(__file__).parent.parent / "docs" / "team.md").read_text(encoding="utf-8")
ROLES = ("ada", "bob", "eve", "headstart_owner", "headstart_writer", "headstart_reader")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def as_role(own_database):
    """The URL of a new database for each role; the page's statements were run in it."""
    engine = create_engine(own_database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in blocks("sql")[0].split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
    yield lambda name: re.sub(r"//[^@/]*@", f"//{name}@", own_database)
    with engine.connect() as connection:
        for name in ROLES:
            connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
        for name in ROLES:
            connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


def test_owner_writer_and_reader_may_do_what_their_names_say(
    rows, as_role, tmp_path, monkeypatch, run
):
    rows.backup(tmp_path / "copy", features=True)
    place = tmp_path / "shared"
    owner = hs.restore(tmp_path / "copy", place, as_role("ada"))
    owner.database.close()
    file = place / "headstart.toml"
    told = file.read_text()

    def opened(name):
        file.write_text(told.replace("//ada@", f"//{name}@"))
        return hs.open(place)

    writer = opened("bob")
    view = writer.features("flat@as_it_is", "rows")
    writer.heads.train("h", view, hs.Linear(strengths=1.0))
    writer.heads.alias("production", "h")
    writer.datasets.add("more", np.ones((3, 6), np.float32))
    writer.database.close()
    reader = opened("eve")
    assert [head.record.name for head in reader.heads.list()] == ["h"]
    assert reader.features("flat@as_it_is", "rows").to_numpy().shape == (240, 6)
    for change in (
        lambda: reader.heads.alias("other", "h"),
        lambda: reader.heads.train("t", reader.features("flat@as_it_is", "rows"), hs.Linear()),
        lambda: reader.datasets.remove("more"),
    ):
        with pytest.raises(DatabaseDenied, match="refuses this user"):
            change()
    ran = run("--workspace", place, "head", "alias", "other", "h", "--json")
    assert ran.code == 11 and json.loads(ran.err.splitlines()[0])["error"]["code"] == "denied"
    reader.database.close()


def test_every_command_of_the_page_is_one(tmp_path):
    lines = [line for block in blocks("console") for line in block.splitlines()]
    lines += re.findall(r"headstart [a-z][^\n&>]*", " \n".join(blocks("yaml")))
    seen = 0
    for line in lines:
        words = line.removeprefix("$ ").partition("#")[0].partition(" > ")[0].split()
        if words[:1] != ["headstart"]:
            continue
        seen += 1
        command, rest = cli, words[1:]
        while rest and rest[0].startswith("-"):
            rest = rest[2:]
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        options = {
            name
            for one in command.get_params(
                click.Context(command, help_option_names=["-h", "--help"])
            )
            for name in one.opts
        }
        assert {word for word in rest if word.startswith("--")} <= options, line
    assert seen > 10


@pytest.mark.parametrize(
    ("number", "kind", "key"), [(0, "github-workflows", "steps"), (1, "gitlab-ci", "script")]
)
def test_the_pipelines_are_what_github_and_gitlab_take(number, kind, key, tmp_path):
    """By the schemas of both, which the checker brings along."""
    pipeline, file = blocks("yaml")[number], tmp_path / "pipeline.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}"]
    command += ["--data-transform", "gitlab-ci"] * number
    for written, code in ((pipeline, 0), (pipeline.replace(f"{key}:", f"{key}z:", 1), 1)):
        file.write_text(written, encoding="utf-8")
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout


def test_what_containers_are_told_are_commands(run):
    lines = re.findall(r"^\$ docker run .* headstart (\w.*)$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        assert run(*line.split(), "--help").code == 0, line
