"""A decoder or an engine that hangs ends the run: the sample is named, what was done is kept."""

import re
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import func, select

import headstart as hs
from conftest import clean_environment, forget_conversions, rows_in
from headstart.errors import EXITS, BackboneError, Stalled
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.watchdog import Watchdog
from headstart.registry import tables as t

STALL = 4.0
"""Seconds: what hangs is waited for so long; what does not takes less, on a busy machine too."""
SETTINGS = hs.Settings(stall_seconds=STALL, batch_size=4, engine="tensorflow")


@pytest.fixture
def hanging():
    """What hangs until the test is over."""
    release = threading.Event()
    yield release.wait
    release.set()
    while any(thread.name.startswith("headstart-daemon") for thread in threading.enumerate()):
        time.sleep(0.01)


@pytest.fixture
def decoder_hangs(monkeypatch, hanging, pictures):
    """At one picture."""

    def begin(name):
        content, real = (pictures / name).read_bytes(), Preprocessing.prepare

        def prepare(self, raw):
            if raw == content:
                hanging()
            return real(self, raw)

        monkeypatch.setattr(Preprocessing, "prepare", prepare)

    return begin


@pytest.fixture
def engine_hangs(monkeypatch, hanging):
    """At one call, and for ever after."""

    def begin(number):
        real, calls = TensorFlowEngine.run, []

        def run(self, batch):
            calls.append(len(batch))
            if len(calls) >= number:
                hanging()
            return real(self, batch)

        monkeypatch.setattr(TensorFlowEngine, "run", run)

    return begin


def leases(ws):
    with ws.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(t.leases)).scalar_one()


def goes_on(ws, monkeypatch):
    """After the cause is gone the same extraction computes the rest."""
    before = rows_in(ws)
    assert leases(ws) == 0
    monkeypatch.undo()
    report = ws.extract("net", "pics", settings=replace(SETTINGS, stall_seconds=600.0)).report
    assert (report.computed, report.reused) == (36 - before, before)


def test_a_decoder_that_hangs_ends_the_run_and_its_sample_is_named(
    ready, decoder_hangs, monkeypatch
):
    decoder_hangs("green/07.png")
    with pytest.raises(Stalled) as raised:
        ready.extract("net", "pics", settings=SETTINGS)
    line = str(raised.value)
    assert line.startswith("decoding 'green/07.png' (")
    assert int(re.search(r"not done after (\d+) s", line)[1]) >= STALL
    assert "--stall-seconds" in line
    assert rows_in(ready) >= 16  # blue, and the first of green
    assert ready.runs.find_latest("extract", "net", 1)[0].status == "failed: Stalled"
    goes_on(ready, monkeypatch)


@pytest.mark.converts
def test_a_sample_that_hangs_in_the_first_look_is_named(ready, decoder_hangs, monkeypatch):
    forget_conversions(ready)  # or there is nothing to look at, where another test did
    decoder_hangs("blue/02.jpg")
    settings = hs.Settings(stall_seconds=STALL, engine="openvino")
    with pytest.raises(Stalled, match=r"decoding 'blue/02.jpg' \("):
        ready.extract("net", "pics", settings=settings)
    assert rows_in(ready) == 0
    goes_on(ready, monkeypatch)


@pytest.mark.parametrize("number", [1, 4])
def test_an_engine_that_hangs_ends_the_run_and_its_samples_are_named(
    ready, engine_hangs, monkeypatch, number
):
    engine_hangs(number)
    with pytest.raises(Stalled) as raised:
        ready.extract("net", "pics", settings=SETTINGS)
    assert str(raised.value).startswith("the engine tensorflow on '")
    assert rows_in(ready) == 4 * (number - 1)
    goes_on(ready, monkeypatch)


def test_steps_within_a_step_are_made_by_its_thread_and_are_what_is_named(hanging):
    guard = Watchdog(60).guard([])
    threads = guard("outer", lambda: (threading.get_ident(), guard("inner", threading.get_ident)))
    assert threads[0] == threads[1] != threading.get_ident()
    guard = Watchdog(0.5).guard([])
    with pytest.raises(Stalled, match=r"^inner: not done"):
        guard("outer", lambda: guard("inner", hanging))


@pytest.mark.converts
def test_an_engine_that_hangs_while_it_is_chosen_ends_the_run(ready, engine_hangs, monkeypatch):
    forget_conversions(ready)
    engine_hangs(1)
    with pytest.raises(Stalled, match=r"the engine tensorflow on 'blue/00\.jpg'"):
        ready.extract("net", "pics", settings=hs.Settings(stall_seconds=STALL))
    goes_on(ready, monkeypatch)


def test_a_commit_that_hangs_ends_the_run(ready, monkeypatch, hanging):
    monkeypatch.setattr(
        "headstart.extractors.cache.feature_cache.FeatureCache.commit",
        lambda *_: hanging() and None,
    )
    began = time.monotonic()
    with pytest.raises(Stalled, match=r"committing 36 rows: not done after \d+ s") as raised:
        ready.extract("net", "pics", settings=SETTINGS)
    said = int(re.search(r"after (\d+) s", str(raised.value))[1])
    # It waits longer where the engine was slow; and it says whole seconds.
    assert STALL <= said <= time.monotonic() - began + 0.5
    goes_on(ready, monkeypatch)


CLI = """
import sys, threading
from headstart.cli import main
from headstart.extractors.preprocessing.steps import images

real = images.open_image

def hangs_for_good(raw, *more):
    if len(raw) == {size}:
        threading.Event().wait()
    return real(raw, *more)

images.open_image = hangs_for_good
main(sys.argv[1:])
"""


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_the_command_ends_with_one_line_whatever_hangs(ready, pictures, debug):
    odd = pictures / "blue" / "05.png"
    odd.write_bytes(odd.read_bytes() + b"odd")
    ready.datasets.refresh("pics")
    code = CLI.format(size=odd.stat().st_size)
    arguments = ("extract", "net", "pics", "--stall-seconds", str(STALL), "--workspace",
                 ready.config.root)  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, (*arguments, *debug))],
        env=clean_environment(),
        timeout=240,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == EXITS["busy"], ran.stderr
    *before, line = ran.stderr.strip().splitlines()
    assert line.startswith("error: decoding 'blue/05.png' (")
    assert ran.stdout == ""
    assert leases(ready) == 0
    if debug:
        assert "hangs_for_good" in "\n".join(before)
    else:
        assert before == []


def test_a_step_may_take_ten_times_as_long_as_the_longest_before(monkeypatch):
    monkeypatch.setattr("headstart.extractors.watchdog.give_up", lambda _thread: None)
    watchdog = Watchdog(100.0)
    with watchdog.watched() as step:
        for seconds in (90.0, 890.0):
            step.begin("computing")
            watchdog.clock += seconds
            watchdog._look()
        watchdog.clock += 20
        with pytest.raises(Stalled, match="computing: not done after 900 s"):
            watchdog._look()


def test_time_in_which_the_process_was_stopped_does_not_count(monkeypatch):
    real, jumped = time.monotonic, []

    def clock():
        jumped.append(1000.0 * (len(jumped) == 3))
        return real() + sum(jumped)

    monkeypatch.setattr("headstart.extractors.watchdog.time.monotonic", clock)

    def work():
        while len(jumped) < 5:
            time.sleep(0.01)
        return "done"

    assert Watchdog(5.0).guard(())("working", work) == "done"
    assert sum(jumped) == 1000


def test_a_watchdog_wants_some_seconds(ready, fails):
    with pytest.raises(BackboneError, match="stall_seconds is 0"):
        hs.Settings(stall_seconds=0)
    assert "stall_seconds is -1" in fails("extract", "net", "pics", "--stall-seconds", "-1")
