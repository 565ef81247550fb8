"""A team: three users of the operating system, one PostgreSQL with roles, one folder."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from alembic import command
from postgres import FOR_EVER, Server
from sqlalchemy import create_engine, text

from conftest import draw_classes, network
from headstart.config import load_config
from headstart.registry import schema

PAGE = Path(__file__).parents[2] / "docs" / "team.md"
NAMES = ("ada", "bob", "eve")
GROUP = "hs_team"


def system(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def users():
    """Three new users of the system in a group: their numbers, by the names in docs/team.md."""
    if os.geteuid() != 0:
        pytest.skip("only root makes users")
    if shutil.which("useradd") is None:
        pytest.skip("this system has no useradd")
    made = [system("groupadd", GROUP)]
    words = ("useradd", "--no-create-home", "--no-user-group", "--gid", GROUP)
    made += [system(*words, f"hs_{name}") for name in NAMES]
    try:
        if any(one.returncode for one in made):
            pytest.skip(f"no users can be made here: {made[-1].stderr}")
        yield {
            name: [number_of(f"hs_{name}", "-u"), number_of(f"hs_{name}", "-g")] for name in NAMES
        }
    finally:
        for name in NAMES:
            system("userdel", f"hs_{name}")
        system("groupdel", GROUP)


def number_of(user, what):
    return int(system("id", what, user).stdout)


@pytest.fixture
def place(users):
    """A folder that all three may enter: pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(prefix="team") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101
        for name in ("shared", "data", "said", "backups", "elsewhere"):
            inner = Path(folder) / name
            inner.mkdir()
            os.chown(inner, -1, users["ada"][1])
            inner.chmod(0o2775)
        yield Path(folder)


@pytest.fixture
def url(place):
    """A database in which each of the three has the role that docs/team.md gives him, by the name
    that the system has for him."""
    server = Server()
    (place / "socket").mkdir()
    (place / "socket").chmod(0o777)
    old, server.socket = server.socket.parent, place / "socket" / server.socket.name
    server.kill(down=FOR_EVER)
    server._start()
    server.address = server.address.replace(str(old), str(place / "socket"))
    try:
        address = server.new_database("zoo")
        engine = create_engine(address, isolation_level="AUTOCOMMIT")
        (block,) = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        named = re.sub(rf"\b({'|'.join(NAMES)})\b", r"hs_\1", block)
        # All three write here; that a reader cannot is in tests/test_team.py.
        named = named.replace(
            "hs_eve LOGIN IN ROLE headstart_reader", "hs_eve LOGIN IN ROLE headstart_writer"
        )
        with engine.connect() as connection:
            for statement in named.split(";\n"):
                if statement.strip():
                    connection.execute(text(statement))
        engine.dispose()
        yield address
    finally:
        server.end()


class Team:
    """Who runs the command line, as which user, at once or one after the other."""

    def __init__(self, zygotes, users, place):
        self.zygotes, self.users, self.place = zygotes, users, place
        self.workspace = place / "shared" / "zoo"

    def at_once(self, **commands):
        """What each prints, and with what it ends."""
        started = []
        for (who, words), zygote in zip(commands.items(), self.zygotes, strict=False):
            said = self.place / "said" / who
            for end in ("out", "err"):
                said.with_suffix(f".{end}").unlink(missing_ok=True)
            line = ["--workspace", self.workspace, *words]
            zygote.start(line, user=self.users[who], said=said)
            started.append((who, zygote, said))
        return {
            who: (
                os.waitstatus_to_exitcode(zygote.wait()),
                said.with_suffix(".out").read_text(),
                said.with_suffix(".err").read_text(),
            )
            for who, zygote, said in started
        }

    def run(self, who, *words, code=0):
        """What a command prints as JSON; its errors, where it is to fail."""
        ended, out, err = self.at_once(**{who: [*words, "--json"]})[who]
        assert ended == code, err
        return err if code else json.loads(out)


@pytest.mark.slow
def test_a_team_works_at_once_and_the_log_tells_it_all(zygotes, users, place, url):
    team = Team(zygotes, users, place)
    data = draw_classes(place / "data" / "pictures")
    network().save(place / "data" / "network.keras")
    without_user = re.sub(r"//[^@/]*@", "//", url)  # each is who the system says

    team.run("ada", "init", "--database-url", without_user, "--shared")
    config = load_config(team.workspace)
    os.environ["PGUSER"] = "hs_ada"  # of this process alone: an old release, as its owner left it
    try:
        command.downgrade(schema.alembic_config(config), schema.KNOWN[-2])
    finally:
        del os.environ["PGUSER"]
    assert "headstart db upgrade" in team.run("bob", "backbone", "list", code=10)
    upgraded = team.run("ada", "db", "upgrade")
    assert (upgraded["before"], upgraded["after"]) == (schema.KNOWN[-2], schema.HEAD)

    model = place / "data" / "network.keras"
    team.run("ada", "backbone", "add", "net", model, "--preprocess", "unit", "--trust")
    team.run("bob", "dataset", "add", "pics", data, "--tag", "team=b")
    extract = ["extract", "net", "pics", "--engine", "tensorflow", "--json"]
    done = team.at_once(**dict.fromkeys(NAMES, extract))
    assert {code for code, *_ in done.values()} == {0}, done
    reports = [json.loads(out) for _, out, _ in done.values()]
    assert sum(one["computed"] for one in reports) == 36  # nothing twice

    trained = team.at_once(
        **{
            who: ["head", "train", f"of-{who}", "net", "pics", "--tag", f"who={who}", "--json"]
            for who in NAMES
        }
    )
    assert {code for code, *_ in trained.values()} == {0}, trained
    (mine,) = team.run("eve", "head", "list", "--filter", "tag.who=bob")
    assert mine["name"] == "of-bob"
    team.run("ada", "head", "alias", "production", "of-ada")
    team.run("bob", "head", "alias", "production", "of-bob")
    assert "in use" in team.run("eve", "head", "remove", "of-bob", code=6)
    team.run("eve", "head", "remove", "of-eve")

    copy = place / "backups" / "zoo"
    both = team.at_once(
        bob=["backup", copy, "--features", "--json"],
        eve=["head", "train", "of-eve", "net", "pics", "--json"],
    )
    assert {code for code, *_ in both.values()} == {0}, both
    assert json.loads(both["bob"][1])["missing"] == []
    data.rename(place / "data" / "moved")

    events = team.run("bob", "log", "--limit", "1000")
    told = Counter((one["user"], one["action"], one["kind"]) for one in events)
    for who, action, kind in (
        *(("ada", "init", "database"), ("ada", "upgrade", "database"), ("ada", "add", "backbone")),
        *(("bob", "add", "dataset"), ("bob", "tag", "dataset"), ("ada", "add", "head")),
        *(("bob", "add", "head"), ("eve", "add", "head"), ("ada", "alias", "head")),
        *(("bob", "alias", "head"), ("eve", "remove", "head")),
    ):
        assert told[f"hs_{who}", action, kind], (who, action, kind, told)
    extracted = {one["user"] for one in events if one["action"] == "extract"}
    assert extracted == {
        f"hs_{who}" for who, one in zip(NAMES, reports, strict=True) if one["computed"]
    }
    (moved, first) = (one for one in events if one["action"] == "alias")
    assert (first["after"]["of"], moved["before"]["of"]) == ("of-ada:1", "of-ada:1")
    assert (moved["after"]["of"], moved["user"]) == ("of-bob:1", "hs_bob")
    assert all(one["call"].startswith("headstart ") for one in events)

    team.workspace = place / "elsewhere" / "zoo"
    root = f"{data}={place / 'data' / 'moved'}"
    restored = team.run("eve", "restore", copy, "--root", root)
    assert restored["not_found"] == [] and restored["moved"] == {
        "pics": str(place / "data" / "moved")
    }
    assert team.run("eve", *extract[:-1])["computed"] == 0
    assert team.run("eve", "head", "show", "production")["name"] == "of-bob"
    assert team.run("eve", "head", "reproduce", "of-ada")["agrees"]
    again = team.run("eve", "log", "--limit", "1000")
    known = {one["id"] for one in again}
    before_it = [one for one in events if one["created_at"] <= upgraded_until(again)]
    assert {one["id"] for one in before_it} <= known
    assert ("hs_eve", "restore") in {(one["user"], one["action"]) for one in again}


def upgraded_until(events):
    """When the backup was taken at the earliest: its last event that is of before it."""
    return max(one["created_at"] for one in events if one["action"] == "alias")
