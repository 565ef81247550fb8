"""safetensors."""
# /// script
# dependencies = ["safetensors", "numpy"]
# ///

import os

import numpy as np
from measured import measure, rows, store
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

if not os.path.exists(store):
    save_file({"rows": np.array(rows())}, store)
file = safe_open(store, framework="numpy")
part = file.get_slice("rows")


def take(some):
    # It reads ranges alone.
    return np.concatenate([part[int(row) : int(row) + 1] for row in some])


def in_order():
    count = part.get_shape()[0]
    for start in range(0, count, 256):
        assert len(part[start : min(start + 256, count)])


measure(lambda: load_file(store)["rows"], take, in_order)
