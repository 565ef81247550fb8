"""Ratios against the plain way, both measured in one run on the same work; `make bench`.

The absolute seconds are of this machine and this moment; the ratios are what counts. Start-up
(TensorFlow's import, loading the model) is left out on both sides and reported in a row of its
own. Each figure is the median of three runs, with their spread beside it.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import store
from timing import Row, timed

import headstart as hs
from headstart import demo
from headstart.cli.output import console, table
from headstart.extractors.runtime import keras, tensorflow, versions
from headstart.storage.manifest import Manifest

PICTURES = 400
REPEATS = 3


def main() -> None:
    """Run all comparisons and print one table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        workspace = hs.init(folder / "zoo")
        workspace.backbones.add("lite0", "zoo:efficientnet-lite0", preprocess=demo.preprocessing())
        file = demo.write_emoji_csv(folder / "all.csv")
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "some.csv").write_text("".join(lines[: PICTURES + 1]), encoding="utf-8")
        workspace.datasets.add("all", file)
        workspace.datasets.add("some", folder / "some.csv")
        rows = [
            extraction(workspace, folder),
            warm(workspace),
            heads(workspace),
            linear(workspace),
            listing(workspace),
            *store.rows(folder),
        ]
    columns = ("what", ">plain", ">headstart", ">ratio")
    out = console()
    out.print(
        table(
            f"Ratios on {platform.machine()}, {_cores()} cores, median of {REPEATS}",
            columns,
            [row.cells() for row in rows],
        )
    )
    out.print(store.index_figures())
    out.print(", ".join(f"{name} {version}" for name, version in versions().items()))


def extraction(workspace: hs.Workspace, folder: Path) -> Row:
    """PNG files to stored features: tf.data + predict + np.save against an extraction."""
    trunk = _trunk(workspace)
    manifest = workspace.datasets.manifest("some")
    trunk.predict(_plain_batches(manifest, 32), verbose=0)  # traces

    def plain() -> None:
        np.save(folder / "plain.npy", trunk.predict(_plain_batches(manifest), verbose=0))

    loaded = workspace.load_graph(workspace.backbones.get("lite0"))
    engine = workspace.open_engine(*_backbone_and_cuts(workspace), loaded)

    def ours() -> None:
        fresh = hs.init(Path(tempfile.mkdtemp(dir=folder)))
        fresh.backbones.add("lite0", folder / "lite0.keras", preprocess=demo.preprocessing())
        fresh.datasets.add("some", folder / "some.csv")
        fresh.load_graph = lambda backbone: loaded  # nor is the model loaded again
        fresh.open_engine = lambda backbone, cuts, graph=None: (
            engine
        )  # start-up is left out on both sides
        seconds.append(fresh.extract("lite0", "some").report.seconds)

    seconds: list[float] = []
    backbone = workspace.backbones.get("lite0")
    (stored,) = workspace.config.artifacts.rglob(f"{backbone.artifact_digest}*")
    (folder / "lite0.keras").write_bytes(stored.read_bytes())
    plains = []
    for _ in range(REPEATS):  # in turn, so that a noisy moment meets both
        plains.append(timed(plain))
        ours()
    return Row(f"{PICTURES} pictures to stored features, lite0 float32", plains, seconds)


def warm(workspace: hs.Workspace) -> Row:
    """The same again when everything is cached, against computing it again the plain way."""
    workspace.extract("lite0", "all")
    trunk = _trunk(workspace)
    manifest = workspace.datasets.manifest("all")
    plain = [timed(lambda: trunk.predict(_plain_batches(manifest), verbose=0))]
    ours = [timed(lambda: workspace.extract("lite0", "all")) for _ in range(REPEATS)]
    return Row(f"{len(manifest.samples):,} pictures again, all cached", plain, ours)


def heads(workspace: hs.Workspace) -> Row:
    """Ten heads of ten epochs: one plain epoch is measured, the rest multiplied."""
    manifest = workspace.datasets.manifest("all")
    plain = [demo.measure_plain_epoch(workspace, manifest)]

    def ten() -> None:
        features = workspace.extract("lite0", "all")
        for seed in range(10):
            workspace.heads.train("bench", features, hs.MLP(epochs=10, patience=10), seed=seed)

    return Row("10 MLP heads of 10 epochs on cached features", plain, [timed(ten)], times=100)


def linear(workspace: hs.Workspace) -> Row:
    """Nine strengths of a linear head against scikit-learn's pipeline fitted nine times."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    view = workspace.features("lite0", "all")
    train = view.split("train")
    x, y = train.to_numpy(), np.array([str(label) for label in train.labels])
    strengths = hs.Linear().strengths

    def plain() -> None:
        for strength in strengths:
            make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000)).fit(x, y)

    kind = hs.Linear()
    ours = [timed(lambda: workspace.heads.train("bench", view, kind)) for _ in range(REPEATS)]
    return Row("a linear head, its L2 strength chosen", [timed(plain) for _ in range(2)], ours)


def listing(workspace: hs.Workspace) -> Row:
    """`backbone list` against a process that only imports TensorFlow."""
    root = str(workspace.config.root)
    command = [sys.executable, "-c", "from headstart.cli import main; main()", "backbone", "list"]
    plain = [sys.executable, "-c", "import tensorflow"]
    return Row(
        "`headstart backbone list` against `import tensorflow`",
        [timed(lambda: _quietly(plain)) for _ in range(REPEATS)],
        [timed(lambda: _quietly([*command, "--workspace", root])) for _ in range(5)],
    )


def _trunk(workspace: hs.Workspace) -> Any:
    return workspace.build_trunk(*_backbone_and_cuts(workspace))


def _backbone_and_cuts(workspace: hs.Workspace) -> tuple[Any, Any]:
    return workspace.resolve("lite0")


def _plain_batches(manifest: Manifest, count: int | None = None) -> Any:
    """What people write: decode, resize and normalize in tf.data, batches of 32."""
    tf = tensorflow()
    paths = [str(sample.location) for sample in manifest.samples[:count]]

    def decode(path: Any) -> Any:
        image = tf.image.decode_png(tf.io.read_file(path), channels=3)
        return (tf.image.resize(image, (224, 224), method="bicubic") - 127.0) / 128.0

    data = tf.data.Dataset.from_tensor_slices(paths)
    return data.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(2)


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    keras()
    main()
