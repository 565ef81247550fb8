"""Heads: as good as the libraries', measured on what they have not seen, one model in the end."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headstart as hs
from conftest import keras, network
from headstart.errors import FeatureError, HeadError
from headstart.heads.kind import Part
from headstart.heads.standardisation import Standardisation, one_thread_a_core
from headstart.storage.artifacts import ArtifactStore

TOLERANCE = 1e-4


def identity_backbone(tmp_path, width: int):
    """A backbone whose features are its input: heads are then compared on known numbers."""
    x = keras.Input((width,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="out")(x))
    model.save(tmp_path / "identity.keras")
    return tmp_path / "identity.keras"


@pytest.fixture
def digits(ws, tmp_path):
    """scikit-learn's 1,797 handwritten digits as features of width 64."""
    data = load_digits()
    np.savez(tmp_path / "digits.npz", x=data.data.astype(np.float32), y=data.target)
    ws.backbones.add("identity", identity_backbone(tmp_path, 64))
    ws.datasets.add("digits", tmp_path / "digits.npz")
    return ws.extract("identity", "digits")


def parts(view):
    return {
        split: (view.split(split).to_numpy(), np.array(view.split(split).labels))
        for split in ("train", "validation", "test")
    }


def test_linear_is_scikit_learns_optimum(ws, digits):
    head = ws.heads.train("d", digits, hs.Linear(strengths=(0.1,)))
    data = parts(digits)
    x = np.concatenate([data["train"][0], data["validation"][0]])
    y = np.concatenate([data["train"][1], data["validation"][1]])
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, tol=1e-8))
    reference.fit(x.astype(np.float64), y)
    test_x, test_y = data["test"]
    ours, theirs = head.stack.predict_proba(test_x), reference.predict_proba(test_x)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.995
    assert head.metrics["accuracy"] >= 0.95
    assert abs(head.metrics["accuracy"] - reference.score(test_x, test_y)) <= 0.005


def test_the_strength_is_chosen_on_the_validation_split(ws, digits):
    head = ws.heads.train("d", digits, hs.Linear())
    path = head.record.settings["path"]
    assert len(path) >= 3
    assert head.record.settings["strength"] == min(path, key=lambda s: s["log_loss"])["strength"]


def test_metrics_are_those_of_scikit_learn_on_the_held_out_split(ws, digits):
    head = ws.heads.train("d", digits)
    x, y = parts(digits)["test"]
    probabilities = head.stack.predict_proba(x)
    guesses = probabilities.argmax(axis=1)
    assert head.metrics["accuracy"] == pytest.approx(accuracy_score(y, guesses))
    assert head.metrics["macro_f1"] == pytest.approx(f1_score(y, guesses, average="macro"))
    assert head.metrics["log_loss"] == pytest.approx(log_loss(y, probabilities), rel=1e-4)
    confusion = np.array(head.metrics["confusion"])
    assert confusion.sum() == head.metrics["n_test"] == len(y)
    assert confusion[3].sum() == (y == 3).sum()
    assert np.trace(confusion) == (guesses == y).sum()
    n = {split: len(rows[1]) for split, rows in parts(digits).items()}
    assert [head.metrics[f"n_{split}"] for split in n] == list(n.values())


def test_the_mlp_learns_and_its_standardisation_is_in_the_weights(ws, digits):
    head = ws.heads.train("d", digits, hs.MLP(hidden=(64, 32), epochs=30))
    assert [len(layer.bias) for layer in head.stack.layers] == [64, 32, 10]
    assert head.metrics["accuracy"] >= 0.95
    assert head.record.settings["epochs"] <= 30
    assert head.record.settings["hidden"] == [64, 32]


@pytest.mark.parametrize("kind", [hs.Linear(), hs.MLP(epochs=5)])
def test_the_same_seed_gives_the_same_head(ws, digits, kind):
    one = ws.heads.train("d", digits, kind, seed=3)
    other = ws.heads.train("d", digits, kind, seed=3)
    assert (one.record.version, other.record.version) == (1, 2)
    x = digits[:50]
    np.testing.assert_allclose(
        one.stack.predict_proba(x), other.stack.predict_proba(x), atol=TOLERANCE
    )


def test_another_seed_gives_another_mlp(ws, digits):
    one, other = (ws.heads.train("d", digits, hs.MLP(epochs=3), seed=seed) for seed in (1, 2))
    assert not np.allclose(one.stack.layers[0].kernel, other.stack.layers[0].kernel)


def test_folding_a_standardisation_changes_no_result():
    rng = np.random.default_rng(0)
    x = rng.normal(50, 7, (30, 5))
    x[:, 2] = 4.0  # constant
    kernel, bias = rng.normal(size=(5, 3)), rng.normal(size=3)
    part = Part(x.astype(np.float32), np.zeros(30, np.int64))
    with one_thread_a_core() as pool:
        scale = Standardisation.of([part], pool)
    np.testing.assert_allclose(scale.mean, x.mean(axis=0), rtol=1e-6)
    assert scale.std[2] == 1
    folded_kernel, folded_bias = scale.fold(kernel, bias)
    expected = (x - scale.mean) / scale.std @ kernel + bias
    np.testing.assert_allclose(x @ folded_kernel + folded_bias, expected, atol=1e-4)


@pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [7, -3]])
def test_two_classes_work_with_names_and_with_numbers(ws, tmp_path, labels):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 2, 200)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    x[:, 1] += 3 * numbers
    np.savez(tmp_path / "d.npz", x=x, y=np.array(labels)[numbers])
    ws.backbones.add("identity", identity_backbone(tmp_path, 4))
    ws.datasets.add("d", tmp_path / "d.npz")
    head = ws.heads.train("d", ws.extract("identity", "d"))
    assert head.record.classes == sorted(labels)
    assert head.metrics["accuracy"] > 0.85
    probabilities = head.stack.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert head.stack.predict(x[:1])[0] in labels


def test_a_head_is_stored_without_pickles_and_read_back(ws, digits, tmp_path):
    head = ws.heads.train("d", digits, hs.MLP(epochs=2))
    again = hs.open(ws.config.root).heads.get("d").stack
    for one, other in zip(head.stack.layers, again.layers, strict=True):
        np.testing.assert_array_equal(one.kernel, other.kernel)
        np.testing.assert_array_equal(one.bias, other.bias)
    assert again.classes == tuple(range(10))
    with pytest.raises(HeadError, match="takes 64 features, received 3"):
        again.predict_proba(np.zeros((1, 3), np.float32))


def test_what_a_head_came_from_is_stored_with_it(ws, digits):
    record = ws.heads.train("d", digits, seed=5).record
    dataset = ws.datasets.get("digits")
    assert record.feature_key == digits.key
    assert (record.dataset, record.dataset_digest) == ("digits", dataset.digest)
    assert (record.backbone, record.cut, record.seed) == ("identity:1", "x", 5)
    assert {"tensorflow", "keras", "numpy", "scikit-learn", "headstart"} <= record.versions.keys()
    (run, *_) = ws.runs.find_latest()
    assert (run.kind, run.subject, run.counts["n_test"]) == (
        "train",
        "d:1",
        record.metrics["n_test"],
    )


# Attaching


def test_pixels_are_refused_where_none_are_taken(ws, digits, fails, tmp_path):
    ws.heads.train("d", digits)
    takes = ws.heads.get("d").attach_checked().takes
    assert takes == "64 numbers, float32, as the dataset has them"
    assert "does not take one image" in fails(
        "head", "attach", "d", "--pixels", "-o", tmp_path / "d.keras"
    )


# Predicting


def test_rows_of_arrays_are_predicted_by_number(ws, digits, tmp_path, run):
    ws.heads.train("d", digits)
    rows = load_digits().data[:40].astype(np.float32)
    np.save(tmp_path / "new.npy", rows)
    np.savez(tmp_path / "new.npz", x=rows + 0.01)
    for name in ("new.npy", "new.npz"):
        predictions = run("head", "predict", "d", tmp_path / name, "--json").json
        assert [p["name"] for p in predictions] == [f"{tmp_path / name}[{n}]" for n in range(40)]
        right = [p["label"] == t for p, t in zip(predictions, load_digits().target, strict=False)]
        assert sum(right) >= 38


# Bad input


def train_on(ws, tmp_path, y, **more):
    x = np.random.default_rng(0).random((len(y), 4), np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=y, **more)
    ws.backbones.add("identity", identity_backbone(tmp_path, 4))
    ws.datasets.add("d", tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("y", "more", "message"),
    [
        (["a"] * 30, {}, "the dataset has 1 class: 'a'"),
        (["a", "b"] * 2, {"split": ["train"] * 4}, "the test split is empty"),
        (["a", "b"] * 2, {"split": ["test"] * 4}, "the train split is empty"),
        (
            ["a", "b", "a", "c"],
            {"split": ["train", "train", "test", "test"]},
            "class 'c' has no sample in the train split",
        ),
    ],
)
def test_labels_that_allow_no_head_are_an_error(ws, tmp_path, fails, y, more, message):
    train_on(ws, tmp_path, y, **more)
    ws.extract("identity", "d")
    assert message in fails("head", "train", "h", "identity", "d")
    assert ws.heads.list() == []
    assert ws.extract("identity", "d").report.computed == 0  # the features are kept


def test_an_empty_validation_split_is_no_obstacle(ws, tmp_path):
    train_on(ws, tmp_path, ["a", "b"] * 4, split=["train"] * 6 + ["test"] * 2)
    view = ws.extract("identity", "d")
    assert ws.heads.train("h", view).metrics["n_validation"] == 0
    assert ws.heads.train("h", view, hs.MLP(epochs=2)).record.settings["epochs"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strengths", "0"], "strengths are (0.0,)"),
        (["--strengths", "a"], "--strengths takes numbers with commas, received 'a'"),
        (["--kind", "mlp", "--hidden", "0"], "hidden is (0,)"),
        (["--kind", "mlp", "--dropout", "1"], "dropout is 1.0"),
        (["--kind", "mlp", "--epochs", "0"], "must be above 0"),
        (["--hidden", "3"], "--hidden is not for a head of kind linear"),
        (["--kind", "forest"], "'forest' is not one of 'attentive', 'linear', 'mlp'"),
    ],
)
def test_settings_that_cannot_be_are_refused(ready, fails, arguments, message):
    assert message in fails("head", "train", "h", "net", "pics", *arguments)
    assert ready.heads.list() == []


def test_a_head_that_is_not_there_is_an_error(ready, fails):
    ready.heads.train("colours", ready.extract("net", "pics"))
    assert "Did you mean 'colours'?" in fails("head", "show", "colour")
    assert "no head 'colours:7'" in fails("head", "show", "colours:7")


def test_a_damaged_head_is_an_error(ready):
    head = ready.heads.train("colours", ready.extract("net", "pics"))
    (file,) = ready.config.artifacts.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(hs.HeadstartError, match="is damaged"):
        _ = head.stack
    assert isinstance(ready.context.artifacts, ArtifactStore)


def test_a_head_stays_with_the_version_that_it_was_trained_on(ready, tmp_path):
    head = ready.heads.train("colours", ready.extract("net", "pics"))
    network(seed=9).save(tmp_path / "new.keras")
    ready.backbones.add("net", tmp_path / "new.keras", preprocess="unit")
    assert ready.backbones.get("net").version == 2
    head.attach()  # parity with version 1's features


def test_several_cuts_where_one_is_taken_are_an_error(ready, fails, tmp_path):
    ready.extract("net@features,relu|gap", "pics")
    message = "2 cuts are named, features, relu|gap; the features of one are taken"
    assert message in fails("head", "train", "h", "net@features,relu|gap", "pics")
    assert message in fails(
        "features", "export", "net@features,relu|gap", "pics", tmp_path / "x.npz"
    )
    with pytest.raises(FeatureError, match="2 cuts are named"):
        ready.features("net@features,relu|gap", "pics")


def test_one_path_is_taken_as_it_is(ready, pictures):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    file = pictures / "red" / "01.png"
    several = [head.predict(given)[0] for given in (str(file), file, [file])]
    assert {(one.name, one.label, one.probability) for one in several} == {
        (str(file), several[0].label, several[0].probability)
    }
