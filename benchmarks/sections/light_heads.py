"""Heads on cached features, against scikit-learn and Keras on the same arrays."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from material import emoji, post_relu
from timing import COMPARED, Row, Section, timed

import headstart as hs
from headstart import demo
from headstart.extractors.cache.gc import Choice
from headstart.extractors.runtime import keras
from headstart.heads.dense_stack import DenseStack, outputs_of
from headstart.heads.kind import Fitted, Part
from headstart.heads.standardisation import Standardisation, one_thread_a_core

SHAPE = (20_000, 1280, 10)
STRENGTH = 0.01
PATH = tuple(np.logspace(-4, 0, 20))
MLP_EPOCHS = 5
TEN_HEADS = """
import sys
import headstart as hs
workspace = hs.open(sys.argv[1])
settings = hs.Settings(precision=sys.argv[2])
features = workspace.extract("lite0", "emoji", settings=settings)
for seed in range(10):
    workspace.heads.train("bench", features, hs.MLP(epochs=10, patience=10), seed=seed)
"""


def section(folder: Path, repeats: int, *, is_quick: bool) -> Section:
    """All comparisons of heads."""
    rows: list[Sequence[str]] = []
    notes: list[str] = []
    workspace = hs.init(folder / "heads")
    emoji(workspace, folder)
    rows += [row.cells() for row in ten_heads(workspace, is_quick=is_quick)]
    view = workspace.extract("lite0", "emoji")
    train = view.split("train")
    classes = {label: number for number, label in enumerate(sorted(map(str, set(view.labels))))}
    targets = np.array([classes[str(label)] for label in train.labels])
    sets = {"emoji": (train.to_numpy(), targets)}
    rows_, width, many = SHAPE
    sets[f"{rows_:,} x {width:,}"] = post_relu(rows_ // (4 if is_quick else 1), width, many)
    for name, (x, y) in sets.items():
        found, note = linear(name, x, y, repeats)
        rows += found
        notes.append(note)
    for batch_size in (32, 256):
        row, note = mlp(*sets[f"{rows_:,} x {width:,}"], batch_size, repeats)
        rows.append(row)
        notes.append(note)
    notes.append(accuracy(workspace))
    return Section("Heads", " ".join(notes), COMPARED, rows)


def ten_heads(workspace: hs.Workspace, *, is_quick: bool) -> list[Row]:
    """Ten heads of ten epochs in a process of its own, start-up and extraction included, with and
    without the conversion; one plain epoch is measured, the rest multiplied."""
    manifest = workspace.datasets.manifest("emoji")
    plain = [demo.measure_plain_epoch(workspace, manifest)]
    root = str(workspace.config.root)
    rows = []
    for precision in ("bfloat16",) if is_quick else ("float32", "bfloat16"):
        command = (sys.executable, "-c", TEN_HEADS, root, precision)
        what = f"10 heads of 10 epochs on emoji, {precision}, plain: one epoch x 100"
        for state in ("all included", "compiled before"):
            seconds = timed(partial(subprocess.run, command, check=True, capture_output=True))
            rows.append(Row(f"{what}; {state}", plain, [seconds], times=100))
            every = [found.key for found in workspace.context.feature_sets.find_sets()]
            workspace.cache.collect(workspace.cache.find_garbage(Choice(sets=tuple(every))))
    return rows


def linear(name: str, x: np.ndarray, y: np.ndarray, repeats: int) -> tuple[list[Any], str]:
    """One strength, and a path of twenty, against scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = int(y.max()) + 1
    part, nothing = Part(x, y), Part(x[:0], y[:0])
    iterations: list[str] = []

    def alone() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it may stop before it is done
            return LogisticRegression(C=STRENGTH, max_iter=2000).fit(x, y)

    def pipeline(strength: float) -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000)).fit(
            x, y
        )

    def ours() -> Fitted:
        return hs.Linear(strengths=(STRENGTH,)).fit(part, nothing, classes, 0)

    plain, raw, own = [], [], []
    for _ in range(repeats):
        plain.append(timed(lambda: pipeline(STRENGTH)))
        raw.append(timed(alone))
        own.append(timed(ours))
    many = [timed(lambda: [pipeline(strength) for strength in PATH])]
    tail = Part(x[-len(x) // 10 :], y[-len(x) // 10 :])
    path = [
        timed(lambda: hs.Linear(strengths=PATH).fit(part, tail, classes, 0)) for _ in range(repeats)
    ]
    reference = pipeline(STRENGTH)
    model = reference[-1]
    iterations.append(f"{int(model.n_iter_.max())}")
    theirs = _objective(x, y, reference[0], model.coef_.T, model.intercept_)
    with one_thread_a_core() as pool:
        scale = Standardisation.of([part], pool)
    (layer,) = ours().layers
    wide = layer.kernel.astype(np.float64) * scale.std[:, None]
    bias = layer.bias + scale.mean @ layer.kernel.astype(np.float64)
    mine = _objective(x, y, reference[0], wide, bias)
    rows = [
        Row(f"linear on {name}, against StandardScaler + lbfgs", plain, own).cells(),
        Row(f"linear on {name}, against lbfgs on raw features", raw, own).cells(),
        Row(f"20 strengths on {name}, against 20 such pipelines", many, path).cells(),
    ]
    note = (
        f"On {name} the objective is {mine:.6f}, scikit-learn's {theirs:.6f} "
        f"({iterations[0]} iterations, its default tolerance)."
    )
    return rows, note


def _objective(x: np.ndarray, y: np.ndarray, scaler: Any, weights: Any, bias: Any) -> float:
    """The mean log loss with its penalty, in float64."""
    logits = scaler.transform(x.astype(np.float64)) @ weights + bias
    logits -= logits.max(axis=1, keepdims=True)
    own = logits[np.arange(len(y)), y]
    loss = float((np.log(np.exp(logits).sum(axis=1)) - own).mean())
    return loss + 0.5 * float((np.asarray(weights) ** 2).sum()) / (STRENGTH * len(y))


def mlp(x: np.ndarray, y: np.ndarray, batch_size: int, repeats: int) -> tuple[Any, str]:
    """Five epochs of an MLP, against Keras' `fit` on standardised features."""
    k = keras()
    classes, cut = int(y.max()) + 1, len(x) * 4 // 5
    train, test = Part(x[:cut], y[:cut]), Part(x[cut:], y[cut:])
    kind = hs.MLP(epochs=MLP_EPOCHS, batch_size=batch_size)
    with one_thread_a_core() as pool:
        scale = Standardisation.of([train], pool)
    z = scale.apply(train.features[:])

    def model() -> Any:
        k.utils.set_random_seed(0)
        made = k.Sequential(
            [
                k.Input((x.shape[1],)),
                k.layers.Dense(kind.hidden[0], "relu"),
                k.layers.Dropout(kind.dropout),
                k.layers.Dense(classes, "softmax"),
            ]
        )
        made.compile(k.optimizers.Adam(kind.learning_rate), "sparse_categorical_crossentropy")
        made.fit(z[:batch_size], y[:batch_size], batch_size=batch_size, verbose=0)  # traces
        return made

    def fitted() -> Fitted:
        return kind.fit(train, Part(x[:0], y[:0]), classes, 0)

    plain, own = [], []
    made = model()
    for number in range(repeats):
        made = model() if number else made
        plain.append(
            timed(
                lambda made=made: made.fit(
                    z, y[:cut], batch_size=batch_size, epochs=MLP_EPOCHS, verbose=0
                )
            )
        )
        own.append(timed(fitted))
    theirs = made.predict(scale.apply(test.features[:]), verbose=0).argmax(axis=1)
    mine = outputs_of(DenseStack(fitted().layers, tuple(range(classes))), test).argmax(axis=1)
    row = Row(f"mlp, {MLP_EPOCHS} epochs at batch {batch_size}, against Keras' fit", plain, own)
    note = (
        f"At batch {batch_size} the MLP has accuracy {(mine == test.targets).mean():.3f}, Keras' "
        f"{(theirs == test.targets).mean():.3f}."
    )
    return row.cells(), note


def accuracy(workspace: hs.Workspace) -> str:
    """What bfloat16 costs: linear accuracy on emoji, over several splits."""
    scores = {}
    for precision in ("float32", "bfloat16"):
        view = workspace.extract("lite0", "emoji", settings=hs.Settings(precision=precision))
        x = view.to_numpy()
        labels = sorted(map(str, set(view.labels)))
        y = np.array([labels.index(str(label)) for label in view.labels])
        right, nothing = [], Part(x[:0], y[:0])
        for seed in range(10):
            order = np.random.default_rng(seed).permutation(len(y))
            cut = len(y) * 4 // 5
            train, test = order[:cut], order[cut:]
            part = Part(x[train], y[train])
            (layer,) = hs.Linear(strengths=(0.01,)).fit(part, nothing, len(labels), 0).layers
            guesses = (x[test] @ layer.kernel + layer.bias).argmax(axis=1)
            right.append((guesses == y[test]).mean())
        scores[precision] = float(np.mean(right))
    return (
        f"Linear accuracy on emoji over 10 random splits: {scores['float32']:.4f} with features in "
        f"float32, {scores['bfloat16']:.4f} in bfloat16."
    )
