"""Every kind of head keeps the contract of `heads/kind.py`."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import FitsNumbers, FitsOrder, Part, takes_class_names
from headstart.heads.kinds.every_kind import KINDS, kind_of
from headstart.heads.kinds.of_names.class_names import Directions
from headstart.heads.setting import Setting
from headstart.heads.tasks import TASKS

NAMES = list(KINDS)


def rows(count=60, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    features = (rng.normal(size=(count, 5)) + 2 * np.eye(5)[targets]).astype(np.float32)
    return Part(features, targets)


NOTHING = rows().rows(slice(0))


def ready(kind):
    """A head of a kind, which knows what its classes are called if it asks."""
    if not takes_class_names(kind):
        return kind()
    return kind(directions=Directions(np.eye(3, 5, dtype=np.float32)))


@pytest.fixture(params=NAMES)
def kind(request):
    return KINDS[request.param]


def test_it_declares_what_it_is(kind):
    assert KINDS[kind.kind] is kind
    assert set(kind.tasks) <= set(TASKS) and "classification" in kind.tasks
    fields = {field.name for field in dataclasses.fields(kind)}
    assert {setting.name for setting in kind.options} <= fields
    assert all(setting.help.endswith(".") for setting in kind.options)


def test_its_settings_are_json_and_make_the_same_head_again(kind):
    for head in [kind(), *kind.grid({})]:
        assert kind_of(kind.kind, json.loads(json.dumps(head.describe()))) == head
        assert pickle.loads(pickle.dumps(head)) == head
        assert hash(head) == hash(kind_of(kind.kind, head.describe()))


def test_its_layers_give_probabilities_of_every_class_and_the_same_ones_again(kind):
    train = rows()
    for validation in (NOTHING, rows(seed=1)):
        fitted = ready(kind).fit(train, validation, 3, 0)
        given = DenseStack(fitted.layers, (0, 1, 2)).predict_proba(train.features)
        assert given.shape == (60, 3)
        np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)
        assert (given.argmax(axis=1) == train.targets).mean() > 0.7
        json.dumps(fitted.details)
        again = ready(kind).fit(train, validation, 3, 0)
        for one, other in zip(fitted.layers, again.layers, strict=True):
            np.testing.assert_array_equal(one.kernel, other.kernel)


def task_rows(name):
    one = rows()
    if name == "multi-label":
        return dataclasses.replace(one, targets=np.eye(3, dtype=np.float32)[one.targets]), 3
    if name == "regression":
        return dataclasses.replace(one, targets=one.features[:, :1] * 2), 1
    return one, 3


@pytest.mark.parametrize("name", TASKS)
def test_it_does_the_tasks_that_it_names_and_refuses_the_others(kind, name):
    train, outputs = task_rows(name)
    task, head = TASKS[name](), ready(kind)
    if name not in kind.tasks:
        with pytest.raises(HeadError, match=f"kind {kind.kind}"):
            task.fit(head, train, train, outputs, 0)
        return
    layers = task.fit(head, train, train, outputs, 0).layers
    assert DenseStack(layers, tuple(range(outputs))).predict_proba(train.features).shape[1] == (
        outputs
    )


def test_it_has_the_methods_of_its_tasks(kind):
    assert isinstance(kind(), FitsOrder) == ("ordinal" in kind.tasks)
    assert isinstance(kind(), FitsNumbers) == ("regression" in kind.tasks)


def test_a_sweep_gets_the_values_that_its_settings_were_given(kind):
    assert len(kind.grid({})) >= 1
    for setting in kind.options:
        values = setting.read_each("1,2" if setting.number is int else "0.1,0.2")
        found = kind.grid({setting.name: values, "of_another_kind": (1,)})
        tried = {value for head in found for value in each(setting, getattr(head, setting.name))}
        assert tried == {value for one in values for value in each(setting, one)}


def each(setting: Setting, value):
    return value if setting.takes == "candidates" else (value,)


def test_the_search_suggests_heads_of_it(kind):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [kind.suggest(study.ask()) for _ in range(4)]
    assert all(isinstance(head, kind) for head in found)
    assert (len(set(found)) > 1) == bool(kind.options)


@pytest.mark.parametrize(
    ("setting", "text", "value", "each_value"),
    [
        (Setting("a", "A.", int), "5", 5, (5,)),
        (Setting("a", "A."), "0.5", 0.5, (0.5,)),
        (Setting("a", "A.", float, "candidates"), "1, 2", (1.0, 2.0), ((1.0,), (2.0,))),
        (Setting("a", "A.", int, "list"), "64,32", (64, 32), ((64,), (32,))),
    ],
)
def test_a_setting_reads_what_it_declares(setting, text, value, each_value):
    assert setting.read(text) == value
    assert setting.read_each(text) == each_value
    with pytest.raises(ValueError, match="--a takes"):
        setting.read("wide")
    with pytest.raises(ValueError, match="--a takes"):
        setting.read_each("wide")


def test_widths_with_an_x_are_one_value():
    assert Setting("hidden", "W.", int, "list").read_each("8,8x4") == ((8,), (8, 4))
    with pytest.raises(ValueError, match="--epochs takes one whole number, received '1,2'"):
        Setting("epochs", "E.", int).read("1,2")
    with pytest.raises(ValueError, match="--epochs takes one whole number"):
        Setting("epochs", "E.", int).read("1.5")


def test_a_setting_that_no_chosen_kind_has_is_refused(ready, run):
    ran = run("head", "sweep", "pics", "net@features", "--kinds", "prototype", "--hidden", "8")
    assert ran.code == 2 and "--hidden is not for heads of kind prototype" in ran.err
    ran = run("head", "train", "h", "net@features", "pics", "--hidden", "8")
    assert ran.code == 2 and "--hidden is not for a head of kind linear" in ran.err
