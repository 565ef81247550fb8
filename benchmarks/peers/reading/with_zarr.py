"""zarr, in pieces of 1 MiB without compression."""
# /// script
# dependencies = ["zarr", "numpy"]
# ///

import os

import zarr
from measured import measure, rows, store

if not os.path.exists(store):
    size = rows().shape
    zarr.create_array(
        store, shape=size, dtype="float32", chunks=((1 << 18) // size[1], size[1]), compressors=None
    )[:] = rows()
data = zarr.open_array(store, mode="r")
measure(lambda: data[:], lambda some: data.oindex[some])
