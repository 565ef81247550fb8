"""Several heads of a sweep as one: which are chosen, what they are worth, how they are shipped."""

from dataclasses import replace

import numpy as np
import pytest
from head_files import with_facts

import headstart as hs
from conftest import keras
from headstart.errors import HeadError
from headstart.heads.combined.greedy import select
from headstart.heads.kinds.losses import losses_of
from headstart.jobs.heads.care.head_bundle import HeadBundle
from headstart.jobs.heads.combined.ensemble import Chosen, Fitting, fit_members
from headstart.notices import HeadstartWarning
from headstart.origins.blocks import blocks_of
from headstart.registry import tables as t
from headstart.registry.entities import Failure

TRYING = hs.CrossValidation(folds=3)
BOTH = "net@features + other@features"


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
    assert found.scores["log_loss"] == pytest.approx(loss(means[end - 1], targets))
    assert found.scores["accuracy"] == (means[end - 1].argmax(axis=1) == targets).mean()


def test_an_ensemble_is_never_worse_than_its_best_head_where_it_was_chosen(said):
    each, targets = said
    by_accuracy, by_loss = (select(each, targets, name) for name in ("accuracy", "log_loss"))
    best = max((one.argmax(axis=1) == targets).mean() for one in each)
    assert by_accuracy.scores["accuracy"] >= best
    assert by_loss.scores["log_loss"] <= min(loss(one, targets) for one in each)
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
    chosen = [Chosen(t.blocks, t.kind, 1 / len(sweep.trials)) for t in sweep.trials]
    made = fit_members(two.context, "all", "pics", chosen, {}, Fitting())
    head = two.heads.get("all")
    alone = [
        two.heads.train(f"m{number}", two.features(one.blocks.reference, "pics"), one.kind)
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


@pytest.mark.parametrize("change", [lambda members: members[:-1], lambda members: members * 2])
def test_an_ensemble_of_other_members_than_its_weights_is_not_imported(rows, tmp_path, change):
    sweep = rows.sweep("rows", "flat@as_it_is", [hs.Linear((0.1,)), hs.Prototype()], trying=TRYING)
    chosen = [Chosen(t.blocks, t.kind, 1 / len(sweep.trials)) for t in sweep.trials]
    fit_members(rows.context, "two", "rows", chosen, {}, Fitting())
    file = rows.heads.get("two").export(tmp_path / "two.zip")
    bundle = HeadBundle.read(file)
    settings = dict(bundle.record["settings"])
    settings["members"] = change(settings["members"])
    # as whoever forges it in both places would
    told = with_facts(bundle.weights, {"settings": settings})
    replace(bundle, weights=told, record={**bundle.record, "settings": settings}).write(file)
    count = len(settings["members"])
    with pytest.raises(
        HeadError, match=f"is said to be of {count} heads?; its weights are those of 2"
    ):
        rows.heads.import_(file, "other")
    assert "other" not in set(rows.heads)


def test_a_kept_sweep_is_tried_again_and_gives_the_same_ensemble(rows):
    sweep = rows.sweep(
        "rows", "flat@as_it_is", [hs.Linear((0.001, 0.1)), hs.Prototype()], trying=TRYING
    )
    at_once = rows.heads.train_ensemble("at_once", sweep)
    later = rows.heads.train_ensemble("later", sweep.id)
    assert later.record.settings["members"] == at_once.record.settings["members"]
    np.testing.assert_array_equal(later.held_out().probabilities, at_once.held_out().probabilities)


@pytest.fixture
def versions(rows, with_rows):
    """A sweep of `flat`, and an ensemble of it, when there is a second version that tells less."""
    sweep = rows.sweep("rows", "flat@as_it_is", [hs.Linear((0.1,)), hs.Prototype()], trying=TRYING)
    rows.heads.train_ensemble("e", sweep)
    given = keras.Input((6,))
    less = keras.layers.Dense(6, use_bias=False, name="as_it_is")
    model = keras.Model(given, keras.layers.Dense(2, name="out")(less(given)))
    less.set_weights([1e-3 * np.ones((6, 6), np.float32)])
    model.save(rows.config.root.parent / "less.keras")
    rows.backbones.add("flat", rows.config.root.parent / "less.keras", preprocess="array")
    rows.extract("flat:2@as_it_is", "rows", engine="tensorflow")
    return rows, sweep


def test_it_stays_with_the_version_of_the_backbone_that_its_members_are_on(versions):
    rows, sweep = versions
    head = rows.heads.get("e")
    assert head.reproduce().agrees
    assert head.retrain().metrics["accuracy"] == head.metrics["accuracy"]
    for number, made in enumerate((sweep, sweep.id)):
        again = rows.heads.train_ensemble(f"again{number}", made)
        assert again.record.settings["members"] == head.record.settings["members"]
        assert again.record.backbone == "flat:1"
    assert rows.heads.train_from_sweep("one", sweep.id).record.backbone == "flat:1"


def test_a_sweep_of_before_means_the_first_version_by_a_name_alone(versions):
    rows, sweep = versions
    with rows.database.writing() as connection:
        for row in connection.execute(t.trials.select()).all():
            del row.settings["behind"]["features"], row.settings["behind"]["feature_keys"]
            own = (t.trials.c.sweep_id == sweep.id) & (t.trials.c.place == row.place)
            connection.execute(t.trials.update().where(own).values(settings=row.settings))
    assert rows.heads.train_from_sweep("one", sweep.id).record.backbone == "flat:1"


def test_its_members_are_known_by_the_names_where_it_is_imported(versions, tmp_path):
    rows, _ = versions
    rows.heads.get("e").export(tmp_path / "e.head.zip")
    rows.backbones.export("flat:1", tmp_path / "flat.zip")
    other = hs.init(tmp_path / "other")
    other.backbones.import_(tmp_path / "flat.zip", "called")
    back = other.heads.import_(tmp_path / "e.head.zip")
    assert {one["features"] for one in back.record.settings["members"]} == {"called:1@as_it_is"}
    other.datasets.add("rows", rows.datasets.get("rows").source)
    other.extract("called@as_it_is", "rows", engine="tensorflow")
    assert back.reproduce().agrees


def test_what_one_backbone_cannot_read_no_member_is_fitted_on(two):
    known = two.context.feature_sets
    (other,) = (one for one in known.find_sets() if one.backbone.startswith("other"))
    reds = [one for one in two.datasets.manifest("pics").samples if one.label == "red"]
    lost = [Failure(one.digest, other.preprocessing_fingerprint, "too large") for one in reds]
    known.record_failures(lost)
    for shard in known.find_shards(other.id):
        known.quarantine(shard)
    with pytest.warns(HeadstartWarning, match="samples are left out"):
        two.extract("other@features", "pics", engine="tensorflow")
        names = ("net@pool", "other@features")
        chosen = [Chosen(blocks_of(two.context, one), hs.Prototype(), 0.5) for one in names]
        made = fit_members(two.context, "e", "pics", chosen, {}, Fitting())
        assert made.record.classes == ["blue", "green"]
        assert two.heads.get("e").reproduce().agrees


def test_it_attaches_to_one_cut_and_what_it_cannot_do_is_said(rows, fails, run):
    sweep = rows.sweep("rows", "flat@as_it_is", [hs.Linear((0.1,))], trying=TRYING)
    assert run("head", "train", "e", "--ensemble", sweep.id).code == 0
    head = rows.heads.get("e")
    assert not head.is_joined and head.attach_checked().difference < 1e-4
    with pytest.raises(HeadError, match="is an ensemble, and has no learning curve"):
        head.learning_curve()
    for kind in (hs.Linear((0.1,)), hs.Prototype()):  # whether it was fitted on that split or not
        tried = rows.sweep("rows", "flat@as_it_is", [kind], trying=TRYING)
        with pytest.raises(HeadError, match="chosen by samples of the validation split"):
            rows.heads.train_ensemble("e", tried).conformal()
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
    joined = two.features("net@features,pool + other@features", "pics")
    assert two.heads.train("h", joined).attach_checked(tmp_path / name).difference < 1e-4
    chosen = [
        Chosen(blocks_of(two.context, "net@pool"), hs.Linear((0.1,)), 0.25),
        Chosen(blocks_of(two.context, BOTH), hs.MLP(hidden=(8,)), 0.75),
    ]
    fit_members(two.context, "e", "pics", chosen, {}, Fitting())
    made = two.heads.get("e").attach_checked(tmp_path / f"e-{name}", labels="." not in name)
    assert made.difference < 1e-4


def test_bagged_heads_are_one_head_that_runs_the_trunk_once(two, run, tmp_path):
    ran = run("head", "train", "bag", "net@features + other@features", "pics", "--kind",
              "prototype", "--bags", "3")  # fmt: skip
    said = " ".join(ran.out.split())
    assert ran.code == 0 and "out of bag" in said and "bagged" in said, ran
    head = two.heads.get("bag")
    assert head.record.kind == "bagged" and "3 of prototype" in run("head", "show", "bag").out
    told = head.record.settings["out_of_bag"]
    low, high = told["intervals"]["accuracy"]
    assert low <= told["accuracy"] <= high
    assert told["n"] <= head.metrics["n_train"] + head.metrics["n_validation"]
    whole = head.attach_checked(tmp_path / "bag.keras")
    assert whole.difference < 1e-4
    assert len([one for one in whole.model.layers if one.name.startswith("trunk_")]) == 2
    assert head.reproduce().agrees
    again = head.retrain()
    assert again.record.version == 2 and again.metrics["accuracy"] == head.metrics["accuracy"]
    head.export(tmp_path / "bag.head.zip")
    back = two.heads.import_(tmp_path / "bag.head.zip", "back")
    np.testing.assert_array_equal(back.held_out().probabilities, head.held_out().probabilities)
    with pytest.raises(HeadError, match="is bagged, and has no learning curve"):
        head.learning_curve()
    with pytest.raises(HeadError, match="not tried on folds"):
        two.sweep("pics", ["net@pool"], hs.Bagged(hs.Prototype()), trying=TRYING)
