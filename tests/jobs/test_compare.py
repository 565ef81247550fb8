"""`head compare`: two heads of one dataset, pair by pair."""

import numpy as np
import pytest

import headstart as hs
from conftest import keras


@pytest.fixture
def two(ready):
    ready.extract("net@features,relu|gmp", "pics")
    ready.heads.train("one", ready.features("net@features", "pics"), hs.Linear((1e-4,)))
    ready.heads.train("other", ready.features("net@relu|gmp", "pics"), hs.Prototype())
    return ready


def test_heads_of_two_cuts_are_compared_on_the_same_samples(two, run):
    found = two.heads.compare("one", "other")
    judged = [two.heads.get(name).held_out() for name in ("one", "other")]
    right = [one.probabilities.argmax(axis=1) == one.targets for one in judged]
    ids = np.array([sample.id for sample in judged[0].samples])
    assert found.fixed == ids[right[1] & ~right[0]].tolist()
    assert found.broken == ids[right[0] & ~right[1]].tolist()
    assert found.samples == len(ids)
    by_name = {one.name: one for one in found.differences}
    assert {"accuracy", "macro_f1", "log_loss"} <= set(by_name)
    for name, one in by_name.items():
        scores = [two.heads.get(head).metrics[name] for head in ("one", "other")]
        assert one.scores == pytest.approx(scores)
        assert one.difference == pytest.approx(scores[1] - scores[0])
        if name in ("ece", "ece_debiased"):
            assert (one.interval, one.procedure) == (None, "none")
        elif name in ("auroc", "auprc") and one.interval is None:
            assert one.difference == 0  # both put all in the same order
        else:
            assert one.interval[0] <= one.difference <= one.interval[1]
    ran = run("head", "compare", "one", "other", "--json").json
    assert ran["fixed"] == found.fixed and ran["p_value"] == found.p_value
    assert ran["test"] == "McNemar's mid-p test"
    shown = run("head", "compare", "one", "other").out
    assert "B less A" in shown and "McNemar's mid-p" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_head_is_as_good_as_itself(two):
    found = two.heads.compare(two.heads.get("one"), "one")
    assert (found.fixed, found.broken, found.p_value) == ([], [], 1.0)
    assert all(one.difference == 0 for one in found.differences)


def test_what_has_nothing_in_common_is_refused_in_a_line(two, pictures, fails):
    two.datasets.add("again", pictures)
    two.heads.train("third", two.extract("net@features", "again"), hs.Prototype())
    line = fails("head", "compare", "one", "third")
    assert "are of datasets 'pics' and 'again'" in line
    assert "no head 'none'" in fails("head", "compare", "one", "none")


def test_numbers_are_compared_and_tasks_are_not_mixed(ready, run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 8)).astype(np.float32)
    y = 3 + x[:, 0] + 0.1 * rng.normal(size=120)
    given = keras.Input((8,))
    as_it_is = keras.layers.Rescaling(1.0, name="as_it_is")(given)
    keras.Model(given, keras.layers.Dense(2)(as_it_is)).save(tmp_path / "flat.keras")
    ready.backbones.add("flat", tmp_path / "flat.keras", preprocess="array")
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    ready.datasets.add("rows", tmp_path / "rows.npz")
    view = ready.extract("flat", "rows")
    for name, penalty in (("weak", 1e5), ("good", 1.0)):
        ready.heads.train(name, view, hs.Ridge((penalty,)), task=hs.Regression())
    found = ready.heads.compare("weak", "good")
    assert found.fixed is None and found.p_value is None
    by_name = {one.name: one for one in found.differences}
    for name, is_better in (("r2", 1), ("mean_absolute_error", -1)):
        low, high = by_name[name].interval
        assert low <= by_name[name].difference <= high
        assert min(is_better * low, is_better * high) > 0
    told = run("head", "compare", "weak", "good")
    assert "- root mean squared error, R2: paired bootstrap, percentiles\n" in told.out
    assert "different things" not in told.err

    loss = hs.Regression("quantile", 0.9)
    ready.heads.train("high", view, hs.Ridge((0.1,)), task=loss)
    apart = ready.heads.compare("good", "high")
    assert apart.aims == ("mean", "quantile 0.9")
    assert {one.name for one in apart.differences} == set(by_name)  # of which both have all
    said = run("head", "compare", "good", "high").err
    assert "different things, good:1 the mean and high:1 the quantile 0.9" in said

    for loss in ("quantile", "poisson"):
        aim = hs.Regression(loss, 0.9 if loss == "quantile" else 0.5)
        for name, penalty in (("flat", 1e3), ("near", 0.01)):
            ready.heads.train(f"{name}-{loss}", view, hs.Ridge((penalty,)), task=aim)
        first = ready.heads.compare(f"flat-{loss}", f"near-{loss}").differences[0]
        assert first.name == {"quantile": "pinball_loss", "poisson": "poisson_deviance"}[loss]
        low, high = first.interval
        assert low < first.difference < high < 0 and "studentised" in first.procedure

    for one in ready.heads.compare("good", "good").differences:
        assert (one.difference, one.interval) == (0, (0, 0)) and "the same number" in one.procedure
        assert "nan" not in repr(one)
