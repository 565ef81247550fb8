"""Against other libraries on the same work: the run after, heads on features, reading features.

What runs is in the folders of `peers`: our own way is a script as theirs are. One thread a process,
and seconds of the processor, which say the same on a machine that others keep busy.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from material import post_relu
from peer import Peer, left_out, peers
from PIL import Image
from timing import Ratio, Section, Took, ran, spread

import headstart as hs
from sections.all_rows import made
from sections.first_runs import COMMAND

THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


def again(folder: Path, repeats: int, files: int) -> Section:
    """The run after the first: all files are known; and one more than is known."""
    root, source = folder / "zoo", folder / "files"
    for number in range(files):
        _picture(source, number)
    _cached(root, source, folder)
    stores = {one: folder / f"store-{one.script.stem}" for one in peers("again") if not one.problem}
    for one, store in stores.items():
        one.runs(source, store, "1280")
    ways: dict[str, Callable[[], Took]] = {
        one.name: lambda one=one, store=store: one.runs(source, store, "1280")
        for one, store in stores.items()
    }
    ways["headstart"] = lambda: ran([*COMMAND, "extract", "net", "files", "--workspace", root])
    ways["headstart"]()  # keeps that all is complete, as the run did that computed it
    known = _in_turn(ways, repeats)
    _picture(source, files)  # the first time an engine is checked on real pictures
    _in_turn(ways, 1)
    more = _in_turn(ways, repeats, lambda number: _picture(source, files + 1 + number))
    rows = [
        _row(what, name, took[name], took["headstart"])
        for what, took in (
            (f"{files:,} files, all known", known),
            (f"one more than {files:,} known files", more),
        )
        for name in took
    ]
    return Section(
        "The run after",
        "Whole processes, when the features of all files are cached, or of all but one; what the "
        "work would be does not matter. `joblib.Memory`, diskcache and `datasets.map` are asked by "
        f"path: a file that changed is not noticed. Medians of {repeats}. "
        f"{left_out(peers('again'))}",
        ("what", "way", ">seconds", ">of the processor", ">of headstart's"),
        rows,
    )


def _picture(source: Path, number: int) -> None:
    """A small PNG of its own."""
    path = source / f"c{number % 10}" / f"{number:07}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def _row(what: str, name: str, own: list[Took], ours: list[Took]) -> tuple[str, ...]:
    return (
        what,
        name,
        spread([one.wall for one in own]),
        spread([one.cpu for one in own]),
        Ratio.of([one.cpu for one in own], [one.cpu for one in ours]).told(),
    )


def _in_turn(
    ways: dict[str, Callable[[], Took]],
    repeats: int,
    before: Callable[[int], object] = lambda _number: None,
) -> dict[str, list[Took]]:
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(repeats):
        before(number)
        for name, run in ways.items():
            took[name].append(run())
    return took


def _cached(root: Path, source: Path, folder: Path) -> None:
    """A workspace in which features of all files are, as an import brings them."""
    from headstart.extractors.runtime import keras

    k, workspace = keras(), hs.init(root)
    given = k.Input((8, 8, 3))
    inside = k.layers.Dense(1280)(k.layers.Flatten()(given))
    k.Model(given, k.layers.Dense(1)(inside)).save(folder / "net.keras")
    workspace.backbones.add("net", folder / "net.keras", preprocess="tf")
    workspace.datasets.add("files", source)
    digests = workspace.context.manifest(workspace.context.datasets.get("files")).columns.digests
    file, rows = folder / "features.npz", np.zeros((len(digests), 1280), np.float32)
    np.savez(file, features=rows, digests=[one.tobytes().hex() for one in digests])
    assert workspace.cache.import_features("net", "files", file, check=0).added == len(digests)
    workspace.database.close()


SHAPES = {
    "linear": (100_000, 768, 100),
    "ridge": (20_000, 768, 10),
    "svm": (10_000, 768, 10),
    "neighbours": (10_000, 768, 10),
    "mlp": (20_000, 768, 10),
}
"""Rows, width and classes of each kind of head."""


def fits(folder: Path, repeats: int, share: float) -> Section:
    """Heads of all kinds, against the same of others."""
    rows: list[tuple[str, ...]] = []
    for kind, (count, width, classes) in SHAPES.items():
        few = int(count * share)
        material = folder / kind
        material.mkdir()
        x, y = post_relu(few + few // 5, width, classes)
        for name, part in (("", slice(few)), ("_test", slice(few, None))):
            np.save(material / f"x{name}.npy", x[part])
            np.save(material / f"y{name}.npy", y[part])
        rows += _fits_of(kind, f"{kind}, {few:,} x {width}, {classes} classes", material, repeats)
    return Section(
        "Heads against others",
        "Features as they leave a ReLU, one thread a process, medians of "
        f"{repeats} in turn. Whole processes by the processor's seconds, reading included; the fit "
        "alone in the process, with predictions of a fifth as many rows. Linear: one strength, to "
        "scikit-learn's tol=1e-5, with the objective that was reached; ridge: ten penalties; svm: "
        "two strengths in three folds, calibrated (ours by the same folds, scikit-learn's by three "
        "more, in each of which it chooses again); neighbours: six counts in five folds; "
        "mlp: one layer of 128, ten passes in batches of 64 (ours calibrated by training rows left "
        f"out, scikit-learn's not). {left_out(peers('heads'))}",
        ("what", "way", ">whole process", ">the fit", ">of headstart's", ">accuracy", ">objective"),
        rows,
    )


def _fits_of(kind: str, what: str, material: Path, repeats: int) -> list[tuple[str, ...]]:
    taking_part = [one for one in peers("heads") if kind in one.ways and not one.problem]
    whole: dict[str, list[Took]] = {one.name: [] for one in taking_part}
    told: dict[str, list[dict[str, float]]] = {one.name: [] for one in taking_part}
    for _ in range(repeats):
        for one in taking_part:
            took, said = _said(one, material, kind)
            whole[one.name].append(took)
            told[one.name].append(said)
    ours = [each["cpu"] for each in told["headstart"]]
    return [
        (
            what,
            name,
            spread([one.cpu for one in whole[name]]),
            spread([each["cpu"] for each in found]),
            Ratio.of([each["cpu"] for each in found], ours).told(),
            f"{found[0]['accuracy']:.4f}",
            f"{found[0]['objective']:.6f}" if "objective" in found[0] else "",
        )
        for name, found in told.items()
    ]


def _said(one: Peer, material: Path, *words: str) -> tuple[Took, dict[str, float]]:
    """Run a script that writes what it found as JSON."""
    result = material / "result.json"
    took = ran([one.python, one.script, material, result, *words], **THREADS)
    return took, json.loads(result.read_text(encoding="utf-8"))


def reading(folder: Path, rows: int) -> Section:
    """Features that are stored: all, at random, in passes, against files made for it."""
    root = made(folder / "made", rows)
    np.save(folder / "rows.npy", hs.open(root).features("net", "rows").to_numpy())
    table, results = [], {}
    for one in peers("reading"):
        if one.problem:
            continue
        store = root if one.script.stem == "ours" else folder / one.script.stem
        result = folder / "result.json"
        ran([one.python, one.script, folder / "rows.npy", store, result], **THREADS)
        results[one.name] = json.loads(result.read_text(encoding="utf-8"))
    ours = results["headstart"]
    for name, found in results.items():
        table.append(
            (name, *(f"{found[what]:,.3f} s ({ours[what] / found[what]:.2f})" for what in ours))
        )
    shutil.rmtree(folder / "made")
    return Section(
        "Reading against others",
        f"{rows:,} rows of 768 floats, one thread a process, seconds of the processor, medians of "
        "five after one that does not count, and how many times as long ours take; 40 times 256 "
        "rows at random, passes in batches of 256. Ours are checked when they are read first; what "
        f"it takes is not in it. {left_out(peers('reading'))}",
        ("way", ">all in one array", ">256 rows at random", ">a pass in order", ">a mixed pass"),
        table,
    )
