"""`predict --tta`: the mean of what a head says of a picture and of its augmented views."""

from collections import Counter

import numpy as np
import pytest

import headstart as hs
from conftest import draw
from headstart.errors import HeadError, PreprocessingError
from headstart.extractors.preprocessing.steps import images

HOW = hs.Settings(engine="tensorflow")


@pytest.fixture
def head(ready):
    return ready.heads.train("h", ready.extract("net", "pics", settings=HOW), hs.Prototype())


def test_the_mean_over_views_is_told(head, ready, tmp_path):
    seen = [ready.extract("net", "pics", settings=HOW, augmentation=view) for view in (1, 2)]
    plain = ready.features("net", "pics").split("train")
    expected = np.mean([head.judge.predict_proba(one.to_numpy()) for one in (plain, *seen)], axis=0)
    found = head.predict([one.location for one in plain.samples], tta=2)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert not np.allclose(found.probabilities, head.judge.predict_proba(plain.to_numpy()))
    new = draw(tmp_path / "new.jpg", 4_321)
    np.testing.assert_allclose(head.predict(new, tta=1).probabilities.sum(axis=1), [1.0], atol=1e-5)


def test_a_picture_is_decoded_once_for_all_views(head, tmp_path, monkeypatch):
    seen, plain = Counter(), images.open_picture

    def count(content, least=None):
        seen[bytes(content)] += 1
        return plain(content, least)

    monkeypatch.setattr(images, "open_picture", count)
    files = [draw(tmp_path / f"{n}.png", 7_000 + n) for n in range(3)]
    head.predict(files, tta=4)
    assert len(seen) == 3 and set(seen.values()) == {1}


def test_the_command_says_what_it_took_the_mean_of(head, run, tmp_path):
    file = draw(tmp_path / "new.png", 4_321)
    ran = run("head", "predict", "h", file, "--tta", "3", "--json")
    told = ran.err.replace("\n", " ")
    assert "means over each picture and 3 augmented views of it" in told
    (same,) = head.predict(file, tta=3)
    assert ran.json[0]["probability"] == pytest.approx(same.probability, abs=1e-6)


def test_joined_features_are_seen_in_views(two):
    view = two.features("net@features + other@features", "pics")
    head = two.heads.train("j", view, hs.Prototype())
    names = [one.location for one in view.samples][:3]
    plain, seen = head.predict(names), head.predict(names, tta=1)
    assert not np.allclose(plain.probabilities, seen.probabilities)


def test_what_was_not_calibrated_on_views_is_refused(head):
    with pytest.raises(HeadError, match="tta is -1"):
        head.predict("pics", tta=-1)
    with pytest.raises(HeadError, match="sets of classes are calibrated on samples as they are"):
        head.predict("pics", tta=2, unsure="set")


def test_a_head_of_arrays_has_no_views(rows):
    head = rows.heads.train("r", rows.features("flat@as_it_is", "rows"), hs.Prototype())
    with pytest.raises(PreprocessingError, match="takes no pictures from files"):
        head.predict("rows", tta=2)
