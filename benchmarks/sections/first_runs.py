"""The run that most people time: a backbone was just added, and its features are wanted.

Whole processes, from the start of Python to the last byte on disk, against the scripts that people
write instead: those in `peers/features`. A short run of each, on a few pictures, says what the
start takes of it, and so how fast it goes on. Backbones have random weights, as there is no network
to fetch others by.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from material import Model, add, photographs
from peer import left_out, peers
from timing import ProcessFailed, Ratio, Section, Took, median, ran, spread

import headstart as hs
from headstart.backbone_model import build_trunk, pipeline_of
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.runtime import cores, keras

MODELS = (
    Model("MobileNetV2", "applications:MobileNetV2?weights=none", None, 1000),
    Model("ResNet50", "applications:ResNet50?weights=none", None, 400),
)
FEW = 32
"""Pictures of a run that is all start, nearly."""
CALIBRATES = "headstart int8, calibration included"
"""The way of which no run on few pictures can be made: they are too few to calibrate by."""
CALIBRATING = 300
"""Pictures of another dataset that calibrate a trunk for int8."""
PLAIN = "tf.data, tuned by hand, and `predict`"
PRECISIONS = ("float32", "bfloat16")
COMMAND = (sys.executable, "-c", "from headstart.cli import main; main()")


def section(
    folder: Path, repeats: int, share: float, models: tuple[Model, ...] = MODELS
) -> Section:
    """All models.

    Args:
        folder: for pictures and workspaces.
        repeats: of which the medians are taken.
        share: of the pictures.
        models: which.
    """
    rows: list[tuple[str, ...]] = []
    failed: dict[str, str] = {}
    for model in models:
        contest = _Contest(folder, model, max(2 * FEW, int(model.pictures * share)))
        rows += contest.rows(repeats)
        failed |= contest.failed
    words = " ".join(f"{way} failed: {reason}." for way, reason in failed.items())
    return Section(
        "The first run",
        "Whole processes: `headstart extract`, just after `backbone add` and `dataset add`, "
        "against scripts (`benchmarks/peers/features`). JPEGs of 500 x 375; all but tf.data's are "
        f"decoded at a fraction of their size. Medians of {repeats}, each in turn; the ratio is "
        f"that of the pairs. A run on {FEW} pictures tells the start from the rate afterwards, in "
        "pictures a second by the clock. What `backbone add` takes to convert the trunk is not in "
        "them, nor what ONNX's and OpenVINO's conversion took; timm's trunks are its own, of the "
        f"same kind. {left_out(peers('features'))} {words}",
        (
            "backbone",
            "way",
            ">seconds",
            ">of the processor",
            ">tf.data takes",
            ">of the processor",
            ">start",
            ">then a second",
        ),
        rows,
    )


class _Contest:
    """One model, its pictures, and all ways to get the features."""

    def __init__(self, folder: Path, model: Model, pictures: int) -> None:
        self.failed: dict[str, str] = {}
        self._model = model
        self._count = pictures
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._photos = photographs(self._folder / "photos", pictures)
        photographs(self._folder / "few", FEW)
        workspace = hs.init(self._folder / "zoo")
        self._name = add(workspace, model)
        for name in ("photos", "few"):
            workspace.datasets.add(name, self._folder / name)
        self._by_hand(workspace)
        workspace.database.close()
        self._ways: dict[str, Callable[[str], Took]] = {}
        for one in peers("features"):
            for way in () if one.problem else one.ways:
                self._ways[f"{one.name} {way}".strip()] = partial(
                    lambda one, way, name: one.runs(*self._given(way, name)), one, way
                )
        for precision in PRECISIONS:
            self._ways[f"headstart {precision}"] = partial(self._ours, "zoo", precision)
        if find_spec("nncf"):
            self._calibrate()
            self._ways["headstart int8, calibrated before"] = partial(
                self._ours, "calibrated", "int8"
            )
            self._ways[CALIBRATES] = partial(self._ours, "zoo", "int8")

    def _calibrate(self) -> None:
        """A workspace whose trunk was calibrated by pictures of another dataset."""
        shutil.copytree(self._folder / "zoo", self._folder / "calibrated")
        photographs(self._folder / "others", CALIBRATING, seed=1)
        for words in (
            ("dataset", "add", "others", self._folder / "others"),
            ("extract", self._name, "others", "--precision", "int8", "--max-loss", "100"),
        ):
            ran([*COMMAND, *words, "--workspace", self._folder / "calibrated"])

    def _given(self, precision: str, pictures: str) -> tuple[str | Path, ...]:
        """The arguments of a script: see `peers/features/by_hand.py`."""
        folders = (self._folder, self._folder / pictures, self._folder / "out.npy")
        return (*folders, self._model.name, precision, str(cores()))

    def _ours(self, like: str, precision: str, pictures: str) -> Took:
        """On a workspace as it was just after `add`, or after a calibration."""
        fresh = self._folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(self._folder / like, fresh)
        words = ["extract", self._name, pictures, "--precision", precision, "--workspace", fresh]
        # Random weights: labels say nothing there of what int8 loses.
        return ran([*COMMAND, *words, *["--max-loss", "100"] * (precision == "int8")])

    def _by_hand(self, workspace: hs.Workspace) -> None:
        """What the scripts need: the trunk as files of several kinds, and the arithmetic."""
        backbone, cuts = workspace.context.resolve(self._name)
        trunk = build_trunk(workspace.context, backbone, cuts)
        trunk.save(self._folder / "trunk.keras")
        trunk(np.zeros((1, 224, 224, 3), np.float32))  # Keras exports what was called
        if find_spec("tf2onnx"):
            trunk.export(self._folder / "trunk.onnx", format="onnx", verbose=False)
        if find_spec("openvino"):
            import openvino

            converted = openvino.convert_model(trunk, input=[-1, 224, 224, 3])
            openvino.save_model(converted, self._folder / "trunk.xml", compress_to_fp16=False)
        affine = Affine.of(pipeline_of(workspace.context, backbone).arithmetic, 3)
        np.savez(
            self._folder / "arithmetic.npz",
            scale=affine.scale.astype(np.float32),
            offset=affine.offset.astype(np.float32),
            is_reversed=affine.is_reversed,
        )
        keras().backend.clear_session()

    def rows(self, repeats: int) -> list[tuple[str, ...]]:
        took: dict[str, list[tuple[Took | None, Took]]] = {way: [] for way in self._ways}
        for _ in range(repeats):  # in turn, so that a noisy moment meets all
            for way in [one for one in self._ways if one not in self.failed]:
                try:
                    short = None if way == CALIBRATES else self._ways[way]("few")
                    took[way].append((short, self._ways[way]("photos")))
                except ProcessFailed as error:
                    if way == PLAIN or way.startswith("headstart"):
                        raise
                    self.failed[way] = str(error).splitlines()[-1]
        shutil.rmtree(self._folder)
        return [self._row(way, took[way], took[PLAIN]) for way in took if way not in self.failed]

    def _row(
        self, way: str, own: list[tuple[Took | None, Took]], plain: list[tuple[Took | None, Took]]
    ) -> tuple[str, ...]:
        whole, theirs = [long for _, long in own], [long for _, long in plain]
        return (
            f"{self._model.name}, {self._count:,}",
            way,
            spread([one.wall for one in whole]),
            spread([one.cpu for one in whole]),
            Ratio.of([one.wall for one in theirs], [one.wall for one in whole]).told(),
            Ratio.of([one.cpu for one in theirs], [one.cpu for one in whole]).told(),
            *self._start_and_rate(own),
        )

    def _start_and_rate(self, own: list[tuple[Took | None, Took]]) -> tuple[str, str]:
        rest = [(long.wall - short.wall) / (self._count - FEW) for short, long in own if short]
        if not rest:
            return "-", "-"
        each = median(rest)
        start = median([long.wall for _, long in own]) - each * self._count
        return f"{start:.1f} s", f"{1 / each:,.0f}"
