"""Datasets of many samples: seconds of a core and memory, of adding, refreshing and looking up.

Each step has a process of its own. What counts are seconds of a core, as the machine may do other
things, and the most memory a process had, besides what it had when a workspace was open.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from timing import Section

import headstart as hs

CHILD = """
import json, re, sys, time
from pathlib import Path
import headstart as hs
import headstart.jobs.datasets.add, headstart.jobs.datasets.refresh, headstart.jobs.features.extract

def peak():
    return int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024

ws = hs.open(sys.argv[1])
len(ws.datasets)
bare, started, cpu = peak(), time.monotonic(), time.process_time()
exec(sys.argv[2])
print(json.dumps([time.process_time() - cpu, time.monotonic() - started, bare, peak()]))
"""
ADD = "ws.datasets.add({name!r}, {source!r})"
REFRESH = "ws.datasets.refresh({name!r})"
EXTRACT = "assert len(ws.extract('net', {name!r})) and 'tensorflow' not in sys.modules"
IMPORT = """
import numpy as np
digests = ws.context.manifest({name!r}).columns.digests
file = Path({source!r}).with_name("features.npz")
rows = np.zeros((len(digests), 1), np.float32)
np.savez(file, features=rows, digests=[one.tobytes().hex() for one in digests])
different = len({{one.tobytes() for one in digests}})
assert ws.cache.import_features("net", {name!r}, file, check=0).added == different
"""
"""In the place of the first extraction, which computes row by row: a million take minutes, of which
nothing is wanted here but that the features are there. So the files need not be pictures either."""
SYNTHETIC_BLOCK = 1 << 16
COLUMNS = ("what", ">samples", ">CPU", ">microseconds a sample", ">peak", ">above the start")


def section(folder: Path, *, is_quick: bool) -> Section:
    """The whole table; a tenth and a hundredth of the samples beside each other show growth."""
    files, rows, synthetic = (
        (2_000, 20_000, 200_000) if is_quick else (100_000, 1_000_000, 10_000_000)
    )
    table: list[tuple[str, ...]] = []
    for count in (rows // 10, rows):
        table += _of_table(folder / f"t{count}", count)
    for count in (files // 10, files):
        table += _of_files(folder / f"f{count}", count)
    table += _synthetic(folder / "synthetic", synthetic)
    note = (
        "Processes of their own; CPU is seconds of a core, peak the most memory that the process "
        "had, Python and its libraries included. `extract` is warm: "
        "its features were imported, and it computes nothing."
    )
    return Section("Datasets of many samples", note, COLUMNS, table)


def _of_table(folder: Path, rows: int) -> list[tuple[str, ...]]:
    root, source = _workspace(folder), folder / "table.csv"
    numbers = np.random.default_rng(0).integers(0, 10**6, (rows, 2)).tolist()
    with source.open("w", encoding="utf-8") as file:
        file.write("a,b,label\n")
        file.writelines(f"{a},{b},c{a % 10}\n" for a, b in numbers)
    _backbone(root, folder)
    found = [_step(root, f"add a CSV of {rows:,} rows", rows, ADD, source)]
    found.append(_step(root, "import features of all", rows, IMPORT, source))
    found.append(_step(root, "extract, everything cached", rows, EXTRACT, source))
    with source.open("a", encoding="utf-8") as file:
        file.write("1,2,c1\n")
    found.append(_step(root, "refresh after one row more", rows, REFRESH, source))
    return found


def _of_files(folder: Path, files: int) -> list[tuple[str, ...]]:
    root, source = _workspace(folder), folder / "files"
    for number in range(files):
        path = source / f"c{number % 10}" / f"{number:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    _backbone(root, folder)
    found = [_step(root, f"add a folder of {files:,} files", files, ADD, source)]
    found.append(_step(root, "import features of all", files, IMPORT, source))
    found.append(_step(root, "extract, everything cached", files, EXTRACT, source))
    (source / "c1" / "new.png").write_bytes(b"new")
    found.append(_step(root, "refresh after one file more", files, REFRESH, source))
    return found


def _synthetic(folder: Path, samples: int) -> list[tuple[str, ...]]:
    root = _workspace(folder)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); "
    code += "from sections import many_samples; "
    write = f"{code}many_samples.write_synthetic(ws, {samples})"
    found = [_step(root, f"write a manifest of {samples:,}", samples, write)]
    opened = "from headstart.storage.manifest import Manifest; m = Manifest.open(path)"
    path = f"path = next(Path({str(root)!r}, 'manifests').iterdir()); "
    found.append(_step(root, "open it", samples, path + opened))
    one = f"{path}{opened}; assert m.samples[{samples // 2}].id == '{samples // 2}'"
    found.append(_step(root, "open it, one sample in the middle", samples, one))
    look = (
        f"{path}{opened}; from headstart.storage.index import Index; "
        "assert not Index().find_blocks(b.digests for b in m.columns.blocks()).present.any()"
    )
    found.append(_step(root, "open it, check and look up all", samples, look))
    return found


def write_synthetic(workspace: hs.Workspace, samples: int) -> None:
    """A manifest of samples that there are not, a block at a time."""
    from headstart.storage.columns.block import Block, Lists
    from headstart.storage.columns.samples import SampleColumns
    from headstart.storage.manifest import Manifest

    rng, blocks = np.random.default_rng(0), []
    for start in range(0, samples, SYNTHETIC_BLOCK):
        numbers = range(start, min(start + SYNTHETIC_BLOCK, samples))
        lists = Lists(
            [str(number) for number in numbers],
            rng.integers(0, 256, (len(numbers), 32), np.uint8),
            [f"c{number % 10}" for number in numbers],
            ["train"] * len(numbers),
            list(numbers),
            [(1, 2, 3)] * len(numbers),
            [None] * len(numbers),
        )
        blocks.append(Block.of(lists, "/synthetic"))
    manifest = Manifest("csv", "/synthetic", SampleColumns("/synthetic", blocks))
    manifest.write(workspace.config.manifests)


def _workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return hs.init(folder / "zoo").config.root


def _backbone(root: Path, folder: Path) -> None:
    code = f"""
import keras
given = keras.Input((2,))
keras.Model(given, keras.layers.Dense(1, name="last")(keras.layers.Dense(1)(given))).save(
    {str(folder / "net.keras")!r})
ws.backbones.add("net", {str(folder / "net.keras")!r}, preprocess="array")
"""
    run_child(root, code)


def _step(
    root: Path, what: str, samples: int, code: str, source: Path | None = None
) -> tuple[str, ...]:
    started = time.monotonic()
    cpu, _, bare, peak = run_child(root, code.format(name="d", source=str(source)))
    sys.stderr.write(
        f"{what}: {cpu:.2f} s CPU, {time.monotonic() - started:.0f} s, {peak:.0f} MB\n"
    )
    return (
        what,
        f"{samples:,}",
        f"{cpu:,.2f} s",
        f"{1e6 * cpu / samples:,.2f}",
        f"{peak:,.0f} MB",
        f"{peak - bare:,.0f} MB",
    )


def run_child(root: Path, code: str) -> list[float]:
    """CPU seconds, seconds, megabytes at the start and at most of some code in a process."""
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(root), code]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout.splitlines()[-1])
