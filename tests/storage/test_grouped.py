"""Rows of windows as rows of samples."""

import numpy as np
import pytest

from headstart.errors import FeatureError
from headstart.storage.windowed import pooled as pooling
from headstart.storage.windowed.pooled import PooledReader, pooled


class Plain:
    """Rows in memory, as a reader of them."""

    encoding = None

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape[1:], rows.dtype
        self.row_bytes = rows[0].nbytes

    def read(self, places, out):
        out[:] = self.rows[places.row]

    def take(self, places):
        return self.rows[places.row]

    def chunk_of(self, places):
        return places.row // 4


@pytest.mark.parametrize("how", ["mean", "max"])
@pytest.mark.parametrize("block", [1, 100, 1 << 20])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_rows_of_samples_are_those_of_their_windows_whatever_fits_into_memory(
    monkeypatch, how, block, shape
):
    monkeypatch.setattr(pooling, "BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, *shape)).astype(np.float32)
    numbers = np.concatenate([np.arange(9), rng.integers(0, 9, 51)])
    rng.shuffle(numbers)
    from headstart.storage.index import Places

    reader = PooledReader(Plain(rows), Places(np.zeros(60, int), np.arange(60)), numbers, 9, how)
    out = np.empty((9, *shape), np.float32)
    reader.read(reader.places, out)
    expected = [getattr(rows[numbers == one].astype(float), how)(axis=0) for one in range(9)]
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    np.testing.assert_allclose(pooled(rows, numbers, 9, how), expected, rtol=1e-6)
    some = np.array([7, 2, 2])
    reader.read(Places(np.zeros(3, int), some), out[:3])
    np.testing.assert_allclose(out[:3], np.array(expected)[some], rtol=1e-6)


def test_windows_are_taken_together_in_known_ways():
    with pytest.raises(FeatureError, match="windows is 'median'"):
        pooled(np.ones((2, 2)), np.zeros(2, int), 1, "median")
