"""What the scripts of this folder share: the files, and what stands for the work.

Arguments: the folder of the files, the store, how wide a row is. The work is nothing, as the run
that is measured is to do none.
"""

import os
import sys

import numpy as np

source, store, width = sys.argv[1], sys.argv[2], int(sys.argv[3])
paths = sorted(os.path.join(root, name) for root, _, names in os.walk(source) for name in names)


def compute(path: str) -> np.ndarray:
    """Features of a file."""
    return np.full(width, len(path), np.float32)


def use(features) -> None:
    """All rows in the order of the files."""
    assert np.shape(features) == (len(paths), width)
