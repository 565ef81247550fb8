"""What is taken in the end, by made-up results."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs
from headstart.heads.combined.greedy import select
from headstart.heads.trials.crossed import Crossed
from headstart.jobs.auto import decision
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import Budget
from headstart.jobs.auto.comparison import can_be_beaten, is_better
from headstart.jobs.auto.decision import Candidates, Room, decide, selected_across
from headstart.jobs.auto.on_a_part import Partial, decide_on_parts
from headstart.jobs.heads.sweep import Trial

ROWS = 600
ROOM = Room(lambda _trial: 1.0, 100.0)


def said_by(logits, targets, **settings):
    """What heads of a setting said, by five folds."""
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = np.arange(len(targets))
    hits, losses = said.argmax(axis=1) == targets, -np.log(said[rows, targets])
    told = {"hits": hits[None], "losses": losses[None], "draws": (rows % 5)[None], "taken": 0.8}
    return Crossed(settings=settings, probabilities=said, targets=targets, **told)


@pytest.fixture
def crossed():
    """Three heads, each of which knows one class well."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, ROWS)

    def one(own):
        logits = rng.normal(0, 1.5, (ROWS, 3))
        logits[np.arange(ROWS), targets] += np.where(targets == own, 4.0, 1.0)
        kind = {"kind": "linear", "strength": 1.0} if own == 0 else {"kind": "prototype"}
        return said_by(logits, targets, **kind)

    return [one(own) for own in range(3)]


def of_accuracy(*shares, together=False, rows=ROWS):
    """Trials that are right so often, the linear one first; together all are wrong on the same
    samples, so that nothing is gained by a mean of them."""
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, rows)
    found = []
    for number, share in enumerate(shares):
        place = np.arange(rows) if together else rng.permutation(rows)
        told = np.where(place < share * rows, targets, (targets + 1) % 3)
        kind = {"kind": "prototype"} if number else {"kind": "linear", "strength": 1.0}
        found.append(said_by(3.0 * np.eye(3)[told], targets, **kind))
    return found


def trials_of(crossed):
    """As a sweep has them; the first is the default."""
    made = [
        Trial(SimpleNamespace(name=f"net{number}"), one, False)
        for number, one in enumerate(crossed)
    ]
    return sorted(made, key=lambda one: one.crossed.order("accuracy")), made[0]


def test_the_default_is_kept_where_what_is_ahead_may_be_chance():
    trials, default = trials_of(of_accuracy(0.8, 0.81, together=True))
    found = decide(trials, default, ROOM)
    assert found.what == "default" and found.trial is default and not found.late
    assert "1.2 points above the default on folds, which may be chance" in found.why
    trials, default = trials_of(of_accuracy(0.9, 0.8, together=True))
    assert "better than the default" in decide(trials, default, ROOM).why


def test_the_best_head_alone_is_taken_where_an_ensemble_adds_nothing():
    trials, default = trials_of(of_accuracy(0.5, 0.9, 0.8, together=True))
    found = decide(trials, default, ROOM)
    assert found.what == "single" and found.trial is trials[0] is not default
    assert found.why == "it is better than the default beyond chance, by 40.0 points on folds"
    assert [one.what for one in found.sides] == ["default", "single", "ensemble"]


def test_the_ensemble_is_taken_where_it_is_better_than_the_best_head(crossed):
    trials, default = trials_of(crossed)
    found = decide(trials, default, ROOM)
    assert found.what == "ensemble" and found.candidates == trials


def test_heads_that_cannot_be_trained_in_time_are_not_taken_and_said():
    trials, default = trials_of(of_accuracy(0.5, 0.9, 0.8, together=True))
    slow = trials[0]
    found = decide(trials, default, Room(lambda one: 200.0 if one is slow else 1.0, 100.0))
    assert found.what == "single" and found.trial is trials[1]
    ((what, why),) = found.late
    assert what == "prototype on net1 as what is chosen"
    assert why == "the fit to all samples takes about 200.0 s, 100.0 s are left for that"
    found = decide(trials, default, Room(lambda _one: 9.0, -1.0))
    assert found.what == "default" and len(found.late) == 2
    assert found.why == "nothing else that was tried can be trained in the time that is left"


def test_an_ensemble_is_selected_from_what_can_be_trained_together_in_time(crossed):
    trials, default = trials_of(crossed)
    found = decide(trials, default, Room(lambda _one: 40.0, 100.0))
    assert found.candidates == trials[:2]
    assert found.sides[-1].head == "selected from 2 settings"
    assert decide(trials, default, Room(lambda _one: 60.0, 100.0)).what != "ensemble"


def test_an_ensemble_is_told_of_by_folds_that_it_was_not_selected_on(crossed):
    found = selected_across(Candidates(crossed, [1.0] * 3, 100.0))
    said = [one.probabilities for one in crossed]
    targets, inside = crossed[0].targets, crossed[0].draws[0] == 3
    weights = select([one[~inside] for one in said], targets[~inside]).weights
    mean = sum(weight * one[inside] for weight, one in zip(weights, said, strict=True))
    assert (found.hits[0, inside] == (mean.argmax(axis=1) == targets[inside])).all()
    assert found.accuracy > max(one.accuracies.mean for one in crossed)
    assert selected_across(Candidates(crossed[:1], [1.0], 100.0)) is None


def test_the_candidates_of_a_fold_are_chosen_without_it(crossed, monkeypatch):
    monkeypatch.setattr(decision, "SELECTED_FROM", 2)
    first, second, _ = crossed
    inside, targets = first.draws[0] == 3, first.targets
    # always right in that fold, and in the others a little less often than the weaker one there
    share = min(one.hits[0, ~inside].mean() for one in (first, second)) - 0.02
    is_right = inside | (np.random.default_rng(4).permutation(ROWS) < share * ROWS)
    told = np.where(is_right, targets, (targets + 1) % 3)
    three = [first, second, said_by(9.0 * np.eye(3)[told], targets, kind="prototype")]
    among = Candidates(three, [1.0] * 3, 100.0)
    assert 2 in among.best(np.ones(ROWS, bool)) and set(among.best(~inside)) == {0, 1}
    two = selected_across(Candidates(three[:2], [1.0] * 2, 100.0))
    found = selected_across(among)
    np.testing.assert_array_equal(found.probabilities[inside], two.probabilities[inside])


def test_what_is_trained_is_selected_from_the_candidates_that_were_judged():
    rng = np.random.default_rng(3)
    targets = np.arange(ROWS) % 2
    made = [said_by(rng.normal(size=(ROWS, 2)), targets, kind="prototype") for _ in range(40)]
    made[0].settings.update(kind="linear", strength=1.0)
    trials, default = trials_of(made)
    found = decide(trials, default, ROOM)
    assert found.candidates == trials[:30]
    assert found.sides[-1].head == "selected from 30 settings"


def test_better_is_what_is_better_beyond_chance(crossed):
    several, first = selected_across(Candidates(crossed, [1.0] * 3, 100.0)), crossed[0]
    assert is_better(several, first) and not is_better(first, several)
    nearly = first.hits.copy()
    nearly[0, np.flatnonzero(~nearly[0])[:2]] = True
    assert not is_better(replace(first, hits=nearly), first)


def test_of_few_errors_nothing_can_be_shown_to_be_better():
    few, many = of_accuracy(0.99, 0.9, rows=300)
    assert not can_be_beaten(few) and can_be_beaten(many)
    perfect = replace(few, hits=np.ones_like(few.hits))
    assert not can_be_beaten(perfect) and not is_better(perfect, few)
    assert is_better(perfect, many)


@pytest.fixture
def kept():
    """The default as the decision, and the trials that it was made of."""
    trials, default = trials_of(of_accuracy(0.6))
    return decide(trials, default, ROOM), trials


def partials(decision, *shares, seconds=1.0, rows=ROWS):
    """What the default and others had right on a part: others are on features of the default."""
    own = of_accuracy(*shares, rows=rows)
    kinds = ["linear", "mlp", "neighbours"]
    made = [replace(one, settings={"kind": kind}) for one, kind in zip(own, kinds, strict=False)]
    return [Partial(decision.trial.blocks, one, seconds) for one in made]


def test_what_is_better_beyond_chance_on_a_part_is_taken(kept):
    decision, trials = kept
    found = decide_on_parts(decision, partials(decision, 0.6, 0.9, 0.7), trials, 100.0)
    assert found.what == "single" and found.trial.crossed.settings["kind"] == "mlp"
    assert "by 30.0 points on folds of 600 samples" in found.why
    assert [one.what for one in found.sides] == ["default", "single"]


@pytest.mark.parametrize(
    ("shares", "seconds", "left"),
    [((0.6, 0.9), 50, 10), ((0.6, 0.9), 70, 0), ((0.6, 0.9), 75, 60), ((0.6, 0.61), 70, 60)],
)
def test_what_is_ahead_on_a_part_has_time_for_its_fit_kept_back_though_it_ends_late(
    kept, shares, seconds, left
):
    budget = Budget(60, clock=lambda: 0.0)
    attempts = Attempts(SimpleNamespace(task=hs.Classification()), budget, lambda _now: None)
    attempts.partials = partials(kept[0], *shares, seconds=float(seconds))
    attempts.keep_back_leader()
    assert budget.left == 60, "its features are not computed for all samples"
    attempts.found = [(kept[0].trial.blocks, kept[0].trial.crossed)]
    attempts.keep_back_leader()
    assert budget.left == left


def test_what_may_be_chance_or_takes_too_long_is_not(kept):
    decision, trials = kept
    chance = partials(decision, 0.6, 0.61)
    assert decide_on_parts(decision, chance, trials, 100.0) is decision
    slow = partials(decision, 0.6, 0.9, seconds=50.0)
    assert decide_on_parts(decision, slow, trials, 10.0) is decision
    assert decide_on_parts(decision, partials(decision, 0.6, 0.9)[1:], trials, 100.0) is decision


def test_features_of_which_only_a_part_is_computed_are_not_taken(kept):
    decision, trials = kept
    base, better = partials(decision, 0.6, 0.9)
    other = replace(better, blocks=SimpleNamespace(name="other@cut"))
    assert decide_on_parts(decision, [base, other], trials, 100.0) is decision


def test_what_a_larger_part_does_not_show_is_not_taken_for_a_smaller_one(kept):
    decision, trials = kept
    small = partials(decision, 0.6, 0.9)
    large = partials(decision, 0.6, 0.6, rows=2 * ROWS)
    assert decide_on_parts(decision, [*small, *large], trials, 100.0) is decision


def test_what_was_tried_on_all_samples_is_not_asked_for_again(kept):
    decision, trials = kept
    part = partials(decision, 0.6, 0.9)
    again = SimpleNamespace(
        blocks=decision.trial.blocks, crossed=SimpleNamespace(settings={"kind": "mlp"})
    )
    assert decide_on_parts(decision, part, [*trials, again], 100.0) is decision


def test_what_was_better_on_all_samples_stays_unless_a_part_shows_something_better(kept):
    decision, trials = kept
    neighbours = replace(trials[0].crossed, settings={"kind": "neighbours"})
    trial = replace(trials[0], crossed=neighbours)
    single, tried = replace(decision, what="single", trial=trial), [*trials, trial]
    near = partials(decision, 0.6, 0.71, 0.7)
    assert decide_on_parts(single, near, tried, 100.0) is single
    ensemble = replace(single, what="ensemble")
    far = partials(decision, 0.6, 0.9, 0.7)
    assert decide_on_parts(ensemble, far, tried, 100.0) is ensemble
    found = decide_on_parts(single, far, tried, 100.0)
    assert found.what == "single" and found.trial.crossed.settings["kind"] == "mlp"
    assert "better than neighbours beyond chance, by 20.0 points" in found.why
