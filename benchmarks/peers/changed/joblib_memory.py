"""joblib.Memory, by path."""
# /// script
# dependencies = ["joblib", "numpy"]
# ///

import joblib
import numpy as np
from counted import compute_path, paths, store, use

cached = joblib.Memory(store, verbose=0).cache(compute_path)
use(np.stack([cached(path) for path in paths]))
