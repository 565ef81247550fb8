"""headstart."""
# /// script
# dependencies = ["headstart"]
# ///

import numpy as np
from measured import measure, store

import headstart as hs

view = hs.open(store).features("net", "rows")


def through(shuffle):
    for features, _ in view.batches(256, shuffle=shuffle):
        assert len(features)


measure(
    view.to_numpy,
    lambda some: np.asarray(view[some]),
    lambda: through(False),
    lambda: through(True),
)
