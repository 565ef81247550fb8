"""The run that most people time: a backbone was just added, and its features are wanted.

Whole processes, from the start of Python to the last byte on disk, against the scripts that people
write instead. Backbones have random weights, as there is no network to fetch others by.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from material import Model, add, photographs
from timing import Section, median, spread

import headstart as hs
from headstart.backbone_model import build_trunk, pipeline_of
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.runtime import cores, keras

MODELS = (
    Model("MobileNetV2", "applications:MobileNetV2?weights=none", None, 1000),
    Model("ResNet50", "applications:ResNet50?weights=none", None, 400),
)
BUSY = 0.5
"""Load average of others from which on the note says that the figures are none to go by."""
TUNED = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf

model, folder, out, cores = *sys.argv[1:4], int(sys.argv[4])
scale, offset, is_reversed = np.load(out + ".npz").values()
trunk = keras.saving.load_model(model)

def decode(path):
    image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, (224, 224))
    return (image[..., ::-1] if is_reversed else image) * scale + offset

paths = sorted(tf.io.gfile.glob(folder + "/*/*.jpg"))
data = tf.data.Dataset.from_tensor_slices(paths)
data = data.map(decode, num_parallel_calls=2 * cores).batch(32).prefetch(2)
options = tf.data.Options()
options.autotune.enabled = False
np.save(out, trunk.predict(data.with_options(options), verbose=0))
"""
ONNX = """
import sys
from concurrent.futures import ThreadPoolExecutor
from glob import glob
import numpy as np
import onnxruntime
from PIL import Image

model, folder, out, cores = *sys.argv[1:4], int(sys.argv[4])
scale, offset, is_reversed = np.load(out + ".npz").values()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name

def prepare(path):
    image = Image.open(path)
    image.draft("RGB", (224, 224))
    image = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))
    return ((image[..., ::-1] if is_reversed else image) * scale + offset).astype(np.float32)

def run(few):
    return session.run(None, {name: np.stack([prepare(path) for path in few])})[0]

paths = sorted(glob(folder + "/*/*.jpg"))
with ThreadPoolExecutor(cores) as pool:
    parts = pool.map(run, [paths[start : start + 4] for start in range(0, len(paths), 4)])
    np.save(out, np.concatenate(list(parts)))
"""


@dataclass(frozen=True)
class Took:
    """What a process took: seconds that passed, and of the processor in it and its children."""

    wall: float
    cpu: float


def section(folder: Path, repeats: int, share: float) -> Section:
    """All models.

    Args:
        folder: for pictures and workspaces.
        repeats: of which the medians are taken.
        share: of the pictures.
    """
    before = os.getloadavg()[0]
    rows: list[tuple[str, ...]] = []
    for model in MODELS:
        rows += _Contest(folder, model, max(32, int(model.pictures * share))).rows(repeats)
    load = f"The load of others was {before:.1f} before the first."
    if before > BUSY:
        load += " **The machine was not quiet: go by the processor's seconds, not by the clock.**"
    return Section(
        "The first run",
        "Whole processes: `headstart extract`, just after `backbone add` and `dataset add`, "
        "against a script with tf.data (two calls a core, not tuned by itself) and `predict`, and "
        "one with ONNX Runtime (a thread a core, pictures decoded at a fraction of their size) and "
        "a model that was converted before. JPEGs of 500 x 375. Medians of "
        f"{repeats}, each in turn; the ratio is that of the pairs. {load} What `backbone add` "
        "takes to convert the trunk is not in them, nor what ONNX's conversion took.",
        (
            "backbone",
            "way",
            ">seconds",
            ">of the processor",
            ">tf.data takes",
            ">of the processor",
        ),
        rows,
    )


class _Contest:
    """One model, its pictures, and all ways to get the features."""

    def __init__(self, folder: Path, model: Model, pictures: int) -> None:
        self._model = model
        self._count = pictures
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._photos = photographs(self._folder / "photos", pictures)
        workspace = hs.init(self._folder / "zoo")
        name = add(workspace, model)
        workspace.datasets.add("photos", self._photos)
        self._by_hand(workspace, name)
        workspace.database.close()
        plain = (str(self._photos), str(self._folder / "out"), str(cores()))
        python = [sys.executable, "-c"]
        ours = [*python, "from headstart.cli import main; main()", "extract", name, "photos"]
        ours += ["--workspace", str(self._folder / "fresh"), "--precision"]
        trunk = str(self._folder / "trunk.keras")
        self._ways = {"tf.data": [*python, TUNED, trunk, *plain]}
        if (self._folder / "trunk.onnx").exists():
            onnx = str(self._folder / "trunk.onnx")
            self._ways["ONNX Runtime"] = [*python, ONNX, onnx, *plain]
        self._ways |= {f"headstart {p}": [*ours, p] for p in ("float32", "bfloat16")}

    def _by_hand(self, workspace: hs.Workspace, name: str) -> None:
        """What the scripts need: the trunk as a file of Keras and of ONNX, and the arithmetic."""
        backbone, cuts = workspace.context.resolve(name)
        trunk = build_trunk(workspace.context, backbone, cuts)
        trunk.save(self._folder / "trunk.keras")
        if find_spec("tf2onnx") and find_spec("onnxruntime"):
            trunk(np.zeros((1, 224, 224, 3), np.float32))  # Keras exports what was called
            trunk.export(self._folder / "trunk.onnx", format="onnx", verbose=False)
        affine = Affine.of(pipeline_of(workspace.context, backbone).arithmetic, 3)
        np.savez(
            self._folder / "out.npz",
            scale=affine.scale.astype(np.float32),
            offset=affine.offset.astype(np.float32),
            is_reversed=affine.is_reversed,
        )
        keras().backend.clear_session()

    def rows(self, repeats: int) -> list[tuple[str, ...]]:
        took: dict[str, list[Took]] = {way: [] for way in self._ways}
        for _ in range(repeats):  # in turn, so that a noisy moment meets all
            for way, command in self._ways.items():
                took[way].append(self._run(command))
        shutil.rmtree(self._folder)
        return [self._row(way, took) for way in took]

    def _row(self, way: str, took: dict[str, list[Took]]) -> tuple[str, ...]:
        own, plain = took[way], took["tf.data"]
        return (
            f"{self._model.name}, {self._count:,}",
            way,
            spread([one.wall for one in own]),
            spread([one.cpu for one in own]),
            f"{_paired([one.wall for one in plain], [one.wall for one in own]):.2f}x",
            f"{_paired([one.cpu for one in plain], [one.cpu for one in own]):.2f}x",
        )

    def _run(self, command: Sequence[str]) -> Took:
        """A process, on a workspace as it was just after `add`."""
        shutil.rmtree(self._folder / "fresh", ignore_errors=True)
        shutil.copytree(self._folder / "zoo", self._folder / "fresh")
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as made:
            assert made.stderr is not None
            said = made.stderr.read().decode(errors="replace")
            _, status, used = os.wait4(made.pid, 0)
            made.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        if made.returncode:
            raise RuntimeError(f"{command[-1]}: {said[-2000:]}")
        return Took(wall, used.ru_utime + used.ru_stime)


def _paired(plain: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as long the plain way took: the median over pairs."""
    return median([one / other for one, other in zip(plain, ours, strict=True)])
