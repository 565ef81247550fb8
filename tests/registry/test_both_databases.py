"""One suite for SQLite and a real PostgreSQL server, started here from a package."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres import wait_until
from sqlalchemy import inspect, text

import headstart as hs
from conftest import network
from headstart.config import create_config
from headstart.errors import AlreadyExists, SchemaTooNew, StillInUse
from headstart.registry import listing, schema
from headstart.registry.database import Database
from headstart.registry.tables import metadata


@pytest.fixture
def zoo(tmp_path, url, model_file, pictures):
    """A workspace on either database, with a backbone and a dataset."""
    workspace = hs.init(tmp_path / "either", url)
    workspace.backbones.add("net", model_file, preprocess="unit", tags={"team": "a"})
    workspace.datasets.add("pics", pictures)
    yield workspace
    workspace.database.close()


def test_the_main_job(zoo, tmp_path, run):
    features = zoo.extract("net@features,relu|gap", "pics")
    assert features.report.computed == 36
    assert zoo.extract("net@features,relu|gap", "pics").report.computed == 0
    head = zoo.heads.train("colours", features)
    (line,) = zoo.context.heads.find_lines()
    assert (line.id, line.reference, line.dataset) == (head.record.id, "colours:1", "pics")
    assert line.dataset_digest == head.record.dataset_digest
    assert line.tested_on == head.metrics["tested_on"]
    assert head.metrics["n_test"] + head.metrics["n_train"] + head.metrics["n_validation"] == 36
    head.attach(tmp_path / "attached.keras")
    assert zoo.verify("net", "pics")["max_abs_diff"] <= 1e-5
    for name in ("backbone", "dataset", "features", "head"):
        listed = run(name, "list", "--json", "--workspace", zoo.config.root)
        assert listed.json, listed.err
    assert run("doctor", "--workspace", zoo.config.root).code == 0


def test_the_listings_have_the_same_types_on_both(zoo):
    zoo.extract("net", "pics")
    (row,) = listing.features(zoo.config)
    assert (row["rows"], row["shards"], row["shape"]) == (36, 1, [8])
    assert type(row["rows"]) is int
    assert row["size"] > 0
    (row,) = listing.backbones(zoo.config)
    assert (row["name"], row["cut"], row["cut_shape"]) == ("net", "features", [8])
    made = datetime.fromisoformat(row["created_at"])
    assert "T" in row["created_at"] and made == zoo.backbones.get("net").created_at


def test_versions_aliases_tags_and_removal(zoo, tmp_path):
    network(seed=1).save(tmp_path / "other.keras")
    assert zoo.backbones.add("net", tmp_path / "other.keras", preprocess="unit").version == 2
    zoo.backbones.alias("best", "net:1")
    assert zoo.backbones.get("best").tags == {"team": "a"}
    with pytest.raises(AlreadyExists):
        zoo.backbones.alias("net", "net:1")
    zoo.extract("net:1", "pics")
    with pytest.raises(StillInUse):
        zoo.backbones.remove("net:1")
    zoo.backbones.remove("net:1", force=True)
    assert [backbone.version for backbone in zoo.backbones.list()] == [2]


def test_heads_have_aliases_and_sweeps_their_trials(zoo):
    view = zoo.extract("net", "pics")
    for _ in range(2):
        zoo.heads.train("h", view, hs.Prototype())
    zoo.heads.alias("production", "h:1")
    zoo.heads.alias("production", "h:2")
    assert zoo.heads.get("production").record.version == 2
    assert [row["aliases"] for row in listing.heads(zoo.config)] == [[], ["production"]]
    with pytest.raises(AlreadyExists):
        zoo.heads.alias("h", "production")
    for strengths in ((0.1, 1.0), (0.01,)):
        done = zoo.sweep(
            "pics", ["net"], [hs.Linear(strengths)], trying=hs.CrossValidation(folds=2), jobs=1
        )
    kept = zoo.sweeps.find_all()
    assert [(sweep.id, trials) for sweep, trials, _ in kept] == [(done.id, 1), (done.id - 1, 2)]
    best, *others = done.trials
    records = [best.to_record(done.winner), *(trial.to_record() for trial in others)]
    assert zoo.sweeps.get(done.id)[1] == records


def test_moments_come_back_in_utc(zoo):
    created = zoo.backbones.get("net").created_at
    assert created is not None
    assert created.utcoffset().total_seconds() == 0


def test_a_failing_transaction_leaves_nothing(zoo):
    with pytest.raises(ZeroDivisionError), zoo.database.writing() as connection:
        connection.execute(text("DELETE FROM backbones"))
        raise ZeroDivisionError
    assert zoo.backbones.get("net").version == 1


def test_damaged_rows_are_computed_again(zoo):
    expected = zoo.extract("net", "pics").to_numpy()
    next(zoo.config.features.rglob("*.h5")).write_bytes(b"x")
    again = zoo.extract("net", "pics")
    assert (again.report.computed, again.report.quarantined) == (36, 1)
    np.testing.assert_allclose(again.to_numpy(), expected, atol=1e-5)


def test_the_migrations_make_exactly_the_tables_and_can_be_taken_back(zoo):
    config = zoo.config
    with zoo.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    command.downgrade(schema.alembic_config(config), "base")
    database = Database(config)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()
    assert schema.upgrade(config) == schema.HEAD


def test_a_newer_database_is_refused(zoo):
    with zoo.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="newer than this code"):
        hs.open(zoo.config.root)


def test_a_transaction_of_which_a_dead_server_kept_nothing_was_not_committed(tmp_path, server):
    """The server counts anew from what reached its disk: the number is yet to be given."""
    database = Database(create_config(tmp_path / "either", server))
    assert not database._was_committed("2000000000")
    database.close()


def test_more_writers_than_a_server_has_room_for_take_their_turns(
    tmp_path, server, monkeypatch, caplog
):
    """Those who have a connection keep it until somebody was refused one."""
    monkeypatch.setattr("headstart.registry.connection.outages.FIRST_PAUSE", 0.01)
    database = Database(create_config(tmp_path / "either", server))
    table = f"turns_{abs(hash(str(tmp_path)))}"
    with database.writing() as connection:
        connection.execute(text(f"CREATE TABLE {table} (number int)"))
        room = int(connection.execute(text("SHOW max_connections")).scalar_one())
    writers = room + 5

    def write(number):
        def attempt():
            with database.writing() as connection:
                connection.execute(text(f"INSERT INTO {table} VALUES ({number})"))
                wait_until(lambda: "does not answer; trying again" in caplog.text, 60)

        database.outlast(attempt)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    with database.writing() as connection:
        found = connection.execute(text(f"SELECT number FROM {table} ORDER BY 1")).scalars().all()
        connection.execute(text(f"DROP TABLE {table}"))
    assert found == list(range(writers))
    database.close()
