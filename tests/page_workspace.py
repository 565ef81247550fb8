"""A workspace as the page shows it, made in a second: features are imported, no model is loaded."""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

import headstart as hs
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.entities import Backbone, CutPoint

SIGNS = "<script>alert(1)</script>"
"""A class that somebody called so."""
NAMES = ("red", "green", "blue")
EACH = 30
WRONG = 6
"""Pictures of `red` that are labelled `green`."""


def copied(zoo, place):
    """A copy of a workspace that others may have open: its database is never half a file."""
    name = "headstart.db"
    shutil.copytree(zoo, place, ignore=shutil.ignore_patterns(f"{name}*"))
    with closing(sqlite3.connect(zoo / name)) as own, closing(sqlite3.connect(place / name)) as its:
        own.backup(its)
    return hs.open(place)


def draw(path, tint, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (12, 10, 3)).astype(np.uint8)
    pixels[..., tint] += np.uint8(120)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def cut(name, below, operation="Conv2D", *, is_default=False, shape=(8,), trunk=""):
    return CutPoint(
        name=name,
        operation=operation,
        input=below,
        shape=shape,
        dtype="float32",
        parameters_below=100,
        fingerprint=hashlib.sha256(f"{trunk}{name}".encode()).hexdigest(),
        is_default=is_default,
        is_bottleneck=True,
        compute_below=0.9,
        reason="the input of the last layer with weights" if is_default else None,
    )


DECODED = ({"step": "decode_image"}, {"step": "resize", "height": 12, "width": 12})


def add_backbone(ws, name="net", trunk="", steps=DECODED):
    """One whose model nobody loads; those of one trunk have the same features."""
    kept = ws.context.artifacts.put_bytes(f"the model {name}{trunk}".encode(), ".keras")
    top = cut("top", "relu", is_default=True, trunk=trunk)
    pipeline = Preprocessing.from_json({"steps": list(steps)})
    return ws.backbones.register(
        Backbone(
            name=name,
            source=f"{name}.keras",
            format="keras",
            artifact_digest=kept.digest,
            artifact_size=kept.size,
            inputs=[{"name": "image", "shape": [12, 12, 3], "dtype": "float32"}],
            parameters=1234,
            preprocessing=pipeline.to_json(),
            preprocessing_fingerprint=pipeline.fingerprint,
            cuts=(cut("conv", None, trunk=trunk), cut("relu", "conv", trunk=trunk), top),
        )
    )


def import_rows(ws, dataset, folder: Path, backbone="net", leave_out=()):
    """Features by which the classes can be told apart, but for the samples that are labelled
    wrongly: their ids have the class that they look like. Samples can be left out, by id."""
    every = ws.datasets.manifest(dataset).samples
    samples = [sample for sample in every if sample.id not in leave_out]
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.6, (len(samples), 8)).astype(np.float32)
    for row, sample in zip(rows, samples, strict=True):
        row[hash_of(sample.id)] += 6
    file = folder / f"{dataset}.npz"
    np.savez(file, features=rows, ids=np.array([sample.id for sample in samples]))
    ws.cache.import_features(backbone, dataset, file, check=0)


def hash_of(id_: str) -> int:
    """Which of eight numbers a sample's id asks for: the class in its file's name."""
    return next((place for place, name in enumerate(NAMES) if f"{name}-" in id_), 5)


def make(folder: Path, database_url: str | None = None) -> hs.Workspace:
    """Pictures of three classes, a few of them labelled wrongly, with two heads, a sweep and a
    correction; texts, one of whose classes is a script; in a database of its own or another."""
    pictures = folder / "pictures"
    for tint, name in enumerate(NAMES):
        for number in range(EACH):
            label = "green" if name == "red" and number < WRONG else name
            draw(pictures / label / f"{name}-{number:02}.png", tint, 100 * tint + number)
    ws = hs.init(folder / "zoo", database_url)
    add_backbone(ws)
    ws.datasets.add("pics", pictures)
    import_rows(ws, "pics", folder)
    features = ws.features("net", "pics")
    ws.heads.train("first", features)
    ws.heads.train("first", features, hs.Linear((0.5,)))
    ws.heads.alias("production", "first:1")
    ws.sweep("pics", kinds=hs.Linear((0.001, 0.1)), trying=hs.CrossValidation(folds=2), jobs=1)
    texts = folder / "texts.csv"
    rows = [
        f'"{word} <b>bold</b> {number}","{SIGNS if number % 2 else "plain"}"'
        for number, word in enumerate(["spam", "egg"] * 6)
    ]
    texts.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    ws.datasets.add("texts", texts)
    return ws
