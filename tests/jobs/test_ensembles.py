"""Several heads of a sweep as one: which are chosen, what they are worth, how they are shipped."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.combined.greedy import select
from headstart.heads.kinds.losses import losses_of

TRYING = hs.CrossValidation(folds=3)


def softmax(x):
    found = np.exp(x - x.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


@pytest.fixture
def said():
    """What five heads say of 300 samples of three classes, each with errors of its own."""
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 3, 300)
    true = 2.0 * np.eye(3)[targets]
    each = [softmax(true + rng.normal(0, noise, (300, 3))) for noise in (1.5, 1.6, 1.7, 2, 9)]
    return each, targets


def loss(mean, targets):
    return losses_of("softmax", mean, targets).mean()


def test_each_head_that_is_taken_is_the_one_that_helps_most(said):
    each, targets = said
    found = select(each, targets, "log_loss", rounds=4)
    taken, total = [], np.zeros((300, 3))
    for number in range(1, 5):  # by brute force
        losses = [loss((total + one) / number, targets) for one in each]
        taken.append(int(np.argmin(losses)))
        total = total + each[taken[-1]]
    means = [np.mean([each[n] for n in taken[:end]], axis=0) for end in range(1, 5)]
    end = int(np.argmin([loss(mean, targets) for mean in means])) + 1
    np.testing.assert_array_equal(found.counts, np.bincount(taken[:end], minlength=5))
    assert found.log_loss == pytest.approx(loss(means[end - 1], targets))
    assert found.accuracy == (means[end - 1].argmax(axis=1) == targets).mean()


def test_an_ensemble_is_never_worse_than_its_best_head_where_it_was_chosen(said):
    each, targets = said
    by_accuracy, by_loss = (select(each, targets, name) for name in ("accuracy", "log_loss"))
    best = max((one.argmax(axis=1) == targets).mean() for one in each)
    assert by_accuracy.accuracy >= best
    assert by_loss.log_loss <= min(loss(one, targets) for one in each)
    for found in (by_accuracy, by_loss):
        assert found.counts[4] == 0 and found.weights.sum() == pytest.approx(1)


def test_of_a_head_and_its_copy_the_first_is_taken(said):
    each, targets = said
    found = select([each[0], each[0].copy()], targets)
    assert found.counts.tolist() == [1, 0]


def test_a_sweep_gives_an_ensemble_and_says_what_it_is_worth(two, run):
    ran = run("head", "sweep", "pics", "--kinds", "linear,prototype", "--strengths", "0.01,1",
              "--folds", "3", "--ensemble", "several")  # fmt: skip
    said = " ".join(ran.out.split())
    assert ran.code == 0 and "Ensemble: several:1, " in said, ran
    head = two.heads.get("several")
    assert "took no part in the choice" in said and "strength" in said
    settings = head.record.settings
    assert sum(one["weight"] for one in settings["members"]) == pytest.approx(1)
    told = settings["beside"]
    judged = head.held_out()
    assert head.metrics["accuracy"] == (judged.guesses == judged.targets).mean()
    assert told["samples"] == head.metrics["n_test"] == len(judged.targets)
    assert head.metrics["accuracy"] - told["accuracy"] == pytest.approx(told["difference"])
    shown = run("head", "show", "several")
    assert "members" in shown.out and "compared" in shown.out


def test_it_says_the_mean_of_what_its_members_say_and_its_model_says_the_same(two, tmp_path):
    sweep = two.sweep(
        "pics",
        ["net@pool", "other@features", "net@features + other@features"],
        [hs.Linear((0.1,)), hs.Prototype()],
        trying=TRYING,
    )
    # such small data choose few members: all of them, for the sake of the model
    from headstart.jobs.heads.combined.ensemble import Chosen, fit_members

    chosen = [Chosen(t.features, t.precision, t.kind, 1 / len(sweep.trials)) for t in sweep.trials]
    made = fit_members(two.context, "all", "pics", chosen, {}, 0, None)
    head = two.heads.get("all")
    alone = [
        two.heads.train(f"m{number}", two.features(one.features, "pics"), one.kind)
        for number, one in enumerate(chosen)
    ]
    expected = np.mean([one.held_out().probabilities for one in alone], axis=0)
    np.testing.assert_allclose(head.held_out().probabilities, expected, atol=1e-5)
    whole = head.attach_checked(tmp_path / "all.keras")
    assert whole.difference < 1e-4
    assert len([one for one in whole.model.layers if one.name.startswith("trunk_")]) == 2
    assert head.reproduce().agrees and made.record.kind == "ensemble"
    again = head.retrain()
    assert again.record.version == 2 and again.metrics["accuracy"] == head.metrics["accuracy"]
    head.export(tmp_path / "all.head.zip")
    back = two.heads.import_(tmp_path / "all.head.zip", "back")
    np.testing.assert_array_equal(back.held_out().probabilities, head.held_out().probabilities)
    files = [two.datasets.get("pics").source + "/" + one for one in head.features().ids[:2]]
    said = head.predict(files).probabilities
    np.testing.assert_allclose(said, head.judge.predict_proba(head.features()[:2]), atol=1e-5)


def test_a_kept_sweep_is_tried_again_and_gives_the_same_ensemble(rows):
    sweep = rows.sweep(
        "rows", "flat@as_it_is", [hs.Linear((0.001, 0.1)), hs.Prototype()], trying=TRYING
    )
    at_once = rows.heads.train_ensemble("at_once", sweep)
    later = rows.heads.train_ensemble("later", sweep.id)
    assert later.record.settings["members"] == at_once.record.settings["members"]
    np.testing.assert_array_equal(later.held_out().probabilities, at_once.held_out().probabilities)


def test_it_attaches_to_one_cut_and_what_it_cannot_do_is_said(rows, fails, run):
    sweep = rows.sweep("rows", "flat@as_it_is", [hs.Linear((0.1,))], trying=TRYING)
    assert run("head", "train", "e", "--ensemble", sweep.id).code == 0
    head = rows.heads.get("e")
    assert not head.is_joined and head.attach_checked().difference < 1e-4
    with pytest.raises(HeadError, match="is an ensemble, and has no learning curve"):
        head.learning_curve()
    with pytest.raises(HeadError, match="linear members were fitted on the validation split"):
        head.conformal()
    assert "of kind ensemble" in fails("head", "finetune", "e", "--from", "as_it_is")
    assert "takes the number of a sweep" in fails("head", "train", "e", "--ensemble", "x")
    assert "leave the rest out" in fails("head", "train", "e", "--ensemble", "1", "--kind", "svm")
    few = rows.sweep("rows", "flat@as_it_is", "linear", trying=hs.CrossValidation(3, shots=2))
    with pytest.raises(HeadError, match="2 samples per class"):
        rows.heads.train_ensemble("e", few)


@pytest.mark.slow  # converters, a quarter of a minute
@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "saved", "model.keras"])
def test_every_format_says_what_the_cached_features_say(two, tmp_path, name):
    pytest.importorskip("tf2onnx")
    from headstart.jobs.heads.combined.ensemble import Chosen, fit_members

    joined = two.features("net@features,pool + other@features", "pics")
    assert two.heads.train("h", joined).attach_checked(tmp_path / name).difference < 1e-4
    chosen = [
        Chosen("net@pool", "float32", hs.Linear((0.1,)), 0.25),
        Chosen("net@features + other@features", "float32", hs.MLP(hidden=(8,)), 0.75),
    ]
    fit_members(two.context, "e", "pics", chosen, {}, 0, None)
    made = two.heads.get("e").attach_checked(tmp_path / f"e-{name}", labels="." not in name)
    assert made.difference < 1e-4
