"""What the machine can do at most, and our share of it: products, copies, decoding, the engine.

By seconds of the processor and one thread, so that the figures mean the same while others are busy.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from material import Model, add, photographs, post_relu
from threadpoolctl import threadpool_limits
from timing import Section, median, of_the_processor

import headstart as hs
from headstart.backbone_model import chooser_of, pipeline_of
from headstart.heads.kind import Part
from headstart.heads.kinds.lbfgs import Evaluation
from headstart.heads.kinds.logistic import Logistic
from sections.all_rows import made

SIDE, MEGABYTES, REPEATS = 2048, 256, 5
CLASSES = (10, 100)
COLUMNS = ("what", ">the machine", ">ours", ">share")
Line = tuple[str, str, str, str]


def section(folder: Path, *, is_quick: bool) -> Section:
    """The whole table."""
    rows = 5_000 if is_quick else 50_000
    with threadpool_limits(1):
        table = [*_products(rows), _copies(folder / "copies", rows)]
        table += _pictures(folder / "pictures", 64 if is_quick else 256)
    return Section(
        "What the machine can do",
        f"A thread each, a second of the processor, medians of {REPEATS}. Products: one of BLAS of "
        f"{SIDE} x {SIDE}, against all passes of a linear head over {rows:,} x 768, exponentials "
        "and sums included. Copies: of an array in memory, reading and writing counted, against "
        "`to_numpy` of features that were read before. Pictures: what reading, decoding and "
        "resizing JPEGs of 500 x 375 takes alone, and the engine alone, against a whole extraction "
        "in this process, which ends with rows on the disk.",
        COLUMNS,
        table,
    )


def _products(rows: int) -> list[Line]:
    a, b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), dtype=np.float32)
    peak = 2 * SIDE**3 / 1e9 / median([of_the_processor(lambda: a @ b) for _ in range(REPEATS)])
    found = []
    for classes in CLASSES:
        ours = _of_a_fit(rows, classes)
        what = f"products, {classes} classes"
        found.append((what, f"{peak:.0f} GFLOPS", f"{ours:.0f} GFLOPS", f"{ours / peak:.0%}"))
    return found


def _of_a_fit(rows: int, classes: int) -> float:
    """GFLOPS of all passes of a fit: two products of every row, with each fit's weights."""
    x, y = post_relu(rows, 768, classes)
    took, done = 0.0, 0.0
    evaluate = Logistic.evaluate

    def counted(self: Logistic, asked: Mapping[int, np.ndarray]) -> dict[int, Evaluation]:
        nonlocal took, done
        told: dict[int, Evaluation] = {}
        took += of_the_processor(lambda: told.update(evaluate(self, asked)))
        done += 4 * rows * 768 * classes * len(asked)
        return told

    with patch.object(Logistic, "evaluate", counted):
        hs.Linear(strengths=(0.01,)).fit(Part(x, y), Part(x[:0], y[:0]), classes, 0)
    return done / 1e9 / took


def _copies(folder: Path, rows: int) -> Line:
    source = np.ones(MEGABYTES << 18, np.float32)
    target = np.empty_like(source)
    each = [of_the_processor(lambda: np.copyto(target, source)) for _ in range(REPEATS + 1)]
    most = 2 * source.nbytes / 1e9 / median(each[1:])
    view = hs.open(made(folder, rows)).features("net", "rows")
    out = np.empty((rows, 768), np.float32)
    each = [of_the_processor(lambda: view.to_numpy(out)) for _ in range(REPEATS + 1)]
    ours = 2 * out.nbytes / 1e9 / median(each[1:])
    return ("copies", f"{most:.1f} GB/s", f"{ours:.1f} GB/s", f"{ours / most:.0%}")


def _pictures(folder: Path, count: int) -> list[Line]:
    """Seconds of a core of the parts alone, and of an extraction, which has both to do."""
    folder.mkdir()
    photos = photographs(folder / "photos", count)
    paths = sorted(photos.rglob("*.jpg"))
    workspace = hs.init(folder / "zoo")
    name = add(workspace, Model("MobileNetV2", "applications:MobileNetV2?weights=none", None, 0))
    workspace.datasets.add("photos", photos)
    pipeline = pipeline_of(workspace.context, workspace.backbones.get(name))
    backbone, cuts = workspace.context.resolve(name)
    pixels = np.stack([pipeline.pixels.prepare(path.read_bytes()) for path in paths[:16]])
    lines = []
    for precision in ("float32", "bfloat16"):
        chooser = chooser_of(workspace.context, backbone)
        engine = chooser.choose("auto", precision, cuts, lambda: pixels, 1 << 20).engine
        decoding, running, whole = [], [], []
        for _ in range(REPEATS):
            decoding.append(_decoding(pipeline, paths))
            running.append(_running(engine, pixels) * count / 16)
            whole.append(_extracting(workspace, name, precision, folder))
        limit = count / (median(decoding) + median(running))
        ours = count / median(whole)
        parts = f"{count / median(decoding):,.0f} decoded, {count / median(running):,.0f} computed"
        what = f"pictures through MobileNetV2, {precision}"
        lines.append(
            (what, f"{limit:,.0f} a second ({parts})", f"{ours:,.0f}", f"{ours / limit:.0%}")
        )
    return lines


def _decoding(pipeline: Any, paths: list[Path]) -> float:
    return of_the_processor(lambda: [pipeline.pixels.prepare(one.read_bytes()) for one in paths])


def _running(engine: Any, pixels: np.ndarray) -> float:
    return of_the_processor(lambda: engine.run(pixels))


def _extracting(workspace: hs.Workspace, name: str, precision: str, folder: Path) -> float:
    """All pictures anew, in a copy of the workspace in which the engine was chosen."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        fresh = Path(place) / "zoo"
        shutil.copytree(workspace.config.root, fresh)
        opened = hs.open(fresh)
        took = of_the_processor(lambda: opened.extract(name, "photos", precision=precision))
        opened.database.close()
    return took


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as given:
        print(f"load {os.getloadavg()[0]:.1f}")
        print(section(Path(given), is_quick=True).to_markdown())
