"""What the cache did, by what is recorded of runs."""

import platform
import re

import numpy as np
import pytest
from sqlalchemy import text

import headstart as hs
from headstart.registry.entities import Run
from headstart.values.calls import machine

ROW = 6 * 4
"""Bytes of a row of the workspace `rows`."""
LINE = re.compile(r'headstart_[a-z_]+(\{backbone="[^"]*"\})? [0-9.e+-]+')


def extract(ws, subject, computed, reused, seconds, day="2026-01-01"):
    counts = {"samples": computed + reused, "computed": computed, "reused": reused}
    ws.runs.add(Run("extract", subject, "pics", "done", counts, seconds, {"numpy": "2"}))
    with ws.database.writing() as connection:
        last = "(SELECT max(id) FROM runs)"
        connection.execute(text(f"UPDATE runs SET created_at='{day} 12:00:00' WHERE id={last}"))


@pytest.fixture
def used(ws):
    extract(ws, "net@a", 100, 0, 10.0)
    extract(ws, "net@a", 20, 80, 2.0, "2026-01-02")
    extract(ws, "net:2@b", 0, 30, 1.0, "2026-01-02")  # its cost was never measured
    extract(ws, "slow@a", 10, 90, 50.0, "2026-01-03")
    return ws


def test_hit_rates_costs_and_what_was_saved(used, run):
    found = run("stats", "--json").json
    total = found["total"]
    assert (total["runs"], total["computed"], total["reused"]) == (4, 130, 200)
    assert total["hit_rate"] == pytest.approx(200 / 330)
    assert total["saved_seconds"] == pytest.approx(80 * 0.1 + 90 * 5.0)
    assert [one["name"] for one in found["backbones"]] == ["slow", "net"]
    net = found["backbones"][1]
    assert (net["runs"], net["seconds"]) == (3, 13.0) and net["rate"] == pytest.approx(120 / 13)
    assert [(one["name"], one["computed"]) for one in found["days"]] == [
        ("2026-01-01", 100),
        ("2026-01-02", 20),
        ("2026-01-03", 10),
    ]
    since = run("stats", "--since", "2026-01-03T00:00+00:00", "--json").json
    assert since["total"]["computed"] == 10
    assert "slow" in run("stats").out and "2026-01-02" in run("stats", "--days").out


def test_a_sample_that_was_reused_saved_no_start_of_a_run(ws, run):
    steady = {"samples": 90, "seconds": 0.9}
    counts = {"computed": 100, "reused": 50, "start_seconds": 9.0, "steady": steady}
    ws.runs.add(Run("extract", "net@a", "pics", "done", counts, 10.0, {}))
    assert run("stats", "--json").json["total"]["saved_seconds"] == pytest.approx(0.5)


def test_it_is_what_prometheus_reads(used, run):
    told = run("stats", "--prometheus").out
    lines = told.splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in values)
    assert 'headstart_samples_reused_total{backbone="net"} 110' in values
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {re.split("[{ ]", line)[0] for line in values} == named


def test_heads_count_what_they_take_from_the_cache(rows, run):
    rows.heads.train("h", rows.features("flat@as_it_is", "rows"), hs.Linear(strengths=1.0))
    found = run("stats", "--json").json
    assert (found["trained"], found["rows"], found["sets"]) == (1, 240, 1)
    assert (found["served_rows"], found["served_bytes"]) == (240, 240 * ROW)
    assert "240 rows (5.6 KiB)" in run("stats").out


def test_rows_that_an_extraction_found_count_with_their_bytes(rows, run):
    rows.datasets.add(
        "more",
        np.concatenate(
            [rows.features("flat@as_it_is", "rows").to_numpy(), np.ones((1, 6), np.float32)]
        ),
    )
    report = rows.extract("flat@as_it_is", "more", engine="tensorflow").report
    assert (report.computed, report.reused) == (1, 240)
    found = run("stats", "--json").json
    assert (found["served_rows"], found["served_bytes"]) == (240, 240 * ROW)
    rows.backbones.remove("flat", force=True)
    assert run("stats", "--json").json["served_bytes"] == 0  # how wide?


def test_a_run_says_what_it_ran_on(ws):
    extract(ws, "net@a", 1, 0, 1.0)
    (run,) = ws.runs.find_latest()
    assert run.versions["numpy"] == "2"
    assert run.versions["system"] == platform.platform() and run.versions["processor"]
    assert run.versions["openvino"] == machine()["openvino"]


def test_nothing_is_not_divided_by(ws, run):
    assert run("stats", "--json").json["total"]["hit_rate"] is None
    assert "0 heads trained" in run("stats").out
