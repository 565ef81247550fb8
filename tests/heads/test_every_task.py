"""Every task in every verb: the same as scikit-learn on the same rows, or refused in one line."""

import shutil
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
)
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headstart as hs
from headstart.cli import main
from headstart.errors import HeadError
from headstart.heads.evaluation.provenance import trust_text
from headstart.heads.models.curves import ScorePoint
from headstart.heads.trials.judged import Judged
from headstart.heads.trials.objective import OBJECTIVES, columns_of, objectives_of
from headstart.jobs.datasets.suspects import write_suspects
from headstart.jobs.heads.care.described import lines_of
from headstart.notices import HeadstartWarning
from headstart.plots import maps, reports
from headstart.plots.misses import of_labels, of_numbers
from headstart.registry import listing

STRENGTH, PENALTY = 0.1, 10.0
TASKS = {
    "classification": (hs.Classification(), hs.Linear((STRENGTH,))),
    "multi-label": (hs.MultiLabel(), hs.Linear((STRENGTH,))),
    "ordinal": (hs.Ordinal(), hs.Linear((STRENGTH,))),
    "one number": (hs.Regression(), hs.Ridge((PENALTY,))),
    "two numbers": (hs.Regression(), hs.Ridge((PENALTY,))),
    "counts": (hs.Regression("poisson"), hs.Ridge((0.01,))),
    "a quantile": (hs.Regression("quantile", 0.8), hs.Ridge((0.01,))),
}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, with_rows):
    """The same 240 rows with labels of every task, their features, and a head of each."""
    place = tmp_path_factory.mktemp("tasks")
    shutil.copytree(with_rows, place / "zoo")
    ws = hs.open(place / "zoo")
    given = np.load(with_rows.parent / "rows.npz")
    x, y = given["x"], given["y"]
    rng = np.random.default_rng(0)
    number = x[:, 0] - 0.5 * x[:, 1] + rng.normal(0, 0.5, len(x))
    own = {
        "classification": y,
        "multi-label": np.array([f"{label}|{'high' if one > 0 else 'low'}"
                                 for label, one in zip(y, number, strict=True)]),
        "ordinal": np.digitize(number, (-1, 0, 1)),
        "one number": number,
        "two numbers": np.stack([number, 3 * x[:, 2] + 1], axis=1),
        "counts": rng.poisson(np.exp(0.3 * number)) + 0.0,
        "a quantile": number,
    }  # fmt: skip
    for name, labels in own.items():
        called = name.replace(" ", "-")
        np.savez(place / f"{called}.npz", x=x, y=labels)
        ws.datasets.add(called, place / f"{called}.npz")
        view = ws.extract("flat@as_it_is", called, engine="tensorflow")
        task, kind = TASKS[name]
        ws.heads.train(called, view, kind, task=task)
    return ws


def called(name):
    return name.replace(" ", "-")


def rows_of(ws, name):
    """Features and labels of what a head was fitted on, and of its test split."""
    view = ws.features("flat@as_it_is", called(name))
    fitted = np.flatnonzero(view.samples.split_codes != 2)
    tested = np.flatnonzero(view.samples.split_codes == 2)
    task, _ = TASKS[name]
    labels = list(view.labels)
    classes = task.find_classes(view.samples)
    targets = task.read(labels, classes)
    x = view.to_numpy().astype(np.float64)
    return x[fitted], targets[fitted], x[tested], targets[tested]


def plain(model):
    return make_pipeline(StandardScaler(), model)


def logistic():
    return plain(LogisticRegression(C=STRENGTH, tol=1e-8, max_iter=5000))


@pytest.mark.parametrize("name", ["classification", "multi-label", "one number", "two numbers"])
def test_a_head_is_scikit_learns_estimator(tasks, name):
    x, y, tried, _ = rows_of(tasks, name)
    ours = tasks.heads.get(called(name)).judge.predict_proba(tried.astype(np.float32))
    if name == "multi-label":
        theirs = np.stack(
            [logistic().fit(x, one).predict_proba(tried)[:, 1] for one in y.T], axis=1
        )
    elif name == "classification":
        theirs = logistic().fit(x, y).predict_proba(tried)
    else:
        train = tasks.features("flat@as_it_is", called(name)).split("train")
        x, y = train.to_numpy(), hs.Regression().read(train.labels, [])
        theirs = plain(Ridge(PENALTY)).fit(x, y).predict(tried).reshape(ours.shape)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


@pytest.mark.parametrize("name", list(TASKS))
def test_a_head_is_scored_as_scikit_learn_scores(tasks, name):
    head = tasks.heads.get(called(name))
    _, _, x, true = rows_of(tasks, name)
    said = head.judge.predict_proba(x.astype(np.float32)).astype(np.float64)
    evaluated = head.evaluate(called(name)).metrics
    task = TASKS[name][0]
    if name == "multi-label":
        expected = {
            "exact": accuracy_score(true > 0, said >= 0.5),
            "macro_f1": f1_score(true > 0, said >= 0.5, average="macro"),
        }
    elif isinstance(task, hs.Regression):
        expected = {
            "mean_absolute_error": mean_absolute_error(true, said),
            "r2": np.mean([r2_score(*pair) for pair in zip(true.T, said.T, strict=True)]),
        }
        if name == "counts":
            expected["poisson_deviance"] = mean_poisson_deviance(true, said)
        if name == "a quantile":
            expected["pinball_loss"] = mean_pinball_loss(true, said, alpha=0.8)
    else:
        guesses, said = task.guess(said), said / said.sum(axis=1, keepdims=True)
        expected = {"accuracy": accuracy_score(true, guesses), "log_loss": log_loss(true, said)}
        if name == "ordinal":
            expected["steps_off"] = mean_absolute_error(true, guesses)
    for score, value in expected.items():
        assert head.metrics[score] == pytest.approx(value, abs=1e-5)
        assert evaluated[score] == pytest.approx(value, abs=1e-5)
        low, high = head.metrics["intervals"][score]
        assert low <= value <= high


@pytest.mark.parametrize("name", list(TASKS))
def test_a_head_is_trained_again_to_the_same(tasks, name):
    assert tasks.heads.get(called(name)).reproduce().agrees


@pytest.mark.parametrize(
    ("name", "aim", "score"),
    [
        ("a quantile", "quantile 0.8", "pinball loss"),
        ("counts", "mean of counts (Poisson)", "Poisson deviance"),
    ],
)
def test_a_head_says_what_it_aims_at_and_how_near_it_came(tasks, name, aim, score):
    """Only R2 was told of a quantile: it looked like a bad head."""
    head = tasks.heads.get(called(name))
    lines = dict(lines_of(head))
    told = list(lines)
    assert lines["task"] == f"regression, {aim}"
    assert told.index(score) < told.index("R2")
    assert trust_text(head.record).startswith(f"{called(name)}:1 ({aim}): {score} ")
    (row,) = [one for one in listing.heads(tasks.config) if one["name"] == called(name)]
    assert row["metrics"]["predicts"] == aim


def test_a_quantile_is_told_with_the_share_of_the_samples_below(tasks):
    head = tasks.heads.get("a-quantile")
    _, _, x, true = rows_of(tasks, "a quantile")
    share = (true <= head.judge.predict_proba(x.astype(np.float32))).mean()
    assert head.metrics["share_below"] == pytest.approx(share)
    low, high = head.metrics["intervals"]["share_below"]
    assert low < share < high
    assert f"{share:.3f}" in dict(lines_of(head))["share below the prediction"]


def test_the_split_of_a_sample_is_told_of_the_dataset_that_was_learned_alone(tasks):
    """Any dataset has a split `train`; of another, no head has learned it."""
    head = tasks.heads.get("one-number")
    own, other = head.predict("one-number"), head.predict("counts")
    assert {one.split for one in own} == {"train", "validation", "test"}
    assert {one.split for one in other} == {None}
    assert "split" not in other.to_arrow().column_names


TRYING = hs.CrossValidation(folds=3)
FOLDS = {
    "rank": lambda ws, name: ws.rank(name, "flat@as_it_is", trying=TRYING),
    "sweep": lambda ws, name: ws.sweep(name, "flat@as_it_is", hs.Prototype(), trying=TRYING),
    "search": lambda ws, name: ws.search(
        name, "flat@as_it_is", "prototype", trials=1, trying=TRYING
    ),
    "audit": lambda ws, name: ws.audit("flat@as_it_is", name, trying=TRYING),
}
"""Verbs that try heads on folds: of classes, where nobody says otherwise."""
CLASSES = ("classification", "ordinal")


@pytest.mark.parametrize("verb", list(FOLDS))
@pytest.mark.parametrize("name", ["ordinal", "multi-label", "one number", "two numbers"])
def test_heads_on_folds_are_of_classes_and_for_others_the_task_is_named(tasks, verb, name):
    if name == "ordinal":  # an order is no hindrance: its classes are classes
        assert FOLDS[verb](tasks, name)
        return
    way = "multi-label" if name == "multi-label" else "regression"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeadstartWarning)  # that combinations are tried as classes
        with pytest.raises(HeadError, match=f"--task {way}"):
            FOLDS[verb](tasks, called(name))


def trying(name):
    return hs.CrossValidation(folds=3, task=TASKS[name][0])


@pytest.mark.parametrize("name", [name for name in TASKS if name != "classification"])
def test_a_sweep_of_every_task_is_kept_and_its_best_head_is_trained(tasks, name):
    task, kind = TASKS[name]
    sweep = tasks.sweep(called(name), "flat@as_it_is", kind, trying=trying(name), jobs=1)
    (trial,), (record,) = sweep.trials, tasks.sweeps.get(sweep.id).trials
    assert record.scores == {one: trial.metrics[one] for one in columns_of(task)}
    assert record.intervals == trial.metrics["intervals"]
    assert (record.accuracy is None) == (name != "ordinal")
    head = tasks.heads.train_from_sweep(f"swept-{called(name)}", sweep.id)
    assert head.task == task and head.record.kind == kind.kind
    # on folds and on the test split the same is measured
    first = objectives_of(task)[0]
    low, high = head.metrics["intervals"][first]
    assert low < sweep.winner.raw < high


def test_a_list_of_heads_has_the_scores_that_they_have(tasks, monkeypatch, capsys):
    """At 80 columns `accuracy` was there, empty, and there was no room for macro F1."""
    monkeypatch.setenv("HEADSTART_HOME", str(tasks.config.root))
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["head", "list", "--filter", "name=multi-label"])
    shown = capsys.readouterr().out
    assert "macro F1" in shown and "accuracy" not in shown


def test_sweeps_of_numbers_are_listed_without_an_accuracy(tasks):
    sweep = tasks.sweep("counts", "flat@as_it_is", "ridge", trying=trying("counts"), jobs=1)
    (row,) = [one for one in listing.sweeps(tasks.config) if one["id"] == sweep.id]
    assert row["accuracy"] is None and row["log_loss"] is None
    assert sweep.id not in [one.sweep.id for one in tasks.sweeps.list("accuracy<2")]


@pytest.mark.parametrize("name", [name for name in TASKS if name != "classification"])
def test_a_ranking_of_every_task_is_by_its_score(tasks, name):
    (rank,) = tasks.rank(called(name), "flat@as_it_is", trying=trying(name))
    assert rank.objective == objectives_of(TASKS[name][0])[0]
    assert rank.h_score is None and np.isfinite(rank.log_me)
    told = rank.to_json()
    assert told["linear_scores"][rank.objective] == rank.score
    assert set(told["neighbours_scores"]) == set(columns_of(TASKS[name][0]))


def test_wrong_numbers_are_found_and_taken_back_as_corrections(tasks, tmp_path):
    given = np.load(tasks.config.root.parent / "one-number.npz")
    y, wrong = given["y"].copy(), [20, 100, 180]
    y[wrong] += (8, -8, 8)
    np.savez(tmp_path / "wrong.npz", x=given["x"], y=y)
    tasks.datasets.add("wrong-numbers", tmp_path / "wrong.npz")
    tasks.extract("flat@as_it_is", "wrong-numbers", engine="tensorflow")
    found = tasks.audit("flat@as_it_is", "wrong-numbers", trying=trying("one number"))
    assert {int(one.sample.id) for one in found.suspects[:3]} == set(wrong)
    assert [one.margin for one in found.suspects] == sorted(one.margin for one in found.suspects)
    for one in found.suspects[:3]:
        assert abs(float(one.guess) - given["y"][int(one.sample.id)]) < 2
    write_suspects(found.suspects, tmp_path / "suspects.csv")
    text = (tmp_path / "suspects.csv").read_text().splitlines()
    first = text[1].split(",")
    first[text[0].split(",").index("new_label")] = first[text[0].split(",").index("guess")]
    text[1] = ",".join(first)
    (tmp_path / "suspects.csv").write_text("\n".join(text))
    done = tasks.datasets.correct("wrong-numbers", tmp_path / "suspects.csv")
    assert list(done.labels) == [found.suspects[0].sample.id]
    with pytest.raises(HeadError, match="judges classes, and numbers by their squared error"):
        tasks.audit("flat@as_it_is", "counts", trying=trying("counts"))


@pytest.mark.parametrize("name", ["multi-label", "two numbers", "counts"])
def test_a_learning_curve_of_every_task_is_by_the_score_of_its_sweeps(tasks, name):
    points = tasks.heads.get(called(name)).learning_curve(draws=5)
    assert points[0].objective == objectives_of(TASKS[name][0])[0]
    assert points[0].samples < points[-1].samples
    worse, better = (points[0], points[-1])
    if OBJECTIVES[points[0].objective].is_loss:
        worse, better = better, worse
    assert worse.score < better.score
    for one in points:
        assert one.interval[0] <= one.score <= one.interval[1]
        assert one.score == pytest.approx(np.mean(one.draws), rel=0.02)


def test_a_learning_curve_of_an_ordinal_head_is_by_its_accuracy(tasks):
    points = tasks.heads.get(called("ordinal")).learning_curve()
    assert points and points[0].samples < points[-1].samples
    assert all(0 < one.accuracy <= 1 for one in points)


def test_the_last_point_of_a_curve_is_what_scikit_learn_gives_on_these_folds(tasks):
    points = tasks.heads.get("one-number").learning_curve()
    view = tasks.features("flat@as_it_is", "one-number")
    both = [view.split("train"), view.split("validation")]
    x = np.concatenate([one.to_numpy() for one in both])
    y = np.array([float(label) for one in both for label in one.labels])
    said = cross_val_predict(plain(Ridge(PENALTY)), x, y, cv=KFold(5, shuffle=True, random_state=0))
    assert points[-1].score == pytest.approx(r2_score(y, said), abs=0.05)


CURVE = [ScorePoint(n, "r2", 0.9, 0.8, (0.7, 0.9), (0.7, 0.9), 40) for n in (10, 30)]
REPORTS = {
    "multi-label": ("Each label", "average precision (95 %)", "labels by chance"),
    "two numbers": ("Each number", "How far it is off", "The largest misses", "always the median"),
}


@pytest.mark.parametrize("name", list(REPORTS))
def test_a_report_is_of_every_task(tasks, tmp_path, monkeypatch, name):
    monkeypatch.setattr(hs.Head, "learning_curve", lambda _head: CURVE)
    monkeypatch.setattr(maps, "coordinates_of", lambda rows, *_: (rows[:, :2], "two columns"))
    head = tasks.heads.get(called(name))
    page = reports.write_report(head, tmp_path / "h.html").read_text(encoding="utf-8")
    score = objectives_of(TASKS[name][0])[0]
    for one in (*REPORTS[name], f"<b>{head.metrics[score]:.3f}</b>", head.record.feature_key):
        assert one in page
    is_judged = name != "multi-label"
    assert "confuses" not in page and page.count("<svg") == 2 + is_judged
    assert ("Could not be looked for: labels are judged" in page) != is_judged


def test_the_largest_misses_are_those_of_the_numbers_farthest_off(tasks):
    head = tasks.heads.get("one-number")
    judged = head.held_out()
    found = of_numbers(judged, head.task, [])
    off = np.abs(judged.probabilities - judged.targets)[:, 0]
    assert found.rows == np.argsort(-off, kind="stable").tolist()
    row = found.rows[0]
    given, said = judged.targets[row, 0], judged.probabilities[row, 0]
    assert found.captions[0] == f"{given:.4g}, predicted {said:.4g}"


def test_the_surest_wrong_label_comes_first():
    said = np.array([[0.9, 0.4], [0.6, 0.1], [0.2, 0.99], [0.1, 0.1]])
    true = np.array([[1, 0], [0, 0], [0, 0], [1, 0]])
    found = of_labels(Judged([], said, true, said.argmax(axis=1)), hs.MultiLabel(), ["a", "b"])
    assert found.rows == [2, 3, 1]
    assert found.captions[:2] == ["no label, guessed b (b 0.990)", "a, guessed none (a 0.100)"]
