"""What looks around in features takes joined ones, and says by which it looked."""

from pathlib import Path

import numpy as np
import pytest

JOINED = "net@features + other@features"
EXACT = "net:1@features + other:1@features"


def test_duplicates_are_looked_for_in_joined_features(two):
    found = two.duplicates(JOINED, "pics")
    assert found.backbone == EXACT and found.samples == len(two.features(JOINED, "pics"))


def test_samples_of_the_dataset_are_compared_by_joined_features(two):
    view = two.features(JOINED, "pics")
    (found,) = two.similar(JOINED, "pics", ids=view.ids[0], count=3)
    assert found.backbone == EXACT and len(found.matches) == 3


def test_a_file_is_compared_by_the_features_of_each_backbone_on_the_scales_of_the_dataset(two):
    view = two.features(JOINED, "pics")
    own = Path(two.datasets.get("pics").source) / view.ids[4]
    (found,) = two.similar(JOINED, "pics", [str(own)], count=len(view))
    rows = view.to_numpy().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = dict(zip(view.ids, rows @ rows[4], strict=True))
    said = {match.sample.id: match.similarity for match in found.matches}
    assert found.backbone == EXACT and found.matches[0].sample.id == view.ids[4]
    assert said == pytest.approx(expected, abs=1e-5)
