"""A workspace that is backed up."""

import numpy as np
import pytest

import headstart as hs

FLAT = "flat@as_it_is"


@pytest.fixture
def full(rows):
    """A workspace with a bit of everything."""
    features = rows.features(FLAT, "rows")
    rows.heads.train("h", features, hs.Linear(strengths=1.0))
    rows.heads.alias("production", "h")
    rows.backbones.alias("best", "flat")
    rows.datasets.add("kept", np.arange(24, dtype=np.float32).reshape(4, 6))
    rows.sweep("rows", kinds=[hs.Linear(strengths=1.0)], trying=hs.CrossValidation(folds=3))
    return rows
