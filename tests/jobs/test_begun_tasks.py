"""Rankings, audits and training that Python or the command line hands to workers."""

import contextlib
import json
import shutil
import sys
import threading
import time

import pytest
from sqlalchemy.exc import OperationalError

import headstart as hs
import page_workspace as made
from headstart.errors import Cancelled, FeaturesMissing, RegistryError
from headstart.jobs.exploration import map as maps
from headstart.jobs.exploration.interruption import unless_ended
from headstart.jobs.features.jobs import cancel
from headstart.jobs.heads.cross_validation import CrossValidation
from headstart.jobs.overview import overview
from headstart.jobs.tasks.begin import begin
from headstart.jobs.tasks.map import MapTask
from headstart.jobs.tasks.planned import told_of_trying, trying_of
from headstart.jobs.tasks.rank import RankTask
from headstart.jobs.tasks.task import plan_of
from headstart.notices import HeadstartNote
from headstart.progress import watching
from headstart.registry import tables as t
from headstart.registry.entities import Run
from headstart.registry.jobs import key_of_task

FEATURES = "net@top"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    made.make(folder).database.close()
    return folder


@pytest.fixture
def ws(folder, tmp_path):
    shutil.copytree(folder / "zoo", tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


def test_a_ranking_is_begun_from_python_and_gives_what_rank_gives(ws):
    trying = CrossValidation(folds=3, seed=1)
    job = ws.jobs.rank("pics", FEATURES, trying=trying)
    assert job.subject == "rank net@top" and job.plan["trying"] == {"folds": 3, "seed": 1}
    with pytest.raises(RegistryError, match="is queued, and gave nothing"):
        ws.jobs.result(job.id)
    ws.jobs.work()
    assert ws.jobs.result(job.id).given == ws.rank("pics", FEATURES, trying=trying).to_json()


def test_what_a_trial_is_of_is_part_of_the_plan_and_comes_back_from_it():
    for trying in (
        CrossValidation(task=hs.Ordinal(order=("low", "high")), folds=3),
        CrossValidation(task=hs.Regression("quantile", 0.9), objective="pinball_loss"),
        CrossValidation(),
    ):
        told = json.loads(json.dumps(told_of_trying(trying)))
        assert trying_of(told) == trying
    assert told_of_trying(CrossValidation()) == {}


def test_bags_and_weights_that_are_ignored_are_part_of_a_training_that_is_begun(ws):
    job = ws.jobs.train("b", FEATURES, "pics", hs.Bagged(hs.Prototype(), bags=3))
    ws.jobs.work()
    given = ws.heads.get("b").record.settings
    assert ws.jobs.get(job.id).state == "done" and given["bags"] == 3
    plan = ws.jobs.train("c", FEATURES, "pics", ignore_weights=True).plan
    assert plan["ignore_weights"] is True and "ignore_weights" not in job.plan


def test_an_audit_is_begun_from_python_and_gives_what_audit_gives(ws):
    job = ws.jobs.audit(FEATURES, "pics", trying=CrossValidation(folds=3))
    ws.jobs.work()
    found = ws.audit(FEATURES, "pics", trying=CrossValidation(folds=3))
    assert ws.jobs.result(job.id).given == found.to_json() and found.suspects


def test_a_head_is_trained_by_a_worker_as_it_was_asked_for(ws):
    job = ws.jobs.train(
        "mine",
        FEATURES,
        "pics",
        hs.Linear((0.5,)),
        seed=3,
        task=hs.Classification(balanced=True),
        tags={"team": "a"},
    )
    ws.jobs.work()
    assert ws.jobs.result(job.id).given == {"head": "mine:1"}
    head = ws.heads.get("mine")
    there = ws.heads.train(
        "here",
        ws.features(FEATURES, "pics"),
        hs.Linear((0.5,)),
        seed=3,
        task=hs.Classification(balanced=True),
    )
    assert head.record.tags == {"team": "a"} and head.metrics == there.metrics
    without_time = [
        {key: value for key, value in one.record.settings.items() if key != "seconds"}
        for one in (head, there)
    ]
    assert without_time[0] == without_time[1] and head.record.seed == 3


def test_what_is_not_in_the_cache_is_said_before_there_is_a_job(ws):
    for verb in (
        lambda: ws.jobs.rank("pics", "net@conv"),
        lambda: ws.jobs.audit("net@conv", "pics"),
        lambda: ws.jobs.train("mine", "net@conv", "pics"),
    ):
        with pytest.raises(FeaturesMissing):
            verb()
    assert not ws.jobs.find()


def test_a_plan_holds_nothing_that_is_as_it_would_be_without_a_word():
    assert plan_of(RankTask("pics")) == {"dataset": "pics"}


def test_commands_detach_their_work(ws, run):
    for given, subject in (
        (("rank", "pics"), "rank all cached features"),
        (("features", "audit", FEATURES, "pics"), "audit by net:1@top"),
        (("head", "train", "mine", FEATURES, "pics"), "train mine on net@top"),
    ):
        ran = run(*given, "--detach")
        assert ran.code == 0, ran.err
        assert f"is queued: {subject} on pics. Do it: headstart worker" in ran.out
    ws.jobs.work()
    told = run("job", "result", 3, "--json").json
    assert told == {"job": 3, "kind": "train", "given": {"head": "mine:1"}}
    assert json.loads(run("job", "result", "3").out) == {"head": "mine:1"}
    ranked = run("job", "result", 1, "--json").json["given"]
    assert json.loads(run("job", "result", "1").out) == ranked
    assert "`headstart job result 1`" in run("job", "show", "1").out


def test_what_only_this_process_can_do_is_refused_with_detach(ws, run, tmp_path):
    for given in (
        ("rank", "pics", "--plot", str(tmp_path / "r.png")),
        ("features", "audit", FEATURES, "pics", "--output", str(tmp_path / "s.csv")),
        ("head", "train", "mine", "--ensemble", "1"),
    ):
        ran = run(*given, "--detach")
        assert ran.code == 2 and "is for what is done here" in ran.err
    assert not ws.jobs.find()


def test_of_a_task_that_nobody_has_begun_no_steps_are_counted(ws, run):
    job = begin(ws.context, RankTask("pics"))
    (found,) = ws.jobs.find()
    assert found.done_text == "no step yet" and "0 of 0" not in repr(found)
    listed = run("job", "list").out
    assert " 0 " not in next(line for line in listed.splitlines() if "rank" in line)
    ws.jobs.work()
    assert ws.jobs.get(job.id).done_text == "1 of 1 steps"


def lose(ws, number):
    """As if who worked at it had died, on another machine."""
    with ws.database.writing() as connection:
        lease = t.leases.insert().values(
            token="gone", owner="elsewhere", process=7, job=number, granted_at=0.0, expires_at=1.0
        )
        connection.execute(lease)
        claim = {"feature_key": key_of_task(number), "digest": key_of_task(number)}
        connection.execute(t.claims.insert().values(lease="gone", **claim))


def test_the_overview_names_a_job_whose_worker_was_lost(ws):
    job = begin(ws.context, RankTask("pics"))
    lose(ws, job.id)
    (wrong,) = overview(ws.context).wrong
    assert wrong.what == f"job {job.id}" and "elsewhere:7" in wrong.found
    assert f"`headstart worker {job.id}`" in wrong.found


def test_a_map_that_is_cancelled_is_broken_off_in_the_middle(ws, monkeypatch):
    (key,) = {one.key for one in ws.context.feature_sets.find_sets()}
    job = begin(ws.context, MapTask(key, "pics", "pca", 0))
    monkeypatch.setattr("headstart.jobs.exploration.interruption.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("headstart.jobs.tasks.worker.LOOK_SECONDS", 0.0)

    def endless(*_given):
        cancel(ws.context, job.id)
        while True:
            time.sleep(0.001)

    monkeypatch.setattr(maps, "coordinates_of", endless)
    (work,) = ws.jobs.work()
    assert (work.state, work.error) == ("cancelled", None)


def test_what_is_not_to_end_is_left_alone_and_gives_what_it_gives(monkeypatch):
    monkeypatch.setattr("headstart.jobs.exploration.interruption.LOOK_SECONDS", 0.001)
    asked = []

    def three():
        while len(asked) < 3:
            time.sleep(0.001)
        return len(asked)

    assert unless_ended(lambda *_: asked.append(1), three) >= 3
    with pytest.raises(ZeroDivisionError):
        unless_ended(lambda *_: None, lambda: 1 / 0)


def test_a_head_is_never_there_without_the_tags_that_its_job_gives(ws, monkeypatch):
    job = ws.jobs.train("mine", FEATURES, "pics", hs.Linear((0.5,)), tags={"team": "a"})

    def dies(*_given, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.jobs.tasks.worker.TaskWorker._keep", dies)
    with pytest.raises(KeyboardInterrupt):
        ws.jobs.work(job.id)
    assert ws.heads.get("mine").record.tags == {"team": "a"}


@pytest.mark.parametrize(
    "error", [Cancelled("closed"), OperationalError("", None, OSError("closed"))]
)
def test_whatever_ends_a_computation_is_raised_where_it_is_waited_for(monkeypatch, error):
    monkeypatch.setattr("headstart.jobs.exploration.interruption.LOOK_SECONDS", 0.001)
    steps = []

    def ends(*_given):
        raise error

    def endless():
        while True:
            steps.append(1)
            time.sleep(0.001)

    with pytest.raises(type(error), match="closed"):
        unless_ended(ends, endless)
    count = len(steps)
    time.sleep(0.05)
    assert len(steps) == count  # it ended


def test_what_is_broken_off_at_its_very_end_leaves_the_thread_that_waits_as_it_was(
    monkeypatch, capfd
):
    monkeypatch.setattr("headstart.jobs.exploration.interruption.LOOK_SECONDS", 0.001)

    def ends(*_given):
        raise Cancelled("closed")

    for wait in range(100):
        with contextlib.suppress(Cancelled):
            unless_ended(ends, lambda wait=wait: time.sleep(0.0009 + wait / 500_000))
        for _ in range(100):  # nothing is raised here by now
            time.sleep(0)
    assert capfd.readouterr().err == ""
    assert "headstart-computation" not in {one.name for one in threading.enumerate()}


def test_wherever_it_is_broken_off_nothing_gets_out_of_its_thread(monkeypatch):
    """One in eighty did, as it ended by itself or had not begun, where threads change often."""
    got_out, usual = [], sys.getswitchinterval()
    monkeypatch.setattr("headstart.jobs.exploration.interruption.LOOK_SECONDS", 1e-6)
    monkeypatch.setattr(threading, "excepthook", lambda told: got_out.append(told.exc_type))
    monkeypatch.setattr(sys, "unraisablehook", lambda _told: None)  # of what it meets in callbacks

    def busy(seconds):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    ended = 0
    sys.setswitchinterval(1e-6)
    try:
        for turn in range(1500):

            def ends(*_given, turn=turn):
                busy(turn % 500 * 1e-6)
                raise Cancelled("closed")

            try:
                unless_ended(ends, lambda turn=turn: busy(3e-4 + turn % 100 * 3e-6))
            except Cancelled:
                ended += 1
    finally:
        sys.setswitchinterval(usual)
    assert got_out == [] and ended


def test_a_task_that_is_cancelled_ends_at_the_next_step_of_a_fit(ws, monkeypatch):
    monkeypatch.setattr("headstart.jobs.tasks.worker.LOOK_SECONDS", 0.0)
    job, steps = begin(ws.context, RankTask("pics")), []

    def fitted(*_given, **_more):
        cancel(ws.context, job.id)
        steps.append("before")
        watching()(1, 10)
        steps.append("behind")

    monkeypatch.setattr("headstart.jobs.tasks.rank.rank", fitted)
    (work,) = ws.jobs.work()
    assert (work.state, work.error, steps) == ("cancelled", None, ["before"])


def test_a_cost_that_has_the_start_of_a_run_in_it_is_told_as_such(ws):
    short = {"computed": 20, "start_seconds": 3.0, "steady": {"samples": 0, "seconds": 0.0}}
    ws.runs.add(Run("extract", "net:1@top", "pics", "done", short, 4.0, {}))
    with pytest.warns(HeadstartNote, match=r"net@top includes the start of the extraction"):
        (found,) = ws.rank("pics", FEATURES)
    assert found.seconds == pytest.approx(0.2)
    long = {"computed": 20, "start_seconds": 3.0, "steady": {"samples": 16, "seconds": 0.16}}
    ws.runs.add(Run("extract", "net:1@top", "pics", "done", long, 4.0, {}))
    (found,) = ws.rank("pics", FEATURES)
    assert found.seconds == pytest.approx(0.01)
