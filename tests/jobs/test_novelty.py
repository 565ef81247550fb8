"""A head says how new a sample is to it, and how often it is wrong about that."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

import headstart as hs
from headstart.errors import HeadError
from headstart.notices import HeadstartWarning

CUT = "flat@as_it_is"


@pytest.fixture
def head(rows):
    return rows.heads.train("h", rows.features(CUT, "rows"), hs.Linear((0.01,)))


@pytest.fixture
def odd():
    """Rows in a direction in which none of the dataset lies."""
    return np.tile(np.array([[-9, -9, -9, 0, 0, 0]], np.float32), (4, 1))


def test_what_is_unlike_the_dataset_is_new(head, odd):
    found = head.predict(odd, novelty=True)
    last = 1 - 1 / (head.metrics["n_validation"] + 1)
    assert [one.novelty for one in found] == [pytest.approx(last)] * 4
    own = head.predict("rows", novelty=True)
    tested = [one.novelty for one in own if one.split == "test"]
    told = head.novelty()
    assert told.false_alarms == np.mean([one >= 0.95 for one in tested])
    assert told.interval[0] <= told.false_alarms <= told.interval[1]
    assert told.tested_on == head.metrics["n_test"] and "scale" not in told.to_json()
    assert head.predict(odd)[0].novelty is None


def test_what_predict_writes_of_it(head, odd, run, tmp_path):
    np.save(tmp_path / "odd.npy", odd)
    asked = ("head", "predict", "h", tmp_path / "odd.npy", "--novelty")
    ran = run(*asked)
    assert "novelty" in ran.out and "test samples count as new" in ran.err.replace("\n", " ")
    said = [one["novelty"] for one in run(*asked, "--json").json]
    for suffix in ("csv", "jsonl", "parquet"):
        run(*asked, "-o", tmp_path / f"p.{suffix}")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        written = [float(row["novelty"]) for row in csv.DictReader(file)]
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    table = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    for found in (written, [row["novelty"] for row in lines], [row["novelty"] for row in table]):
        assert found == pytest.approx(said, rel=1e-5)


def test_where_none_can_be_new_that_is_said(head, odd):
    most = head.metrics["n_validation"]
    level = (most + 0.5) / (most + 1.5)  # one sample more, and the highest would reach it
    with pytest.warns(HeadstartWarning, match=f"too few .* up: {most + 1} are needed, or a lower"):
        told = head.novelty(level)
    assert told.false_alarms is None and told.highest == most / (most + 1)
    assert "none can, as 0.9" in told.to_text() and "test samples" not in told.to_text()
    assert head.novelty(most / (most + 1)).false_alarms is not None


def test_where_it_means_nothing_it_is_refused(head, rows):
    with pytest.raises(HeadError, match="level is 1"):
        head.novelty(1)
    rows.datasets.resplit("rows", "80/20")
    plain = rows.heads.train("none", rows.features(CUT, "rows"), hs.Prototype())
    with pytest.raises(HeadError, match="has no validation split to calibrate novelty on"):
        plain.predict("rows", novelty=True)
