"""A test split knows how often it was looked at: each head that was scored on it counts."""

import tracemalloc
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.jobs.heads.looks import MANY, TESTED_ON, Looks, looks_of, ordinal_of, samples_key
from headstart.registry.entities import Head, Run


@pytest.fixture
def rows(ws, tmp_path):
    """A workspace, and a function that adds rows of four numbers and extracts them."""
    given = keras.Input((4,))
    out = keras.layers.Dense(2, name="out")(keras.layers.Rescaling(1.0, name="as_it_is")(given))
    keras.Model(given, out).save(tmp_path / "flat.keras")
    ws.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 4)).astype(np.float32) + y[:, None]

    def add(name="rows", x=x, y=y):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
        ws.datasets.add(name, tmp_path / f"{name}.npz")
        return ws.extract("flat@as_it_is", name)

    return ws, add


def test_each_head_on_the_same_samples_counts(rows, run):
    ws, add = rows
    view = add()
    heads = [ws.heads.train(name, view, hs.Linear((1.0,))) for name in ("a", "b", "a")]
    assert [head.looks.number for head in heads] == [1, 2, 3]
    assert {head.looks.heads for head in heads} == {3}
    assert heads[0].looks.samples == heads[0].metrics["n_test"] == len(view.split("test"))
    shown = " ".join(run("head", "show", "b").out.split())
    assert f"2nd head on these {len(view.split('test'))} test samples, of 3 by now" in shown
    assert run("head", "show", "b", "--json").json["looks"]["heads"] == 3
    said = run("head", "train", "c", "flat@as_it_is", "rows", "--json").json
    assert said["looks"]["number"] == said["looks"]["heads"] == 4


def test_the_same_samples_under_another_name_and_with_other_labels_are_the_same(rows):
    ws, add = rows
    view = add()
    head = ws.heads.train("a", view, hs.Linear((1.0,)))
    test = view.split("test").samples
    turned = [replace(one, label="x") for one in test][::-1]
    from headstart.storage.columns.samples import SampleColumns

    assert samples_key(SampleColumns.of(turned)) == samples_key(test) == head.metrics[TESTED_ON]
    assert samples_key(SampleColumns.of(turned[1:])) != samples_key(test)
    again = add("copy")
    assert ws.heads.train("b", again, hs.Linear((1.0,))).looks.number == 2


def test_other_samples_are_others(rows):
    ws, add = rows
    ws.heads.train("a", add(), hs.Linear((1.0,)))
    other = add("other", np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32))
    assert ws.heads.train("b", other, hs.Linear((1.0,))).looks.heads == 1


def test_runs_whose_head_is_no_more_count_too(rows):
    ws, add = rows
    head = ws.heads.train("a", add(), hs.Linear((1.0,)))
    key, many = head.metrics[TESTED_ON], head.metrics["n_test"]
    runs = [
        ("train", "gone:1", {TESTED_ON: key, "n_test": many}),
        ("train", "gone:2", {TESTED_ON: "other", "n_test": many}),
        ("train", "old:1", {"n_test": many}),  # of before samples were recorded
        ("train", "old:2", {"n_test": many + 1}),
        ("finetune", "a:1", {TESTED_ON: key, "n_test": many, "head": None}),  # registered nothing
        ("finetune", "a:1", {TESTED_ON: key, "n_test": many, "head": "a:1"}),  # is registered
        ("extract", "flat", {}),
    ]
    for kind, subject, counts in runs:
        ws.runs.add(Run(kind, subject, "rows", "done", counts, 1.0, {}))
    assert ws.heads.get("a").looks.heads == 1 + 3


def test_heads_of_before_are_counted_by_their_dataset(rows):
    ws, add = rows
    view = add()
    ws.heads.train("a", view, hs.Linear((1.0,)))
    head = ws.heads.train("b", view, hs.Linear((1.0,)))
    old = {name: value for name, value in head.metrics.items() if name != TESTED_ON}
    assert looks_of(ws.context, replace(head.record, metrics=old)).number == 2
    other = replace(head.record, metrics=old, dataset_digest="0" * 64)
    assert looks_of(ws.context, other).heads == 0


def test_many_looks_say_what_they_cost():
    few, many = Looks(2, MANY - 1, 357, 0.01), Looks(37, 37, 357, 0.034)
    assert few.to_text() == f"2nd head on these 357 test samples, of {MANY - 1} by now"
    assert many.to_text().startswith("37th head on these 357 test samples: the best of so many")
    assert "(up to 0.034)" in many.to_text() and "head sweep" in many.to_text()
    assert [ordinal_of(n) for n in (1, 2, 3, 4, 11, 12, 21, 113)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "113th")
    ]


def test_the_optimism_is_that_of_equally_good_heads():
    from headstart.jobs.heads.looks import _optimism

    rng = np.random.default_rng(0)
    best = rng.binomial(357, 0.8, (4000, 37)).max(axis=1) / 357
    claimed = _optimism({"accuracy": 0.8, "n_test": 357}, 37)
    assert claimed == pytest.approx(best.mean() - 0.8, abs=0.003)
    assert _optimism({"r2": 0.5, "n_test": 357}, 37) is None
    assert _optimism({"accuracy": 0.8, "n_test": 357}, 1) == 0


@pytest.fixture
def records(ws):
    """A workspace, and a function that registers a head that nobody trained."""

    def add(name, **metrics):
        metrics = {"accuracy": 0.8, "n_test": 20, **metrics}
        of = ("net:1", "features", "0" * 64, "rows", "1" * 64)
        file = sha256(name.encode()).hexdigest()
        record = Head(name, "linear", *of, {}, metrics, [0, 1], 0, {}, file, 1)
        return ws.context.heads.add(record)

    return ws, add


def test_counting_reads_no_metrics_of_other_heads(records):
    ws, add = records
    large = [[0] * 1000] * 1000
    heads = [add(name, confusion=large, tested_on="x" * 64) for name in "abc"]
    add("other", confusion=large, tested_on="y" * 64)
    tracemalloc.start()
    found = looks_of(ws.context, heads[1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.number, found.heads) == (2, 3)
    assert peak < 2 * 2**20


def test_metrics_that_are_no_json_of_sqlite_are_no_obstacle(records):
    ws, add = records
    old = add("old", log_loss=float("nan"))
    new = add("new", tested_on="x" * 64)
    assert looks_of(ws.context, old).number == 1 and looks_of(ws.context, old).heads == 2
    assert looks_of(ws.context, new).number == 2
