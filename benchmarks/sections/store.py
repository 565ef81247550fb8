"""The feature store against NumPy and h5py on the same data; part of `make bench`.

Both sides of a row are measured in turn, so that a noisy moment meets both; writing counts until
the bytes are on the disk, on both sides.
"""

from __future__ import annotations

import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image
from timing import Row, timed

import headstart as hs
from headstart import demo
from headstart.extractors.cache.feature_cache import FeatureCache, Rows
from headstart.registry.entities import FeatureSet
from headstart.storage.encoding import Encoding
from headstart.storage.index import Index
from headstart.storage.index_files import open_index
from headstart.storage.keys import unpack_digests
from headstart.storage.local_store import LocalStore
from headstart.storage.manifest import Sample
from headstart.storage.row_reader import RowReader
from headstart.storage.shards.shard import ShardFile, write_shard
from headstart.storage.views import FeatureView

BENCHMARKS = Path(__file__).parents[1]
ITSELF = (sys.executable, "-m", "sections.store")
WIDTH = 1280
REPEATS = 5
READ_ROWS = 400_000
"""2 GB of 1,280 floats."""
INDEX_ROWS, INDEX_SHARDS, LOOKUPS = 10_000_000, 100, 1_000_000
FILES = 10_000
MANY_FILES = 100_000
KEY = "ab" * 32
PLAIN = Encoding("float32", "float32")


def rows(folder: Path) -> Iterator[Row]:
    """All comparisons of the store."""
    yield from committing(folder / "commit")
    yield from reading(folder / "read")
    yield from warm_extract(folder / "warm")
    yield from refreshing(folder / "refresh")


def committing(folder: Path) -> Iterator[Row]:
    """16 commits of 32 MB each, against the same arrays through plain h5py and np.save."""
    workspace = hs.init(folder / "zoo")
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((6400, WIDTH), dtype=np.float32) for _ in range(16)]

    def ours() -> None:
        feature_set = workspace.context.feature_sets.ensure_set(_feature_set(os.urandom(32).hex()))
        cache: FeatureCache = workspace.context.cache()
        for part in parts:
            digests = unpack_digests(rng.integers(0, 256, (len(part), 32), np.uint8))
            cache.commit([Rows(feature_set, digests, part)], "bench", {})

    # New files each time, as a store has: writing over pages that the system still holds is
    # several times as fast, and nobody stores twice.
    def with_h5py() -> None:
        fresh = Path(tempfile.mkdtemp(dir=folder))
        for number, part in enumerate(parts):
            with (fresh / f"{number}.h5").open("wb") as file:
                with h5py.File(file, "w") as target:
                    target["features"] = part
                os.fsync(file.fileno())

    def with_save() -> None:
        fresh = Path(tempfile.mkdtemp(dir=folder))
        for number, part in enumerate(parts):
            with (fresh / f"{number}.npy").open("wb") as file:
                np.save(file, part)
                os.fsync(file.fileno())

    plain_h5py, plain_save, own = [], [], []
    for _ in range(REPEATS):
        plain_h5py.append(timed(with_h5py))
        plain_save.append(timed(with_save))
        own.append(timed(ours))
    yield Row("commit 0.5 GB of rows, against h5py", plain_h5py, own)
    yield Row("commit 0.5 GB of rows, against np.save", plain_save, own)
    shutil.rmtree(folder)


def reading(folder: Path) -> Iterator[Row]:
    """2 GB of rows: all of them, and shuffled batches."""
    folder.mkdir()
    view = _view(folder)
    np.save(folder / "plain.npy", view.to_numpy())

    def load() -> None:
        np.load(folder / "plain.npy")

    plain, own = [], []
    for _ in range(REPEATS):
        plain.append(timed(load))
        own.append(timed(view.to_numpy))
    yield Row("2 GB `to_numpy`, against np.load", plain, own)
    in_order, shuffled = [], []
    for _ in range(REPEATS):
        in_order.append(timed(lambda: _go_through(view, shuffle=False)))
        shuffled.append(timed(lambda: _go_through(view, shuffle=True)))
    yield Row("2 GB in shuffled `batches(256)`, against in order", in_order, shuffled)
    shutil.rmtree(folder)


def warm_extract(folder: Path) -> Iterator[Row]:
    """10,000 picture files through lite0, and again when all is cached."""
    workspace = hs.init(folder / "zoo")
    workspace.backbones.add("lite0", "zoo:efficientnet-lite0", preprocess=demo.preprocessing())
    _pictures(folder)
    workspace.datasets.add("many", folder / "pictures")
    cold = workspace.extract("lite0", "many").report
    assert cold.computed == FILES
    own = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        assert workspace.extract("lite0", "many").report.computed == 0
        own.append(time.perf_counter() - started)
    yield Row(f"extract {FILES:,} files again, against the first time", [cold.seconds], own)
    shutil.rmtree(folder)


def refreshing(folder: Path) -> Iterator[Row]:
    """A dataset of 100,000 files to which one was added, against walking and a stat of each."""
    source = folder / "many"
    for number in range(MANY_FILES):
        path = source / f"c{number % 10}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    workspace = hs.init(folder / "zoo")
    workspace.datasets.add("many", source)

    def walk() -> None:
        for place, _, names in os.walk(source):
            for name in names:
                Path(place, name).stat()

    plain, own = [], []
    for number in range(REPEATS):
        (source / "c3" / f"new{number}.png").write_bytes(b"new %d" % number)
        plain.append(timed(walk))
        own.append(timed(lambda: workspace.datasets.refresh("many")))
    yield Row("refresh 100,000 files, one of them new, against `os.walk` and `stat`", plain, own)
    shutil.rmtree(folder)


def index_figures() -> str:
    """Opening and asking an index over ten million rows, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [*ITSELF, place], check=True, capture_output=True, text=True, cwd=BENCHMARKS
        )
    return done.stdout.strip()


def _measure_index(folder: Path) -> str:
    rng = np.random.default_rng(0)
    store, files = _store(folder), list[ShardFile]()
    wanted: list[str] = []
    per_shard = INDEX_ROWS // INDEX_SHARDS
    for _ in range(INDEX_SHARDS):
        digests = unpack_digests(rng.integers(0, 256, (per_shard, 32), np.uint8))
        wanted += digests[:: INDEX_ROWS // LOOKUPS]
        features = np.zeros((per_shard, 1), np.float32)
        files.append(write_shard(store, KEY, digests, features, {}).file)
        del digests, features
    built = timed(lambda: open_index(store, KEY, files))
    command = [*ITSELF, str(folder), "open"]
    (folder / "files").write_text(
        "\n".join(f"{file.name} {file.rows} {file.size} {file.sha256}" for file in files)
    )
    (folder / "wanted").write_text("\n".join(wanted))
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=BENCHMARKS)
    return f"index of {INDEX_ROWS:,} rows: built in {built:.1f} s; {done.stdout.strip()}"


def _open_and_ask(folder: Path) -> str:
    files = [
        ShardFile(name, KEY, int(count), int(size), sha256)
        for name, count, size, sha256 in map(str.split, (folder / "files").read_text().splitlines())
    ]
    store = _store(folder)
    wanted = np.random.default_rng(1).permutation((folder / "wanted").read_text().split()).tolist()
    opened, found = [], []
    index = Index()
    before = _resident()
    for _ in range(REPEATS):
        opened.append(timed(lambda: open_index(store, KEY, files)))
    index, damaged = open_index(store, KEY, files)
    assert not damaged
    for _ in range(REPEATS):
        started = time.perf_counter()
        assert index.find(wanted).present.all()
        found.append(time.perf_counter() - started)
    size = sum(path.stat().st_size for path in store.index_folder(KEY).glob("*.index"))
    grown = _resident() - before
    return (
        f"opened in {np.median(opened):.2f} s, {len(wanted):,} digests looked up in "
        f"{np.median(found):.2f} s, {size / INDEX_ROWS:.1f} bytes a row; the process grew by "
        f"{grown / INDEX_ROWS:.1f} bytes a row"
    )


def _store(folder: Path) -> LocalStore:
    return LocalStore(folder, folder / "locks")


def _resident() -> int:
    """Bytes of this process that are in memory, mapped files included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _view(folder: Path) -> FeatureView:
    rng = np.random.default_rng(0)
    store, shards, samples = _store(folder), [], []
    part = rng.standard_normal((6400, WIDTH), dtype=np.float32)
    for start in range(0, READ_ROWS, len(part)):
        count = min(len(part), READ_ROWS - start)
        digests = unpack_digests(rng.integers(0, 256, (count, 32), np.uint8))
        shards.append(write_shard(store, KEY, digests, part[:count], {}))
        samples += [
            Sample(str(start + n), digest, n % 2, "train", start + n)
            for n, digest in enumerate(digests)
        ]
    index = Index.of(shards)
    return FeatureView(KEY, index, samples, RowReader(store, index, PLAIN, (WIDTH,)))


def _go_through(view: FeatureView, *, shuffle: bool) -> None:
    for features, _ in view.batches(256, shuffle=shuffle):
        assert len(features)


def _feature_set(key: str) -> FeatureSet:
    plain: dict[str, Any] = dict.fromkeys(
        ("cut_fingerprint", "trunk_fingerprint", "preprocessing_fingerprint"), "0" * 64
    )
    return FeatureSet(
        key=key, cut="x", preprocessing={"steps": []}, precision="float32", view=0,
        shape=(WIDTH,), dtype="float32", backbone="bench", **plain,
    )  # fmt: skip


def _pictures(folder: Path) -> None:
    """10,000 different PNG files, made of the emoji: one pixel of each says its number."""
    lines = demo.write_emoji_csv(folder / "all.csv").read_text(encoding="utf-8").splitlines()[1:]
    for number in range(FILES):
        with Image.open(_path_in(lines[number % len(lines)])) as image:
            pixels = np.array(image.convert("RGBA"))
        pixels[0, 0] = (number % 256, number // 256, 0, 255)
        target = folder / "pictures" / f"c{number % 10}" / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)


def _path_in(line: str) -> str:
    return next(field for field in next(csv.reader([line])) if field.endswith(".png"))


if __name__ == "__main__":
    if sys.argv[2:] == ["open"]:
        sys.stdout.write(_open_and_ask(Path(sys.argv[1])))
    else:
        sys.stdout.write(_measure_index(Path(sys.argv[1])))
