"""Features as a map: each sample a point, likes near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import keras
from headstart.plots.figures import figure
from headstart.storage.manifest import Label, sorted_labels

METHODS = ("pca", "tsne", "umap")
SHOWN_CLASSES = 20
"""More than that have no colours of their own to tell apart."""


def draw_map(
    features: np.ndarray,
    labels: Sequence[Label | None],
    title: str,
    *,
    method: str = "tsne",
    seed: int = 0,
    wrong: np.ndarray | None = None,
) -> Any:
    """Two numbers a sample by PCA or t-SNE (scikit-learn's) or UMAP, coloured by label.

    Args:
        features: (n, width).
        labels: of each, or None.
        title: of the picture.
        method: `pca`, or `tsne` or `umap`, which are behind a PCA to 50 numbers.
        seed: of t-SNE and UMAP.
        wrong: where a head is wrong, bool, (n,); those are crossed.

    Raises:
        HeadError: no such method or its package, or fewer than 5 samples.
    """
    if method not in METHODS:
        raise HeadError(f"no method {method!r}", hint=f"The methods are {', '.join(METHODS)}.")
    if len(features) < 5:
        raise HeadError(f"{len(features)} samples are too few for a map", hint="Give 5 or more.")
    made = figure()
    places, words = _places(features, method, seed)
    axes = made.add_subplot()
    classes = sorted_labels(labels)
    colours = _colours(len(classes))
    for number, label in enumerate(classes):
        own = np.array([one == label for one in labels])
        axes.scatter(*places[own].T, s=9, color=colours[number], linewidths=0, label=str(label))
    without = np.array([one is None for one in labels])
    if without.any():
        axes.scatter(*places[without].T, s=9, color="0.7", linewidths=0, label="no label")
    if wrong is not None and wrong.any():
        axes.scatter(
            *places[wrong].T, s=22, marker="x", color="black", linewidths=0.7, label="wrong"
        )
    if len(classes) <= SHOWN_CLASSES:
        made.legend(loc="outside right upper", frameon=False, fontsize=8, markerscale=1.5)
    axes.set_title(title, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"{words}, {len(features):,} samples", fontsize=8, color="0.4")
    return made


def _places(features: np.ndarray, method: str, seed: int) -> tuple[np.ndarray, str]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    flat = features.reshape(len(features), -1).astype(np.float32)
    count = 2 if method == "pca" else min(50, *flat.shape)
    model = PCA(count, random_state=seed)
    found = model.fit_transform(flat)
    if method == "pca":
        return found, f"PCA, {model.explained_variance_ratio_.sum():.0%} of the variance"
    if method == "umap":
        return _umap(found, seed), "UMAP"
    perplexity = min(30.0, (len(flat) - 1) / 3)
    return TSNE(2, perplexity=perplexity, random_state=seed).fit_transform(found), "t-SNE"


def _umap(features: np.ndarray, seed: int) -> np.ndarray:
    try:
        keras()  # umap imports TensorFlow, whatever is used of it; so it comes quietly
        import umap
    except ImportError:
        raise HeadError(
            "umap-learn is not installed", hint="pip install 'headstart[umap]'"
        ) from None
    neighbours = min(15, len(features) - 1)
    # With a seed it runs on one core, and says so in a warning unless it is told to.
    return umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)


def _colours(count: int) -> list:
    from matplotlib import colormaps

    name = "tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"
    wanted = range(count) if count <= 20 else np.linspace(0, 1, count)
    return [colormaps[name](place) for place in wanted]
