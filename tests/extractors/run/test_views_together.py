"""Augmented views are computed in one pass: each picture is read and decoded once for all."""

import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs
from headstart.errors import FeatureError
from headstart.extractors.cache.gc import Choice
from headstart.extractors.engines.selection import PROBE_SAMPLES
from headstart.extractors.preprocessing.steps import images
from headstart.extractors.run import extraction
from headstart.extractors.run.in_view import passes_of
from headstart.notices import HeadstartWarning

HOW = hs.Settings(engine="tensorflow")


@pytest.fixture
def decoded(monkeypatch):
    """How often each picture is decoded."""
    seen = Counter()
    plain = images.open_picture

    def count(content, least=None):
        seen[bytes(content)] += 1
        return plain(content, least)

    monkeypatch.setattr(images, "open_picture", count)
    return seen


def test_a_picture_is_decoded_once_for_all_views(ready, decoded):
    features = ready.extract("net", "pics", settings=HOW, views=3)
    alone = decoded.copy()
    assert len(alone) == features.report.unique
    # The engine is checked on the first samples, which are decoded for that besides.
    assert alone.total() <= features.report.unique + PROBE_SAMPLES
    for view in range(1, 4):
        assert ready.extract("net", "pics", settings=HOW, augmentation=view).report.computed == 0
    assert decoded == alone


def test_each_view_has_its_share_of_the_seconds(ready, monkeypatch):
    now = iter([100.0, *[107.0] * 10_000])
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=time.sleep)
    monkeypatch.setattr(extraction, "time", clock)
    first = ready.extract("net", "pics", settings=HOW, views=3).report
    runs = [one for one in ready.context.runs.find_latest("extract") if one.counts["computed"]]
    computed = [one.counts["computed"] for one in runs]
    assert len(runs) == 4 and sum(one.seconds for one in runs) == pytest.approx(7, abs=0.01)
    for one in runs:
        assert one.seconds == pytest.approx(7 * one.counts["computed"] / sum(computed), abs=0.01)
    assert first.seconds < 7


def test_rows_of_views_are_those_of_each_view_by_itself(ready):
    ready.extract("net@features,pool", "pics", settings=HOW, views=2)
    together = {
        (cut, view): ready.features(f"net@{cut}", "pics", augmentation=view).to_numpy()
        for cut in ("features", "pool")
        for view in range(3)
    }
    keys = tuple(one.key for one in ready.context.feature_sets.find_sets())
    assert len(ready.cache.collect(ready.cache.find_garbage(Choice(sets=keys)))) == 6
    for view in range(3):
        ready.extract("net@features,pool", "pics", settings=HOW, augmentation=view)
    for (cut, view), rows in together.items():
        alone = ready.features(f"net@{cut}", "pics", augmentation=view)
        assert len(alone) == len(rows)
        np.testing.assert_allclose(rows, alone.to_numpy(), atol=1e-6)


def test_only_what_is_missing_is_computed(ready, run):
    ready.extract("net", "pics", settings=HOW, augmentation=1)
    said = run("extract", "net", "pics", "--views", "2", "--engine", "tensorflow", "--json").json
    train = len(ready.features("net", "pics").split("train"))
    assert said["computed"] == said["unique"]
    assert [one["computed"] for one in said["views"]] == [0, train]
    assert [one["reused"] for one in said["views"]] == [train, 0]
    assert [one["samples"] for one in said["views"]] == [train, train]
    runs = [one for one in ready.context.runs.find_latest("extract") if one.counts["computed"]]
    assert len(runs) == 3


def test_what_cannot_be_decoded_is_left_out_of_every_view(ready, pictures):
    samples = ready.datasets.manifest("pics").samples
    bad = next(one for one in samples if one.split == "train")
    (pictures / bad.id).write_bytes(b"no picture at all")
    features = ready.extract("net", "pics", settings=HOW, views=1, on_error="skip")
    assert [one["id"] for one in features.report.skipped_samples] == [bad.id]
    for view in (0, 1):
        with pytest.warns(HeadstartWarning, match="are left out"):
            found = ready.features("net", "pics", augmentation=view)
        assert [one.id for one in found.left_out] == [bad.id]
    assert len(found) == len(features.split("train"))


def test_training_extracts_missing_views_in_one_pass(ready, run, decoded):
    ran = run("head", "train", "h", "net", "pics", "--views", "2", "--json")
    assert ran.code == 0 and ran.json["settings"]["views"] == 2, ran
    assert decoded.total() <= 36 + PROBE_SAMPLES


def test_views_beside_one_augmentation_are_refused(ready):
    with pytest.raises(FeatureError, match="views is 2 and augmentation 1"):
        ready.extract("net", "pics", views=2, augmentation=1)
    with pytest.raises(FeatureError, match="views is -1"):
        ready.extract("net", "pics", views=-1)


def test_cuts_that_are_missing_in_several_views_are_one_pass():
    assert passes_of([(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a")]) == [
        (("a", "b"), (0, 1)),
        (("a",), (2,)),
    ]
