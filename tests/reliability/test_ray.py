"""Jobs on Ray: actors, nodes and drivers that are killed; the ledger alone knows what is done.

Skipped only where Ray is not installed, as for a version of Python that it has no wheels for yet;
the extra `dev` brings it.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_workers import (
    EAGER,
    SAMPLES,
    assert_done_once,
    assert_nothing_claimed,
    local,
    many,
    wait_for_rows,
)

import headstart as hs
from conftest import draw, rows_in
from headstart.errors import Cancelled, ClusterError
from headstart.extractors.run.suspects import GIVEN_UP
from headstart.jobs.on_ray import RayExecutor, RayTrials
from headstart.notices import HeadstartNote

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'headstart[ray]'")

__all__ = ["local", "many"]
pytestmark = [  # Ray leaves the logs of the processes that it starts open
    pytest.mark.filterwarnings("ignore:unclosed file.*/tmp/ray/:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*/tmp/ray/:pytest.PytestUnraisableExceptionWarning"),
]
STORE = 80 << 20
JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""By which Ray knows the runtime environment of a driver that says nothing of it."""
HOOKS = str(Path(__file__).parent)


@pytest.fixture(scope="module", autouse=True)
def token():
    """Of all clusters here; else Ray would write one into the home folder."""
    from ray._private.authentication_test_utils import reset_auth_token_state

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        patch.delenv("RAY_ADDRESS", raising=False)
        reset_auth_token_state()  # Ray looked at them when it was imported
        yield
    reset_auth_token_state()


@pytest.fixture(scope="module")
def one_node(token):
    from headstart.clusters.ray_cluster import connect

    yield connect("local")
    ray.shutdown()


@pytest.fixture
def farm(tmp_path, temporary, with_net, many, local):
    """A workspace of `SAMPLES` samples of which no features are there."""
    shutil.copytree(with_net[1], tmp_path / "zoo")
    ws = hs.open(tmp_path / "zoo")
    ws.datasets.add("many", many)
    return ws


class Driver:
    """An extraction under way in a thread."""

    def __init__(self, ws, **how):
        self.view = self.error = None
        self.seen = []
        self.executor = RayExecutor(ws.context, **how)
        self._thread = threading.Thread(target=self._run, args=(ws,))
        self._thread.start()

    def _run(self, ws):
        try:
            self.view = ws.extract(
                "net",
                "many",
                executor=self.executor,
                progress=lambda *seen: self.seen.append(seen),
                **EAGER,
            )
        except Exception as error:
            self.error = error

    def wait(self):
        self._thread.join()
        if self.error is not None:
            raise self.error
        return self.view


def kill_a_worker(ws):
    """Kill one that has claimed samples; gives its process's number."""
    while not (found := ws.jobs.get(1).workers):
        time.sleep(0.01)
    os.kill(found[0].process, signal.SIGKILL)
    return found[0].process


def test_of_two_actors_one_is_killed_and_replaced(one_node, farm, local, recwarn):
    driver = Driver(farm, workers=2, cores=1)
    wait_for_rows(farm, SAMPLES // 8)
    kill_a_worker(farm)
    view = driver.wait()
    assert_done_once(farm, local)
    report = view.report
    assert (report.samples, report.computed, report.reused, report.skipped) == (SAMPLES,) * 2 + (
        0,
        0,
    )
    assert report.engine in ("openvino", "tensorflow")
    assert driver.seen[-1] == (SAMPLES, SAMPLES)
    assert view.ids == list(local)
    np.testing.assert_array_equal(view.to_numpy(), np.stack(list(local.values())))
    assert farm.extract("net", "many", executor=driver.executor).report.computed == 0
    with pytest.raises(ClusterError, match="Ray of this process ends with it"):
        farm.jobs.add("net@relu|gap", "many", executor=driver.executor)
    with pytest.raises(ClusterError, match="workers of 999 cores each, and this machine has"):
        farm.extract("net@relu|gap", "many", executor=RayExecutor(farm.context, cores=999))
    assert [one.job.id for one in farm.jobs.find()] == [1]


def test_trials_elsewhere_are_bit_by_bit_those_of_here(one_node, rows):
    """A ranking, a sweep of kinds, and a search, on processes of Ray."""
    ws = rows
    there = RayTrials(ws.context, workers=2)
    trying = hs.CrossValidation(folds=3)
    ranks = [ws.rank("noisy", executor=by, trying=trying)[0] for by in (None, there)]
    assert_same(*([rank.linear, rank.neighbours] for rank in ranks))
    assert_alike(*(rank.to_json() for rank in ranks))
    kinds = [hs.Linear((1e-3, 1e-2)), hs.MLP((8,), epochs=3), hs.Ridge(), hs.Linear((1e-3,))]
    seen = []
    how = {"trying": trying, "jobs": 1}
    sweeps = [
        ws.sweep("noisy", (), kinds, executor=by, progress=lambda *done: seen.append(done), **how)
        for by in (None, there)
    ]
    assert_same(*([trial.crossed for trial in sweep.trials] for sweep in sweeps))
    assert [sweep.heads for sweep in sweeps] == [12, 12]
    assert seen[-1] == (12, 12)
    how |= {"kinds": ("linear", "ridge", "prototype"), "trials": 3}
    searches = [ws.search("noisy", (), executor=by, **how) for by in (None, there)]
    assert_same(*([trial.crossed for trial in search.trials] for search in searches))
    with pytest.raises(hs.HeadstartError, match="no node has as many"):
        ws.rank("noisy", executor=RayTrials(ws.context, cores=999))


def assert_alike(ours, theirs):
    """LogME and H are sums over all rows, in an order that goes by the threads that there are."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        known = pytest.approx(ours[name], 1e-9) if name in ("log_me", "h_score") else ours[name]
        assert theirs[name] == known, name


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.settings == other.settings
        for name in ("probabilities", "hits", "losses", "targets", "draws"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.taken, one.complexity, one.unseen) == (
            other.taken,
            other.complexity,
            other.unseen,
        )


# Two nodes


class TwoNodes:
    """A cluster of two nodes on this machine, and this process on the first."""

    def __init__(self, hook, pause):
        from ray.cluster_utils import Cluster

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.client = f"ray://127.0.0.1:{port}"
        of_head = {"include_dashboard": False, "ray_client_server_port": port}
        small = {"num_cpus": 1, "object_store_memory": STORE}
        self._cluster = Cluster(initialize_head=True, head_node_args={**small, **of_head})
        self.second = self._cluster.add_node(**small)
        self.address = self._cluster.address
        variables = {"PYTHONPATH": HOOKS, "RAY_HOOKS_PAUSE": str(pause)}
        self.environment = {"env_vars": variables, "worker_process_setup_hook": hook}
        ray.init(self.address, log_to_driver=False, runtime_env=self.environment)

    def remove_second(self):
        self._cluster.remove_node(self.second, allow_graceful=False)

    def end(self):
        ray.shutdown()
        self._cluster.shutdown()


@pytest.fixture
def two_nodes(request, token):
    made = TwoNodes(*getattr(request, "param", ("ray_hooks.slow", 0.1)))
    yield made
    made.end()


def actors():
    return [one["name"] for one in ray.util.list_named_actors(all_namespaces=True)]


def wait_until(condition, seconds=120.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.1)


def on_either(tmp_path, url, with_net, many):
    """A workspace on SQLite or on PostgreSQL."""
    ws = hs.init(tmp_path / "either", url)
    ws.backbones.add("net", with_net[0], preprocess="unit")
    ws.datasets.add("many", many)
    return ws


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_of_two_nodes_one_is_removed(two_nodes, tmp_path, url, with_net, many, local):
    """Its worker is gone without a word, and there is no room for another: the first goes on."""
    ws = on_either(tmp_path, url, with_net, many)
    driver = Driver(ws, workers=2, cores=1)
    wait_until(lambda: len(ws.jobs.find() and ws.jobs.get(1).workers) == 2)
    wait_for_rows(ws, SAMPLES // 8)
    two_nodes.remove_second()
    assert rows_in(ws) < SAMPLES
    driver.wait()
    assert_done_once(ws, local)
    ws.database.close()


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_on_two_nodes_an_actor_and_the_supervisor_are_killed(
    two_nodes, tmp_path, url, with_net, many, local
):
    ws = on_either(tmp_path, url, with_net, many)
    driver = Driver(ws, workers=2, cores=1)
    wait_for_rows(ws, SAMPLES // 8)
    killed = kill_a_worker(ws)
    wait_until(lambda: killed not in [one.process for one in ws.jobs.get(1).workers])
    kill_the_supervisor(ws)
    assert rows_in(ws) < SAMPLES
    driver.wait()
    assert_done_once(ws, local)
    ws.database.close()


def kill_the_supervisor(ws):
    """The process, which Ray then starts again somewhere."""
    name = f"headstart-{ws.config.id}"
    supervisor = ray.get_actor("job-1", namespace=name)
    process = ray.get(supervisor.process.remote(), timeout=30)
    os.kill(process, signal.SIGKILL)


@pytest.mark.slow
def test_the_driver_is_killed_and_the_job_goes_on(two_nodes, farm, local):
    process = command(two_nodes, farm, "extract", "net", "many", *RAY, *SMALL)
    wait_for_rows(farm, SAMPLES // 8)
    process.kill()
    process.communicate()
    assert rows_in(farm) < SAMPLES
    wait_until(lambda: farm.jobs.get(1).state == "done")
    wait_until(lambda: actors() == [])  # nobody is left to be asked, and nothing is held
    assert_done_once(farm, local)


@pytest.mark.slow
def test_detached_it_is_begun_and_nobody_watches(two_nodes, farm, local):
    process = command(two_nodes, farm, "extract", "net", "many", "--detach", *RAY, *SMALL)
    out, said = process.communicate()
    assert process.returncode == 0, said
    assert "job 1 is queued: net on many. Actors begin with it." in out
    wait_until(lambda: farm.jobs.get(1).state == "done")
    wait_until(lambda: actors() == [])
    assert_done_once(farm, local)


@pytest.mark.slow
@pytest.mark.parametrize("two_nodes", [("ray_hooks.slow", 3.0)], indirect=True, ids=["slow"])
def test_ctrl_c_lets_the_job_go_on_the_same_command_watches_it_and_cancel_ends_it(two_nodes, farm):
    given = ("extract", "net", "many", *RAY, *SMALL)
    process = command(two_nodes, farm, *given)
    wait_for_rows(farm, SAMPLES // 8)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "job 1 goes on, on Ray at" in said
    assert "`headstart job cancel 1` ends it" in said
    again = command(two_nodes, farm, *given)
    assert any("job 1 has the same samples and is continued" in one for one in again.stderr)
    farm.jobs.cancel(1)
    _, said = again.communicate()
    assert again.returncode == 1
    assert "the extraction, job 1, was cancelled" in said
    wait_until(lambda: actors() == [])
    assert 0 < farm.jobs.get(1).committed < SAMPLES
    assert farm.context.jobs.find_tries(1) == {}
    assert_nothing_claimed(farm)


RAY = ("--executor", "ray", "--workers", "2", "--cores", "1")
SMALL = ("--batch-size", "4", "--commit-seconds", "0", "--lease-seconds", "2")


INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, whoever started us
from headstart.cli import main
main()
"""


def command(nodes, ws, *given, **more):
    """A process of the command line, on the cluster's first node."""
    of_job = {"runtime_env": nodes.environment}
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "--workspace", ws.config.root, *given],
        env={**os.environ, "RAY_ADDRESS": nodes.address, JOB_CONFIG: json.dumps(of_job), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("two_nodes", [("ray_hooks.poisoned", 0)], indirect=True, ids=["poison"])
def test_a_sample_that_kills_its_actors_is_given_up(two_nodes, tmp_path, temporary, with_net, many):
    folder = shutil.copytree(many, tmp_path / "many")
    draw(folder / "c0" / "080-poison.png", 8000, (12, 12))
    shutil.copytree(with_net[1], tmp_path / "zoo")
    ws = hs.open(tmp_path / "zoo")
    ws.datasets.add("many", folder)
    executor = RayExecutor(ws.context, workers=2, cores=1)
    with pytest.warns(HeadstartNote, match="died, another takes its place"):
        report = ws.extract("net", "many", executor=executor, on_error="skip", **EAGER).report
    assert (report.computed, report.skipped) == (SAMPLES, 1)
    assert report.skipped_samples == [{"id": "c0/080-poison.png", "reason": GIVEN_UP}]
    found = ws.jobs.get(1)
    assert (found.state, found.committed, found.failed) == ("done", SAMPLES, 1)
    assert rows_in(ws) == SAMPLES
    assert_nothing_claimed(ws)


@pytest.mark.slow
def test_more_cores_than_there_are_are_waited_for_and_that_is_said(two_nodes, farm):
    executor = RayExecutor(farm.context, workers=1, cores=2)
    threading.Timer(15.0, executor.cancel).start()
    with (
        pytest.warns(HeadstartNote, match="wait for room, 2 CPUs each.*no node has as many"),
        pytest.raises(Cancelled, match="job 1, was cancelled with 0 of 160"),
    ):
        farm.extract("net", "many", executor=executor, **EAGER)
    wait_until(lambda: actors() == [])


@pytest.mark.slow
def test_who_has_another_token_reads_so(two_nodes, farm):
    given = ("extract", "net", "many", *RAY)
    refused = command(two_nodes, farm, *given, RAY_AUTH_TOKEN="another")
    _, said = refused.communicate()
    assert refused.returncode == 8
    assert "refused us. The cluster wants a token: RAY_AUTH_MODE=token" in said.splitlines()[-1]
    assert farm.jobs.find() == []


@pytest.mark.slow
def test_a_machine_that_is_no_node_goes_by_ray_client(two_nodes, farm, local):
    process = command(
        two_nodes, farm, "extract", "net", "many", "--executor", two_nodes.client, *SMALL, "--json"
    )
    out, said = process.communicate()
    assert process.returncode == 0, said
    assert json.loads(out)["computed"] == SAMPLES
    assert_done_once(farm, local)
    process = command(
        two_nodes, farm, "rank", "many", "--executor", two_nodes.client, "--folds", "3", "--json"
    )
    out, said = process.communicate()
    assert process.returncode == 0, said
    here = farm.rank("many", trying=hs.CrossValidation(folds=3)).to_json()
    for ours, theirs in zip(here, json.loads(out), strict=True):
        assert_alike(ours, theirs)
