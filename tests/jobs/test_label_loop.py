"""Labels that are found wrong, corrected by a person, and learned anew, on cached features."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import WRONG
from headstart.errors import DatasetError, HeadError, RegistryError, SourceGone
from headstart.extractors.datasets.corrections import Change, Corrections, Wholes, corrected
from headstart.heads.selection import unsure_and_diverse
from headstart.registry.runs import RunRepository
from headstart.storage.manifest import Manifest
from headstart.storage.samples import Sample
from headstart.storage.windowed.places import Located, Place
from headstart.storage.windowed.wholes import windows_of

CUT = "flat@as_it_is"


def labels(ws, name="noisy"):
    return {one.id: one.label for one in ws.datasets.manifest(name).samples}


def splits(ws, name="noisy"):
    return {one.id: one.split for one in ws.datasets.manifest(name).samples}


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_whole_loop(rows, run, tmp_path):
    """Audit, edit, correct, retrain, compare: each step by the command line."""
    before, dealt = labels(rows), splits(rows)
    source = rows.datasets["noisy"].source
    content = Path(source).read_bytes()
    run("head", "train", "h", CUT, "noisy", "--strengths", "0.1")
    file = tmp_path / "suspects.csv"
    ran = run("features", "audit", CUT, "noisy", "-o", file, "--json")
    with file.open(encoding="utf-8", newline="") as opened:
        found = list(csv.DictReader(opened))
    assert [row["id"] for row in found] == [one["id"] for one in ran.json["wrong_labels"]]
    truth = labels(rows, "rows")
    wrong = [row for row in found if row["label"] != truth[row["id"]]]
    assert len(wrong) > len(WRONG) / 2  # the others are left to another round
    for row in wrong[1:]:
        row["new_label"] = truth[row["id"]]
    wrong[0]["exclude"] = "x"
    done = run("dataset", "correct", "noisy", write(file, found), "--json").json
    assert set(done["labels"]) == {row["id"] for row in wrong[1:]}
    assert done["excluded"] == [wrong[0]["id"]]
    assert done["untouched"] == len(found) - len(wrong)
    now = labels(rows)
    assert {id_ for id_ in now if now[id_] != before[id_]} == set(done["labels"])
    assert wrong[0]["id"] not in now and Path(source).read_bytes() == content
    assert all(dealt[id_] == split for id_, split in splits(rows).items())
    run("head", "retrain", "h")
    compared = run("head", "compare", "h:1", "h:2", "--json").json
    by_name = {one["name"]: one for one in compared["differences"]}
    assert by_name["log_loss"]["difference"] < 0  # on the same samples, with the labels of now
    assert compared["samples"] == sum(split == "test" for split in splits(rows).values())
    assert rows.heads["h:2"].record.settings["strength"] == 0.1
    shown = run("dataset", "show", "noisy").out
    assert f"corrected  {len(wrong) - 1} labels changed, 1 sample excluded" in shown


def test_corrections_hold_when_the_source_is_looked_at_again(rows, tmp_path):
    changed = {str(row): labels(rows, "rows")[str(row)] for row in WRONG[:3]}
    rows.datasets.correct("noisy", changed)
    rows.datasets.exclude("noisy", ["7", "8"])
    now, dealt = labels(rows), splits(rows)
    for again in (
        lambda: rows.datasets.refresh("noisy"),
        lambda: rows.datasets.add("noisy", rows.datasets["noisy"].source),
    ):
        again()
        assert labels(rows) == now and splits(rows) == dealt
    rows.datasets.resplit("noisy", "50/50")
    assert labels(rows) == now and splits(rows) != dealt


def test_a_script_that_adds_its_data_runs_again_after_a_correction(rows):
    """Heads of before the correction are compared with those of now."""
    source = rows.datasets["noisy"].source
    rows.heads.train("h", rows.features(CUT, "noisy"), hs.Linear((0.1,)))
    was = rows.datasets["noisy"].digest
    rows.datasets.correct("noisy", {str(WRONG[0]): labels(rows, "rows")[str(WRONG[0])]})
    rows.heads["h"].retrain()
    compared = rows.heads.compare("h:1", "h:2")
    rows.datasets.add("noisy", source)
    assert rows.datasets["noisy"].options["corrections"]["versions"] == [was]
    again = rows.heads.compare("h:1", "h:2")
    assert again.samples == compared.samples
    with pytest.warns(UserWarning, match="dealt again: scores of heads"):
        rows.datasets.add("noisy", source, split="50/50")
    assert rows.datasets["noisy"].options["corrections"]["versions"] == []


def test_a_source_that_changed_keeps_what_was_corrected_of_contents_that_stayed(rows, tmp_path):
    from dataclasses import replace

    own = tmp_path / "own.npz"
    known = np.load(rows.datasets["noisy"].source)
    shutil.copy(rows.datasets["noisy"].source, own)
    rows.datasets.add("own", own)
    rows.datasets.correct("own", {"0": "c", "1": "c"})
    x, y = known["x"].copy(), known["y"]
    x[1] += 1  # another content by that id
    np.savez(own, x=x, y=y)
    with pytest.warns(UserWarning, match="1 corrected sample has other contents by now"):
        rows.datasets.refresh("own")
    assert labels(rows, "own")["0"] == "c" and labels(rows, "own")["1"] == y[1] != "c"
    assert replace(rows.datasets["own"]).options["corrections"]["versions"] == []


def test_samples_are_taken_back(rows, run, fails):
    before, dealt = labels(rows), splits(rows)
    run("dataset", "exclude", "noisy", "3", "4")
    assert set(before) - set(labels(rows)) == {"3", "4"}
    assert "not excluded from 'noisy': '5'" in fails("dataset", "exclude", "noisy", "5", "--undo")
    run("dataset", "exclude", "noisy", "3", "4", "--undo")
    assert labels(rows) == before and splits(rows) == dealt
    rows.datasets.correct("noisy", {"0": "c"})
    rows.datasets.correct("noisy", {"0": before["0"]})
    assert labels(rows) == before
    assert not rows.datasets["noisy"].options["corrections"]["labels"]


def test_what_cannot_be_corrected_changes_nothing(rows, fails, tmp_path):
    before = rows.datasets["noisy"]
    file = tmp_path / "c.csv"
    for row, line in (
        ({"id": "999", "new_label": "a"}, "has no sample '999'"),
        ({"id": "0", "label": "z", "new_label": "a"}, "the file says 'z'"),
        ({"id": "0", "new_label": "a", "exclude": "x"}, "has a new label, and exclude"),
        ({"id": "0", "other": "a"}, "It needs id, and new_label or exclude"),
    ):
        assert line in fails("dataset", "correct", "noisy", write(file, [row]))
    for text, line in (
        ('id,new_label\n"0,a\n1,b\n', "cannot be read: a quote that is opened is not closed"),
        ("id,new_label\n0\n", "line 2: it has fewer cells than the header"),
        ("id,new_label\n0,a,b\n", "line 2: it has more cells than the header"),
        ("id,new_label\n0,a\n0,b\n", "line 3: sample '0' was named before"),
        ("", "is empty"),
    ):
        file.write_text(text, encoding="utf-8")
        assert line in fails("dataset", "correct", "noisy", file)
    assert "no file" in fails("dataset", "correct", "noisy", tmp_path / "none.csv")
    assert "has no sample" in fails("dataset", "exclude", "noisy", "999")
    assert "Name a .csv file" in fails("features", "audit", CUT, "noisy", "-o", tmp_path / "s.txt")
    with pytest.raises(DatasetError, match="no sample of 'noisy' would be left"):
        rows.datasets.exclude("noisy", list(labels(rows)))
    assert rows.datasets["noisy"] == before


def test_a_file_is_corrected_by_twice(rows, run, tmp_path):
    """What is so already is nothing to do; what says no in `exclude` stays."""
    was = labels(rows)
    table = [
        {"id": "0", "label": was["0"], "new_label": "c" if was["0"] != "c" else "a", "exclude": ""},
        {"id": "1", "label": was["1"], "new_label": "", "exclude": "x"},
        {"id": "2", "label": was["2"], "new_label": "", "exclude": "False"},
    ]
    file = write(tmp_path / "c.csv", table)
    assert run("dataset", "correct", "noisy", file).code == 0
    now = rows.datasets["noisy"]
    assert set(was) - set(labels(rows)) == {"1"}
    again = run("dataset", "correct", "noisy", file)
    assert again.code == 0, again.err
    assert rows.datasets["noisy"] == now


def test_the_journal_says_what_was_changed_when(rows):
    digest = rows.datasets["noisy"].digest
    was = labels(rows)["0"]
    done = rows.datasets.correct("noisy", {"0": "c" if was != "c" else "a"})
    (run,) = rows.runs.find_latest("correct", "noisy")
    assert run.counts["labels"] == {"0": [was, done.labels["0"][1]]}
    assert (run.counts["before"], run.counts["after"]) == (digest, done.dataset.digest)


def test_a_change_without_its_line_in_the_journal_is_none(rows, monkeypatch):
    before = rows.datasets["noisy"]

    def fail(self, run):
        raise RegistryError("no room")

    rows.datasets.exclude("noisy", ["3"])
    excluded = rows.datasets["noisy"]
    monkeypatch.setattr(RunRepository, "add", fail)
    for change in (
        lambda: rows.datasets.correct("noisy", {"0": "c", "1": "c"}),
        lambda: rows.datasets.exclude("noisy", ["4"]),
        lambda: rows.datasets.exclude("noisy", ["3"], undo=True),
    ):
        with pytest.raises(RegistryError, match="no room"):
            change()
        assert rows.datasets["noisy"] == excluded != before


def test_labels_from_python_are_read_as_those_of_sources(rows, tmp_path):
    x = np.load(rows.datasets["rows"].source)["x"]
    np.savez(tmp_path / "prices.npz", x=x[:40], y=np.arange(40) / 4)
    rows.datasets.add("prices", tmp_path / "prices.npz")
    rows.datasets.correct("prices", {"0": 0.75, "1": np.float32(2), "2": "77", "5": "0.5|1"})
    now = labels(rows, "prices")
    assert [now[id_] for id_ in "0125"] == ["0.75", 2, 77, "0.5|1"]
    before = rows.datasets["prices"]
    for wrong in (None, [1, 2], float("nan"), {}, " "):
        with pytest.raises(DatasetError, match=r"sample '3'.* neither a class name nor a number"):
            rows.datasets.correct("prices", {"3": wrong})
    assert rows.datasets["prices"] == before


def test_what_is_gone_from_the_source_is_excluded_no_more(rows, tmp_path):
    own = tmp_path / "own.npz"
    with np.load(rows.datasets["noisy"].source) as known:
        x, y = known["x"], known["y"]
    np.savez(own, x=x, y=y)
    rows.datasets.add("own", own)
    rows.datasets.exclude("own", ["239"])
    np.savez(own, x=x[:239], y=y[:239])
    rows.datasets.refresh("own")
    digest = rows.datasets["own"].digest
    with pytest.warns(UserWarning, match="not in the source any more: '239'"):
        done = rows.datasets.exclude("own", ["239"], undo=True)
    assert done.restored == () and done.dataset.digest == digest
    assert not rows.datasets["own"].options.get("corrections", {}).get("excluded")
    with pytest.raises(DatasetError, match="not excluded"):
        rows.datasets.exclude("own", ["239"], undo=True)


def test_a_source_that_is_gone_gives_nothing_back(rows, tmp_path):
    own = tmp_path / "own.npz"
    shutil.copy(rows.datasets["noisy"].source, own)
    rows.datasets.add("own", own)
    before = rows.datasets.exclude("own", ["3"]).dataset
    own.unlink()
    with pytest.raises(SourceGone, match="is not there"):
        rows.datasets.exclude("own", ["3"], undo=True)
    assert rows.datasets["own"] == before


def test_a_new_class_is_told_and_older_heads_are_not_asked_of_it(rows):
    rows.heads.train("h", rows.features(CUT, "noisy"), hs.Prototype())
    tested = [id_ for id_, split in splits(rows).items() if split == "test"]
    trained = [id_ for id_, split in splits(rows).items() if split == "train"]
    with pytest.warns(UserWarning, match="new classes: 'new'"):
        rows.datasets.correct("noisy", dict.fromkeys([*tested[:2], *trained[:5]], "new"))
    again = rows.heads["h"].retrain()
    assert "new" in again.record.classes
    with pytest.raises(HeadError, match="'new', a class of dataset 'noisy' by now"):
        rows.heads.compare("h:1", "h:2")


def test_a_head_learns_again_as_it_was_told(rows):
    view = rows.features(CUT, "noisy")
    made = rows.heads.train(
        "h", view, hs.MLP((4,), learning_rate=0.1, epochs=90, patience=1), seed=3
    )
    assert made.record.settings["epochs"] < 90 == made.record.settings["given"]["epochs"]
    again = made.retrain("again")
    assert (again.record.name, again.record.seed) == ("again", 3)
    assert again.record.settings["given"] == made.record.settings["given"]
    assert again.metrics["accuracy"] == made.metrics["accuracy"]


# What to label next.


def test_draws_are_those_of_k_means_on_the_gradients():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    said = rng.dirichlet(np.ones(3), 60)
    errors = said - np.eye(3)[said.argmax(axis=1)]
    gradients = (errors[:, :, None] * x[:, None, :]).reshape(60, -1)
    plain, drawn = np.random.default_rng(7), [int((gradients**2).sum(axis=1).argmax())]
    while len(drawn) < 10:
        apart = ((gradients[:, None] - gradients[drawn]) ** 2).sum(axis=2).min(axis=1)
        apart[drawn] = 0
        drawn.append(int(plain.choice(60, p=apart / apart.sum())))
    assert unsure_and_diverse(x, errors, 10, seed=7).tolist() == drawn


def test_copies_and_what_is_sure_are_not_drawn():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(5, 4)), 20, axis=0)
    errors = np.tile([0.4, -0.4], (100, 1))
    drawn = unsure_and_diverse(x, errors, 20)
    assert sorted((drawn // 20).tolist()) == [0, 1, 2, 3, 4]  # one of each, and no more
    errors[20:] = 0  # sure, and right by its own word
    drawn = unsure_and_diverse(rng.normal(size=(100, 4)), errors, 20)
    assert (drawn >= 20).sum() <= 1  # all that is sure is one point


def test_what_is_labelled_next_is_learned(rows, run, fails, tmp_path):
    """A dataset without labels: some are given, and a head learns what has one."""
    known = np.load(rows.datasets["rows"].source)
    truth = dict(enumerate(known["y"].tolist()))
    np.savez(tmp_path / "pool.npz", x=known["x"])
    known.close()
    rows.datasets.add("pool", tmp_path / "pool.npz")
    rows.heads.train("h", rows.features(CUT, "rows"), hs.Linear((0.1,)))
    assert "all samples of 'rows' have a label" in fails("features", "next", "rows", "--head", "h")
    file = tmp_path / "next.csv"
    found = run("features", "next", "pool", "--head", "h", "--n", "60", "-o", file, "--json").json
    assert len(found) == 60 and len({one["id"] for one in found}) == 60
    sure = rows.heads["h"].judge.predict_proba(rows.features(CUT, "pool").to_numpy()).max(axis=1)
    assert np.mean([one["probability"] for one in found]) < sure.mean()
    with file.open(encoding="utf-8", newline="") as opened:
        table = list(csv.DictReader(opened))
    write(file, [{**row, "new_label": truth[int(row["id"])]} for row in table])
    run("dataset", "correct", "pool", file)
    ran = run("head", "train", "p", CUT, "pool", "--kind", "prototype", "--json")
    assert "180 of 240 samples have no label and are left out" in ran.err
    metrics = ran.json["metrics"]
    assert sum(metrics[f"n_{split}"] for split in ("train", "validation", "test")) == 60
    head = rows.heads["p"]
    assert len(head.held_out().samples) == metrics["n_test"] and head.reproduce().agrees
    left = run("features", "next", "pool", "--head", "p", "--n", "5", "--json").json
    assert not {one["id"] for one in left} & {one["id"] for one in found}


# What is corrected, of other forms of datasets.


def test_a_long_sample_is_corrected_with_all_of_its_windows():
    songs = [Sample(name, name * 64, "a", "train", f"/{name}.wav") for name in "abc"]
    cut: list[Sample] = []
    for song in songs:
        places = [Located(song.location, song.digest, Place("samples", n, n + 1)) for n in (0, 1)]
        parts = [
            (f"{n}s", one.place.digest_in(song.digest), one.text) for n, one in enumerate(places)
        ]
        cut += windows_of(song, parts)
    manifest = Manifest("folder", "/", tuple(cut))
    assert Wholes(manifest).samples.ids == ["a", "b", "c"]
    known = Corrections({"b": Change("b" * 64, "a", "z")}, {"c": "c" * 64})
    made = corrected(manifest, known.stored({}))
    told = [("a#0s", "a"), ("a#1s", "a"), ("b#0s", "z"), ("b#1s", "z")]
    assert [(one.id, one.label) for one in made.samples] == told
    assert made.samples[2].digest == cut[2].digest
