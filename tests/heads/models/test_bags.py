"""Bagged heads: what each draws, and what their mean is."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier

import headstart as hs
from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.combined.bagged import Bagged, Bootstrap, Draw
from headstart.heads.dense_stack import outputs_of, stack_of
from headstart.heads.kind import Part
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.kinds.words import setting_words
from headstart.heads.models.bags import OutOfBag, fit_bags, fit_drawn
from headstart.heads.tasks import Classification, Regression
from headstart.sklearn import HeadClassifier

KIND = hs.Linear((0.1,))


def part_of(rows, seed=0, groups=None, width=5):
    rng = np.random.default_rng(seed)
    targets = np.arange(rows) % 3
    features = (rng.normal(size=(rows, width)) + targets[:, None]).astype(np.float32)
    return Part(features, targets, groups=np.arange(rows) if groups is None else groups)


@pytest.fixture
def parts():
    return {"train": part_of(90), "validation": part_of(30, 1), "test": part_of(30, 2)}


@pytest.fixture
def bags(parts):
    return fit_bags(Bagged(KIND, 5), parts, [0, 1, 2], Classification(), 3)


def test_of_the_same_rows_the_mean_is_that_of_scikit_learn(parts):
    train, nobody = parts["train"], part_of(0)
    theirs = BaggingClassifier(
        HeadClassifier("linear", strengths=(0.1,)), n_estimators=4, random_state=0
    )
    theirs.fit(train.features, train.targets)
    said = []
    for chosen in theirs.estimators_samples_:
        drawn = Draw(np.sort(chosen), np.isin(np.arange(90), chosen))
        none = Draw(np.empty(0, int), np.empty(0, bool))
        layers = fit_drawn(
            KIND,
            {"train": train, "validation": nobody},
            {"train": drawn, "validation": none},
            [0, 1, 2],
            Classification(),
            0,
        )
        said.append(outputs_of(stack_of(layers, [0, 1, 2]), parts["test"]))
    expected = theirs.predict_proba(parts["test"].features)
    # it gives each row a weight in the place of repeating it, so steps end elsewhere
    np.testing.assert_allclose(np.mean(said, axis=0), expected, atol=1e-3)


def test_the_head_says_the_mean_of_heads_that_differ(bags, parts):
    x = parts["test"].features
    each = [one.stack.predict_proba(x) for one in bags.ensemble.members]
    assert len(each) == 5 and not np.allclose(each[0], each[1], atol=1e-4)
    np.testing.assert_allclose(bags.ensemble.predict_proba(x), np.mean(each, axis=0), atol=1e-6)


def test_without_a_validation_split_bags_are_drawn_from_the_train_split_alone(parts):
    parts["validation"] = part_of(0)
    found = fit_bags(Bagged(KIND, 2), parts, [0, 1, 2], Classification(), 3)
    assert found.out["validation"].said.shape == (0, 3) and found.out["train"].times.max() > 0
    assert outputs_of(found.ensemble, part_of(0)).shape == (0, 3)


def test_a_bagged_head_is_trained_on_a_dataset_without_a_validation_split(rows):
    whole = part_of(60, width=6)
    rows.datasets.add("d", whole.features, whole.targets, split="80/20")
    features = rows.extract("flat@as_it_is", "d", settings=hs.Settings(engine="tensorflow"))
    head = rows.heads.train("d", features, Bagged(KIND, 2))
    assert head.record.settings["out_of_bag"]["n"] > 10


def test_a_sample_is_judged_by_the_heads_that_did_not_draw_it(bags, parts):
    for split in ("train", "validation"):
        out, x = bags.out[split], parts[split].features
        each = [one.stack.predict_proba(x) for one in bags.ensemble.members]
        assert 0 < (out.times == 0).mean() < 0.3  # of five, 0.632 ** 5 as a rule
        row = int(out.times.argmax())
        means = [np.mean(some, axis=0)[row] for some in subsets(each, out.times[row])]
        told = out.said[row] / out.times[row]
        assert min(np.abs(one - told).max() for one in means) < 1e-6


def subsets(each, count):
    from itertools import combinations

    return combinations(each, int(count))


def test_what_a_head_drew_tells_nothing_of_it():
    out = OutOfBag.of(3, 2)
    taken = np.array([True, False, True])
    out.add(Draw(np.array([0, 2]), taken), np.array([[1, 0], [0.2, 0.8], [1, 0]]))
    assert out.times.tolist() == [0, 1, 0]
    np.testing.assert_allclose(out.said, [[0, 0], [0.2, 0.8], [0, 0]])


def test_each_class_is_drawn_as_often_as_it_is_there_and_groups_are_drawn_together():
    groups = np.arange(60) // 6 * 3 + np.arange(60) % 3  # two rows of one class each
    part = part_of(60, groups=groups)
    bootstrap, rng = Bootstrap(part, 3), np.random.default_rng(0)
    shares = []
    for _ in range(50):
        drawn = bootstrap.draw(rng)
        times = np.bincount(drawn.rows, minlength=60)
        assert np.bincount(part.targets[drawn.rows]).tolist() == [20, 20, 20]
        np.testing.assert_array_equal(drawn.taken, times > 0)
        for group in np.unique(groups):
            assert len(set(times[groups == group])) == 1
        shares.append(drawn.taken.mean())
    assert np.mean(shares) == pytest.approx(1 - 0.9**10, abs=0.03)  # ten groups a class


def test_a_class_with_no_group_of_its_own_that_is_never_drawn_is_an_error():
    part = Part(np.zeros((2, 1), np.float32), np.array([0, 1]), groups=np.zeros(2, int))
    assert Bootstrap(part, 2).draw(np.random.default_rng(0)).rows.tolist() == [0, 1]
    targets = np.array([0] * 500 + [1, 2] + [2] * 500)
    mixed = Bootstrap(Part(np.zeros((1002, 1), np.float32), targets), 3)
    assert set(targets[mixed.draw(np.random.default_rng(0)).rows]) == {0, 1, 2}


def test_settings_come_back_from_what_is_stored():
    bagged = hs.Bagged(hs.MLP(hidden=(8,)), bags=3)
    stored = {**bagged.describe(), "views": 0, "given": bagged.describe()}
    assert kind_of("bagged", stored) == bagged
    assert setting_words({"kind": "bagged", **bagged.describe()}).startswith("bagged, 3 of mlp")
    assert hs.Bagged(hs.Prototype).of == hs.Prototype()


def test_what_cannot_be_bagged_is_refused(parts):
    with pytest.raises(InvalidHeadSetting, match="bags is 1"):
        hs.Bagged(KIND, 1)
    with pytest.raises(InvalidHeadSetting, match="is no kind of head that can be bagged"):
        hs.Bagged(hs.Bagged(KIND))
    with pytest.raises(HeadError, match="bagged heads are for classification"):
        fit_bags(Bagged(KIND, 2), parts, [], Regression(), 0)
    with pytest.raises(HeadError, match="not tried on folds"):
        Bagged(KIND).fit(parts["train"], parts["validation"], 3, 0)
