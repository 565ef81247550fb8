"""What looks at all rows of a feature set: time and the most memory, from a thousand to a million.

Features are made, not computed: clusters in few dimensions, folded as a network folds them, some
labels wrong and some rows nearly the same. They are committed as an extraction commits them.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from timing import Section

import headstart as hs
from headstart.context import Context
from headstart.extractors.cache.feature_cache import Rows
from headstart.extractors.run.keys import keys_of
from headstart.registry.entities import FeatureSet
from headstart.storage.keys import unpack_digests

SIZES = (1_000, 10_000, 100_000, 1_000_000)
WIDTH, CLASSES, INSIDE = 768, 10, 32
BLOCK = 16_384
"""Rows that are made and committed at a time."""
EVERY = 100
"""One row in so many has another label, and one is nearly the one before."""
LOOKING = 0.2
"""Seconds between two looks at the memory of a command, each of which takes milliseconds."""
FITTED = 3
"""Sizes that an exponent is fitted to."""
VIEW = """
import sys
import headstart as hs
view = hs.open(sys.argv[1]).features("net", "rows")
assert len(view) == int(sys.argv[2]) and "tensorflow" not in sys.modules
view[0]
"""
COMMANDS = {
    "add": "dataset add again {folder}/rows.csv",
    "warm extract": "extract net rows",
    "view": "",
    "train": "head train head net rows",
    "rank": "rank rows net --limit {rows}",
    "audit": "features audit net rows --limit {rows}",
    "map": "features plot net rows {folder}/map.png --limit {rows}",
    "sweep": "head sweep rows net --limit {rows}",
}
COLUMNS = (
    "what",
    *(">samples", ">seconds", ">of the processor", ">peak", ">of its own"),
    *(">growth of time", ">of memory"),
)


@dataclass(frozen=True)
class Took:
    """What a command took: seconds, seconds of a core, and bytes at most."""

    wall: float
    cpu: float
    peak: int
    own: int

    def told(self) -> tuple[str, str, str, str]:
        peak, own = (f"{size / 1e6:,.0f} MB" for size in (self.peak, self.own))
        return (f"{self.wall:,.1f} s", f"{self.cpu:,.2f} s", peak, own)


def section(folder: Path, sizes: tuple[int, ...] = SIZES, names: Sequence[str] = ()) -> Section:
    """The whole table."""
    found: dict[str, list[Took]] = {name: [] for name in names or COMMANDS}
    for rows in sizes:
        root = folder / str(rows) / "zoo"
        if not root.exists():
            made(root.parent, rows)
        for name, each in found.items():
            each.append(ran(_command(name, root, rows)))
            sys.stderr.write(f"{name} of {rows:,}: {', '.join(each[-1].told())}\n")
    table = [
        (name, f"{rows:,}", *took.told(), *grown)
        for name, each in found.items()
        for rows, took, grown in zip(sizes, each, _growth(sizes, each), strict=True)
    ]
    note = (
        f"Whole commands on {WIDTH} numbers a row and {CLASSES} classes, with `--limit` as large "
        "as the dataset, which is 20,000 (of a map 5,000) if it is not given; a map shows no more "
        "than its method can. Peak is the most memory of all processes of a command together, "
        "files that are mapped included; of its own is without them. Growth is the exponent of "
        "seconds of the processor, and of memory of its own, fitted to a row's size and the two "
        "before it: 1 is in proportion to the samples, 0 is flat."
    )
    return Section("All rows of a feature set", note, COLUMNS, table)


def _command(name: str, root: Path, rows: int) -> list[str]:
    """A process that does it."""
    if name == "view":
        return ["-c", VIEW, str(root), str(rows)]
    words = COMMANDS[name].format(rows=rows, folder=root.parent).split()
    return ["-m", "headstart", *words, "--workspace", str(root)]


def _growth(sizes: tuple[int, ...], found: list[Took]) -> list[tuple[str, str]]:
    """Exponents of time and memory at each size, by least squares of logarithms.

    Of it and the two before: what a process takes to start would hide the growth of all.
    """
    told = [("-", "-")]
    for place in range(2, len(sizes) + 1):
        few = slice(max(0, place - FITTED), place)
        values = np.log([(one.cpu, one.own) for one in found[few]])
        time_, own = np.polyfit(np.log(sizes[few]), values, 1)[0]
        told.append((f"{time_:.2f}", f"{own:.2f}"))
    return told


def ran(words: list[str]) -> Took:
    """What a Python of its own took."""
    command = [sys.executable, "-W", "ignore", *words]
    before, started, peak, own = _used(), time.monotonic(), 0, 0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    while (status := _waited(process)) is None:
        # processes that end meanwhile are left out
        with contextlib.suppress(psutil.Error):
            all_ = [process, *process.children(recursive=True)]
            held = [one.memory_info() for one in all_]
            peak = max(peak, sum(one.rss for one in held))
            own = max(own, sum(one.rss - one.shared for one in held))
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {status}")
    return Took(time.monotonic() - started, _used() - before, peak, own)


def _waited(process: psutil.Popen) -> int | None:
    """How a process ended; None if it has not in a while."""
    try:
        return process.wait(LOOKING)
    except psutil.TimeoutExpired:
        return None


def _used() -> float:
    """Seconds of the processor of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def made(folder: Path, rows: int) -> Path:
    """A workspace with a backbone `net` and a dataset `rows` whose features are cached."""
    folder.mkdir(parents=True)
    workspace = hs.init(folder / "zoo")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, rows)
    wrong = np.flatnonzero(rng.random(rows) < 1 / EVERY)
    written = labels.copy()
    written[wrong] = rng.integers(0, CLASSES, len(wrong))
    with (folder / "rows.csv").open("w", encoding="utf-8") as file:
        file.write("a,label\n")
        file.writelines(f"{number},c{label}\n" for number, label in enumerate(written.tolist()))
    network = (
        "import sys, keras; given = keras.Input((1,)); "
        "inside = keras.layers.Dense(int(sys.argv[2]))(given); "
        "keras.Model(given, keras.layers.Dense(2)(inside)).save(sys.argv[1])"
    )
    model = str(folder / "net.keras")
    subprocess.run([sys.executable, "-W", "ignore", "-c", network, model, str(WIDTH)], check=True)
    workspace.backbones.add("net", model, preprocess="array")
    workspace.datasets.add("rows", folder / "rows.csv")
    _commit(workspace.context, labels, rng)
    return workspace.config.root


def _commit(context: Context, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Features of all samples, a block after the other."""
    entity, cuts = context.resolve("net")
    cut, (key,) = cuts[0], keys_of(entity, cuts[:1]).values()
    feature_set = context.feature_sets.ensure_set(
        FeatureSet(
            key=key,
            backbone=entity.label,
            cut=cut.name,
            cut_fingerprint=cut.point.fingerprint,
            trunk_fingerprint=cut.fingerprint,
            preprocessing=entity.preprocessing,
            preprocessing_fingerprint=entity.preprocessing_fingerprint,
            precision=cut.precision,
            view=0,
            shape=(WIDTH,),
            dtype=cut.point.dtype,
            storage=cut.point.dtype,
        )
    )
    cache, samples = context.cache(), context.manifest(context.datasets.get("rows")).columns
    centres = rng.normal(size=(CLASSES, INSIDE)).astype(np.float32)
    folding = rng.normal(size=(INSIDE, WIDTH)).astype(np.float32)
    for start in range(0, len(labels), BLOCK):
        own = np.arange(start, min(start + BLOCK, len(labels)))
        inside = centres[labels[own]] + rng.normal(size=(len(own), INSIDE)).astype(np.float32)
        near = np.arange(EVERY, len(own), EVERY)
        inside[near] = inside[near - 1]
        x = inside @ folding + rng.normal(size=(len(own), WIDTH)).astype(np.float32)
        x[near] = x[near - 1] + 0.02 * x[near]
        digests = unpack_digests(samples.take(own).digests)
        cache.commit([Rows(feature_set, digests, np.maximum(x, 0))], "made", {})
    cache.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--only", nargs="*", choices=COMMANDS, default=())
    given = parser.parse_args()
    print(section(given.folder, tuple(given.sizes), given.only).to_markdown())
