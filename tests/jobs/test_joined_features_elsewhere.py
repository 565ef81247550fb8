"""Where joined features are taken, and where it is said that they are not."""

import numpy as np
import pytest

import headstart as hs
from conftest import draw
from headstart.errors import FeatureError

JOINED = "net@features + other@features"


def test_a_job_of_joined_features_is_refused_with_what_to_do(two):
    with pytest.raises(FeatureError, match="features are joined") as raised:
        two.jobs.add(JOINED, "pics")
    assert "a job for each" in str(raised.value.hint)
    assert not two.jobs.find()


def test_joined_features_are_exported_side_by_side(two, run, tmp_path):
    view = two.features(JOINED, "pics")
    for suffix in ("npz", "npy", "h5", "parquet"):
        ran = run("features", "export", JOINED, "pics", tmp_path / f"f.{suffix}")
        assert ran.code == 0, ran
    found = np.load(tmp_path / "f.npz")["features"]
    np.testing.assert_array_equal(found, view.to_numpy())
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), found)


def test_what_to_label_next_is_found_by_a_head_of_joined_features(two, run, tmp_path):
    for number in range(8):
        draw(tmp_path / "pool" / f"{number}.png", 900 + number)
    two.datasets.add("pool", tmp_path / "pool")
    head = two.heads.train("j", two.features(JOINED, "pics"), hs.Prototype())
    ran = run("features", "next", "pool", "--head", "j", "--n", "3", "--json")
    assert ran.code == 0 and len(ran.json) == 3, ran
    assert [one["id"] for one in ran.json] == [one.sample.id for one in head.label_next("pool", 3)]


def test_joined_features_have_views_too(two):
    two.extract(
        "net@features + other@features", "pics", settings=hs.Settings(engine="tensorflow"), views=1
    )
    seen = two.extract(
        "net@features + other@features",
        "pics",
        settings=hs.Settings(engine="tensorflow"),
        augmentation=1,
    )
    assert len(seen) == len(two.features("net@features", "pics").split("train"))
