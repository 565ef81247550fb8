"""Shards in a bucket against the same in files: commits, passes, and the bytes that they fetch.

The server is moto, in a process of its own on this machine: what it takes by itself is part of it,
and a network is not.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
from timing import Row, Section, timed

from headstart.config import create_config
from headstart.registry.database import Database
from headstart.registry.holds import SqlHolds
from headstart.registry.tables import metadata
from headstart.storage.encoding import Encoding
from headstart.storage.index import Index
from headstart.storage.index_files import open_index
from headstart.storage.keys import unpack_digests
from headstart.storage.local_store import LocalStore
from headstart.storage.locks import LifeSigns
from headstart.storage.manifest import Sample
from headstart.storage.objects.address import StoreAddress
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.local_copies import LocalCopies
from headstart.storage.objects.object_store import ObjectStore
from headstart.storage.row_reader import RowReader
from headstart.storage.shard_store import ShardStore
from headstart.storage.shards.shard import ShardFile, write_shard
from headstart.storage.views import FeatureView

WIDTH, ROWS = 1280, 12_800
"""A shard of 64 MB."""
KEY = "ab" * 32
PLAIN = Encoding("float32", "float32")
NAME = "bench"
FEW = 64
ENOUGH, LITTLE = 64 << 30, 100 << 20
"""Bytes of copies: of all shards, and of one."""


class Counted(Bucket):
    """A bucket that counts what comes out of it."""

    def __init__(self, address: StoreAddress) -> None:
        super().__init__(address)
        self.bytes = self.requests = 0

    def get(self, key: str) -> memoryview:
        return self._counted([super().get(key)])[0]

    def get_ranges(self, key: str, starts: Sequence[int], sizes: Sequence[int]) -> list[memoryview]:
        return self._counted(super().get_ranges(key, starts, sizes))

    def _counted(self, found: list[memoryview]) -> list[memoryview]:
        self.bytes += sum(map(len, found))
        self.requests += 1
        return found


def section(folder: Path, repeats: int, shards: int) -> Section:
    """Seconds against local files, and bytes that came.

    Args:
        folder: for files.
        repeats: of each measurement.
        shards: of 64 MB.
    """
    with _server() as address:
        os.environ.update(
            AWS_ENDPOINT_URL=address,
            AWS_ACCESS_KEY_ID="somebody",
            AWS_SECRET_ACCESS_KEY="something",
            AWS_REGION="us-east-1",
        )
        urlopen(Request(f"{address}/{NAME}", data=b"", method="PUT")).close()
        return _measured(folder, repeats, shards)


def _measured(folder: Path, repeats: int, shards: int) -> Section:
    bucket = Counted(StoreAddress("s3", NAME))
    near, far = LocalStore(folder / "near", folder / "locks"), _opened(folder, bucket, ENOUGH)
    parts = _parts(shards)
    total = shards * ROWS * WIDTH * 4
    commits: tuple[list[float], list[float]] = [], []
    near_files, far_files = list[ShardFile](), list[ShardFile]()
    for _ in range(repeats):
        for store, files, took in ((near, near_files, commits[0]), (far, far_files, commits[1])):
            files.clear()
            took.append(timed(functools.partial(_put, store, parts, files)))
    samples = _samples(parts)
    local = _view(near, near_files, samples)
    passes: dict[str, list[float]] = {name: [] for name in ("local", "cold", "warm", "little")}
    fetched: dict[str, int] = {}
    kept, little = _opened(folder, bucket, ENOUGH), _opened(folder, bucket, LITTLE)
    views = {"cold": _view(kept, far_files, samples), "little": _view(little, far_files, samples)}
    for _ in range(repeats):
        passes["local"].append(timed(local.to_numpy))
        _forget(kept, far_files)
        for name in ("cold", "warm", "little"):
            before = bucket.bytes
            passes[name].append(timed(views.get(name, views["cold"]).to_numpy))
            fetched[name] = bucket.bytes - before
    _forget(kept, far_files)
    random = _bytes_of_rows(_view(kept, far_files, samples), bucket, kept, far_files)
    _forget(kept, far_files)
    digests = _bytes_of_digests(folder, bucket, far_files)
    size = f"{total / 1e9:.1f} GB"
    rows = [
        Row(f"commit {size}", *commits),
        Row(f"a pass over {size}, nothing is here yet", passes["local"], passes["cold"]),
        Row(f"a pass over {size}, all is here", passes["local"], passes["warm"]),
        Row(f"a pass over {size}, 100 MB may be kept", passes["local"], passes["little"]),
    ]
    came = (
        f"Bytes that came: {fetched['cold'] / total:.2f} of all in the first pass, "
        f"{fetched['warm'] / total:.2f} in the second, {fetched['little'] / total:.2f} where "
        f"little may be kept; for {FEW} rows at random {random / 1e6:.1f} MB, of which "
        f"they are {FEW * WIDTH * 4 / 1e6:.1f} MB; for who only asks which samples have rows "
        f"{digests / 1e6:.2f} MB, {digests / total:.2%} of all."
    )
    about = "A bucket of an S3 server (moto, a process of this machine) against local files. "
    columns = ("what", ">files", ">bucket", ">ratio")
    return Section("A bucket", about + came, columns, [row.cells() for row in rows])


def _bytes_of_rows(
    view: FeatureView, bucket: Counted, store: ObjectStore, files: Sequence[ShardFile]
) -> int:
    _forget(store, files)
    before = bucket.bytes
    chosen = np.random.default_rng(1).choice(len(view), FEW, replace=False)
    assert len(view[chosen]) == FEW
    return bucket.bytes - before


def _bytes_of_digests(folder: Path, bucket: Counted, files: Sequence[ShardFile]) -> int:
    """On a machine that has nothing yet."""
    before = bucket.bytes
    store = _opened(folder / "digests", bucket, ENOUGH)
    assert len(open_index(store, KEY, files, for_rows=False)[0]) == len(files) * ROWS
    return bucket.bytes - before


def _forget(store: ObjectStore, files: Sequence[ShardFile]) -> None:
    """Nothing of it is on this machine any more."""
    for file in files:
        store.distrust(file.name)


def _opened(folder: Path, bucket: Bucket, quota: int) -> ObjectStore:
    place = folder / str(quota)
    database = Database(create_config(place / "zoo"))
    metadata.create_all(database.engine)
    holds = SqlHolds(database, LifeSigns(place / "locks"))
    shutil.rmtree(place / "copies", ignore_errors=True)
    return ObjectStore(bucket, holds, LocalCopies(place / "copies", quota), place / "indexes")


def _parts(shards: int) -> list[tuple[list[str], np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (
            unpack_digests(rng.integers(0, 256, (ROWS, 32), np.uint8)),
            rng.standard_normal((ROWS, WIDTH), dtype=np.float32),
        )
        for _ in range(shards)
    ]


def _put(
    store: ShardStore, parts: Sequence[tuple[list[str], np.ndarray]], files: list[ShardFile]
) -> None:
    files += [write_shard(store, KEY, digests, rows, {}).file for digests, rows in parts]


def _samples(parts: Sequence[tuple[list[str], np.ndarray]]) -> list[Sample]:
    digests = [digest for some, _ in parts for digest in some]
    return [Sample(str(n), digest, None, "train", "", ()) for n, digest in enumerate(digests)]


def _view(store: ShardStore, files: Sequence[ShardFile], samples: list[Sample]) -> FeatureView:
    index: Index
    index, damaged = open_index(store, KEY, list(files))
    assert not damaged
    return FeatureView(KEY, index, samples, RowReader(store, index, PLAIN, (WIDTH,)))


@contextmanager
def _server() -> Iterator[str]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "-p", str(port)], **quiet) as process:
        try:
            for _ in range(600):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
