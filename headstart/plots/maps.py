"""Features as a map: each sample a point, likes near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.heads.exploration.coordinates import coordinates_of
from headstart.heads.rows import Rows
from headstart.plots.figures import figure
from headstart.storage.manifest import Label, sorted_labels

SHOWN_CLASSES = 20
"""More than that have no colours of their own to tell apart."""


def draw_map(
    features: Rows,
    labels: Sequence[Label | None],
    title: str,
    *,
    method: str = "tsne",
    seed: int = 0,
    wrong: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
) -> Any:
    """The coordinates of samples, coloured by label, or by number.

    Args:
        features: (n, width).
        labels: of each, or None.
        title: of the picture.
        method, seed: see `coordinates_of`.
        wrong: where a head is wrong, bool, (n,); those are crossed.
        numbers: (n,), to colour samples by, where labels are numbers.

    Raises:
        HeadError: no such method or its package, or fewer than 5 samples.
    """
    places, words = coordinates_of(features, method, seed)
    made = figure()
    axes = made.add_subplot()
    if numbers is None:
        _colour_by_label(axes, places, labels)
    else:
        points = axes.scatter(*places.T, s=9, c=numbers, cmap="viridis", linewidths=0)
        made.colorbar(points, ax=axes)
    if wrong is not None and wrong.any():
        axes.scatter(
            *places[wrong].T, s=22, marker="x", color="black", linewidths=0.7, label="wrong"
        )
    if numbers is None and len({*labels} - {None}) <= SHOWN_CLASSES:
        made.legend(loc="outside right upper", frameon=False, fontsize=8, markerscale=1.5)
    axes.set_title(title, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"{words}, {len(features):,} samples", fontsize=8, color="0.4")
    return made


def _colour_by_label(axes: Any, places: np.ndarray, labels: Sequence[Label | None]) -> None:
    classes = sorted_labels(labels)
    colours = _colours(len(classes))
    numbers = {label: number for number, label in enumerate(classes)}
    of = np.array([-1 if label is None else numbers[label] for label in labels])
    for number, label in enumerate(classes):
        own = of == number
        axes.scatter(*places[own].T, s=9, color=colours[number], linewidths=0, label=str(label))
    without = of < 0
    if without.any():
        axes.scatter(*places[without].T, s=9, color="0.7", linewidths=0, label="no label")


def _colours(count: int) -> list:
    from matplotlib import colormaps

    name = "tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"
    wanted = range(count) if count <= 20 else np.linspace(0, 1, count)
    return [colormaps[name](place) for place in wanted]
