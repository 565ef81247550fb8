"""Two datasets are told apart where they differ, and not where they are drawn alike."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import FeatureError, NotFound
from headstart.heads.evaluation.intervals import wilson_interval

CUT = "flat@as_it_is"


def added(ws, place, name, seed, shift=0.0, count=240, moved="b"):
    """A dataset as `rows` is, whose class `b` lies elsewhere."""
    rng = np.random.default_rng(seed)
    y = np.array(["a", "b", "c"])[np.arange(count) % 3]
    x = rng.normal(size=(count, 6)) + 5 * np.eye(3, 6)[np.arange(count) % 3]
    x[y == moved, 5] += shift
    np.savez(place / f"{name}.npz", x=x.astype(np.float32), y=y)
    ws.datasets.add(name, place / f"{name}.npz")
    ws.extract(CUT, name, settings=hs.Settings(engine="tensorflow"))
    return name


def test_datasets_that_are_drawn_alike_are_not_told_apart(rows, tmp_path):
    found = [rows.drift(CUT, "rows", added(rows, tmp_path, f"d{n}", 10 + n)) for n in range(4)]
    assert sum(one.is_drift for one in found) <= 1
    for one in found:
        assert one.interval[0] <= one.accuracy <= one.interval[1]
        assert one.tested_on >= 200 and one.shared == 0


def test_the_class_that_has_moved_is_the_first(rows, tmp_path):
    found = rows.drift(CUT, "rows", added(rows, tmp_path, "moved", 5, shift=6.0))
    assert found.is_drift and found.classes[0].label == "b" and found.classes[0].is_drift
    assert found.classes[0].accuracy > 0.9
    assert not any(one.is_drift for one in found.classes[1:])
    for one in found.classes:  # of three, which hold together
        right = round(one.accuracy * one.tested_on)
        assert one.interval == pytest.approx(wilson_interval(right, one.tested_on, 1 - 0.05 / 3))
    assert [one.here for one in found.classes] == pytest.approx([1 / 3] * 3)
    told = found.to_json()
    assert told["is_drift"] and told["classes"][0]["is_drift"]
    assert "they differ" in found.to_text()


def test_a_content_in_both_is_on_one_side_and_told_right_once(rows):
    ids = rows.datasets.manifest("rows").columns.ids
    found = rows.drift(CUT, "rows", "noisy")  # other labels of the same contents
    assert found.shared == 240 and found.accuracy == pytest.approx(0.5, abs=0.1)
    assert not found.is_drift
    rows.datasets.exclude("noisy", ids[:225])
    with pytest.raises(FeatureError, match="15 samples of 'noisy' are too few"):
        rows.drift(CUT, "rows", "noisy")
    with pytest.raises(FeatureError, match="have the same samples"):
        rows.drift(CUT, "rows", "rows")


def test_what_is_too_few_is_said(rows, run, tmp_path):
    added(rows, tmp_path, "moved", 5, shift=6.0)
    found = rows.drift(CUT, "rows", "moved", limit=30)
    assert not found.classes and found.too_few == ["a", "b", "c"]
    assert not rows.drift(CUT, "rows", "moved").too_few
    out = run("features", "drift", CUT, "rows", "moved", "--limit", "30").out
    assert "Too few samples were tested of 3 classes: a, b, c." in " ".join(out.split())
    with pytest.raises(FeatureError, match="limit is 1, too few of the 240 samples of 'rows'"):
        rows.drift(CUT, "rows", "moved", limit=1)
    with pytest.raises(NotFound, match="no dataset 'nosuch'"):
        rows.drift(CUT, "nosuch", "rows")


def test_the_command_says_the_same(rows, run, tmp_path):
    added(rows, tmp_path, "moved", 5, shift=6.0)
    ran = run("features", "drift", CUT, "rows", "moved")
    assert "they differ" in ran.out.replace("\n", " ") and "share there" in ran.out
    asked = run("features", "drift", CUT, "rows", "moved", "--json").json
    assert asked == rows.drift(CUT, "rows", "moved").to_json()
