"""A sweep or search goes by one objective, and its winner is corrected and confirmed."""

import pytest

import headstart as hs
from headstart.errors import HeadError

TRYING = hs.CrossValidation(folds=3)


def test_one_objective_chooses_orders_and_compares(cached):
    """--search made the log loss small and the table was in the order of accuracy."""
    for objective, key in (("accuracy", -1.0), ("log_loss", 1.0)):
        trying = hs.CrossValidation(folds=3, objective=objective)
        kinds = [hs.Linear((1e-4, 1e-2, 1.0)), hs.Prototype()]
        sweep = cached.sweep("pics", ["net@features"], kinds, trying=trying, jobs=1)
        scores = [key * getattr(trial.crossed, objective) for trial in sweep.trials]
        assert scores == sorted(scores)
        assert sweep.winner.objective == objective
        assert sweep.winner.raw == getattr(sweep.trials[0].crossed, objective)
    with pytest.raises(HeadError, match="features are ranked by accuracy"):
        cached.rank("pics", ["net@features"], trying=trying)
    with pytest.raises(HeadError, match="objective is 'f1'"):
        hs.CrossValidation(objective="f1")


def test_a_search_asks_optuna_for_what_the_table_is_ordered_by(cached, monkeypatch):
    from headstart.jobs.heads import search

    asked, optuna = [], search._optuna()
    made = optuna.create_study

    def watched(**given):
        study = made(**given)
        optimize = study.optimize
        study.optimize = lambda objective, n_trials: optimize(
            lambda trial: asked.append(objective(trial)) or asked[-1], n_trials=n_trials
        )
        return study

    monkeypatch.setattr(optuna, "create_study", watched)
    found = cached.search("pics", ["net@features"], "linear", trials=3, trying=TRYING, jobs=1)
    assert sorted(-value for value in asked) == sorted(t.crossed.accuracy for t in found.trials)


def test_the_winner_is_corrected_the_simplest_is_named_and_confirmed(cached, run, fails):
    asked = ("head", "sweep", "pics", "net@features", "--folds", "3", "--kinds", "linear,mlp")
    asked += ("--strengths", "0.01,0.1", "--hidden", "8", "--epochs", "2")
    ran = run(*asked, "--one-se", "--confirm", "chosen", "--json").json
    winner, simplest = ran["winner"], ran["simplest"]
    assert winner["candidates"] == 3 and winner["procedure"] == "BBC-CV"
    assert winner["raw"] == ran["trials"][0]["accuracy"]
    low, high = winner["corrected_interval"]
    assert low <= winner["corrected"] <= high
    assert ran["confirmed"]["name"] == "chosen"
    assert ran["confirmed"]["kind"] == simplest["kind"]
    assert ran["confirmed"]["metrics"]["n_test"] > 0
    shown = " ".join(run(*asked, "--one-se", "--confirm", "chosen").out.split())
    assert (
        "Best of 3: accuracy" in shown and "corrected for the luck of the choice (BBC-CV)" in shown
    )
    assert "within one standard error of the best" in shown
    assert "Confirmed: chosen:2 has accuracy" in shown
    assert "Best of 3" in run("head", "sweeps", str(ran["id"])).out
    assert "leave one out" in fails(*asked, "--shots", "2", "--confirm", "chosen")
    assert "what this one head is worth" not in shown and "2nd head on these" in shown


def test_what_cannot_be_confirmed_is_refused_before_anything_is_extracted(ready, run, fails):
    asked = ("head", "sweep", "pics", "net@features", "--confirm")
    assert "leave one out" in fails(*asked, "chosen", "--shots", "2")
    assert "'no name' cannot name a head" in fails(*asked, "no name")
    with pytest.raises(hs.errors.FeaturesMissing):
        ready.features("net@features", "pics")


def test_a_search_chooses_settings_and_cuts(cached, run, fails, monkeypatch):
    seen = []
    found = cached.search(
        "pics",
        ["net@features,pool"],
        ["linear", "ridge", "prototype", "neighbours"],
        trials=8,
        trying=TRYING,
        jobs=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (8, 8) and len(found.trials) == 8 and found.heads == 24
    assert {trial.features for trial in found.trials} <= {"net@features", "net@pool"}
    kept = cached.sweeps.get(found.id)[1]
    assert kept[1:] == [trial.to_record() for trial in found.trials[1:]]
    assert kept[0] == found.trials[0].to_record(found.winner)
    again = cached.search(
        "pics",
        ["net@features,pool"],
        ["linear", "ridge", "prototype", "neighbours"],
        trials=8,
        trying=TRYING,
        jobs=1,
    )
    assert [t.to_json() for t in again.trials] == [t.to_json() for t in found.trials]
    ran = run("head", "sweep", "pics", "net@features", "--kinds", "mlp", "--search", "2",
              "--folds", "2", "--json")  # fmt: skip
    assert len(ran.json["trials"]) == 2
    settings = ran.json["trials"][0]
    assert 16 <= settings["hidden"][0] <= 512 and 0 <= settings["label_smoothing"] <= 0.2
    ran = run("head", "sweep", "pics", "net", "--search", "2", "--strengths", "1")
    assert ran.code == 2 and "leave theirs out" in ran.err
    assert "has 0 trials" in fails("head", "sweep", "pics", "net@features", "--search", "0")
    with pytest.raises(HeadError, match="no kind 'forest'"):
        cached.search("pics", ["net"], ["forest"])
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert "pip install 'headstart[search]'" in fails(
        "head", "sweep", "pics", "net@features", "--search", "2"
    )
