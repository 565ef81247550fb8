"""Every score on the screen has its interval and the number of samples behind it."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.jobs.heads.train import keep

INTERVAL = r"[<>]?\d\.\d{3}( to |-)[<>]?\d\.\d{3}"


@pytest.fixture
def trained(ready):
    ready.heads.train("h", ready.extract("net", "pics"), hs.Linear((1.0,)))
    return ready


def untested(ws, tmp_path):
    """A workspace whose dataset has no test sample of class c."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    split = np.where(np.arange(60) < 40, "train", "test")
    split[(split == "test") & (y == 2)] = "validation"
    x = rng.normal(size=(60, 4)).astype(np.float32) + 3 * np.eye(4, dtype=np.float32)[y]
    np.savez(tmp_path / "d.npz", x=x, y=np.array(["a", "b", "c"])[y], split=split)
    given = keras.Input((4,))
    out = keras.layers.Dense(2, name="out")(keras.layers.Rescaling(1.0, name="as_it_is")(given))
    keras.Model(given, out).save(tmp_path / "flat.keras")
    ws.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")
    ws.datasets.add("rows", tmp_path / "d.npz")
    return ws


def test_what_train_and_show_print(trained, run):
    for ran in (run("head", "train", "h", "net", "pics"), run("head", "show", "h")):
        for score in ("accuracy", "balanced accuracy", "macro F1", "AUROC", "AUPRC", "log loss"):
            (line,) = [one for one in ran.out.splitlines() if one.startswith(f"{score} ")]
            assert re.search(rf"\d\.\d{{3}}, 95 %: {INTERVAL}", line), line
        assert re.search(r"; majority class 0\.\d{3}", ran.out)
        assert re.search(r"held out +6 samples", ran.out)
        assert re.search(r"settings +strength chosen among 9 from 0.0001 to 1", ran.out)
        assert re.search(r"fitted +strength \S+, the best of 9 that were tried; \d+ steps", ran.out)
        assert re.search(r"probabilities +not calibrated", ran.out)
    found = run("head", "show", "h", "--json").json["metrics"]
    probable = {"auroc", "auprc", "log_loss", "brier", "ece", "ece_debiased"}
    assert set(found["intervals"]) == {"accuracy", "balanced_accuracy", "macro_f1", *probable}
    assert found["untested"] == []


def test_areas_that_are_all_nothing_have_their_column(trained, run):
    (record,) = [one.record for one in trained.heads.list()]
    nothing = dict.fromkeys(("auroc", "auprc"), [0.0] * len(record.classes))
    worst = {**record.metrics, "per_class": {**record.metrics["per_class"], **nothing}}
    content = trained.heads.get(record.name).stack.to_bytes()
    keep(trained.context, replace(record, name="worst", metrics=worst), content)
    told = run("head", "show", "worst").out
    assert re.search(r"precision +recall +F1 +AUROC +AUPRC", told)


def test_what_list_prints_also_of_heads_of_before(trained, run):
    (record,) = [one.record for one in trained.heads.list()]
    old = {key: value for key, value in record.metrics.items() if key != "intervals"}
    content = trained.heads.get("h").stack.to_bytes()
    keep(trained.context, replace(record, name="old", metrics=old), content)
    shown = run("head", "list").out
    assert len(re.findall(INTERVAL, shown)) == 3 and "no interval" in shown
    assert shown.count("6 tested") == 2
    assert max(map(len, shown.splitlines())) <= 80
    assert "no interval" in run("head", "show", "old").out


def test_what_predict_prints(trained, run, pictures, tmp_path):
    ran = run("head", "predict", "h", pictures / "red", "--json")
    assert len(ran.json) == 12
    assert re.search(rf"h:1: accuracy \S+ \(95 %: {INTERVAL}\) on 6 held-out samples", ran.err)
    assert "probabilities: not calibrated" in ran.err
    trained.heads.train("r", trained.features("net", "pics"), hs.Ridge((10.0,)))
    ran = run("head", "predict", "r", pictures / "red", "-o", tmp_path / "p.csv")
    count = trained.heads.get("r").metrics["n_validation"]
    assert f"calibrated on {count} validation samples" in ran.err


def test_a_probability_that_is_nearly_one_is_not_shown_as_one(ws, tmp_path, run):
    ws = untested(ws, tmp_path)
    head = ws.heads.train("h", ws.extract("flat@as_it_is", "rows"), hs.Linear((1.0,)))
    rows = np.linspace(2, 30, 300, dtype=np.float32)[:, None] * np.eye(4, dtype=np.float32)[0]
    sure = head.judge.predict_proba(rows)[:, 0]
    (row,) = rows[(sure > 0.9996) & (sure < 0.99999)][:1]
    np.savez(tmp_path / "sure.npz", x=row[None])
    shown = run("head", "predict", "h", tmp_path / "sure.npz").out
    assert ">0.999" in shown and "1.000" not in shown
    given = run("head", "predict", "h", tmp_path / "sure.npz", "--json").json
    assert 0.9995 < given[0]["probability"] < 1


def test_classes_without_a_test_sample_are_named(ws, tmp_path, run):
    untested(ws, tmp_path)
    ran = run("head", "train", "h", "flat@as_it_is", "rows", "--json")
    assert ran.json["metrics"]["untested"] == ["c"]
    assert "warning: 'c' has no test sample: nothing is known of it" in ran.err
    assert "'c' has no test sample" in " ".join(run("head", "show", "h").out.split())
    ws.heads.get("h").attach(tmp_path / "h.keras")
    assert "'c' has no test sample" in (tmp_path / "h.md").read_text(encoding="utf-8")
    assert run("head", "report", "h", tmp_path / "h.html").code == 0
    page = (tmp_path / "h.html").read_text(encoding="utf-8")
    assert "&#39;c&#39; has no test sample" in page


def test_what_sweeps_and_rankings_print(trained, run):
    ran = run("head", "sweep", "pics", "net", "--strengths", "0.1,1", "--folds", "3")
    kept = run("head", "sweeps", "1")
    assert "balanced accuracy" in ran.out and "AUROC" in ran.out
    for shown in (ran.out, kept.out):
        words = " ".join(shown.split())
        assert len(re.findall(r"\d\.\d{3}-[<>]?\d\.\d{3}", shown)) == 4  # those of the table
        assert "30 samples" in words and "Best of 2: accuracy" in words
        assert max(map(len, shown.splitlines())) <= 80
    assert len(re.findall(INTERVAL, run("head", "sweeps").out)) == 1
    best = run("head", "sweep", "pics", "net", "--strengths", "1", "--folds", "3", "--json").json
    low, high = best["trials"][0]["log_loss_interval"]
    assert low < best["trials"][0]["log_loss"] < high and best["trials"][0]["samples"] == 30
    shown = run("rank", "pics", "net", "--folds", "3").out
    assert len(re.findall(INTERVAL, shown)) == 2 and "30 samples" in shown


def test_what_a_card_and_a_report_say(trained, run, tmp_path):
    trained.heads.get("h").attach(tmp_path / "h.keras")
    card = (tmp_path / "h.md").read_text(encoding="utf-8")
    assert len(re.findall(r"\(95 %: -?\d\.\d{4} to \d\.\d{4}\)", card)) == 9
    assert "6 samples, which the scores are measured on" in card
    run("head", "report", "h", tmp_path / "h.html")
    page = (tmp_path / "h.html").read_text(encoding="utf-8")
    assert len(re.findall(rf"95 %: {INTERVAL}", page)) == 9
    assert len(re.findall(r"\d\.\d{3} \([<>]?\d\.\d{3} to [<>]?\d\.\d{3}\)", page)) >= 4


def test_numbers_have_intervals_too(ws, tmp_path, run):
    untested(ws, tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    np.savez(tmp_path / "n.npz", x=x, y=x[:, 0] + rng.normal(0, 0.2, 200))
    ws.datasets.add("numbers", tmp_path / "n.npz")
    shown = run("head", "train", "n", "flat@as_it_is", "numbers", "--task", "regression").out
    for score in ("mean absolute error", "R2", "root mean squared error"):
        assert re.search(rf"{score} +\d\.\d{{3}}, 95 %: {INTERVAL}", shown), shown
    assert max(map(len, run("head", "list").out.splitlines())) <= 80
    ran = run("head", "predict", "n", tmp_path / "n.npz", "-o", tmp_path / "p.csv")
    assert re.search(r"n:1: R2 \d\.\d{3} \(95 %", ran.err) and "probabilities" not in ran.err
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == 201


def test_counts_are_no_classes_and_numbers_are_no_probabilities(ws, tmp_path, run):
    """It warned of counts that few samples have, as of classes with few samples."""
    untested(ws, tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    np.savez(tmp_path / "counts.npz", x=x, y=np.minimum(rng.poisson(np.exp(1 + x[:, 0] / 2)), 9))
    source = tmp_path / "counts.npz"
    ran = run("head", "train", "n", "flat@as_it_is", source, "--task", "regression")
    assert ran.code == 0 and "scores will say little" not in ran.err
    assert "is registered as the dataset 'counts'" in ran.err
    assert "scores will say little" in run("dataset", "add", "classes", source).err
    ran = run("head", "attach", "n", "-o", tmp_path / "n.keras")
    assert ran.code == 0, ran.err
    told = " ".join(ran.out.split())
    assert "the cached features' numbers within" in told and "probabilities" not in told


def test_balanced_heads_say_what_their_probabilities_assume(trained, run, tmp_path):
    """Where .064 of the samples are of a class they say .47 on average: classes counted alike."""
    words = "probabilities take all classes for equally frequent (--balanced)"
    ran = run("head", "train", "b", "net", "pics", "--balanced")
    for out in (ran.out, run("head", "show", "b").out):
        flat = " ".join(out.split()).replace("-- balanced", "--balanced")
        (line,) = re.findall(r"log loss .*?(?=Brier)", flat)
        assert words in line and flat.count(words) == 2
    assert words not in " ".join(run("head", "show", "h").out.split())
    trained.heads.get("b").attach(tmp_path / "b.keras")
    assert words in json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["probabilities"]
    assert words in (tmp_path / "b.md").read_text(encoding="utf-8")
    run("head", "report", "b", tmp_path / "b.html")
    page = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert page.count(words) >= 5  # beside log loss, Brier and ECE, and where it comes from
    assert run("head", "plot", "b", tmp_path / "b.svg").code == 0


def test_many_classes_are_shown_from_the_worst(ws, tmp_path, run):
    rng = np.random.default_rng(0)
    y = np.arange(600) % 15
    x = rng.normal(size=(600, 4)).astype(np.float32)
    x[:, 0] += y
    np.savez(tmp_path / "d.npz", x=x, y=np.array([f"c{n:02}" for n in range(15)])[y])
    given = keras.Input((4,))
    out = keras.layers.Dense(2, name="out")(keras.layers.Rescaling(1.0, name="as_it_is")(given))
    keras.Model(given, out).save(tmp_path / "flat.keras")
    ws.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")
    ws.datasets.add("rows", tmp_path / "d.npz")
    head = ws.heads.train("h", ws.extract("flat@as_it_is", "rows"), hs.Linear((1.0,)))
    shown = run("head", "show", "h").out
    assert "The 10 of 15 classes with the lowest F1; --all shows all." in shown
    f1 = np.array(head.metrics["per_class"]["f1"])
    found = [int(one) for one in re.findall(r"^c(\d\d) ", shown, re.MULTILINE)]
    np.testing.assert_array_equal(f1[found], np.sort(f1)[:10])
    every = run("head", "show", "h", "--all").out
    assert len(re.findall(r"^c\d\d ", every, re.MULTILINE)) == 15
    assert max(map(len, shown.splitlines())) <= 80
