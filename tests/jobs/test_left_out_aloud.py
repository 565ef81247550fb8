"""What is left out, or taken from before, is said."""

import shutil

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.notices import HeadstartNote

CUT = "flat@as_it_is"
ENGINE = "tensorflow"


def test_features_of_another_precision_are_named_where_none_are_asked_for(rows, run):
    """A set in bfloat16 beside those in float32."""
    settings = hs.Settings(engine=ENGINE, precision="bfloat16")
    rows.extract(CUT, "rows", settings=settings)
    ran = run("rank", "rows", "--folds", "3")
    assert "features in bfloat16 are left out: flat@as_it_is; --precision bfloat16" in ran.err
    with pytest.warns(HeadstartNote, match="features in float32 are left out"):
        rows.rank("rows", precision="bfloat16", trying=hs.CrossValidation(folds=3))


def test_a_source_that_is_gone_is_said_by_an_extraction(rows, tmp_path):
    own = tmp_path / "own.npz"
    shutil.copy(rows.datasets["rows"].source, own)
    rows.datasets.add("own", own)
    own.unlink()
    with pytest.warns(HeadstartNote, match=r"own\.npz, is not there: its samples are those of bef"):
        features = rows.extract(CUT, "own", settings=hs.Settings(engine=ENGINE))
    assert len(features) == 240


def test_of_two_versions_the_one_that_cannot_be_compared_is_named(rows, tmp_path):
    rows.heads.train("h", rows.features(CUT, "noisy"), hs.Prototype())
    rows.datasets.resplit("noisy", "50/50")
    rows.heads["h"].retrain()
    with pytest.raises(HeadError, match="has changed since head 'h:1' was trained"):
        rows.heads.compare("h:1", "h:2")
    with pytest.raises(HeadError, match="has changed since head 'h:1' was trained"):
        rows.heads.compare("h:2", "h:1")


def test_nobody_is_sent_to_deal_a_curated_test_split_anew(rows, tmp_path, fails):
    with np.load(rows.datasets["rows"].source) as known:
        split = np.where(np.arange(240) < 160, "train", "test")
        np.savez(tmp_path / "two.npz", x=known["x"], y=known["y"], split=split)
    rows.datasets.add("two", tmp_path / "two.npz")
    rows.heads.train("h", rows.features(CUT, "two"), hs.Prototype())
    said = fails("head", "predict", "h", "two", "--unsure", "set")
    assert "no validation split" in said and "those of the test split too" in said
