"""A PostgreSQL server that dies as by a power cut and comes back: extractions go on."""


import numpy as np
import pytest
from postgres import Server, Wire
from sqlalchemy import text

import headstart as hs
from conftest import direct, rows_in
from headstart.extractors.collecting import Choice
from headstart.registry.leases import Lease

SETTINGS = hs.Settings(batch_size=6, commit_seconds=0)
CUTS = "net@features,relu|gap"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory):
    """A server of its own for these tests: the others' must live."""
    server = Server(tmp_path_factory.mktemp("mortal"))
    yield server
    server.end()


@pytest.fixture
def wire(mortal, tmp_path, tmp_path_factory):
    mortal.revive()
    address = mortal.new_database(f"zoo_{abs(hash(str(tmp_path)))}")
    # Not in `tmp_path`: a socket's name may have a hundred letters.
    wire = Wire(mortal, tmp_path_factory.mktemp("w") / "w", address)
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
def job(zoo, model):
    """The workspace, without loading a model each time; and what plain Keras gives."""
    entity, cuts = zoo.resolve(CUTS)
    engine = zoo.open_engine(entity, cuts)
    graph = zoo.load_graph(entity)
    zoo.open_engine = lambda *_: engine
    zoo.load_graph = lambda _: graph
    view = zoo.extract(CUTS, "pics", settings=SETTINGS)
    expected = direct(zoo, view, model)
    del view
    clear(zoo)
    return zoo, expected


def clear(ws):
    keys = tuple(one.key for one in ws.feature_sets.find_sets())
    ws.store.collect(ws.store.find_garbage(Choice(sets=keys)))
    assert rows_in(ws) == 0


def check(ws, view, expected):
    """All is there, right, once; nothing is left over."""
    report = view.report
    assert (report.computed, report.quarantined) == (36, 0)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    assert rows_in(ws) == 2 * 36
    shards = ws.feature_sets.find_all_shards()
    assert len({shard.file for shard in shards}) == len(shards)
    assert len(list(ws.config.features.rglob("*.h5"))) == len(shards)
    with ws.database.reading() as connection:
        for table in ("claims", "leases"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
        return connection.execute(text("SELECT count(*) FROM runs")).scalar()


def watch(what, ws, wire, patch):
    """Let the wire count the requests of the second commit, or claim, of an extraction."""
    if what == "commit":
        real = type(ws.feature_sets).commit_shards
        patch.setattr(type(ws.feature_sets), "commit_shards", wire.watched(real, 2))
    elif what == "claim":
        patch.setattr(Lease, "claim", wire.watched(Lease.claim, 2))
    else:
        real = type(ws.runs).add
        patch.setattr(type(ws.runs), "add", wire.watched(real, 1))


def extract(what, ws, wire, monkeypatch):
    wire.seen.clear()
    with monkeypatch.context() as patch:
        watch(what, ws, wire, patch)
        return ws.extract(CUTS, "pics", settings=SETTINGS)


@pytest.mark.parametrize("what", ["commit", "claim", "run"])
@pytest.mark.parametrize(
    ("every", "down"), [(7, 0.0), pytest.param(1, 5.0, marks=pytest.mark.slow)]
)
def test_a_server_that_dies_at_any_statement_of_a_transaction_is_waited_for(
    job, mortal, wire, monkeypatch, caplog, what, every, down
):
    """Before the server gets a statement, and after it has carried it out but nobody has heard."""
    ws, expected = job
    check(ws, extract(what, ws, wire, monkeypatch), expected)
    total = sum(not request.startswith(b"X") for request in wire.seen)
    assert total >= 4  # a greeting, statements, how it is called, a commit
    places = [(n, when) for n in range(1, total + 1) for when in ("before", "after")]
    chosen = places[::every] if every == 1 else [*places[:-1:every], places[-1]]
    wire.down = down
    for place in chosen:
        clear(ws)
        before = runs(ws)
        wire.cut = place
        caplog.clear()
        view = extract(what, ws, wire, monkeypatch)
        mortal.wait()
        assert wire.cut is None  # it was killed
        assert check(ws, view, expected) == before + 1
        told = [record.message for record in caplog.records if record.name == "headstart"]
        assert told == ["the database does not answer; trying again for 60 s"], place
        del view


def runs(ws):
    with ws.database.reading() as connection:
        return connection.execute(text("SELECT count(*) FROM runs")).scalar()
