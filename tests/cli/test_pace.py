"""Progress says how long something will take when that can be known, and no earlier."""

import sys

import pytest

from headstart.cli import output
from headstart.cli.output import estimate_text, progress_bar
from headstart.cli.pace import Pace


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_first_step_says_nothing_of_the_pace(clock):
    """It loads and compiles models: 0.2 samples a second, 2,027 seconds left."""
    pace = Pace(clock)
    pace.see(0)
    clock.now += 14
    pace.see(3)
    assert pace.rate is None and pace.left(400) is None
    assert estimate_text(pace, "samples", 400) == ""
    clock.now += 6
    pace.see(6)
    assert pace.rate is None  # seconds enough, and too few steps
    pace.see(63)
    assert pace.rate == pytest.approx(10) and pace.left(363) == pytest.approx(30)
    assert estimate_text(pace, "samples", 363) == "10.0 samples/s, 30 s left"


def test_many_steps_at_once_are_no_pace_either(clock):
    """What was there already is counted at once."""
    pace = Pace(clock)
    pace.see(90_000)
    clock.now += 0.5
    pace.see(90_100)
    assert pace.rate is None
    clock.now += 9.5
    pace.see(90_200)
    assert pace.left(90_400) == pytest.approx(10)


def test_lines_have_no_estimate_that_deserves_none(clock, monkeypatch, capsys):
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr(output, "Pace", lambda: Pace(clock))
    update = output._lines("extracting", "samples")
    clock.now += 12
    update(3, 400)
    for done in (30, 60):
        clock.now += 11
        update(done, 400)
    assert capsys.readouterr().err.splitlines() == [
        "extracting: 3 of 400",
        "extracting: 30 of 400, 2.5 samples/s, 151 s left",
        "extracting: 60 of 400, 2.6 samples/s, 131 s left",
    ]


def test_of_what_is_done_soon_no_line_is_said(clock, monkeypatch, capsys):
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr(output, "Pace", lambda: Pace(clock))
    update = output._lines("fitting", "steps", after=2)
    for done in range(1, 37):
        clock.now += 0.5
        update(done, 36)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "fitting: 4 of 36" and len(said) == 2
    assert said[1] == "fitting: 24 of 36, 2.0 steps/s, 6 s left"


def test_the_bar_of_a_terminal_gives_way_to_the_numbers(clock, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(output, "Pace", lambda: Pace(clock))
    with progress_bar("extracting, view 12", "samples") as update:
        update(1000, 123_456)
        clock.now += 100
        update(50_000, 123_456)
    seen = capsys.readouterr().err
    assert "50000/123456" in seen and "490.0 samples/s, 150 s left" in seen, repr(seen)


def test_a_bar_stands_there_before_the_first_step_is_done(monkeypatch, capsys):
    """A model is loaded and compiled before it, which takes seconds."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar("extracting", "samples"):
        pass
    seen = capsys.readouterr().err
    assert "extracting" in seen and "0/?" in seen and "left" not in seen
