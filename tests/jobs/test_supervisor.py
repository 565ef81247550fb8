"""Who is replaced, who is not, and when it is over: of workers of any kind, none of them real."""

import sys
import time
from dataclasses import replace

import pytest

from headstart.clusters import ray_cluster
from headstart.clusters.ray_cluster import Node, address_in, cores_of_each
from headstart.config import Config
from headstart.context import Context
from headstart.errors import ClusterError, RegistryError, WorkspaceError, WorkspaceNotFound
from headstart.jobs.on_ray import RayExecutor, supervisor
from headstart.jobs.on_ray.brief import Brief, Place, Said, refuse_sqlite_between
from headstart.jobs.on_ray.supervisor import Gone, Supervisor, supervise
from headstart.jobs.on_ray.worker import ActorWorker
from headstart.values.calls import host_name


class Crew:
    """Starts workers that say what they are told to, and keeps them."""

    def __init__(self):
        self.all = []

    def launch(self):
        self.all.append(Fake())
        return self.all[-1]

    @property
    def there(self):
        return [one for one in self.all if not one.is_killed]


class Fake:
    def __init__(self):
        self.says, self.is_killed = None, False

    def ask(self):
        if isinstance(self.says, Gone):
            raise self.says
        return self.says

    def kill(self):
        self.is_killed = True


AT_WORK = Said("here", 1)
DONE = Said("here", 1, has_left=True)


@pytest.fixture
def crew():
    return Crew()


@pytest.fixture
def watching(ready, crew):
    ready.jobs.add("net", "pics", batch_size=4, commit_seconds=0.0)
    return Supervisor(ready.context, 1, 2, crew.launch)


def test_workers_that_wait_for_room_work_and_leave_are_counted(watching, crew):
    assert (watching.status().waiting, watching.status().working) == (2, 0)
    crew.all[0].says = AT_WORK
    watching.look()
    assert (watching.status().waiting, watching.status().working) == (1, 1)
    for one in crew.all:
        one.says = DONE
    watching.look()
    assert watching.is_over
    assert crew.there == []
    assert watching.status().notes == ()


def test_a_worker_that_died_is_replaced_and_it_is_said(watching, crew):
    crew.all[0].says = AT_WORK
    watching.look()
    crew.all[0].says = Gone("killed")
    watching.look()
    assert len(crew.all) == 3
    assert crew.all[0].is_killed
    assert watching.status().waiting == 2
    assert watching.status().notes == ("a worker on here died, another takes its place: killed",)


def test_a_worker_that_hangs_or_is_out_of_memory_is_replaced_and_one_that_refuses_is_not(
    watching, crew
):
    crew.all[0].says = replace(DONE, error="MemoryError", is_lost=True)
    crew.all[1].says = replace(DONE, error="planned with keras 3.1")
    watching.look()
    assert len(crew.all) == 3
    assert crew.there == crew.all[2:]
    assert watching.status().notes[1] == "a worker on here left: planned with keras 3.1"
    crew.all[2].says = replace(DONE, error="planned with keras 3.1")
    watching.look()
    assert watching.is_over


def test_who_dies_again_and_again_with_nothing_done_is_given_up_and_the_job_says_so(
    ready, watching, crew
):
    for _ in range(supervisor.FRUITLESS):
        watching._places[0].handle.says = Gone("no libtpu")
        watching.look()
    assert len(crew.all) == 2 + supervisor.FRUITLESS - 1
    assert "3 workers in a row died with nothing done" in ready.jobs.get(1).job.error
    assert "no libtpu" in ready.jobs.get(1).job.error
    assert not watching.is_over  # the other one goes on


def test_deaths_that_bring_the_job_further_are_not_counted_together(ready, watching, crew):
    """As at a sample that ends its workers: the ledger counts its tries, and gives it up."""
    for tries in range(2 * supervisor.FRUITLESS):
        watching._mark = lambda _job, tries=tries: (tries,)
        crew.there[0].says = Gone("killed")
        watching.look()
    assert len(crew.there) == 2


def test_of_a_job_that_is_cancelled_those_at_work_have_time_to_leave(
    ready, watching, crew, monkeypatch
):
    crew.all[0].says = AT_WORK
    watching.look()
    ready.jobs.cancel(1)
    watching.look()
    assert [one.is_killed for one in crew.all] == [False, True]  # it had not begun
    monkeypatch.setattr(supervisor, "LEAVE_SECONDS", -1.0)
    watching.look()
    assert watching.is_over
    assert len(crew.all) == 2


def test_who_dies_when_the_job_is_closed_is_not_replaced(ready, watching, crew):
    ready.jobs.work()
    for one in crew.all:
        one.says = Gone("killed")
    supervise(watching, 0.0, lambda _: None)
    assert len(crew.all) == 2


# What workers refuse


@pytest.fixture
def brief(ready):
    ready.jobs.add("net", "pics", batch_size=4, commit_seconds=0.0)
    return Brief(Place.of(ready.context), 1, 1, 1)


def said_by(brief, monkeypatch, used=None):
    """What a worker says in the end; in this process, whose threads are left as they are."""
    used = [] if used is None else used
    monkeypatch.setattr("headstart.jobs.on_ray.worker.use_cores", used.append)
    worker = ActorWorker(brief)
    ends = time.monotonic() + 240
    while not worker.said().has_left:
        assert time.monotonic() < ends
        time.sleep(0.01)
    return worker.said()


def test_the_body_of_an_actor_is_the_worker_of_the_command_line(ready, brief, monkeypatch):
    used = []
    said = said_by(replace(brief, cores=3), monkeypatch, used)
    assert used == [3]  # threads of the engine, TensorFlow and linear algebra: what it reserved
    assert (said.has_left, said.error, said.is_lost) == (True, None, False)
    assert [report.computed for report in said.reports] == [36]
    assert ready.jobs.get(1).state == "done"


def test_a_worker_says_what_it_cannot_see(brief, monkeypatch, tmp_path):
    place = brief.place
    elsewhere = replace(place, root=tmp_path / "elsewhere")
    said = said_by(replace(brief, place=elsewhere), monkeypatch)
    assert f"{host_name()} does not see the workspace's folder" in said.error
    assert "Mount it at the same place on every node" in said.error
    with pytest.raises(WorkspaceNotFound):
        elsewhere.open()
    with pytest.raises(WorkspaceError, match="another workspace"):
        replace(place, workspace="x").open()
    with pytest.raises(RegistryError, match="SQLite, which is for one machine"):
        replace(place, host="afar").open()


def test_a_store_that_was_given_goes_along(ready):
    store = ready.context.shard_store
    given = Place.of(Context(ready.config, store))
    assert given.open().shard_store is store
    assert Place.of(ready.context).store is None


def test_sqlite_is_refused_between_machines_and_postgresql_is_not(tmp_path):
    with pytest.raises(RegistryError, match=r"about 2: a, b.*--database-url-file"):
        refuse_sqlite_between(Config(tmp_path), ["a", "b"])
    refuse_sqlite_between(Config(tmp_path), ["a", "a"])
    refuse_sqlite_between(Config(tmp_path, "postgresql+psycopg://db/zoo"), ["a", "b"])


# Asking for a cluster


def test_without_ray_the_extra_is_named(ready, run, fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    told = fails("extract", "net", "pics", "--executor", "ray")
    assert "Ray is not installed" in told
    assert "pip install 'headstart[ray]'" in told
    assert ready.jobs.find() == []  # nothing is left behind
    assert run("extract", "net", "pics").code == 0


def test_what_is_no_executor_is_refused(ready, fails):
    assert "no executor 'rax'" in fails("extract", "net", "pics", "--executor", "rax")
    assert "no executor 'ray://'" in fails("extract", "net", "pics", "--executor", "ray://")
    assert "--workers is for --executor ray" in fails("extract", "net", "pics", "--workers", "2")


def test_addresses_are_those_of_ray():
    assert address_in("ray") is None
    assert address_in("ray://head:10001") == "ray://head:10001"
    assert address_in("ray://auto") == "auto"
    with pytest.raises(ClusterError):
        address_in("head:10001")


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "ray://no.such.host:10001", None])
def test_where_nobody_listens_that_is_said_at_once(ready, fails, monkeypatch, address):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'headstart[ray]'")
    if address is None:
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    where = address or "127.0.0.1:1"
    told = fails("extract", "net", "pics", "--executor", address or "ray")
    assert f"Ray at {where} cannot be reached" in told
    assert "`ray status`" in told
    assert ready.jobs.find() == []


@pytest.mark.parametrize(
    ("cpus", "workers", "cores"),
    [((8,), 1, 8), ((8,), 2, 4), ((8, 4), 2, 4), ((8, 4), 3, 4), ((8, 4), 4, 2), ((2,), 5, 1)],
)
def test_all_workers_get_as_many_cores_as_there_are_for_each(cpus, workers, cores):
    nodes = [Node(str(number), float(count), 0.0) for number, count in enumerate(cpus)]
    assert cores_of_each(nodes, workers) == cores


def test_nothing_missing_wants_no_cluster(ready, monkeypatch):
    ready.extract("net", "pics")
    monkeypatch.setattr(ray_cluster, "ray", None)
    view = ready.extract("net", "pics", executor=RayExecutor(ready.context))
    assert (view.report.computed, view.report.reused) == (0, 36)
    assert ready.jobs.find() == []
