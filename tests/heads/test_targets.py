"""Several numbers a sample, and numbers far from 0: a regression against scikit-learn's."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.preprocessing import StandardScaler

import headstart as hs
from conftest import keras
from headstart.errors import DatasetError, HeadError
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.kind import Part
from headstart.heads.regression import Regression, check_size
from headstart.jobs.heads.care.described import of_each
from headstart.storage.manifest import Sample
from headstart.storage.samples import is_fraction

RNG = np.random.default_rng(0)


def plane(rows=300, width=8, targets=2, noise=0.1):
    """Features, and numbers that follow from them but for some noise."""
    x = RNG.normal(size=(rows, width)).astype(np.float32)
    y = x @ RNG.normal(size=(width, targets)) + noise * RNG.normal(size=(rows, targets))
    return x, y


@pytest.fixture
def add(ws, tmp_path):
    """Adds rows of eight numbers with targets and extracts them, as they are."""
    given = keras.Input((8,))
    as_it_is = keras.layers.Rescaling(1.0, name="as_it_is")(given)
    keras.Model(given, keras.layers.Dense(2, name="out")(as_it_is)).save(tmp_path / "flat.keras")
    ws.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")

    def add(x, y):
        np.savez(tmp_path / "rows.npz", x=x, y=y)
        ws.datasets.add("rows", tmp_path / "rows.npz")
        return ws.extract("flat", "rows", settings=hs.Settings(engine="tensorflow"))

    return add


def test_each_of_several_numbers_has_the_intervals_that_it_has_alone():
    """Those of each were told without any."""
    rng = np.random.default_rng(1)
    y = rng.normal(size=(80, 2)) * 2
    said = (y + rng.normal(size=y.shape) * [0.5, 2.0]).astype(np.float32)
    found = scores_of(Regression(), said, y, [])
    for number, one in enumerate(found["of_each"]):
        alone = scores_of(Regression(), said[:, [number]], y[:, [number]], [])
        assert one["intervals"] == alone["intervals"] and len(one["intervals"]) == 3
    told = dict(of_each(found["of_each"]))
    low, high = found["of_each"][1]["intervals"]["r2"]
    r2 = found["of_each"][1]["r2"]
    assert told["number 2: R2"] == f"{r2:.3f}, 95 %: {low:.3f} to {high:.3f}"
    assert "no interval" in dict(of_each([{"r2": 0.5}]))["number 1: R2"]  # of heads of before


def test_rows_of_numbers_become_a_regression_of_several_targets(ws, add):
    x, y = plane()
    view = add(x, y)
    assert view.samples[0].label == "|".join(repr(one) for one in y[0].tolist())
    head = ws.heads.train("h", view, hs.Ridge((10.0,)), task=hs.Regression())
    train, test = (
        np.array([int(s.id) for s in view.split(name).samples]) for name in ("train", "test")
    )
    scaler = StandardScaler().fit(x[train])
    model = Ridge(10.0).fit(scaler.transform(x[train]), y[train])
    said = model.predict(scaler.transform(x[test]))
    np.testing.assert_allclose(head.held_out().probabilities, said, atol=1e-4)
    assert head.metrics["r2"] == pytest.approx(r2_score(y[test], said), abs=1e-5)
    error = mean_absolute_error(y[test], said, multioutput="raw_values")
    each = [one["mean_absolute_error"] for one in head.metrics["of_each"]]
    np.testing.assert_allclose(each, error, rtol=1e-4)
    low, high = head.metrics["intervals"]["r2"]
    assert low <= head.metrics["r2"] <= high


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.MLP(epochs=30)])
def test_no_target_counts_more_because_of_its_unit(ws, add, kind):
    x, y = plane(noise=0.5)
    narrow = ws.heads.train("a", add(x, y), kind, task=hs.Regression()).metrics
    wide = ws.heads.train("b", add(x, y * [1e-3, 1e6]), kind, task=hs.Regression()).metrics
    assert wide["r2"] == pytest.approx(narrow["r2"], abs=0.01)
    for one, other in zip(narrow["of_each"], wide["of_each"], strict=True):
        assert other["r2"] == pytest.approx(one["r2"], abs=0.01)


def test_times_far_from_zero_are_told_apart(ws, add):
    x, y = plane(targets=1)
    times = 1.7e9 + 1e5 * y[:, 0]  # seconds since 1970, some days apart
    found = ws.heads.train("h", add(x, times), task=hs.Regression()).metrics
    assert found["r2"] > 0.98


def test_predictions_of_several_numbers_are_written(ws, add, run, tmp_path):
    x, y = plane()
    ws.heads.train("h", add(x, y), task=hs.Regression())
    head = ws.heads.get("h")
    one = head.predict("rows")[0]
    numbers = one.values
    assert one.label == "|".join(f"{n:.7g}" for n in numbers.tolist())
    expected = {"name": one.name, "split": one.split, "values": pytest.approx(numbers.tolist())}
    assert one.to_json() == expected
    for suffix in (".csv", ".jsonl", ".parquet"):
        assert run("head", "predict", "h", "rows", "--output", tmp_path / f"p{suffix}").code == 0
    with (tmp_path / "p.csv").open() as file:
        row = next(csv.DictReader(file))
    np.testing.assert_allclose([float(row["value_1"]), float(row["value_2"])], numbers, rtol=1e-5)
    line = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    np.testing.assert_allclose(line["values"], numbers, rtol=1e-6)
    table = parquet.read_table(tmp_path / "p.parquet")
    np.testing.assert_allclose(table["values"][0].as_py(), numbers, rtol=1e-6)
    model = head.attach()
    assert model.output_shape == (None, 2)


def test_several_numbers_are_drawn_a_panel_each(ws, add, run, tmp_path):
    x, y = plane(targets=4)
    ws.heads.train("h", add(x, y), task=hs.Regression())
    assert run("head", "plot", "h", tmp_path / "h.svg").code == 0
    drawn = (tmp_path / "h.svg").read_text()
    assert all(f"truth, number {n}" in drawn for n in (1, 2, 3, 4))


def test_rows_of_numbers_that_are_no_labels_are_an_error(ws, add):
    x, y = plane(rows=4)
    with pytest.raises(
        DatasetError, match=r"row 1: the label \[.*nan.*\] holds what is not a number"
    ):
        add(x, np.where(np.arange(8).reshape(4, 2) == 2, np.nan, y))
    task = Regression()
    samples = [Sample(str(n), "", label, "train", n) for n, label in enumerate(["1.5|2", "3"])]
    with pytest.raises(HeadError, match="'1' has 1 numbers for a label, '0' has 2"):
        task.find_classes(samples)
    samples = [Sample(str(n), "", label, "train", n) for n, label in enumerate(["1|2", "3|b"])]
    with pytest.raises(HeadError, match=r"'1' has the label '3\|b', which is not a number"):
        task.find_classes(samples)
    part = Part(x, np.array([[1.0, 5.0]] * 4))
    with pytest.raises(HeadError, match=r"train split are 1 \(number 1 of each\)"):
        task.check(part, [])


def test_labels_of_several_numbers_look_like_numbers():
    assert is_fraction("0.5|2") and not is_fraction("1|2") and not is_fraction("a|0.5")
    assert not is_fraction("0.5|nan")


@pytest.mark.slow  # 12 s of simulation
def test_intervals_of_several_numbers_hold_the_truth():
    rng = np.random.default_rng(1)
    held = {"r2": 0, "root_mean_squared_error": 0, "mean_absolute_error": 0}
    truth = {
        "r2": 1 - (0.25 / 1.25 + 1 / 2) / 2,
        "root_mean_squared_error": (0.5 + 1.0) / 2,
        "mean_absolute_error": np.sqrt(2 / np.pi) * (0.5 + 1.0) / 2,
    }
    for _ in range(200):
        outputs = rng.normal(size=(150, 2))
        targets = outputs + rng.normal(size=(150, 2)) * [0.5, 1.0]
        found = scores_of(Regression(), outputs, targets, [])["intervals"]
        for name, (low, high) in found.items():
            held[name] += low <= truth[name] <= high
    assert min(held.values()) >= 176, held  # 88 %: of 95 % in 200 draws, three deviations below


def test_one_label_that_is_far_off_leaves_an_interval():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(2500, 1))
    targets[7] = 1e4
    low, high = scores_of(Regression(), np.zeros((2500, 1)), targets, [])["intervals"][
        "root_mean_squared_error"
    ]
    assert 0 <= low < 200 < high


def test_labels_without_a_spread_that_can_be_told_are_refused():
    x = np.zeros((2, 1), np.float32)
    for targets, words in (
        ([[0.0], [1e-200]], "are 0"),
        ([[3.7]] * 442, r"are 3.7\. "),  # whose mean is rounded
        ([[1.0, 3.7], [2.0, 3.7], [3.0, 3.7]], r"are 3.7 \(number 2 of each\)"),
        ([[1e300], [-1e300]], "as large as 1e.300"),
    ):
        with pytest.raises(HeadError, match=words):
            Regression().check(Part(x, np.array(targets)), [])


@pytest.mark.parametrize("check", [check_size, lambda y: Regression().check(Part(y, y), [])])
def test_numbers_that_float32_does_not_tell_apart_are_refused(check):
    """Those of a time in seconds came out as multiples of 64."""
    y = np.random.default_rng(0).normal(scale=77, size=(50, 1))
    check(y + 6e5)
    check(np.full((3, 1), 1e9) if check is check_size else y)  # scikit-learn learns constants
    for numbers, words in ((y + 1e9, "are as large as"), (np.hstack([y, y - 1e9]), "number 2")):
        with pytest.raises(
            HeadError, match=rf"{words}.* are 64 apart.* is 7\d.*Subtract an offset"
        ):
            check(numbers)


@pytest.mark.parametrize("label", ["1e38", "0.5|-1e38"])
def test_a_number_that_is_too_large_is_named_by_its_sample(label):
    samples = [Sample(id_, "0" * 64, label, "train", "") for id_ in ("r6", "r7")]
    with pytest.raises(HeadError, match=r"sample 'r6' has the label .* a head says 1e\+37 at most"):
        Regression().find_classes(samples)


def test_each_of_several_numbers_is_shown(ws, add, run):
    x, y = plane()
    ws.heads.train("h", add(x, y), task=hs.Regression())
    shown = run("head", "show", "h").out
    assert "number 1" in shown and "number 2" in shown and shown.count("R2") == 3


def test_a_task_in_the_place_of_a_kind_is_said(ws, add):
    x, y = plane()
    with pytest.raises(HeadError, match="is a task, not a kind of head"):
        ws.heads.train("h", add(x, y), hs.Regression())
