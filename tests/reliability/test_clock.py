"""The clock of a PostgreSQL server jumps by days while real extractions run."""

import time

import numpy as np
import pytest
from postgres import wait_until
from sqlalchemy import text

import headstart as hs
from conftest import direct, draw, rows_in
from headstart.registry import leases

JUMPS = (1, -1, 400, -400, 0)
"""Days."""


@pytest.fixture
def url(server, tmp_path):
    """A database whose clock can be moved: its own function is found before the server's."""
    from sqlalchemy import create_engine

    name = f"zoo_{abs(hash(str(tmp_path)))}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        connection.execute(text(f"ALTER DATABASE {name} SET search_path = public, pg_catalog"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def zoo(tmp_path, url):
    workspace = hs.init(tmp_path / "either", url)
    with workspace.database.writing() as connection:
        connection.execute(text("CREATE TABLE jump AS SELECT interval '0 days' AS days"))
        connection.execute(
            text(
                "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
                "'SELECT pg_catalog.clock_timestamp() + (SELECT days FROM public.jump)'"
            )
        )
    yield workspace
    workspace.database.close()


def jump(zoo, days):
    with zoo.database.writing() as connection:
        connection.execute(text(f"UPDATE jump SET days = interval '{days} days'"))
    with zoo.database.reading() as connection:
        assert abs(leases.clock(connection) - time.time() - days * 24 * 3600) < 60


@pytest.mark.parametrize(
    ("samples", "rounds"), [(80, 1), pytest.param(2000, 6, marks=pytest.mark.slow)]
)
def test_two_extractions_compute_each_sample_once_while_the_clock_jumps(
    zoo, zygotes, model, tmp_path, samples, rounds
):
    for number in range(samples):
        draw(tmp_path / "many" / "c" / f"{number}.png", number, (12, 12))
    model.save(tmp_path / "network.keras")
    zoo.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    zoo.datasets.add("many", tmp_path / "many")
    arguments = ["--workspace", zoo.config.root, "extract", "net", "many",
                 "--batch-size", "4", "--commit-seconds", "0"]  # fmt: skip
    for zygote in zygotes[:2]:
        zygote.start(arguments)
    jumps = JUMPS * rounds
    for number, days in enumerate(jumps):
        wait_until(lambda n=number: rows_in(zoo) >= n * samples * 0.8 / len(jumps))
        jump(zoo, days)
    assert [zygote.wait() for zygote in zygotes[:2]] == [0, 0]
    assert rows_in(zoo) == samples
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
    del view
    zoo.cache.collect(zoo.cache.find_garbage())
    shards = zoo.context.feature_sets.find_all_shards()
    assert len(list(zoo.config.features.rglob("*.h5"))) == len(shards)
