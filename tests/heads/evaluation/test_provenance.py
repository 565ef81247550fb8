"""What is said of a head: on which samples it was fitted, chosen and calibrated."""

import re
from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from headstart.heads.evaluation.provenance import (
    calibration_text,
    chosen_text,
    fitted_text,
    overconfident_text,
)
from headstart.heads.kind import Part
from headstart.heads.kinds.grid import PLAIN
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.kinds.ordinal import fit_ordinal
from headstart.heads.tasks import MultiLabel, Ordinal
from headstart.jobs.heads.train import keep

KINDS = (hs.Linear(), hs.MLP(epochs=3), Neighbours(), hs.Prototype(), hs.Ridge(), hs.SVM())


def rows(count, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    return Part((np.eye(classes)[y] + rng.normal(size=(count, classes))).astype(np.float32), y)


def nothing(part):
    return part.rows(slice(0))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_records_which_rows_judged_it(kind):
    train, aside = rows(60), rows(12, seed=1)
    both = kind.fit(train, aside, 3, 0).details["judged_on"]
    assert both["validation"] == 12
    alone = kind.fit(train, nothing(train), 3, 0).details["judged_on"]
    assert alone["validation"] == 0
    assert alone["train"] == 60
    assert both["train"] == 60  # as so few are set aside
    one_each = rows(3)
    lost = kind.fit(one_each, nothing(one_each), 3, 0).details["judged_on"]
    assert lost == {"train": 0, "validation": 0}


def record_of(ready, kind, **more):
    return ready.heads.train("h", ready.extract("net", "pics"), kind, **more).record


def test_training_rows_that_were_left_out_are_not_called_validation_samples(ready, run):
    record = record_of(ready, hs.Ridge())
    judged = record.settings["judged_on"]
    assert judged["train"] > judged["validation"] > 0
    told = calibration_text(record)
    assert told.startswith(f"calibrated on {judged['validation']} validation samples and ")
    assert f"{judged['train']} training rows, each judged by a fit without it" in told
    without = replace(record, settings=record.settings | {"judged_on": judged | {"validation": 0}})
    assert calibration_text(without).startswith(f"calibrated on {judged['train']} training rows")
    shown = " ".join(run("head", "show", "h").out.split())
    assert told in shown and f"fitted on {record.metrics['n_train']} train samples" in shown


def test_where_no_sample_could_be_left_out_it_is_said_and_called_not_calibrated(ready):
    record = record_of(ready, hs.Ridge())
    zero = record.settings | {"judged_on": {"train": 0, "validation": 0}}
    told = calibration_text(replace(record, settings=zero))
    assert told.startswith("not calibrated: no sample could be left out of its training")


def test_what_is_not_calibrated_is_explained_where_it_stands(ready):
    told = calibration_text(record_of(ready, hs.Linear()))
    assert re.match(r"not calibrated: .*0\.9 may be right less often than nine times in ten", told)


def test_a_head_of_before_says_no_more_than_is_known(ready):
    record = record_of(ready, hs.Ridge())
    old = {name: value for name, value in record.settings.items() if name != "judged_on"}
    told = calibration_text(replace(record, settings=old))
    assert told == "calibrated; on which samples was not recorded then"
    assert chosen_text(replace(record, settings=old)) == "not recorded then"
    del old["temperature"]
    assert calibration_text(replace(record, settings=old)).startswith("not calibrated")


def test_several_labels_are_calibrated_label_by_label(ready):
    train = rows(40)
    targets = np.stack([train.targets == 0, train.targets > 0, train.targets == 2], axis=1)
    part = Part(train.features, targets.astype(np.float32))
    details = MultiLabel().fit(hs.Ridge(), part, nothing(part), 3, 0).details
    assert len(details["temperature"]) == 3 and details["judged_on"]["train"] == 40
    record = record_of(ready, hs.Ridge())
    told = calibration_text(replace(record, settings=record.settings | details))
    assert told.startswith("calibrated, label by label, on 40 training rows")
    linear = MultiLabel().fit(hs.Linear(), part, nothing(part), 3, 0).details
    assert "temperature" not in linear and linear["judged_on"]["train"] == 40


def test_what_a_head_was_fitted_on_is_said(ready, run):
    record = record_of(ready, hs.Linear())
    n_train, n_validation = record.metrics["n_train"], record.metrics["n_validation"]
    assert fitted_text(record) == f"{n_train} train and {n_validation} validation samples"
    told = chosen_text(record)
    assert told.startswith(f"{n_validation} validation samples and {n_train} training rows")
    assert fitted_text(record_of(ready, hs.MLP(epochs=2))) == f"{n_train} train samples"
    ordered = record_of(ready, hs.Linear(), task=Ordinal(order=("red", "green", "blue")))
    assert fitted_text(ordered) == f"{n_train} train samples"
    viewed = replace(record, settings=record.settings | {"views": 2})
    assert fitted_text(viewed).startswith(f"{n_train} train (with 2 augmented views of each) and ")


GIVEN = (1e-4, 1e-3, 0.2, 1e3)


def test_where_no_row_can_be_left_out_the_nearest_of_the_given_strengths_is_taken():
    """A strength that nobody named is not tried."""
    part = rows(3)
    details = hs.Linear(GIVEN).fit(part, nothing(part), 3, 0).details
    assert details["strength"] == 0.2
    assert "0.2 was taken, the one given that is nearest to 1" in details["not_chosen"]
    among = hs.Linear((0.5, PLAIN)).fit(part, nothing(part), 3, 0).details
    assert among["strength"] == PLAIN
    assert among["not_chosen"] == "no row could be left out; 1 was taken"
    assert "not_chosen" not in hs.Linear((0.2,)).fit(part, nothing(part), 3, 0).details


def test_an_ordinal_head_without_a_validation_split_takes_one_of_the_given_strengths():
    part = rows(30)
    details = fit_ordinal(part, nothing(part), 3, GIVEN).details
    assert details["strength"] in GIVEN and "not_chosen" not in details
    assert details["judged_on"] == {"train": 30, "validation": 0}
    chosen = fit_ordinal(part, rows(12, seed=1), 3, GIVEN).details
    assert "not_chosen" not in chosen and chosen["judged_on"] == {"train": 30, "validation": 12}
    one_each = fit_ordinal(rows(3), nothing(rows(3)), 3, GIVEN).details
    assert one_each["strength"] == 0.2 and "nearest to 1" in one_each["not_chosen"]


def test_a_strength_that_was_not_chosen_is_said_on_the_screen(ready, run):
    record = record_of(ready, hs.Linear())
    told = "no row could be left out; 0.2 was taken, the one given that is nearest to 1"
    settings = record.settings | {"not_chosen": told}
    keep(
        ready.context,
        replace(record, name="n", settings=settings),
        ready.heads.get("h").stack.to_bytes(),
    )
    assert told in " ".join(run("head", "show", "n").out.split())


@pytest.mark.parametrize(
    ("kind", "task"),
    [(hs.MLP(epochs=2), "multi-label"), (Neighbours(3, calibrated=False), "classification")],
)
def test_what_is_never_calibrated_does_not_lack_samples(ready, kind, task):
    record = record_of(ready, kind)
    settings = {k: value for k, value in record.settings.items() if k != "temperature"}
    settings |= {"task": task, "judged_on": {"train": 0, "validation": 0}}
    told = calibration_text(replace(record, settings=settings))
    assert told.startswith("not calibrated: as the fit gave them")


def test_a_head_that_is_surer_of_all_than_it_was_right_is_warned_of(ready, run, pictures):
    record = record_of(ready, hs.Ridge())
    some = {"accuracy": 0.85, "intervals": {"accuracy": [0.6, 0.95]}, "n_test": 20}
    bad = replace(record, name="bad", metrics=record.metrics | some)
    told = overconfident_text(bad, [0.999] * 80)  # .95, as it may be, over .99 to the 80th: .04
    assert told.startswith("it is sure of all 80 samples (0.99 or more), and was right on 0.850")
    assert overconfident_text(bad, [0.999] * 79 + [0.98]) == overconfident_text(bad, []) == ""
    # a head that is right on 19 of 20 is sure of one, or of two, every day: it was warned of
    assert overconfident_text(bad, [0.999]) == overconfident_text(bad, [0.999, 0.9999]) == ""
    poor = {"accuracy": 0.3, "intervals": {"accuracy": [0.1, 0.4]}}
    assert overconfident_text(replace(record, metrics=record.metrics | poor), [0.999] * 4)
    always = some | {"accuracy": 1.0, "intervals": {"accuracy": [0.8, 1.0]}}
    assert overconfident_text(replace(record, metrics=record.metrics | always), [0.999] * 99) == ""
    assert overconfident_text(bad, [float("nan")]) == ""
    keep(ready.context, bad, ready.heads.get("h").stack.to_bytes())
    ran = run("head", "predict", "bad", pictures / "red", "--json")
    line = "bad:1: accuracy 0.850 (95 %: 0.600 to 0.950) on 20 held-out samples; probabilities: cal"
    assert all(one["trust"].startswith(line) for one in ran.json)
    assert ran.json[0]["trust"] in ran.err
