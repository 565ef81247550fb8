"""From a folder of JPEG files to stored features, against tf.data + `model.predict` + np.save.

Start-up is left out on both sides: the plain model was called once, ours was compiled before.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from material import MODELS, Model, add, photographs
from timing import Section, median

import headstart as hs
from headstart.extractors.engines.choosing import Chosen
from headstart.extractors.preprocessing import Preprocessing
from headstart.extractors.runtime import cores, tensorflow
from headstart.extractors.working import probe

PRECISIONS = ("float32", "bfloat16")
FAST = "fast"
"""How rows with `resize` of the method fast_bilinear are marked."""


def section(folder: Path, repeats: int, share: float) -> Section:
    """All models in both precisions.

    Args:
        folder: for the pictures and workspaces.
        repeats: of which the median is taken.
        share: of the pictures.
    """
    rows: list[tuple[str, ...]] = []
    for model in MODELS:
        rows += _Comparison(folder, model, max(32, int(model.pictures * share))).rows(repeats)
    return Section(
        "From JPEG files to stored features",
        f"Pictures a second, 500 x 375 pixels; medians of {repeats}. Plain: tf.data decodes and "
        "resizes (without antialiasing), `model.predict` in float32, `np.save`. The limit is 1 / "
        "(time of the engine alone + time of reading, decoding and resizing alone), each with all "
        "cores, measured in the same run. The plain way is the less steady side: in runs of this "
        "section alone it reached 94 to 100 pictures a second for lite0 and MobileNetV2 and 71 for "
        "EfficientNetB0, and the ratios were 1.4 to 1.8 in float32 and 2.3 to 2.8 in bfloat16.",
        ("backbone", "precision", ">plain", ">headstart", ">ratio", ">limit", ">of the limit"),
        rows,
    )


class _Comparison:
    """One model on some pictures."""

    def __init__(self, folder: Path, model: Model, pictures: int) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._photos = photographs(self._folder / "photos", pictures)
        self._count = pictures
        self._workspace = hs.init(self._folder / "zoo")
        self._model = model
        self._name = add(self._workspace, model)
        self._workspace.datasets.add("photos", self._photos)

    def rows(self, repeats: int) -> Iterator[tuple[str, ...]]:
        backbone, cuts = self._workspace.resolve(self._name)
        pipeline = self._workspace.pipeline(backbone)
        samples = self._workspace.datasets.manifest("photos").samples
        paths = [str(sample.location) for sample in samples]
        pixels = probe(pipeline, lambda s: Path(str(s.location)).read_bytes(), samples)
        chooser = self._workspace.chooser(backbone)
        chosen = {
            precision: chooser.choose("auto", precision, cuts, lambda: pixels, 1 << 20)
            for precision in PRECISIONS
        }
        trunk = self._workspace.build_trunk(backbone, cuts)
        trunk.predict(self._plain_batches(paths[:32], pipeline), verbose=0)
        seconds: dict[str, list[float]] = {key: [] for key in ("plain", "decode", *PRECISIONS)}
        engines: dict[str, list[float]] = {key: [] for key in PRECISIONS}
        for _ in range(repeats):  # in turn, so that a noisy moment meets all
            seconds["plain"].append(self._plain(trunk, paths, pipeline))
            seconds["decode"].append(_decode_all(paths, pipeline))
            for precision in PRECISIONS:
                engines[precision].append(_engine_alone(chosen[precision], pixels, self._count))
                seconds[precision].append(self._ours(chosen[precision], precision))
        shutil.rmtree(self._folder)
        plain = median(seconds["plain"])
        for precision in PRECISIONS:
            ours = median(seconds[precision])
            limit = median(engines[precision]) + median(seconds["decode"])
            yield (
                self._model.name,
                f"{precision} ({chosen[precision].engine.name})",
                f"{self._count / plain:,.1f}",
                f"{self._count / ours:,.1f}",
                f"{plain / ours:.2f}x",
                f"{self._count / limit:,.1f}",
                f"{limit / ours:.2f}",
            )

    def _plain(self, trunk: Any, paths: list[str], pipeline: Preprocessing) -> float:
        started = time.perf_counter()
        features = trunk.predict(self._plain_batches(paths, pipeline), verbose=0)
        np.save(self._folder / "plain.npy", features)
        return time.perf_counter() - started

    def _plain_batches(self, paths: list[str], pipeline: Preprocessing) -> Any:
        """What people write, with the model's own normalization."""
        tf = tensorflow()
        height, width, _ = pipeline.output_size or (224, 224, 3)
        finish = Preprocessing(pipeline.arithmetic)

        def decode(path: Any) -> Any:
            image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
            return _in_tensorflow(tf.image.resize(image, (height, width)), finish)

        data = tf.data.Dataset.from_tensor_slices(paths)
        return data.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(2)

    def _ours(self, chosen: Chosen, precision: str) -> float:
        fresh = self._folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(self._workspace.config.root, fresh)
        workspace = hs.open(fresh)
        workspace.__dict__["chooser"] = lambda _: _Ready(chosen)  # start-up is left out
        settings = hs.Settings(precision=precision)
        report = workspace.extract(self._name, "photos", settings=settings).report
        assert report.computed == report.unique
        return report.seconds


class _Ready:
    """A chooser whose choice is made."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def choose(self, *_: Any) -> Chosen:
        return self._chosen


def _engine_alone(chosen: Chosen, pixels: Any, count: int) -> float:
    """Seconds for so many pictures with all lanes busy."""
    engine = chosen.engine
    calls = -(-count // len(pixels))
    started = time.perf_counter()
    with ThreadPoolExecutor(engine.lanes) as pool:
        list(pool.map(lambda _: engine.run(pixels), range(calls)))
    return (time.perf_counter() - started) * count / (calls * len(pixels))


def _decode_all(paths: list[str], pipeline: Preprocessing) -> float:
    """Seconds to read, decode and resize all pictures with a thread a core."""
    started = time.perf_counter()
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda path: pipeline.pixels.prepare(Path(path).read_bytes()), paths))
    return time.perf_counter() - started


def _in_tensorflow(image: Any, finish: Preprocessing) -> Any:
    """The pipeline's arithmetic on a tensor: keras.applications' modes, or a scale."""
    tf = tensorflow()
    from headstart.extractors.affine import Affine

    affine = Affine.of(finish.steps, 3)
    image = image[..., ::-1] if affine.is_reversed else image
    return image * tf.constant(affine.scale, tf.float32) + tf.constant(affine.offset, tf.float32)
