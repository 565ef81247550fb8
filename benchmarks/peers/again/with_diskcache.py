"""diskcache, by path."""
# /// script
# dependencies = ["diskcache", "numpy"]
# ///

import diskcache
import numpy as np
from by_path import compute, paths, store, use

rows = []
with diskcache.Cache(store, size_limit=1 << 40) as cache, cache.transact():
    for path in paths:
        row = cache.get(path)
        if row is None:
            row = compute(path)
            cache[path] = row
        rows.append(row)
use(np.stack(rows))
