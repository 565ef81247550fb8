"""Heads that are there: evaluated elsewhere, removed, trained from a sweep, their likeliest."""

import io
import warnings
from threading import Thread

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import accuracy_score, log_loss

import headstart as hs
from headstart.cli.heads.predict import a_row_each, likeliest
from headstart.cli.output import table
from headstart.errors import HeadError, HeadstartError, NotFound, StillInUse
from headstart.extractors.cache.gc import Choice
from headstart.jobs.heads.care.kept_trial import kept_trial
from headstart.jobs.heads.predicted import Prediction
from headstart.notices import HeadstartNote
from headstart.registry.entities import SweepRecord, TrialRecord
from headstart.registry.heads import HeadRepository

CUT = "flat@as_it_is"


@pytest.fixture
def trained(rows):
    rows.heads.train("h", rows.features(CUT, "rows"), hs.Linear((0.1,)))
    return rows


def other(ws, tmp_path, labels=("a", "b", "c"), count=90):
    """A dataset that shares rows 0 to 29 with `rows`, and has others of its own; extracted."""
    rng = np.random.default_rng(5)
    y = np.arange(count) % 3
    x = (rng.normal(size=(count, 6)) + 2 * np.eye(3, 6)[y]).astype(np.float32)
    x[:30] = ws.features(CUT, "rows")[np.arange(30)]
    np.savez(tmp_path / "other.npz", x=x, y=np.array(labels)[y])
    ws.datasets.add("other", tmp_path / "other.npz")
    ws.extract(CUT, "other", settings=hs.Settings(engine="tensorflow"))
    return x, np.array(labels)[y]


# Evaluated.


def test_a_head_is_evaluated_on_what_it_has_not_seen(trained, tmp_path, run):
    x, y = other(trained, tmp_path)
    head = trained.heads["h"]
    found = head.evaluate("other")
    splits = [sample.split for sample in trained.datasets.manifest("rows").samples][:30]
    seen = sum(split != "test" for split in splits)
    assert 0 < seen < 30 and (found.seen, found.samples) == (seen, 90 - seen)
    new = np.array([split == "test" for split in splits] + [True] * 60)
    said = head.judge.predict_proba(x[new]).astype(float)
    said /= said.sum(axis=1, keepdims=True)
    assert found.metrics["accuracy"] == accuracy_score(
        y[new], np.array(["a", "b", "c"])[said.argmax(1)]
    )
    assert found.metrics["log_loss"] == pytest.approx(log_loss(y[new], said), rel=1e-5)
    low, high = found.metrics["intervals"]["accuracy"]
    assert low < found.metrics["accuracy"] < high
    ran = run("head", "evaluate", "h", "other", "--json").json
    assert ran["metrics"]["accuracy"] == found.metrics["accuracy"] and ran["seen"] == seen
    shown = run("head", "evaluate", "h", "other").out
    assert f"{seen} samples, whose content it was fitted on" in shown and "precision" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_on_its_own_dataset_it_has_the_scores_that_it_was_trained_with(trained):
    head = trained.heads["h"]
    found = head.evaluate("rows")
    assert found.split == "test" and found.seen == 0
    assert found.metrics["accuracy"] == head.metrics["accuracy"]
    assert found.metrics["intervals"] == head.metrics["intervals"]
    with pytest.warns(UserWarning, match="say little of other samples"):
        assert head.evaluate("rows", "train").samples == head.metrics["n_train"]
    with pytest.raises(HeadError, match="split is 'half'"):
        head.evaluate("rows", "half")


def test_labels_that_a_head_does_not_know_are_named(trained, tmp_path, fails):
    other(trained, tmp_path, labels=("a", "b", "z"))
    line = fails("head", "evaluate", "h", "other")
    assert "that head 'h' does not know: 'z'" in line


def test_what_cannot_be_evaluated_is_refused_before_anything_is_extracted(
    trained, tmp_path, fails, monkeypatch
):
    x = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    for name, labels in (("strange", ["z"] * 9), ("known", ["a"] * 9)):
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.array(labels))
        trained.datasets.add(name, tmp_path / f"{name}.npz", split="none")
    monkeypatch.setattr("headstart.cli.extract.extract_missing", None)
    assert "does not know: 'z'" in fails("head", "evaluate", "h", "strange")
    said = fails("head", "evaluate", "h", "known", "--split", "test")
    assert "the test split of 'known' is empty" in said
    trained.datasets.resplit("rows", "50/50")
    assert "cannot be determined" in fails("head", "evaluate", "h", "rows")


def test_where_its_dataset_changed_nothing_is_left_out_in_silence(trained, tmp_path):
    other(trained, tmp_path)
    trained.datasets.remove("rows", force=True)
    with pytest.warns(UserWarning, match="cannot be determined"):
        found = trained.heads["h"].evaluate("other")
    assert found.seen is None and found.samples == 90


def test_its_own_dataset_that_changed_is_not_scored_as_another_one(trained, fails):
    """Samples that it was fitted on counted as new ones."""
    head = trained.heads["h"]
    trained.datasets.resplit("rows", "50/50")
    line = fails("head", "evaluate", "h", "rows")
    assert "was fitted on cannot be determined" in line and "--split all" in line
    with pytest.warns(UserWarning, match="cannot be determined"):
        found = head.evaluate("rows", "all")
    assert (found.split, found.seen, found.samples) == ("all", None, 240)
    with pytest.warns(UserWarning, match="cannot be determined"):
        assert head.evaluate("rows", "train").split == "train"


def test_its_own_dataset_that_was_corrected_is_tested_on_as_before(trained):
    head = trained.heads["h"]
    trained.datasets.exclude("rows", ["0"])
    found = head.evaluate("rows")
    assert found.split == "test" and found.seen == 0


def test_what_was_excluded_since_it_was_fitted_is_not_new(trained, tmp_path):
    other(trained, tmp_path)
    head = trained.heads["h"]
    seen = head.evaluate("other").seen
    one = next(s.id for s in trained.datasets.manifest("rows").samples if s.split == "train")
    assert int(one) < 30  # a copy of it is in the other one
    trained.datasets.exclude("rows", [one])
    assert head.evaluate("other").seen == seen


# Removed.


def test_a_removed_head_is_gone_and_its_version_is_of_no_other(trained, run, fails):
    view = trained.features(CUT, "rows")
    trained.heads.train("h", view, hs.Prototype())
    assert run("head", "remove", "h", "--json").json == {"removed": ["h:2"], "spared": []}
    assert trained.heads["h"].record.version == 1
    again = trained.heads.train("h", view, hs.Ridge())
    assert again.record.version == 3  # what was recorded of h:2 is not of this one
    assert again.looks.heads == 3
    assert "no head 'h:2'" in fails("head", "remove", "h:2")


def test_what_is_in_use_is_not_removed_unasked(trained, run, fails):
    trained.heads.alias("production", "h")
    line = fails("head", "remove", "h")
    assert "head h:1 is in use: alias production" in line and "--force" in line
    with pytest.raises(StillInUse):
        trained.heads.remove(trained.heads["h"])
    assert run("head", "remove", "h", "--force").out == "Removed head h:1.\n"
    assert not trained.heads.list() and "production" not in trained.heads


def test_old_versions_are_pruned_but_for_those_in_use(trained, run, fails):
    view = trained.features(CUT, "rows")
    for _ in range(4):
        trained.heads.train("h", view, hs.Prototype())
    trained.heads.alias("production", "h:2")
    assert "is one version of head 'h'" in fails("head", "remove", "production", "--keep", "1")
    shown = run("head", "remove", "h", "--keep", "2").out
    assert "Removed head h:1, h:3." in shown and "Kept h:2: alias production." in shown
    assert [head.record.version for head in trained.heads.list()] == [2, 4, 5]
    assert trained.heads.remove("h", keep=2).removed == ()
    with pytest.raises(HeadError, match="keep is 0"):
        trained.heads.remove("h", keep=0)
    assert trained.heads.remove("h", keep=1, force=True).removed == ("h:2", "h:4")


def test_nobody_gives_an_alias_between_the_look_and_the_removal(trained, monkeypatch):
    """The head was removed, with the alias that it had just been given."""
    look, threads, said = HeadRepository.find_all, [], []

    def alias():
        try:
            trained.heads.alias("production", "h")
            said.append("given")
        except NotFound:
            said.append("refused")

    def slow(self):
        found = look(self)
        if not threads:
            threads.append(Thread(target=alias))
            threads[0].start()
            threads[0].join(0.3)
        return found

    monkeypatch.setattr(HeadRepository, "find_all", slow)
    trained.heads.remove("h")
    threads[0].join()
    assert said == ["refused"]


def test_heads_are_read_once_however_many_go(trained, monkeypatch):
    view = trained.features(CUT, "rows")
    for _ in range(4):
        trained.heads.train("h", view, hs.Prototype())
    look, looks = HeadRepository.find_all, []
    monkeypatch.setattr(HeadRepository, "find_all", lambda self: looks.append(1) or look(self))
    assert len(trained.heads.remove("h", keep=1).removed) == 4
    assert len(looks) == 1  # was one of each version


def test_the_log_tells_the_aliases_of_a_removed_head(trained):
    trained.heads.alias("production", "h")
    trained.heads.remove("h", force=True)
    removed = next(one for one in trained.events.find("h") if one.action == "remove")
    assert removed.before["aliases"] == ["production"]


def test_what_was_fine_tuned_from_a_head_keeps_it(trained):
    from dataclasses import replace

    from headstart.jobs.heads.train import keep

    record = trained.heads["h"].record
    made = replace(record, name="tuned", settings=record.settings | {"parent": "h:1"})
    keep(trained.context, made, trained.heads["h"].stack.to_bytes())
    with pytest.raises(StillInUse, match="tuned:1 was fine-tuned from it"):
        trained.heads.remove("h")


def test_the_file_of_a_removed_head_is_garbage(trained):
    digest = trained.heads["h"].record.artifact_digest
    assert not any(digest in one.what for one in trained.cache.gc().found)
    trained.heads.remove("h")
    assert digest not in trained.context.needed_artifacts()


# From a sweep.


def test_a_row_of_a_sweep_becomes_a_head(rows, run, fails):
    asked = ("head", "sweep", "rows", CUT, "--folds", "3", "--seed", "3")
    sweep = run(*asked, "--kinds", "linear,prototype,ridge", "--strengths", "0.01,1", "--json").json
    for row, trial in enumerate(sweep["trials"], start=1):
        made = run(
            "head", "train", f"row{row}", "--from-sweep", f"{sweep['id']}:{row}", "--json"
        ).json
        assert (made["kind"], made["seed"]) == (trial["kind"], 3)
        if trial["kind"] == "linear":
            assert made["settings"]["strengths"] == [trial["strength"]]
    best = rows.heads.train_from_sweep("best", sweep["id"])
    assert best.record.kind == sweep["trials"][0]["kind"] and best.record.dataset == "rows"
    assert np.array_equal(best.stack.layers[0].kernel, rows.heads["row1"].stack.layers[0].kernel)
    last = len(sweep["trials"])
    assert f"has no row {last + 1}" in fails("head", "train", "n", "--from-sweep", f"1:{last + 1}")
    with pytest.raises(NotFound):
        rows.heads.train_from_sweep("n", sweep["id"], last + 1)
    assert "no sweep 9" in fails("head", "train", "n", "--from-sweep", "9")
    assert "leave theirs out" in fails("head", "train", "n", CUT, "rows", "--from-sweep", "1")
    assert "ID:ROW" in fails("head", "train", "n", "--from-sweep", "best")
    assert "Name a BACKBONE and a DATASET" in fails("head", "train", "n")
    few = run(*asked, "--shots", "2", "--json").json["id"]
    assert "sweep again without --shots" in fails("head", "train", "n", "--from-sweep", str(few))


def old_sweep(ws):
    """The number of a sweep as it was kept before precisions were."""
    trying = {"folds": 3, "seed": 0, "shots": None, "windows": None}
    trial = TrialRecord(CUT, "linear", {"strength": 1.0}, 0.9, 0.8, 0.95, 0.3, False)
    digest = ws.datasets["rows"].digest
    return ws.sweeps.add(SweepRecord("rows", digest, trying, 3, 1.0, {}), [trial]).id


@pytest.fixture
def half(rows):
    """With the features in bfloat16, too."""
    rows.extract(CUT, "rows", settings=hs.Settings(engine="tensorflow", precision="bfloat16"))
    return rows


def key_of(ws, precision):
    return ws.features(CUT, "rows", precision).key


def test_a_row_of_a_sweep_becomes_a_head_on_features_of_its_precision(half, run):
    trying = hs.CrossValidation(folds=2)
    kept = half.sweep(
        "rows", [CUT], [hs.Linear((1.0,))], precision="bfloat16", trying=trying, jobs=1
    )
    key = key_of(half, "bfloat16")
    assert half.heads.train_from_sweep("h", kept.id).record.feature_key == key
    assert run("head", "train", "h", "--from-sweep", kept.id).code == 0
    assert half.heads["h:2"].record.feature_key == key
    run("head", "train", "h", "--from-sweep", kept.id, "--precision", "float32")
    assert half.heads["h:3"].record.feature_key == key_of(half, "float32") != key


def test_of_an_old_sweep_the_precision_is_the_only_one_that_is_cached_or_float32(half):
    with pytest.warns(HeadstartNote, match="does not say in which precision .*: float32 is taken"):
        assert kept_trial(half.context, old_sweep(half)).precision == "float32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept_trial(half.context, old_sweep(half), 1, "int8").precision == "int8"
        half.cache.gc(Choice(sets=(key_of(half, "float32"),)), apply=True)
        assert kept_trial(half.context, old_sweep(half)).precision == "bfloat16"


# The likeliest.


def test_the_likeliest_classes_are_told(trained, run, fails, tmp_path):
    np.savez(tmp_path / "one.npz", x=np.array([[2.0, 1, 0, 0, 0, 0]], np.float32))
    (said,) = run("head", "predict", "h", tmp_path / "one.npz", "--top", "2", "--json").json
    assert [one["label"] for one in said["top"]] == ["a", "b"]
    assert said["top"][0] == {"label": said["label"], "probability": said["probability"]}
    shown = run("head", "predict", "h", tmp_path / "one.npz", "--top", "2").out
    assert f"{said['top'][1]['probability']:.3f}" in shown
    file = tmp_path / "p.csv"
    assert "leave --top out" in fails("head", "predict", "h", "rows", "--top", "2", "-o", file)


def test_a_class_of_a_long_name_has_its_own_probability_beside_it():
    long = "L" * 150
    one = Prediction("s", long, 0.7, np.array([0.7, 0.2, 0.1], np.float32), (long, "b", "c"))
    columns, cells = likeliest(3)
    out = io.StringIO()
    Console(file=out, width=60).print(
        table(None, ("file", *columns), a_row_each((one.name, *cells(one))))
    )
    first, *others = [line.split() for line in out.getvalue().splitlines() if "0." in line]
    assert (first[0], first[-1], others) == ("s", "0.700", [["b", "0.200"], ["c", "0.100"]])


def test_of_equally_likely_classes_the_first_come_first():
    one = Prediction("s", "b", 0.4, np.array([0.3, 0.4, 0.3], np.float32), ("a", "b", "c"))
    assert [label for label, _ in one.top(9)] == ["b", "a", "c"]
    with pytest.raises(HeadstartError, match="count is 0"):
        one.top(0)
    with pytest.raises(HeadError, match="gives numbers"):
        Prediction("s", 1.0, np.nan, np.ones(1, np.float32)).top(1)


# Every task is evaluated.


def of_task(ws, tmp_path, y, task, kind):
    """A head on half of the rows, and a dataset with the other half; both labelled by `y`."""
    x = ws.features(CUT, "rows").to_numpy()
    for name, rows in (("one", slice(0, 120)), ("two", slice(120, 240))):
        np.savez(tmp_path / f"{name}.npz", x=x[rows], y=y[rows])
        ws.datasets.add(name, tmp_path / f"{name}.npz")
    head = ws.heads.train("t", ws.features(CUT, "one"), kind, task=task)
    return head, x[120:], y[120:]


@pytest.mark.parametrize("targets", [1, 2])
def test_a_head_for_numbers_is_evaluated(rows, tmp_path, targets, run):
    x = rows.features(CUT, "rows").to_numpy()
    y = (x[:, :targets] * 1.5 + 0.25).astype(np.float64)
    y = y[:, 0] if targets == 1 else y
    head, own, truth = of_task(rows, tmp_path, y, hs.Regression(), hs.Ridge((1.0,)))
    found = head.evaluate("two")
    said = head.judge.predict_proba(own)
    error = np.abs(said - truth.reshape(120, -1)).mean()
    assert found.samples == 120 and found.seen == 0
    assert found.metrics["mean_absolute_error"] == pytest.approx(error, rel=1e-4)
    assert "R2" in run("head", "evaluate", "t", "two").out
    if targets == 2:
        with pytest.raises(HeadError, match="are 1 numbers per sample, head 't' says 2"):
            np.savez(tmp_path / "three.npz", x=own, y=truth[:, 0])
            rows.datasets.add("three", tmp_path / "three.npz")
            head.evaluate("three")


def test_a_head_of_several_labels_is_evaluated(rows, tmp_path):
    x = rows.features(CUT, "rows").to_numpy()
    parts = [np.where(x[:, place] > 1, name, "") for place, name in enumerate("abc")]
    y = np.array(["|".join(filter(None, row)) or "|" for row in zip(*parts, strict=True)])
    head, own, truth = of_task(rows, tmp_path, y, hs.MultiLabel(), hs.Linear((0.1,)))
    found = head.evaluate("two")
    guesses = head.judge.predict_proba(own) >= 0.5
    right = np.array([[name in label for name in "abc"] for label in truth])
    assert found.samples == 120
    assert found.metrics["exact"] == (guesses == right).all(axis=1).mean()
