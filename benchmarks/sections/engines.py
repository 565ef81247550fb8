"""The trunk alone: samples a second by each engine in each precision."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from material import Model, add, bert, photographs, tokens
from timing import Section, timed

import headstart as hs
from headstart.backbone_model import chooser_of, open_engine, pipeline_of
from headstart.errors import HeadstartError
from headstart.extractors.difference import relative_error
from headstart.extractors.preprocessing import batches
from headstart.extractors.run.worker import probe
from headstart.extractors.watchdog import Watchdog

ENGINES = ("tensorflow", "openvino")
PRECISIONS = ("float32", "bfloat16")
CALL = 16
PROBE_SECONDS = 1.0


def section(folder: Path, repeats: int, models: Sequence[Model]) -> Section:
    """All backbones by all engines, the relative error against TensorFlow in float32 beside it."""
    workspace = hs.init(folder / "engines")
    photos = photographs(folder / "few", CALL)
    workspace.datasets.add("few", photos)
    samples = workspace.datasets.manifest("few").samples
    rows = []
    for model in models:
        name = add(workspace, model)
        pipeline = pipeline_of(workspace.context, workspace.backbones.get(name))
        pixels = probe(
            pipeline, lambda s: Path(str(s.location)).read_bytes(), samples, Watchdog(math.inf)
        )
        rows.append((model.name, *_measure(workspace, name, pixels, repeats)))
    workspace.backbones.add("bert", bert(folder), trust=True)
    rows.append(("BERT, 4 x 512", *_measure(workspace, "bert", tokens(8), repeats)))
    columns = [f">{engine} {precision}" for engine in ENGINES for precision in PRECISIONS]
    return Section(
        "The trunk alone",
        f"Samples a second (pictures of 224 pixels, texts of 128 tokens), medians of {repeats} "
        "runs with all cores busy; behind it the relative L2 error against TensorFlow in float32.",
        ("backbone", *columns),
        rows,
    )


def _measure(workspace: hs.Workspace, name: str, batch: Any, repeats: int) -> list[str]:
    backbone, cuts = workspace.context.resolve(name)
    pipeline = pipeline_of(workspace.context, backbone)
    expected = open_engine(workspace.context, backbone, cuts).run(pipeline.finish(batch))
    engines: dict[tuple[str, str], Any] = {}
    for engine in ENGINES:
        for precision in PRECISIONS:
            chooser = chooser_of(workspace.context, backbone)
            try:
                chosen = chooser.choose(engine, precision, cuts, lambda: batch, 1 << 20)
            except HeadstartError:
                continue
            engines[engine, precision] = chosen.engine
    errors = {key: relative_error(one.run(batch), expected) for key, one in engines.items()}
    speeds: dict[tuple[str, str], list[float]] = {key: [] for key in engines}
    for _ in range(repeats):
        for key, engine in engines.items():
            speeds[key].append(speed(engine, batch))
    return [
        f"{statistics.median(speeds[key]):,.1f} ({errors[key]:.0e})" if key in engines else "-"
        for key in ((engine, precision) for engine in ENGINES for precision in PRECISIONS)
    ]


def speed(engine: Any, batch: Any) -> float:
    """Samples a second over at least a second."""
    count = batches.length(batch)
    batch = batches.take(batch, np.arange(2 * count) % count)
    done, seconds = 0, 0.0
    with ThreadPoolExecutor(engine.lanes) as pool:
        while seconds < PROBE_SECONDS:
            seconds += timed(lambda: list(pool.map(engine.run, [batch] * engine.lanes)))
            done += 2 * count * engine.lanes
    return done / seconds
