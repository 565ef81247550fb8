"""Many workers of one job on PostgreSQL, with a folder or an S3 server, while everything goes wrong
that can."""

import itertools
import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from meddling_proxy import DROP, FLIP, FLIP_SENT, LOSE, SLOW, TWICE, proxy_before
from postgres import Server, wait_until
from sqlalchemy import text
from test_leases import is_stopped

import headstart as hs
from conftest import draw, rows_in
from headstart.extractors.run.keys import keys_of

LEASE_SECONDS = 2.0
SETTINGS = {"batch_size": 4, "commit_seconds": 0.0, "lease_seconds": LEASE_SECONDS}


@pytest.fixture
def mortal():
    server = Server()
    yield server
    server.end()


SHARDS_READ, SHARDS_PUT = [None] * 6 + [FLIP], [None, FLIP_SENT, None, TWICE]
ALL = [None] * 5 + [SLOW] + [None] * 5 + [LOSE] + [None] * 5 + [DROP]
"""What is done with requests to the bucket, one after the other: with those that read a shard, with
those that put one, and with all others. Of those a flipped byte would be refused with an error."""


@pytest.fixture
def store(request):
    """Where shards lie besides: nowhere, or in a bucket behind a proxy that meddles; the address,
    the variables that lead there, and the proxy."""
    if request.param == "folder":
        yield None, {}, None
        return
    with meddled(request.getfixturevalue("s3_process")) as proxy:
        address = request.getfixturevalue("own_bucket")
        request.getfixturevalue("monkeypatch").setenv("AWS_ENDPOINT_URL", proxy.address)
        leading = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        yield address, leading, proxy


@contextmanager
def meddled(server):
    of_reads, of_puts, of_all = map(itertools.cycle, (SHARDS_READ, SHARDS_PUT, ALL))
    flipped = set()  # a shard once: one that is flipped three times running is damaged, rightly

    def meddle(seen):
        done = {"GET": of_reads, "PUT": of_puts} if ".h5" in seen.path else {}
        what = next(done.get(seen.method, of_all))
        if what == FLIP and seen.path in flipped:
            return None
        flipped.update([seen.path] if what == FLIP else [])
        return what

    with proxy_before(server) as proxy:
        proxy.meddle = meddle
        yield proxy


def machines_of(tmp_path, url, address, count):
    """Workspaces: one folder that all share, or one each where shards are in a bucket."""
    names = ["zoo"] * count if address is None else [f"zoo-{number}" for number in range(count)]
    return [hs.init(tmp_path / name, url, store=address) for name in names]


def write_down_commits(ws):
    """Of each shard that a worker commits, by the database itself, in the same transaction: what
    `compact` makes of them hides whether a sample was committed twice."""
    words = (
        "CREATE TABLE committed (rows bigint)",
        "CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.versions->>'compacted_from' IS NULL THEN "
        "INSERT INTO committed VALUES (NEW.rows); END IF; RETURN NEW; END $$",
        "CREATE TRIGGER write_down AFTER INSERT ON shards "
        "FOR EACH ROW EXECUTE FUNCTION write_down()",
    )
    with ws.database.writing() as connection:
        for statement in words:
            connection.execute(text(statement))


def committed_in(ws):
    with ws.database.reading() as connection:
        return int(
            connection.execute(text("SELECT coalesce(sum(rows), 0) FROM committed")).scalar()
        )


class Care:
    """Compacts and collects, again and again, beside the workers; use it as a context."""

    def __init__(self, place, key):
        self._ws, self._key = hs.open(place), key
        self.rounds, self.merged, self.failed = 0, 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join()
        self._ws.database.close()

    def _run(self):
        try:
            while not self._stop.is_set():
                before, after = self._ws.cache.compact(self._key)
                self.merged += before - after
                self._ws.cache.collect(self._ws.cache.find_garbage())
                self.rounds += 1
        except Exception as error:
            self.failed.append(error)


def freeze(process):
    """SIGSTOP, wherever it is: PostgreSQL ends the transaction of one that says nothing more."""
    os.kill(process, signal.SIGSTOP)
    wait_until(lambda: is_stopped(process))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no such signal")
@pytest.mark.parametrize("store", ["folder", "bucket"], indirect=True)
@pytest.mark.parametrize(
    ("workers", "samples", "killed"),
    [(3, 120, 1), pytest.param(8, 800, 2, marks=pytest.mark.slow)],
)
def test_workers_die_and_freeze_and_the_server_starts_anew_and_each_sample_is_committed_once(
    tmp_path, mortal, eight, with_net, store, workers, samples, killed
):
    """Beside them shards are compacted and collected; what is held is not, and all is bit by bit
    what one process computes."""
    for number in range(samples):
        draw(tmp_path / "many" / f"c{number % 2}" / f"{number:03}.png", number, (12, 12))
    alone = hs.init(tmp_path / "alone")
    address, environment, proxy = store
    machines = machines_of(tmp_path, mortal.new_database("farm"), address, workers)
    ws = machines[-1]
    for each in (alone, ws):
        each.backbones.add("net", with_net[0], preprocess="unit")
        each.datasets.add("many", tmp_path / "many")
    expected = alone.extract("net", "many", batch_size=4)
    (key,) = keys_of(*ws.context.resolve("net")).values()
    write_down_commits(ws)
    ws.jobs.add("net", "many", **SETTINGS)
    said = [tmp_path / f"said-{number}" for number in range(workers)]
    processes = [
        zygote.start(
            ["--workspace", machine.config.root, "worker", "1"], said=file, environment=environment
        )
        for zygote, file, machine in zip(eight, said, machines, strict=False)
    ]
    wait_until(lambda: committed_in(ws) >= samples // 8)
    rows, held = ws.context.cache().open_present(key, ws.datasets.manifest("many").samples)
    freeze(processes[0])
    with Care(ws.config.root, key) as care:
        wait_until(lambda: committed_in(ws) >= samples // 4)
        for process in processes[1 : 1 + killed]:
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: committed_in(ws) >= samples // 2)
        mortal.kill(1.0)
        mortal.wait()
        ended = [zygote.wait() for zygote in eight[1:workers]]
        assert ws.jobs.get(1).state == "done"
        os.kill(processes[0], signal.SIGCONT)
        assert eight[0].wait() == 0
    assert ended == [signal.SIGKILL] * killed + [0] * (workers - 1 - killed)
    assert (care.failed, care.merged > 0) == ([], True)
    told = {line for file in said for line in file.with_suffix(".err").read_text().splitlines()}
    assert "warning: the database does not answer; trying again for 60 s" in told
    with ws.database.reading() as connection:
        states = connection.execute(text("SELECT DISTINCT status FROM shards")).scalars().all()
    assert states == ["committed"]  # none was put aside
    assert committed_in(ws) == rows_in(ws) == samples
    np.testing.assert_array_equal(held.to_numpy(), expected[rows])
    del held
    view = ws.extract("net", "many")
    assert (view.report.computed, view.report.quarantined) == (0, 0)
    assert view.ids == expected.ids
    np.testing.assert_array_equal(view.to_numpy(), expected.to_numpy())
    if proxy is not None:
        meddled_with = {seen.meddled for seen in proxy.seen}
        assert meddled_with == {None, FLIP, FLIP_SENT, TWICE, SLOW, LOSE, DROP}
    with ws.database.reading() as connection:
        for table in ("claims", "leases"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
    for each in (alone, *machines):
        each.database.close()
