"""From a folder of JPEG files to stored features, against tf.data + `model.predict` + np.save.

Start-up is left out on both sides: the plain model was called once, ours was compiled before.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from material import Model, add, photographs
from timing import Section, median

import headstart as hs
from headstart.backbone_model import build_trunk, chooser_of, pipeline_of
from headstart.extractors.engines.chosen import Chosen
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.worker import probe
from headstart.extractors.runtime import cores, tensorflow
from headstart.extractors.watchdog import Watchdog
from headstart.jobs.features import local_executor

PRECISIONS = ("float32", "bfloat16")


def section(folder: Path, repeats: int, models: Sequence[Model], share: float) -> Section:
    """All models in both precisions.

    Args:
        folder: for the pictures and workspaces.
        repeats: of which the median is taken.
        models: which.
        share: of the pictures.
    """
    rows: list[tuple[str, ...]] = []
    for model in models:
        rows += _Comparison(folder, model, max(32, int(model.pictures * share))).rows(repeats)
    return Section(
        "From JPEG files to stored features",
        f"Pictures a second, 500 x 375 pixels; medians of {repeats}. Plain: tf.data with AUTOTUNE "
        "decodes and resizes (without antialiasing), `model.predict` in float32, `np.save`: what "
        "people write. At its end it waits until the thread that tunes tf.data wakes, which it "
        "does after 5.1, 10.2, 20.5... seconds; 'tuned' is the same without that thread, with "
        "two calls a core. The limit is 1 / (time of the engine alone + time of reading, decoding "
        "and resizing alone), each with all cores, measured in the same run.",
        (
            "backbone",
            "precision",
            ">plain",
            ">tuned",
            ">headstart",
            ">of plain",
            ">of tuned",
            ">limit",
            ">of the limit",
        ),
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
        backbone, cuts = self._workspace.context.resolve(self._name)
        pipeline = pipeline_of(self._workspace.context, backbone)
        samples = self._workspace.datasets.manifest("photos").samples
        paths = [str(sample.location) for sample in samples]
        pixels = probe(
            pipeline, lambda s: Path(str(s.location)).read_bytes(), samples, Watchdog(math.inf)
        )
        chooser = chooser_of(self._workspace.context, backbone)
        chosen = {
            precision: chooser.choose("auto", precision, cuts, lambda: pixels, 1 << 20)
            for precision in PRECISIONS
        }
        trunk = build_trunk(self._workspace.context, backbone, cuts)
        for is_tuned in (False, True):  # traces
            trunk.predict(self._plain_batches(paths[:32], pipeline, is_tuned), verbose=0)
        kinds = ("plain", "tuned", "decode", *PRECISIONS)
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        engines: dict[str, list[float]] = {key: [] for key in PRECISIONS}
        for _ in range(repeats):  # in turn, so that a noisy moment meets all
            seconds["plain"].append(self._plain(trunk, paths, pipeline, is_tuned=False))
            seconds["tuned"].append(self._plain(trunk, paths, pipeline, is_tuned=True))
            seconds["decode"].append(_decode_all(paths, pipeline))
            for precision in PRECISIONS:
                engines[precision].append(_engine_alone(chosen[precision], pixels, self._count))
                seconds[precision].append(self._ours(chosen[precision], precision))
        shutil.rmtree(self._folder)
        plain, tuned = median(seconds["plain"]), median(seconds["tuned"])
        for precision in PRECISIONS:
            ours = median(seconds[precision])
            limit = median(engines[precision]) + median(seconds["decode"])
            yield (
                self._model.name,
                f"{precision} ({chosen[precision].engine.name})",
                f"{self._count / plain:,.1f}",
                f"{self._count / tuned:,.1f}",
                f"{self._count / ours:,.1f}",
                f"{plain / ours:.2f}x",
                f"{tuned / ours:.2f}x",
                f"{self._count / limit:,.1f}",
                f"{limit / ours:.2f}",
            )

    def _plain(
        self, trunk: Any, paths: list[str], pipeline: Preprocessing, *, is_tuned: bool
    ) -> float:
        started = time.perf_counter()
        features = trunk.predict(self._plain_batches(paths, pipeline, is_tuned), verbose=0)
        np.save(self._folder / "plain.npy", features)
        return time.perf_counter() - started

    def _plain_batches(self, paths: list[str], pipeline: Preprocessing, is_tuned: bool) -> Any:
        """What people write, with the model's own normalization; see `section` for `is_tuned`."""
        tf = tensorflow()
        height, width, _ = pipeline.output_size or (224, 224, 3)
        finish = Preprocessing(pipeline.arithmetic)

        def decode(path: Any) -> Any:
            image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
            return _in_tensorflow(tf.image.resize(image, (height, width)), finish)

        data = tf.data.Dataset.from_tensor_slices(paths)
        calls = 2 * cores() if is_tuned else tf.data.AUTOTUNE
        data = data.map(decode, num_parallel_calls=calls).batch(32).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = not is_tuned
        return data.with_options(options)

    def _ours(self, chosen: Chosen, precision: str) -> float:
        fresh = self._folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(self._workspace.config.root, fresh)
        workspace = hs.open(fresh)
        settings = hs.Settings(precision=precision)
        with patch.object(local_executor, "chooser_of", lambda *_: _Ready(chosen)):  # no start-up
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
    from headstart.extractors.preprocessing.affine import Affine

    affine = Affine.of(finish.steps, 3)
    image = image[..., ::-1] if affine.is_reversed else image
    return image * tf.constant(affine.scale, tf.float32) + tf.constant(affine.offset, tf.float32)
