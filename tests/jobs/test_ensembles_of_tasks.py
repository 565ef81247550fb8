"""Several heads of a sweep as one, of numbers, of several labels, and of classes in an order."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.combined.greedy import select
from headstart.jobs.heads.care.head_bundle import HeadBundle
from headstart.jobs.heads.combined.ensemble import Chosen, Fitting, fit_members

CUT = "flat@as_it_is"
MLP = hs.MLP(hidden=(8,), epochs=15)
HOW = hs.Settings(engine="tensorflow")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, with_rows):
    """A workspace with datasets of the other tasks, on the same backbone of six numbers."""
    place = tmp_path_factory.mktemp("tasks")
    shutil.copytree(with_rows, place / "zoo")
    ws = hs.open(place / "zoo")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(180, 6)).astype(np.float32)
    one = 50 * x[:, 0] + 20 * np.abs(x[:, 1]) + rng.normal(0, 5, 180)
    labels = {
        "number": one,
        "numbers": np.stack([one, x[:, 2] - x[:, 3] ** 2], axis=1),
        "labels": ["|".join("abc"[n] for n in range(3) if row[n] > 0.3) or "|" for row in x],
        "ordered": np.digitize(one, (-30, 10, 50)),
        "counts": rng.poisson(np.exp(1 + 0.5 * x[:, 0])),
    }
    for name, y in labels.items():
        np.savez(place / f"{name}.npz", x=x, y=np.asarray(y))
        ws.datasets.add(name, place / f"{name}.npz")
        ws.extract(CUT, name, settings=HOW)
    split = np.array(["train"] * 150 + ["validation"] * 29 + ["test"])
    np.savez(place / "lone.npz", x=x, y=one, split=split)
    ws.datasets.add("lone", place / "lone.npz")
    ws.extract(CUT, "lone", settings=HOW)
    return ws


TASKS = {
    "number": (hs.Regression(), "r2", [hs.Ridge(), MLP]),
    "numbers": (hs.Regression(), "r2", [hs.Ridge(), MLP]),
    "labels": (hs.MultiLabel(), "exact", [hs.Linear((0.1,)), hs.Prototype()]),
    "ordered": (hs.Ordinal(), "accuracy", [hs.Linear((0.01, 1.0))]),
    "counts": (hs.Regression("poisson"), "poisson_deviance", [hs.Ridge((1.0,)), hs.Ridge((99.0,))]),
}


@pytest.mark.parametrize("name", TASKS)
def test_it_says_the_mean_of_its_members_and_its_model_says_the_same(tasks, tmp_path, name):
    task, score, kinds = TASKS[name]
    singles = [hs.Linear((s,)) for kind in kinds for s in getattr(kind, "strengths", ())]
    kinds = [*singles, *(kind for kind in kinds if not isinstance(kind, hs.Linear))]
    blocks = tasks.sweep(name, CUT, kinds[:1], trying=hs.CrossValidation(2, task=task))
    chosen = [Chosen(blocks.trials[0].blocks, kind, 1 / len(kinds)) for kind in kinds]
    made = fit_members(tasks.context, f"all_{name}", name, chosen, {}, Fitting(task))
    head = tasks.heads.get(f"all_{name}")
    features = tasks.features(CUT, name)
    alone = [
        tasks.heads.train(f"{name}{number}", features, kind, task=task)
        for number, kind in enumerate(kinds)
    ]
    expected = np.mean([one.held_out().probabilities for one in alone], axis=0)
    np.testing.assert_allclose(head.held_out().probabilities, expected, rtol=1e-5, atol=1e-4)
    told = head.record.settings["beside"]
    compared = tasks.heads.compare(f"{name}0", f"all_{name}")
    (same,) = [one for one in compared.differences if one.name == score]
    assert told["score"] == score and told[score] == pytest.approx(alone[0].metrics[score])
    assert told["difference"] == pytest.approx(same.difference)
    np.testing.assert_allclose(told["interval"], same.interval)
    assert made.record.settings["task"] == task.name and head.task == task
    assert head.attach_checked(tmp_path / "model.keras").difference < 1e-4


@pytest.mark.parametrize("name", ["numbers", "labels"])
def test_it_is_retrained_reproduced_exported_and_judges_as_other_heads(tasks, tmp_path, name):
    task, score, kinds = TASKS[name]
    sweep = tasks.sweep(name, CUT, kinds, trying=hs.CrossValidation(3, task=task))
    head = tasks.heads.train_ensemble(f"e_{name}", sweep)
    assert head.record.kind == "ensemble" and head.metrics[score] > 0.2
    assert head.record.settings["selected_by"] == sweep.trying.objective
    assert head.reproduce().agrees
    later = tasks.heads.train_ensemble(f"later_{name}", sweep.id)
    assert later.record.settings["members"] == head.record.settings["members"]
    assert head.retrain().metrics[score] == head.metrics[score]
    head.export(tmp_path / "e.head.zip")
    back = tasks.heads.import_(tmp_path / "e.head.zip", f"back_{name}")
    np.testing.assert_array_equal(back.held_out().probabilities, head.held_out().probabilities)


def test_the_command_line_makes_one_of_numbers_and_says_what_it_is_worth(
    tasks, run, tmp_path, monkeypatch
):
    monkeypatch.setenv("HEADSTART_HOME", str(tasks.config.root))
    ran = run("head", "sweep", "number", CUT, "--task", "regression", "--kinds", "ridge",
              "--penalties", "1,100", "--folds", "3", "--ensemble", "several")  # fmt: skip
    said = " ".join(ran.out.split())
    assert ran.code == 0 and "Ensemble: several:1, " in said, ran
    assert "R2 compared with ridge on flat@as_it_is alone (95 %: " in said
    assert "compared" in run("head", "show", "several").out
    assert run("head", "show", "several", "--json").json["settings"]["task"] == "regression"


@pytest.mark.parametrize("name", ["r2", "mean_absolute_error"])
def test_of_numbers_each_head_that_is_taken_is_the_one_that_helps_most(name):
    rng = np.random.default_rng(3)
    targets = rng.normal(size=(200, 2)) * (1, 1000)
    each = [targets + rng.normal(0, noise, (200, 2)) * (1, 1000) for noise in (0.5, 0.6, 0.7, 9)]

    def lost(mean):
        apart = mean - targets
        off = apart**2 / targets.var(axis=0) if name == "r2" else np.abs(apart)
        return off.mean()

    found = select(each, targets, name, rounds=4, task=hs.Regression())
    taken, total = [], np.zeros((200, 2))
    for number in range(1, 5):  # by brute force
        taken.append(int(np.argmin([lost((total + one) / number) for one in each])))
        total = total + each[taken[-1]]
    losses = [lost(np.mean([each[n] for n in taken[:end]], axis=0)) for end in range(1, 5)]
    end = int(np.argmin(losses)) + 1
    np.testing.assert_array_equal(found.counts, np.bincount(taken[:end], minlength=4))
    assert found.counts[3] == 0 and np.count_nonzero(found.counts) > 1
    told = 1 - min(losses) if name == "r2" else min(losses)
    assert found.scores[name] == pytest.approx(told)


def test_where_r2_has_no_value_members_are_compared_by_the_next_score(tasks, tmp_path):
    """Of one test sample R2 is not finite: such a head could be exported and not imported."""
    kinds = [hs.Ridge((1.0,)), hs.Ridge((99.0,))]
    sweep = tasks.sweep("lone", CUT, kinds, trying=hs.CrossValidation(3, task=hs.Regression()))
    head = tasks.heads.train_ensemble("lonely", sweep)
    beside = head.record.settings["beside"]
    assert beside["score"] == "mean_absolute_error" and np.isfinite(beside["difference"])
    with pytest.raises(HeadError, match="members were chosen by samples of the validation split"):
        head.predict("lone", unsure="set")
    head.export(tmp_path / "lonely.zip")
    back = HeadBundle.read(tmp_path / "lonely.zip")
    for metrics, said in (
        ({"r2": 3.0}, "metrics.r2 is 3.0; it must be a number of at most 1"),
        ({"mean_absolute_error": -4}, "metrics.mean_absolute_error is -4; it must be a number of"),
    ):
        facts = {**back.record, "metrics": back.record["metrics"] | metrics}
        replace(back, record=facts).write(tmp_path / "bad.zip")
        with pytest.raises(HeadError, match=said):
            tasks.heads.import_(tmp_path / "bad.zip", "bad")
    assert tasks.heads.import_(tmp_path / "lonely.zip", "back").record.settings["beside"] == beside


def test_a_selection_on_equal_numbers_is_by_the_next_score():
    targets = np.full((40, 1), 2.0)
    near, far = targets + 0.1, targets - 0.5
    taken = select([far, near], targets, task=hs.Regression())
    assert list(taken.scores) == ["mean_absolute_error"]
    np.testing.assert_array_equal(taken.counts > 0, [True, True])
    assert abs(taken.weights @ [-0.5, 0.1]) < 0.1
