"""Memory does not grow with the rows: 10,000 and 200,000 rows of 1,280 floats."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment, keras

FEW, MANY = 10_000, 200_000
MOST = 200
"""MB that the larger one may take more."""
WHAT = ("extract", "verify", "batches", "in order", "export.npz", "export.h5", "export.parquet")


def prepared(root, rows):
    """A workspace with a dataset of short rows and a backbone that makes 1,280 floats of each."""
    ws = hs.init(root / "zoo")
    keras.utils.set_random_seed(0)
    given = keras.Input((8,))
    wide = keras.layers.Dense(1280, activation="relu", name="wide")(given)
    keras.Model(given, keras.layers.Dense(2)(wide)).save(root / "wide.keras")
    ws.backbones.add("wide", root / "wide.keras", preprocess="array")
    x = np.random.default_rng(0).standard_normal((rows, 8)).astype(np.float32)
    np.savez(root / "rows.npz", x=x, y=np.arange(rows) % 2)
    ws.datasets.add("rows", root / "rows.npz")
    ws.database.close()
    return ws.config.root


@pytest.mark.slow
def test_memory_stays_flat_between_ten_thousand_and_two_hundred_thousand_rows(tmp_path):
    peaks = {}
    for rows in (FEW, MANY):
        folder = tmp_path / str(rows)
        folder.mkdir()
        root = prepared(folder, rows)
        for what in WHAT:
            done = subprocess.run(
                [sys.executable, Path(__file__).with_name("memory_child.py"), root, what, folder],
                env=clean_environment(), capture_output=True, text=True, check=True,
            )  # fmt: skip
            peaks[rows, what] = float(done.stdout)
    growth = {what: peaks[MANY, what] - peaks[FEW, what] for what in WHAT}
    shown = {what: (peaks[FEW, what], peaks[MANY, what]) for what in WHAT}
    assert all(more <= MOST for more in growth.values()), str(shown)
    sys.stderr.write(f"peak memory in MB, {FEW:,} and {MANY:,} rows: {shown}\n")
