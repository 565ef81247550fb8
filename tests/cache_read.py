"""What lies in a cache, as tests look at it."""

import h5py

import headstart as hs

EAGER = hs.Settings(batch_size=4, commit_seconds=0)


def kinds(garbage):
    return sorted(one.kind for one in garbage)


def shard_files(ws):
    return sorted(ws.config.features.rglob("*.h5"))


def rows_of(file):
    with h5py.File(file) as shard:
        return len(shard["digests"])
