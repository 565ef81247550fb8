"""joblib.Memory, by path."""
# /// script
# dependencies = ["joblib", "numpy"]
# ///

import joblib
import numpy as np
from by_path import compute, paths, store, use

cached = joblib.Memory(store, verbose=0).cache(compute)
use(np.stack([cached(path) for path in paths]))
