"""By hand: one `np.save` at the end, read if it is there."""
# /// script
# dependencies = ["numpy"]
# ///

import os

import numpy as np
from counted import compute_path, paths, store, use

file = os.path.join(store, "features.npy")
os.makedirs(store, exist_ok=True)
if not os.path.exists(file):
    np.save(file, np.stack([compute_path(path) for path in paths]))
rows = np.load(file)
use(rows if len(rows) == len(paths) else np.stack([compute_path(path) for path in paths]))
