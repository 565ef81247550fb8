"""From a dataset of numbers, of several labels, of an order, to a checked head in a given time."""

import shutil

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.kind import Part
from headstart.heads.trials.by_task import mixed_folds
from headstart.heads.trials.subsample import strata_of
from headstart.jobs.auto.labels import task_of_labels
from headstart.jobs.auto.pool import Pool
from headstart.notices import HeadstartNote
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.samples import Sample

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartNote")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Tables of the tasks."""
    place = tmp_path_factory.mktemp("tables")
    x, y = load_diabetes(return_X_y=True)
    x, names = x[:, [2, 3, 4, 6, 8, 9]], [*"abcdef"]
    every = np.column_stack([x, y]).tolist()
    table = [",".join([*names, "label"]), *(",".join(map(repr, row)) for row in every)]
    (place / "diabetes.csv").write_text("\n".join(table))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(360, 6)).astype(np.float32)
    bent = np.abs(x[:, 0]) + 0.1 * rng.normal(size=360)
    np.savez(place / "bent.npz", x=x, y=np.stack([1000 * bent, x[:, 1]], axis=1))
    labels = ["|".join("ab"[n] for n in range(2) if row[n] > 0.2) or "|" for row in x]
    labels[::90] = [f"{one}|rare" if one != "|" else "rare" for one in labels[::90]]
    np.savez(place / "labels.npz", x=x, y=labels)
    np.savez(place / "ordered.npz", x=x, y=np.digitize(x[:, 0], (-0.5, 0.5)))
    return place


@pytest.fixture(scope="module")
def ws(tmp_path_factory, with_rows):
    """A workspace with a backbone that gives rows of six numbers as they are."""
    place = tmp_path_factory.mktemp("tasks")
    shutil.copytree(with_rows, place / "zoo")
    return hs.open(place / "zoo")


FLAT = "flat@as_it_is"


@pytest.fixture(scope="module")
def diabetes(ws, place):
    with pytest.warns(HeadstartNote, match=r"the labels are numbers, such as \d+"):
        return ws.auto(place / "diabetes.csv", FLAT, minutes=60, kinds="mlp")


def test_a_table_of_numbers_begins_with_a_ridge_head_and_ends_with_one_that_is_no_worse(diabetes):
    found = diabetes
    assert (found.task, found.objective) == ("regression", "r2")
    first = found.tried[0]
    assert first.verdict == "the default" and first.head.startswith("ridge")
    assert {one.head.split()[0].rstrip(",") for one in found.tried} == {"ridge", "mlp"}
    low, high = first.intervals["r2"]
    assert low < first.scores["r2"] < high and list(first.scores) == ["r2", "mean_absolute_error"]
    chosen = next(one for one in found.sides if one.what == found.chosen)
    assert chosen.scores["r2"] >= first.scores["r2"]
    assert found.head.metrics["r2"] > 0.25 and found.looks == 1


def test_its_default_has_what_scikit_learn_has_of_the_same_folds(ws, diabetes):
    trials = ws.sweeps.get(diabetes.sweep).trials
    ridge = next(one for one in trials if one.kind == "ridge")
    assert ridge.scores["r2"] == pytest.approx(diabetes.sides[0].scores["r2"])
    view = ws.features(ridge.features, "diabetes")
    learnt = np.array([one != "test" for one in view.samples.splits])
    x, y = view.to_numpy()[learnt], np.array([float(one) for one in view.labels])[learnt]
    fold = hs.CrossValidation(task=hs.Regression())
    said = np.zeros(len(y))
    for one in mixed_folds(len(y), fold.folds, seed=fold.seed):
        z = (x - x[one.train].mean(axis=0)) / x[one.train].std(axis=0)
        model = RidgeCV(np.logspace(-3, 4, 30)).fit(z[one.train], y[one.train])
        said[one.test] = model.predict(z[one.test])
    expected = 1 - ((said - y) ** 2).mean() / y.var()
    assert ridge.scores["r2"] == pytest.approx(expected, abs=0.01)


def test_of_several_numbers_what_bends_is_taken_and_its_model_says_the_same(ws, place, tmp_path):
    output = tmp_path / "bent.keras"
    how = {"minutes": 60, "kinds": "mlp", "output": output}
    found = ws.auto(place / "bent.npz", FLAT, **how)
    assert found.task == "regression" and found.chosen in ("single", "ensemble")
    assert "beyond chance, by 0." in found.why and "of R2" in found.why
    assert found.head.metrics["r2"] > found.tried[0].scores["r2"] + 0.1
    assert found.max_abs_diff < 1e-4 and output.exists()
    assert ws.heads.get("bent").task == hs.Regression()


def test_several_labels_are_tried_one_by_one_also_where_one_is_rare(ws, place):
    with pytest.warns(HeadstartNote, match=r"samples have several labels, such as 'a\|"):
        found = ws.auto(place / "labels.npz", FLAT, minutes=60, kinds=("prototype", "svm"))
    assert (found.task, found.objective) == ("multi-label", "log_loss")
    assert found.head.classes == ["a", "b", "rare"]
    kinds = {one.head.split()[0].rstrip(",") for one in found.tried}
    assert kinds == {"linear", "prototype", "svm"} and not found.dropped
    assert found.head.metrics["exact"] > 0.6 and list(found.tried[0].scores) == [
        "log_loss",
        "exact",
    ]


def test_a_task_that_is_named_is_what_is_tried(ws, place):
    ordered = ws.auto(place / "ordered.npz", FLAT, minutes=60, task="ordinal")
    assert ordered.task == "ordinal" and ordered.head.metrics["steps_off"] < 0.5
    with pytest.raises(HeadError, match="kind is 'mlp', and the task ordinal"):
        ws.auto("ordered", task="ordinal", kinds="mlp")


@pytest.mark.slow  # quantile heads are fitted step by step
def test_a_loss_is_what_is_compared_by(ws, place):
    high = hs.Regression("quantile", 0.9)
    found = ws.auto(place / "diabetes.csv", FLAT, minutes=60, task=high, limit=80, name="high")
    assert found.objective == "pinball_loss" and found.samples == 80
    assert found.head.metrics["predicts"] == "quantile 0.9"


def test_the_command_says_scores_of_the_task_and_so_does_its_page(
    ws, diabetes, run, tmp_path, monkeypatch
):
    monkeypatch.setenv("HEADSTART_HOME", str(ws.config.root))
    page = tmp_path / "found.html"
    ran = run("auto", "diabetes", FLAT, "--minutes", "0.0001", "--page", page)
    said = " ".join(ran.out.split())
    assert ran.code == 0 and "below each R2 its 95 %" in said, ran
    html = page.read_text(encoding="utf-8")
    assert "mean absolute error" in html and "ridge" in html
    told = diabetes.to_json()
    assert told["task"] == "regression" and told["objective"] == "r2"
    first = told["tried"][0]
    assert first["accuracy"] is first["log_loss"] is None and first["scores"]["r2"] > 0.3
    assert told["sides"][0]["intervals"]["r2"][0] < first["scores"]["r2"]


@pytest.mark.usefixtures("diabetes")
def test_a_loss_alone_says_that_labels_are_numbers(ws, run, monkeypatch):
    """Of counts, which would be classes without it."""
    monkeypatch.setenv("HEADSTART_HOME", str(ws.config.root))
    asked = dict[str, object]()

    def heard(_context, _dataset, _backbones, wanted, **_):
        asked["task"] = wanted.task
        raise HeadError("heard", hint="Enough.")

    monkeypatch.setattr("headstart.jobs.auto.auto.auto", heard)
    for more, task in (
        (("--loss", "poisson"), hs.Regression("poisson")),
        (("--loss", "quantile", "--quantile", "0.9"), hs.Regression("quantile", 0.9)),
        (("--task", "ordinal"), hs.Ordinal()),
        ((), None),
    ):
        assert "heard" in run("auto", "rows", FLAT, *more).err
        assert asked.pop("task") == task
    ran = run("auto", "rows", FLAT, "--task", "classification", "--loss", "poisson")
    assert ran.code != 0 and "--loss is not for classification" in ran.err and not asked


@pytest.mark.usefixtures("diabetes")
def test_a_limit_that_leaves_too_few_of_a_class_is_named_before_anything_is_computed(
    ws, monkeypatch
):
    monkeypatch.setattr(Pool, "opened", lambda *_: pytest.fail("opened"))
    with pytest.raises(HeadError, match=r"fewer than the 5 folds, where --limit 10 takes so many"):
        ws.auto("rows", limit=10)
    with pytest.raises(HeadError, match=r"fewer than the 5 folds, where --limit 4 takes so many"):
        ws.auto("diabetes", limit=4)


def samples_of(labels):
    return SampleColumns.of(
        [Sample(str(n), f"{n:064x}", label, "train", n) for n, label in enumerate(labels)]
    )


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["a", "b"] * 9, hs.Classification()),
        ([1, 2] * 9, hs.Classification()),
        ([f"{n / 7:.3f}" for n in range(18)], hs.Regression()),
        ([f"{n / 7:.3f}|{n}.5" for n in range(18)], hs.Regression()),
        ([f"{n}.0|{n + 1}.0" for n in range(18)], hs.Regression()),
        ([*range(40)] * 2, hs.Regression()),
        ([*range(1000, 1040)] * 4, hs.Regression()),
        ([*range(40)] * 3 + [*range(8)] * 5, hs.Regression()),
        (["0.5", "1.5"] * 9, hs.Classification()),
        (["cat|dog", "dog", "cat"] * 6, hs.MultiLabel()),
    ],
)
def test_what_labels_mean_is_told_by_them(labels, task):
    assert task_of_labels(samples_of(labels), 5) == task


def test_a_part_has_its_share_of_small_and_large_numbers_and_of_each_label():
    numbers = strata_of(hs.Regression(), np.arange(100.0)[:, None])
    np.testing.assert_array_equal(np.bincount(numbers), [25, 25, 25, 25])
    labels = np.zeros((50, 3))
    labels[:30, 0], labels[:2, 1], labels[10:48, 2] = 1, 1, 1
    strata = strata_of(hs.MultiLabel(), labels)
    assert len(set(strata[:2])) == 1 and strata[0] not in strata[2:]  # the rarest label
    assert strata[5] != strata[20]  # what lacks a frequent label, and what has it


@pytest.mark.parametrize("kind", [hs.Prototype(), hs.SVM(), hs.Linear((0.1,))])
def test_a_label_that_no_training_row_of_a_fold_has_is_said_to_be_rare(kind):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    folds, y = mixed_folds(60, 3), (x[:, :2] > 0).astype(np.float32)
    y[:, 1] = 0
    y[folds[0].test[:2], 1] = 1
    (found,) = cross([kind], Part(x, y), folds, task=hs.MultiLabel(), jobs=1)
    said = found.outputs[folds[0].test, 1]
    np.testing.assert_allclose(said, 0.5 / 41, rtol=1e-5)
