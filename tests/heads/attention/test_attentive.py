"""Heads that look at tokens: where the mean loses what one of them says, and in any number."""

import dataclasses

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads import descent
from headstart.heads.attention.layer import Attention
from headstart.heads.attention.network import AttentiveNetwork, Spread
from headstart.heads.attention.token_rows import TokenRows
from headstart.heads.attention.tokens import NoTokens, Tokens, tokens_of_shape
from headstart.heads.dense_stack import DenseStack, Layer, outputs_of
from headstart.heads.evaluation.cross_validation import cross, try_fold
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.evaluation.paired import often_right
from headstart.heads.kind import Part, tokens_for
from headstart.heads.kinds.losses import loss_of
from headstart.heads.origins import fit_near_zero
from headstart.heads.rows import ChosenRows
from headstart.heads.standardisation import one_thread_a_core

COUNT, WIDTH = 9, 6


def said_by_one_token(rows, seed=0, count=COUNT):
    """The token with a mark says the label, by its second number; another one says the contrary,
    so that their mean says nothing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, count, WIDTH)).astype(np.float32)
    targets = np.arange(rows) % 2
    for row, target in enumerate(targets):
        told, denied = rng.choice(count, 2, replace=False)
        x[row, told, 0] += 4
        x[row, told, 1] += 3 * (2 * target - 1)
        x[row, denied, 1] -= 3 * (2 * target - 1)
    return Part(x.reshape(rows, -1), targets, tokens=Tokens(count, WIDTH))


def fitted(kind, train, validation, classes=2, seed=0):
    found = fit_near_zero(
        lambda one, other: kind.fit(one, other, classes, seed),
        train,
        validation,
        tokens_for(kind, train),
    )
    return DenseStack(found.layers, tuple(range(classes))), found.details


@pytest.fixture(scope="module")
def marked():
    """Rows to train on, to choose on, and to test on."""
    return said_by_one_token(600), said_by_one_token(200, 1), said_by_one_token(400, 2)


@pytest.fixture(scope="module")
def attentive(marked):
    return fitted(hs.Attentive(), *marked[:2])


def right(stack, part):
    return outputs_of(stack, part).argmax(axis=1) == part.targets


def test_it_finds_what_the_mean_of_all_tokens_loses(marked, attentive):
    stack, _ = attentive
    mean = Attention(np.zeros((WIDTH, 1), np.float32), Tokens(COUNT, WIDTH))
    means = [dataclasses.replace(one, features=mean.run(one.features)) for one in marked]
    of_means, _ = fitted(hs.Linear(), *means[:2])
    plain, _ = fitted(hs.Linear(), *marked[:2])
    was, now = right(of_means, means[2]), right(stack, marked[2])
    assert now.mean() > 0.9
    for other in (was, right(plain, marked[2])):
        found = often_right(other, now)
        assert found.difference > 0.2
        assert found.p_value is not None and found.p_value < 0.001


def test_it_is_the_same_head_again_with_the_same_seed_alone(marked, attentive):
    train, validation, test = marked
    expected = outputs_of(attentive[0], test)
    again, _ = fitted(hs.Attentive(), train, validation)
    np.testing.assert_array_equal(outputs_of(again, test), expected)
    other, _ = fitted(hs.Attentive(), train, validation, seed=1)
    assert np.abs(outputs_of(other, test) - expected).max() > 1e-4


def test_its_probabilities_are_as_sure_as_they_are_right(marked, attentive):
    stack, details = attentive
    given = outputs_of(stack, marked[2])
    assert details["judged_on"] == {"train": 0, "validation": 200} and details["temperature"] > 0
    assert abs(given.max(axis=1).mean() - right(stack, marked[2]).mean()) < 0.06
    assert loss_of("softmax", given, marked[2].targets) < 0.35


def test_without_a_validation_split_a_fold_says_when_to_stop(marked):
    nobody = marked[1].rows(slice(0))
    stack, details = fitted(hs.Attentive(), marked[0], nobody)
    assert details["judged_on"] == {"train": 120, "validation": 0}
    assert len(details["history"]["val_loss"]) == details["epochs"]
    assert right(stack, marked[2]).mean() > 0.85


def test_of_one_sample_a_class_it_is_the_linear_head_on_the_mean():
    one = said_by_one_token(2)
    stack, details = fitted(hs.Attentive(), one, one.rows(slice(0)))
    assert details["epochs"] == 0 and details["judged_on"] == {"train": 0, "validation": 0}
    means = one.features[:].reshape(2, COUNT, WIDTH).mean(axis=1)
    plain, _ = fitted(hs.Linear(), Part(means, one.targets), Part(means[:0], one.targets[:0]))
    np.testing.assert_allclose(outputs_of(stack, one), plain.predict_proba(means), atol=1e-5)


def test_rows_on_the_disk_are_read_window_by_window(marked, monkeypatch):
    """In blocks of a tenth of them, none of which is all."""
    train, validation, test = marked
    monkeypatch.setattr(descent, "WINDOW_BYTES", 4 * train.features.shape[1] * 60)
    most = []

    class Watched(ChosenRows):
        def _read(self, rows):
            found = super()._read(rows)
            most.append(len(found))
            return found

    lazy = dataclasses.replace(train, features=Watched(train.features))
    monkeypatch.setattr("headstart.heads.rows.BLOCK_BYTES", 4 * train.features.shape[1] * 60)
    monkeypatch.setattr("headstart.heads.origins.BLOCK_ROWS", 60)
    spans = "headstart.heads.attention.network.spans_of_rows"
    monkeypatch.setattr(spans, lambda rows: [slice(at, at + 60) for at in range(0, len(rows), 60)])
    stack, _ = fitted(hs.Attentive(), lazy, validation)
    assert max(most) <= 60 and sum(most) > 10 * len(train)
    assert right(stack, test).mean() > 0.85


def test_the_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    tokens = Tokens(4, 3, is_masked=True)
    x = rng.normal(size=(6, 4, 4)).astype(np.float32)
    x[..., 3] = rng.random((6, 4)) < 0.7
    x[0, :, 3] = 0  # nothing counts
    x = x.reshape(6, -1)
    targets, weights = np.arange(6) % 3, np.linspace(0.5, 2, 6).astype(np.float32)
    start = Layer(rng.normal(size=(3, 3)).astype(np.float32), np.zeros(3, np.float32), "softmax")
    with one_thread_a_core() as pool:
        spread = Spread.of(x, tokens, pool)
        network = AttentiveNetwork(tokens, spread, 2, start, rng, pool)
        network._weights += rng.normal(0, 0.5, network._weights.shape).astype(np.float32)
        rows, own = np.arange(6), network.copy()
        _, gradient = network._slope(x, targets, rows, 6, weights)

        def loss(place, change):
            network.restore(own)
            network._weights[place] += change
            return network._slope(x, targets, rows, 6, weights)[0]

        places = rng.choice(len(own), 12, replace=False)
        found = [(loss(one, 0.01) - loss(one, -0.01)) / 0.02 for one in places]
    np.testing.assert_allclose(gradient[places], found, atol=2e-3)


def test_masked_tokens_change_nothing():
    tokens = Tokens(5, 3, is_masked=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5, 4)).astype(np.float32)
    x[..., 3] = rng.random((40, 5)) < 0.6
    other = np.where(x[..., 3:] > 0, x, 1e3).astype(np.float32)
    other[..., 3] = x[..., 3]
    attention = Attention(rng.normal(size=(3, 2)).astype(np.float32), tokens)
    given = attention.run(x.reshape(40, -1))
    np.testing.assert_array_equal(attention.run(other.reshape(40, -1)), given)
    x[0, :, 3] = 0
    assert (attention.run(x.reshape(40, -1))[0] == 0).all()


def test_a_longer_text_than_any_in_training_is_read_to_its_end():
    """A token that never counted in training is not held to be masked for ever."""
    part = said_by_one_token(400, count=6)
    rows = np.zeros((400, 8, WIDTH + 1), np.float32)
    rows[:, :6, :WIDTH] = part.features[:].reshape(400, 6, WIDTH)
    rows[:, :6, WIDTH] = 1
    tokens = Tokens(8, WIDTH, is_masked=True)
    train = Part(rows.reshape(400, -1), part.targets, tokens=tokens)
    stack, _ = fitted(hs.Attentive(queries=1), train, train.rows(slice(0)))
    longer = np.roll(rows, 2, axis=1).reshape(400, -1)
    np.testing.assert_allclose(
        stack.predict_proba(longer), stack.predict_proba(train.features[:]), atol=1e-5
    )


def test_it_takes_several_labels_and_numbers(marked):
    train, validation, test = marked
    nobody, kind = train.rows(slice(0)), hs.Attentive(epochs=30)

    def with_targets(part):
        both = np.stack([part.targets, 1 - part.targets], axis=1)
        return dataclasses.replace(part, targets=both.astype(np.float32))

    for others in (validation, nobody):
        first, second, last = (with_targets(one) for one in (train, others, test))
        of_labels = kind.fit_labels(first, second, 2, 0)
        given = outputs_of(DenseStack(of_labels.layers, (0, 1)), last)
        assert ((given > 0.5) == (last.targets > 0.5)).mean() > 0.85
        assert of_labels.layers[-1].activation == "sigmoid"
        of_numbers = kind.fit_numbers(first, second, 0)
        given = outputs_of(DenseStack(of_numbers.layers, (0, 1)), last)
        assert ((given > 0.5) == (last.targets > 0.5)).mean() > 0.85


def test_a_stored_head_is_what_it_was(attentive, marked, tmp_path):
    stack, _ = attentive
    (tmp_path / "head.npz").write_bytes(stack.to_bytes())
    again = DenseStack.read(tmp_path / "head.npz")
    assert again.width == COUNT * WIDTH and again.outputs == 2
    np.testing.assert_array_equal(outputs_of(again, marked[2]), outputs_of(stack, marked[2]))
    with np.load(tmp_path / "head.npz") as arrays:
        assert '"headstart.dense-stack/4"' in str(arrays["head"])


def test_folds_of_a_sweep_try_it_on_the_tokens_as_they_are(marked):
    rows = marked[0].rows(slice(300))
    folds = split_into_folds(rows.targets, 3, classes=(0, 1))
    kind = hs.Attentive(queries=2, epochs=30)
    linear, found = cross([hs.Linear((0.01,)), kind], rows, folds, jobs=1)
    assert found.accuracy > linear.accuracy + 0.2
    assert found.complexity[0] == 2 * WIDTH * 3 + 2
    _, number, said = try_fold(kind, 1, rows, folds)
    tried = folds[number].test
    said = said / said.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(found.probabilities[tried], said)


def test_features_that_are_no_tokens_are_refused():
    part = Part(np.zeros((4, 6), np.float32), np.arange(4) % 2)
    assert tokens_for(hs.Linear(), part) is None
    assert tokens_for(hs.Attentive(), part) == Tokens(1, 6)  # nobody knows: a row is one token
    vectors = dataclasses.replace(part, tokens=tokens_of_shape((6,)))
    assert isinstance(vectors.tokens, NoTokens)
    with pytest.raises(HeadError, match="takes tokens, and these features are one vector of 6"):
        tokens_for(hs.Attentive(), vectors)
    assert tokens_of_shape((7, 7, 1280)) == Tokens(49, 1280)


def test_token_rows_are_the_tokens_one_by_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 4, 3)).astype(np.float32)
    rows = TokenRows(x.reshape(5, -1), Tokens(4, 2, is_masked=True))
    assert rows.shape == (20, 2)
    every = x[..., :2].reshape(20, 2)
    np.testing.assert_array_equal(rows[3:11], every[3:11])
    np.testing.assert_array_equal(rows[np.array([19, 0, 7])], every[[19, 0, 7]])
    assert rows[:0].shape == (0, 2)


@pytest.mark.parametrize(
    "settings",
    [{"queries": 0}, {"queries": 2000}, {"epochs": 0}, {"learning_rate": float("inf")}],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(InvalidHeadSetting, match=next(iter(settings))):
        hs.Attentive(**settings)
