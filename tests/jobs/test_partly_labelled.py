"""A dataset of which some samples have a label: what has none is left out, and counted."""

import warnings

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.models.finetune import FineTuning
from headstart.jobs.heads.cross_validation import Features, load
from headstart.jobs.heads.splits import split
from headstart.notices import HeadstartWarning
from headstart.origins.blocks import blocks_of

CUT = "flat@as_it_is"
SAID = "90 of 240 samples have no label and are left out"


@pytest.fixture
def part(rows, tmp_path):
    """150 of 240 rows have the label that they have in `rows`, but for one."""
    known = np.load(rows.datasets["rows"].source)
    np.savez(tmp_path / "part.npz", x=known["x"])
    rows.datasets.add("part", tmp_path / "part.npz")
    given = {str(row): str(known["y"][row]) for row in range(150)}
    given["4"] = "c"  # it is b
    known.close()
    rows.datasets.correct("part", given)
    return rows


def test_features_are_ranked_by_it(part, run):
    ran = run("rank", "part", CUT, "--folds", "3")
    assert ran.code == 0 and ran.err.count(SAID) == 1, ran.err
    with pytest.warns(HeadstartWarning, match=SAID):
        (found,) = part.rank("part", CUT, trying=hs.CrossValidation(folds=3))
    assert len(found.linear.targets) < 150 and found.linear.accuracy > 0.9


def test_heads_are_tried_on_it(part):
    with pytest.warns(HeadstartWarning, match=SAID):
        found = part.sweep("part", CUT, [hs.Prototype()], trying=hs.CrossValidation(folds=3))
    assert found.trials[0].crossed.accuracy > 0.9


def test_its_labels_are_audited_and_the_others_are_no_suspects(part):
    with pytest.warns(HeadstartWarning, match="90 of 240 samples have no label: they are no susp"):
        found = part.audit(CUT, "part", trying=hs.CrossValidation(folds=3))
    assert found.suspects is not None and found.samples == 240
    assert [one.sample.id for one in found.suspects] == ["4"]


@pytest.mark.parametrize("limit", [100, 200])
def test_what_has_a_label_is_audited_before_others(part, limit):
    trying = hs.CrossValidation(folds=3, limit=limit)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = part.audit(CUT, "part", trying=trying)
    assert found.samples == limit
    lacking = [str(one.message) for one in said if "no label" in str(one.message)]
    assert [one[:9] for one in lacking] == ([] if limit == 100 else ["50 of 200"])


@pytest.mark.parametrize("cuts", [[CUT], [CUT, CUT]])
def test_a_dataset_without_labels_is_refused_for_that(rows, tmp_path, cuts):
    np.savez(tmp_path / "bare.npz", x=np.load(rows.datasets["rows"].source)["x"])
    rows.datasets.add("bare", tmp_path / "bare.npz")
    features = Features("bare")
    chosen = [blocks_of(rows.context, one) for one in cuts]
    with pytest.raises(HeadError, match="the dataset has no labels"):
        next(load(rows.context, features, chosen, hs.CrossValidation(folds=3)))


def test_fine_tuning_a_head_on_it_would_be_on_what_has_a_label(part):
    with pytest.warns(HeadstartWarning, match=SAID):
        head = part.heads.train("h", part.features(CUT, "part"), hs.Prototype())
    backbone, cut = head.origin()
    with pytest.warns(HeadstartWarning, match=SAID):
        found = split(head, backbone, cut, FineTuning())
    assert sum(found.counts.values()) == 150
    assert len(found.train.targets) == len(found.train.features)
