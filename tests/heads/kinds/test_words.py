"""Settings of heads in plain words."""

import pytest

import headstart as hs
from headstart.heads.kinds.words import fitted_words, given_words, setting_words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (hs.Ridge(), "ridge, penalty chosen by the fit"),
        (hs.Ridge((10.0,)), "ridge, penalty 10"),
        (hs.Neighbours(), "neighbours, number of neighbours chosen by the fit"),
        (hs.Neighbours(5), "neighbours, neighbours 5"),
        (hs.Neighbours(5, calibrated=False), "neighbours, neighbours 5, not calibrated"),
        (hs.Linear((0.01, 0.1)), "linear, strength chosen among 0.01, 0.1"),
        (hs.Linear((0.1, 1.0, 2.0, 0.01)), "linear, strength chosen among 4 from 0.01 to 2"),
        (hs.Prototype(), "prototype"),
        (
            hs.MLP(hidden=(64, 32)),
            "mlp, hidden 64x32, dropout 0.3, learning rate 0.001, batch size 64, epochs 60",
        ),
    ],
)
def test_a_setting_is_no_python(kind, words):
    """They were `penalties None` and `neighbours None, calibrated True`."""
    assert setting_words({"kind": kind.kind, **kind.describe()}) == words


def test_a_setting_of_a_sweep_is_its_one_value():
    assert setting_words({"kind": "linear", "strength": 0.1}) == "linear, strength 0.1"


PATH = [{"strength": one, "log_loss": 0.5} for one in (0.01, 0.1, 1.0)]


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (
            "linear",
            {"strength": 0.1, "path": PATH, "steps": 12, "seconds": 0.41234},
            "strength 0.1, the best of 3 that were tried; 12 steps; 0.412 s",
        ),
        ("linear", {"strength": 1.0, "path": [], "not_chosen": "…"}, "strength 1"),
        ("ridge", {"chosen": 21.44, "temperature": 0.31}, "penalty 21.4; temperature 0.31"),
        ("neighbours", {"chosen": 10}, "neighbours 10"),
        ("prototype", {"chosen": 1.0, "temperature": 2.0}, "temperature 2"),
        (
            "ridge",
            {"chosen": [1.0, 10.0], "temperature": [0.5, 0.7]},
            "penalty 1 to 10, label by label; temperature 0.5 to 0.7",
        ),
        ("mlp", {"epochs": 7, "history": {"loss": [0.1]}}, "7 epochs"),
        (
            "prototype",
            {"temperature": 2.0, "held": 1200},
            "temperature 2; 1,200 features that hardly varied held within bounds",
        ),
        ("finetuned", {"held": 12, "history": {}, "epochs": 3}, "3 epochs"),
        ("of a package that is gone", {"chosen": 3}, ""),
        ("linear", {}, ""),
    ],
)
def test_what_a_fit_chose(kind, settings, words):
    assert fitted_words(kind, settings) == words


def test_what_a_head_was_given():
    stored = {**hs.MLP(hidden=(8,)).describe(), "epochs": 3, "history": {}, "balanced": False}
    assert given_words("mlp", stored).startswith("hidden 8, dropout 0.3")
    assert "epochs" not in given_words("mlp", stored)
    assert given_words("finetuned", stored) == "" == given_words("prototype", {})
