"""Whole commands: warm runs, start-up, growth, and what a sample costs besides its arithmetic."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from material import emoji
from PIL import Image
from timing import Section, spread, timed

import headstart as hs
from headstart.backbone_model import open_engine, pipeline_of
from headstart.extractors.runtime import keras

GROWN = """
import json, sys
import headstart as hs
report = hs.open(sys.argv[1]).extract("lite0", sys.argv[2]).report
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
print(json.dumps([report.computed, report.seconds, peak]))
"""
HEADSTART = [sys.executable, "-c", "from headstart.cli import main; main()"]
OVERHEAD_ROWS = 100_000


def starting(folder: Path, repeats: int) -> Section:
    """Commands in processes of their own."""
    workspace = hs.init(folder / "starting")
    emoji(workspace, folder)
    root = str(workspace.config.root)

    def run(*arguments: str) -> None:
        command = [*HEADSTART, *arguments, "--workspace", root]
        subprocess.run(command, check=True, capture_output=True)

    def python(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    rows: list[tuple[str, str]] = []

    def row(what: str, seconds: list[float]) -> None:
        rows.append((what, spread(seconds)))

    row(
        "python -c 'import tensorflow'",
        [timed(lambda: python("import tensorflow")) for _ in range(repeats)],
    )
    row(
        "headstart --help",
        [
            timed(
                lambda: python(
                    "import sys; sys.argv[1:] = ['--help']; from headstart.cli import main; main()"
                )
            )
            for _ in range(repeats)
        ],
    )
    row("headstart backbone list", [timed(lambda: run("backbone", "list")) for _ in range(repeats)])
    first = [timed(lambda: run("extract", "lite0", "emoji"))]
    row("headstart extract lite0 emoji: import, load, convert, check, 1,895 pictures", first)
    row(
        "again, everything cached",
        [timed(lambda: run("extract", "lite0", "emoji")) for _ in range(repeats)],
    )
    _one_more(workspace, folder)
    row(
        "one new picture, the compiled model cached",
        [timed(lambda: run("extract", "lite0", "one"))],
    )
    python_needs = (
        "import sys, headstart as hs; "
        f"hs.open({root!r}).extract('lite0', 'emoji'); "
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    python(python_needs)
    note = "Whole processes, Python's own start included. The warm run imports no TensorFlow."
    return Section("Start-up and warm runs", note, ("command", ">seconds"), rows)


def _one_more(workspace: hs.Workspace, folder: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (72, 72, 3), np.uint8)
    (folder / "one" / "a").mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "one" / "a" / "new.png")
    workspace.datasets.add("one", folder / "one")


def growth(folder: Path, smallest: int) -> Section:
    """Time and memory for 1, 4 and 16 times as many pictures, in processes of their own."""
    workspace = hs.init(folder / "growth")
    emoji(workspace, folder)
    rng = np.random.default_rng(0)
    rows = []
    workspace.extract("lite0", "emoji")  # compiled before
    for times in (1, 4, 16):
        count, name = smallest * times, f"many{times}"
        for number in range(count):
            target = folder / name / f"c{number % 4}" / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            small = rng.integers(0, 256, (12, 16, 3), np.uint8)
            Image.fromarray(small).resize((320, 240)).save(target)
        workspace.datasets.add(name, folder / name)
        command = [sys.executable, "-c", GROWN, str(workspace.config.root), name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        computed, seconds, peak = json.loads(done.stdout.splitlines()[-1])
        each = 1000 * seconds / computed
        rows.append((f"{computed:,}", f"{seconds:,.1f} s", f"{each:.2f} ms", f"{peak:,} MB"))
    note = "lite0 in float32 on JPEG files of 320 x 240, the model compiled before."
    columns = (">pictures", ">time", ">a picture", ">peak memory")
    return Section("Growth", note, columns, rows)


def overhead(folder: Path) -> str:
    """What a sample costs besides reading, preparing and the trunk: arrays through a tiny one."""
    k = keras()
    x = k.Input((16,), name="x")
    k.Model(x, k.layers.Dense(2)(k.layers.Dense(8)(x))).save(folder / "tiny.keras")
    values = np.random.default_rng(0).standard_normal((OVERHEAD_ROWS, 16), dtype=np.float32)
    np.savez(folder / "rows.npz", x=values, y=np.arange(OVERHEAD_ROWS) % 2)
    workspace = hs.init(folder / "overhead")
    workspace.backbones.add("tiny", folder / "tiny.keras")
    workspace.datasets.add("rows", folder / "rows.npz")
    backbone, cuts = workspace.context.resolve("tiny")
    pipeline, engine = (
        pipeline_of(workspace.context, backbone),
        open_engine(workspace.context, backbone, cuts),
    )
    prepared = timed(lambda: [pipeline.prepare(row) for row in values[:10_000]]) * 10
    engine.run(values[:2048])
    ran = timed(lambda: [engine.run(values[s : s + 2048]) for s in range(0, len(values), 2048)])
    started = time.perf_counter()
    report = workspace.extract("tiny", "rows").report
    whole = time.perf_counter() - started
    each = 1e6 / OVERHEAD_ROWS
    assert report.computed == OVERHEAD_ROWS
    return (
        f"{OVERHEAD_ROWS:,} rows of arrays through a tiny trunk: {whole * each:.1f} µs a sample in "
        f"all, {prepared * each:.1f} of them preparing, {ran * each:.1f} the trunk, so "
        f"{(whole - prepared - ran) * each:.1f} µs for claiming, reading, checking and committing."
    )
