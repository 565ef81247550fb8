"""Settings: taken where it is clear what is meant, refused by name where it is not."""

import pickle

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadstartError


@pytest.mark.parametrize(
    ("made", "name", "wanted"),
    [
        (lambda: hs.Linear(strengths=0.1), "strengths", (0.1,)),
        (lambda: hs.Linear(strengths=np.logspace(-1, 0, 2)), "strengths", (0.1, 1.0)),
        (lambda: hs.Linear([1, 2]), "strengths", (1, 2)),
        (lambda: hs.SVM(strengths=1), "strengths", (1,)),
        (lambda: hs.Ridge(penalties=0.5), "penalties", (0.5,)),
        (lambda: hs.Ridge(), "penalties", None),
        (lambda: hs.MLP(hidden=64), "hidden", (64,)),
        (lambda: hs.MLP(hidden=[np.int64(64), 32]), "hidden", (64, 32)),
        (lambda: hs.CrossValidation(folds=np.int32(3)), "folds", 3),
        (lambda: hs.Settings(commit_seconds=np.float32(0.5)), "commit_seconds", 0.5),
        (lambda: hs.Ordinal(order=["low", "high"]), "order", ("low", "high")),
        (lambda: hs.Classification(balanced=np.bool_(True)), "balanced", True),
    ],
)
def test_what_is_meant_is_taken(made, name, wanted):
    value = getattr(made(), name)
    assert value == wanted and type(value) is type(wanted)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: hs.CrossValidation(folds="3"),  # type: ignore[arg-type]
            "folds of CrossValidation is '3', of type str. Give a whole number.",
        ),
        (lambda: hs.Linear("0.1"), "strengths of Linear is '0.1', of type str. Give numbers."),
        (lambda: hs.MLP(hidden=(1.5,)), "hidden of MLP is (1.5,), of type tuple"),
        (lambda: hs.MLP(dropout="no"), "dropout of MLP is 'no', of type str. Give a number."),
        (
            lambda: hs.Settings(batch_size=True),
            "batch_size of Settings is True, of type bool. Give a whole number or None.",
        ),
        (lambda: hs.Settings(precision=32), "precision of Settings is 32, of type int"),
        (lambda: hs.FineTuning(epochs=2.5), "epochs of FineTuning is 2.5, of type float"),
        (lambda: hs.MultiLabel(separator=1), "separator of MultiLabel is 1"),
        (lambda: hs.Classification(balanced="yes"), "Give True or False."),
    ],
)
def test_what_is_not_clear_is_refused_with_the_name_of_the_setting(made, message):
    with pytest.raises(HeadstartError) as error:
        made()
    assert message in str(error.value)


def test_the_line_of_settings_says_what_differs():
    assert repr(hs.Linear()) == "Linear()"
    assert repr(hs.Settings(precision="bfloat16")) == "Settings(precision='bfloat16')"
    shown = repr(hs.MLP(hidden=64, epochs=3))
    assert eval(shown, {"MLP": hs.MLP}) == hs.MLP((64,), epochs=3)


def test_settings_are_as_frozen_equal_and_picklable_as_before():
    made = hs.MLP(hidden=64)
    assert made == hs.MLP((64,)) and hash(made) == hash(hs.MLP((64,)))
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(AttributeError):
        made.hidden = (1,)
