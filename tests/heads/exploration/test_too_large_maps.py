"""What has no map, or one that no memory is enough for, is said."""

import numpy as np
import pytest

from headstart.errors import HeadError
from headstart.heads.exploration import coordinates
from headstart.heads.exploration.coordinates import METHODS, coordinates_of


class Wide:
    """Rows of which none may be read."""

    shape = (100_000, 7 * 7 * 1280)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        raise AssertionError("they were read")


@pytest.mark.parametrize("method", METHODS)
def test_of_too_many_numbers_none_is_read(method):
    with pytest.raises(HeadError, match="100,000 samples of 62,720 numbers each are 23 GiB"):
        coordinates_of(Wide(), method, 0)


def test_what_is_read_in_blocks_may_be_larger(monkeypatch):
    monkeypatch.setitem(coordinates.LARGEST, "umap", 50)
    monkeypatch.setattr(coordinates, "MOST_NUMBERS", 100)
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    assert coordinates_of(features, "pca", 0)[0].shape == (60, 2)
    with pytest.raises(HeadError, match="too much for a map"):
        coordinates_of(features[:50], "pca", 0)


@pytest.mark.parametrize("most", [10, 1000])
def test_features_that_are_all_the_same_have_no_map(most, monkeypatch):
    monkeypatch.setitem(coordinates.LARGEST, "umap", most)
    with pytest.raises(HeadError, match="samples are all equal"):
        coordinates_of(np.ones((20, 4), np.float32), "pca", 0)
