"""Lance."""
# /// script
# dependencies = ["pylance", "pyarrow", "numpy"]
# ///

import os

import lance
import numpy as np
import pyarrow as pa
from measured import measure, rows, store

WIDTH = rows().shape[1]
if not os.path.exists(store):
    values = pa.array(np.array(rows()).ravel())
    table = pa.table({"rows": pa.FixedSizeListArray.from_arrays(values, WIDTH)})
    lance.write_dataset(table, store)
data = lance.dataset(store)


def made(table):
    parts = table["rows"].chunks
    return np.concatenate([part.flatten().to_numpy().reshape(-1, WIDTH) for part in parts])


def in_order():
    for batch in data.to_batches(batch_size=256):
        assert len(batch["rows"].flatten().to_numpy().reshape(-1, WIDTH))


measure(lambda: made(data.to_table()), lambda some: made(data.take(some.tolist())), in_order)
