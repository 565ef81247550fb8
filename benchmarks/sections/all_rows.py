"""What looks at all rows of a feature set: time and the most memory, from a thousand to a million.

Features are made, not computed: clusters in few dimensions, folded as a network folds them, some
labels wrong and some rows nearly the same. They are committed as an extraction commits them.

What a command took is written to `FOLDER/results.jsonl` when it has ended, and what stands there is
not run anew: so it can be ended, and goes on with the same folder. `--most SECONDS` ends commands
that take more of the processor, which is told of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    "add": "dataset add again-{now} {folder}/rows.csv",
    "warm extract": "extract net rows",
    "view": "",
    "train": "head train head net rows",
    "rank": "rank rows net --limit {rows}",
    "audit": "features audit net rows --limit {rows}",
    "map": "features plot net rows {folder}/map.png --limit {rows}",
    "sweep": "head sweep rows net --limit {rows}",
}
RESULTS = "results.jsonl"
COLUMNS = (
    "what",
    *(">samples", ">seconds", ">of the processor", ">peak", ">of its own"),
    *(">growth of time", ">of memory"),
)


@dataclass(frozen=True)
class Took:
    """What a command took: seconds, seconds of a core, and bytes at most; and whether it ended."""

    wall: float
    cpu: float
    peak: int
    own: int
    is_whole: bool = True

    def told(self) -> tuple[str, str, str, str]:
        peak, own = (f"{size / 1e6:,.0f} MB" for size in (self.peak, self.own))
        more = "" if self.is_whole else ", not ended"
        return (f"{self.wall:,.1f} s", f"{self.cpu:,.2f} s{more}", peak, own)


class Kept:
    """What commands took in this run and before: a line of JSON each, of which the last counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._known = {(one.pop("what"), one.pop("rows")): one for one in map(json.loads, lines)}

    def find(self, what: str, rows: int) -> Took | None:
        """None of a command that was not run."""
        known = self._known.get((what, rows))
        return None if known is None else Took(**known)

    def add(self, what: str, rows: int, took: Took) -> None:
        """Written before the next one is begun."""
        self._known[what, rows] = asdict(took)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, "rows": rows, **asdict(took)}) + "\n")


def section(
    folder: Path,
    sizes: tuple[int, ...] = SIZES,
    names: Sequence[str] = (),
    most: float = float("inf"),
) -> Section:
    """The whole table of what is named.

    Args:
        folder: of the material and of the results, which are added to.
        sizes: rows.
        names: of commands; all without them.
        most: seconds of the processor that one may take.
    """
    names, kept = names or tuple(COMMANDS), Kept(folder / RESULTS)
    for rows in sizes:
        for name in names:
            if kept.find(name, rows) is None:
                took = ran(_command(name, ready(folder / str(rows), rows), rows), most)
                kept.add(name, rows, took)
                sys.stderr.write(f"{name} of {rows:,}: {', '.join(took.told())}\n")
    table = []
    for name in names:
        each = [(rows, took) for rows in sizes if (took := kept.find(name, rows)) is not None]
        for (rows, took), grown in zip(each, _growth(each), strict=True):
            table.append((name, f"{rows:,}", *took.told(), *grown))
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
    words = COMMANDS[name].format(rows=rows, folder=root.parent, now=time.time_ns()).split()
    return ["-m", "headstart", *words, "--workspace", str(root)]


def _growth(found: Sequence[tuple[int, Took]]) -> list[tuple[str, str]]:
    """Exponents of time and memory at each size, by least squares of logarithms.

    Of it and the two before: what a process takes to start would hide the growth of all. Of what
    was not ended there are none.
    """
    told = []
    for place, (_, took) in enumerate(found):
        few = found[max(0, place + 1 - FITTED) : place + 1]
        if len(few) < 2 or not took.is_whole:
            told.append(("-", "-"))
            continue
        values = np.log([(one.cpu, one.own) for _, one in few])
        time_, own = np.polyfit(np.log([rows for rows, _ in few]), values, 1)[0]
        told.append((f"{time_:.2f}", f"{own:.2f}"))
    return told


def ran(words: list[str], most: float = float("inf")) -> Took:
    """What a Python of its own took; it is ended where it takes more seconds of the processor."""
    command = [sys.executable, "-W", "ignore", *words]
    before, started, peak, own = _used(), time.monotonic(), 0, 0
    process, is_whole = psutil.Popen(command, stdout=subprocess.DEVNULL), True
    while (status := _waited(process)) is None:
        # processes that end meanwhile are left out
        with contextlib.suppress(psutil.Error):
            all_ = [process, *process.children(recursive=True)]
            held = [one.memory_info() for one in all_]
            peak = max(peak, sum(one.rss for one in held))
            own = max(own, sum(one.rss - one.shared for one in held))
            if is_whole and sum(sum(one.cpu_times()[:2]) for one in all_) > most:
                is_whole = False
                for one in reversed(all_):
                    one.terminate()
    if status and is_whole:
        raise SystemExit(f"{' '.join(words)} ended with {status}")
    return Took(time.monotonic() - started, _used() - before, peak, own, is_whole)


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


def ready(folder: Path, rows: int, width: int = WIDTH) -> Path:
    """The workspace in a folder, made anew where it was not made to its end."""
    mark = folder / "made"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        made(folder, rows, width)
        mark.touch()
    return folder / "zoo"


def made(folder: Path, rows: int, width: int = WIDTH) -> Path:
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
    subprocess.run([sys.executable, "-W", "ignore", "-c", network, model, str(width)], check=True)
    workspace.backbones.add("net", model, preprocess="array")
    workspace.datasets.add("rows", folder / "rows.csv")
    _commit(workspace.context, labels, rng, width)
    return workspace.config.root


def _commit(context: Context, labels: np.ndarray, rng: np.random.Generator, width: int) -> None:
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
            shape=(width,),
            dtype=cut.point.dtype,
            storage=cut.point.dtype,
        )
    )
    cache, samples = context.cache(), context.manifest(context.datasets.get("rows")).columns
    centres = rng.normal(size=(CLASSES, INSIDE)).astype(np.float32)
    folding = rng.normal(size=(INSIDE, width)).astype(np.float32)
    for start in range(0, len(labels), BLOCK):
        own = np.arange(start, min(start + BLOCK, len(labels)))
        inside = centres[labels[own]] + rng.normal(size=(len(own), INSIDE)).astype(np.float32)
        near = np.arange(EVERY, len(own), EVERY)
        inside[near] = inside[near - 1]
        x = inside @ folding + rng.normal(size=(len(own), width)).astype(np.float32)
        x[near] = x[near - 1] + 0.02 * x[near]
        digests = unpack_digests(samples.take(own).digests)
        cache.commit([Rows(feature_set, digests, np.maximum(x, 0))], "made", {})
    cache.save()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--only", nargs="*", choices=COMMANDS, default=())
    parser.add_argument("--most", type=float, default=float("inf"), help="seconds of a processor")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(section(given.folder, tuple(given.sizes), given.only, given.most).to_markdown())
