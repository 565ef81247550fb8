"""A PostgreSQL server that dies as by a power cut and comes back: extractions go on."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from postgres import FOR_EVER, Server, Wire, wait_until
from sqlalchemy import NullPool, create_engine, event, text

import headstart as hs
from conftest import clean_environment, direct, draw, rows_in
from headstart.backbone_model import load_graph, open_engine
from headstart.config import create_config
from headstart.errors import DatabaseGone, RegistryError
from headstart.extractors.cache.gc import Choice
from headstart.registry.connection import outages
from headstart.registry.database import Database
from headstart.registry.leases import Lease

SETTINGS = hs.Settings(batch_size=6, commit_seconds=0)
CUTS = "net@features,relu|gap"


@pytest.fixture(scope="module")
def mortal():
    """A server of its own for these tests: the others' must live."""
    server = Server()
    yield server
    server.end()


@pytest.fixture
def wire(mortal, tmp_path):
    mortal.revive()
    address = mortal.new_database(f"zoo_{abs(hash(str(tmp_path)))}")
    wire = Wire(mortal, address)
    yield wire
    mortal.wait()
    wire.close()


@pytest.fixture
def zoo(wire, tmp_path, model_file, pictures):
    """A workspace on that server, by way of the wire."""
    ws = hs.init(tmp_path / "zoo", wire.address)
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.datasets.add("pics", pictures)
    wire.label(ws.database.engine)
    yield ws
    ws.database.close()


@pytest.fixture
def job(zoo, model, monkeypatch):
    """The workspace, without loading a model each time; and what plain Keras gives."""
    entity, cuts = zoo.context.resolve(CUTS)
    engine = open_engine(zoo.context, entity, cuts)
    graph = load_graph(zoo.context, entity)
    monkeypatch.setattr("headstart.backbone_model.open_engine", lambda *_: engine)
    monkeypatch.setattr("headstart.backbone_model.load_graph", lambda *_: graph)
    view = zoo.extract(CUTS, "pics", settings=SETTINGS)
    expected = direct(zoo, view, model)
    del view
    clear(zoo)
    return zoo, expected


def clear(ws):
    keys = tuple(one.key for one in ws.context.feature_sets.find_sets())
    ws.cache.collect(ws.cache.find_garbage(Choice(sets=keys)))
    assert rows_in(ws) == 0


def check(ws, view, expected):
    """All is there, right, once; nothing is left over."""
    report = view.report
    assert (report.computed, report.quarantined) == (36, 0)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    assert rows_in(ws) == 2 * 36
    shards = ws.context.feature_sets.find_all_shards()
    assert len({shard.file for shard in shards}) == len(shards)
    assert len(list(ws.config.features.rglob("*.h5"))) == len(shards)
    with ws.database.reading() as connection:
        for table in ("claims", "leases"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
        return connection.execute(text("SELECT count(*) FROM runs WHERE kind = 'extract'")).scalar()


def watch(what, ws, wire, patch):
    """Let the wire count the requests of the second commit, the first claim, or the record of an
    extraction."""
    if what == "commit":
        real = type(ws.context.feature_sets).commit_shards
        patch.setattr(type(ws.context.feature_sets), "commit_shards", wire.watched(real, 2))
    elif what == "claim":
        patch.setattr(Lease, "claim", wire.watched(Lease.claim, 1))
    else:
        real = type(ws.runs).add
        patch.setattr(type(ws.runs), "add", wire.watched(real, 1))


def extract(what, ws, wire, monkeypatch, settings=SETTINGS):
    wire.seen.clear()
    with monkeypatch.context() as patch:
        watch(what, ws, wire, patch)
        return ws.extract(CUTS, "pics", settings=settings)


@pytest.mark.parametrize(
    ("what", "places", "down"),
    [
        ("commit", "half-way and unheard", 0.0),
        ("claim", "unheard", 0.0),
        ("run", "lost and unheard", 0.0),
        *(pytest.param(w, "all", 5.0, marks=pytest.mark.slow) for w in ("commit", "claim", "run")),
    ],
)
def test_a_server_that_dies_at_any_statement_of_a_transaction_is_waited_for(
    job, mortal, wire, monkeypatch, caplog, what, places, down
):
    """Before the server gets a statement, and after it has carried it out but nobody has heard."""
    ws, expected = job
    check(ws, extract(what, ws, wire, monkeypatch), expected)
    requests = list(wire.seen)
    assert len(requests) >= 4  # a greeting, statements, how it is called, a commit
    assert b"COMMIT" in requests[-1]
    wire.down = down
    for place in chosen(places, len(requests)):
        for _ in range(3):  # a run may need fewer requests: not each claim looks who is dead
            clear(ws)
            before = runs(ws)
            wire.cut = place
            caplog.clear()
            view = extract(what, ws, wire, monkeypatch)
            mortal.wait()
            if wire.cut is None:
                break
            place = min(place[0], len(wire.seen)), place[1]
            view = None  # what it looks at is in use
        assert wire.cut is None  # it was killed
        assert check(ws, view, expected) == before + 1, place
        told = [record.message for record in caplog.records if record.name == "headstart"]
        assert told == ["the database does not answer; trying again for 60 s"], place
        del view


def chosen(places, total):
    if places == "all":
        return [(n, when) for n in range(1, total + 1) for when in ("before", "after")]
    half_way = [(total // 2, "before")] if "half-way" in places else []
    lost = [(total, "before")] if "lost" in places else []
    return [*half_way, *lost, (total, "after")]


def runs(ws):
    with ws.database.reading() as connection:
        return connection.execute(text("SELECT count(*) FROM runs WHERE kind = 'extract'")).scalar()


def test_a_server_that_stays_away_ends_a_run_with_one_line_and_nothing_is_lost(
    job, mortal, wire, monkeypatch
):
    ws, expected = job
    monkeypatch.setattr(outages, "PATIENCE", 1.5)
    wire.down = FOR_EVER
    wire.cut = (2, "before")
    # This process lives on, so its lease, which it could not give back, is waited for.
    short = replace(SETTINGS, lease_seconds=3)
    with pytest.raises(DatabaseGone) as gone:
        extract("commit", ws, wire, monkeypatch, short)
    line = str(gone.value)
    assert "does not answer" in line
    assert "the same command continues from there" in line
    assert "\n" not in line
    mortal.revive()
    kept = rows_in(ws) // 2
    assert kept > 0
    view = extract("commit", ws, wire, monkeypatch)
    assert (view.report.computed, view.report.reused) == (36 - kept, kept)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    ws.cache.collect(ws.cache.find_garbage())
    assert rows_in(ws) == 2 * 36


def test_a_server_that_never_answered_is_not_waited_for(wire, mortal, tmp_path, monkeypatch):
    ws = hs.init(tmp_path / "zoo", wire.address)
    mortal.kill(FOR_EVER)
    monkeypatch.setattr(outages, "PATIENCE", 1e9)
    with pytest.raises(RegistryError, match="does not answer"):
        ws.datasets.list()


def test_a_transaction_whose_number_another_gets_after_a_crash_is_not_taken_for_committed(
    wire, mortal, tmp_path, monkeypatch
):
    """A server counts anew from what reached its disk; others' transactions may come first."""
    database = Database(create_config(tmp_path / "either", wire.address))
    rival = create_engine(wire.address, poolclass=NullPool)
    with rival.begin() as connection:
        connection.execute(text("CREATE TABLE written (what text)"))

    def insert(what):
        with database.writing() as connection:
            connection.execute(text(f"INSERT INTO written VALUES ('{what}')"))

    crashes = iter([0.0])

    def crash(_):
        for down in crashes:
            mortal.kill(down)
            mortal.wait()

    real = Database._was_committed

    def asked(self, number):
        with rival.connect() as connection:
            given = "SELECT pg_current_xact_id()::text"
            while int(connection.execute(text(given)).scalar_one()) <= int(number):
                connection.execute(text("INSERT INTO written VALUES ('theirs')"))
                connection.commit()
        return real(self, number)

    insert("before")
    monkeypatch.setattr(Database, "_was_committed", asked)
    event.listen(database.engine, "commit", crash)
    database.outlast(lambda: insert("ours"))
    with rival.connect() as connection:
        found = connection.execute(text("SELECT DISTINCT what FROM written")).scalars().all()
    assert "ours" in found
    rival.dispose()
    database.close()


@pytest.mark.slow
@pytest.mark.parametrize(("samples", "kills", "down"), [(2000, 8, 5.0)])
def test_two_real_extractions_outlive_a_server_that_dies_again_and_again(
    zoo, mortal, zygote, model, tmp_path, samples, kills, down
):
    for number in range(samples):
        draw(tmp_path / "many" / "c" / f"{number}.png", number, (12, 12))
    zoo.datasets.add("many", tmp_path / "many")
    arguments = ["--workspace", zoo.config.root, "extract", "net", "many",
                 "--batch-size", "4", "--commit-seconds", "0"]  # fmt: skip
    zygote.start(arguments)
    told = tmp_path / "told"
    command = [sys.executable, "-c", "from headstart.cli import main; main()", *map(str, arguments)]
    with (
        told.open("w") as stderr,
        subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=stderr
        ) as process,
    ):
        for kill in range(1, kills + 1):
            wait_until(lambda kill=kill: rows_in(zoo) >= kill * samples // (kills + 2))
            mortal.kill(down)
            mortal.wait()
        assert zygote.wait() == 0
        assert process.wait() == 0
    lines = [line for line in told.read_text().splitlines() if "does not answer" in line]
    assert set(lines) <= {"the database does not answer; trying again for 60 s"}
    assert rows_in(zoo) == samples  # each sample once
    with zoo.database.reading() as connection:
        counts = (
            connection.execute(text("SELECT counts FROM runs WHERE kind = 'extract'"))
            .scalars()
            .all()
        )
    assert sum(count["computed"] for count in counts) == samples
    view = zoo.extract("net", "many")
    assert view.report.computed == 0
    np.testing.assert_allclose(view.to_numpy(), direct(zoo, view, model), atol=1e-5)
