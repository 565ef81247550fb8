"""Two numbers a sample: those that have similar features lie near each other."""

from __future__ import annotations

from math import prod

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import keras
from headstart.heads.dense_stack import flat
from headstart.heads.labelled import some_rows
from headstart.heads.rows import Rows, spans_of_rows
from headstart.notices import tell

METHODS = ("pca", "tsne", "umap")
LARGEST = {"pca": 1_000_000, "tsne": 10_000, "umap": 50_000}
"""Samples that are drawn: minutes on two cores. t-SNE's time grows by more than their
number, and where points lie on each other nothing is seen of more."""
FEWEST = 5
WIDEST = 4096
"""Columns of a covariance that is worth making."""
MOST_NUMBERS = 1 << 30
"""That are read into memory at once: 4 GiB."""


def check_method(method: str) -> None:
    """See that there is a method of that name.

    Raises:
        HeadError: there is none.
    """
    if method not in METHODS:
        raise HeadError(f"no method {method!r}", hint=f"The methods are {', '.join(METHODS)}.")


def load(method: str) -> None:
    """Import what a method needs.

    Raises:
        HeadError: its package is not installed.
    """
    if method != "umap":
        import sklearn.decomposition
        import sklearn.manifold  # noqa: F401

        return
    try:
        keras()  # umap imports TensorFlow, whatever is used of it; so it comes quietly
        import umap  # noqa: F401
    except ImportError:
        raise HeadError(
            "umap-learn is not installed", hint="pip install 'headstart[umap]'"
        ) from None


def shown_of(rows: np.ndarray, method: str, seed: int) -> np.ndarray:
    """The rows that a map of some rows shows: of more than its method can do, some by seed, which
    is said."""
    most = LARGEST.get(method, len(rows))
    if len(rows) > most:
        others = [f"{name} {count:,}" for name, count in LARGEST.items() if name != method]
        tell(
            f"{most:,} of {len(rows):,} samples are drawn, chosen by seed: as many as {method} "
            f"draws in minutes ({', '.join(others)})"
        )
    return some_rows(rows, most, seed)


def coordinates_of(features: Rows, method: str, seed: int) -> tuple[np.ndarray, str]:
    """Coordinates by PCA or t-SNE (scikit-learn's) or UMAP.

    Args:
        features: (n, width); of PCA they are read in blocks.
        method: `pca`, or `tsne` or `umap`, which are behind a PCA to 50 numbers.
        seed: of t-SNE and UMAP.

    Returns:
        (n, 2), and what they are in words.

    Raises:
        HeadError: no such method or its package, fewer than 5 samples, or features of which there
            are too many numbers, or all equal.
    """
    check_method(method)
    if len(features) < FEWEST:
        raise HeadError(
            f"{len(features)} samples are too few for a map", hint=f"Give {FEWEST} or more."
        )
    _check_size(features, method)
    if isinstance(features, np.ndarray):
        features = flat(features).astype(np.float32, copy=False)
    _check_spread(features)
    if method == "pca":
        found, share = _by_covariance(features) if _is_long(features) else _pca(features, 2, seed)
        return found, f"PCA, {share:.0%} of the variance"
    from sklearn.manifold import TSNE

    found, _ = _pca(features, min(50, *features.shape), seed)
    if method == "umap":
        return _umap(found, seed), "UMAP"
    perplexity = min(30.0, (len(found) - 1) / 3)
    return TSNE(2, perplexity=perplexity, random_state=seed).fit_transform(found), "t-SNE"


def _check_spread(features: Rows) -> None:
    """See that samples differ: of equal ones scikit-learn's t-SNE ends the process, and a share of
    their variance is no number."""
    spans = spans_of_rows(features)
    low = np.min([features[span].min(axis=0) for span in spans], axis=0)
    high = np.max([features[span].max(axis=0) for span in spans], axis=0)
    with np.errstate(over="ignore", under="ignore"):
        spread = np.square(high - low, dtype=np.float32).sum()
    if not np.finfo(np.float32).tiny < spread < np.inf:
        what = "are all equal" if spread < 1 else "differ by more than float32 holds"
        raise HeadError(
            f"the features of the {len(features):,} samples {what}: they make no map",
            hint="Take another cut, or other samples.",
        )


def _pca(features: Rows, count: int, seed: int) -> tuple[np.ndarray, float]:
    """So many principal components of features in memory, and which share of the variance."""
    from sklearn.decomposition import PCA

    model = PCA(count, random_state=seed)
    found = model.fit_transform(features[:])
    return found, float(model.explained_variance_ratio_.sum())


def _check_size(features: Rows, method: str) -> None:
    count, width = len(features), prod(features.shape[1:])
    if count * width <= MOST_NUMBERS or (method == "pca" and _is_long(features)):
        return
    gib = 4 * count * width / 2**30
    raise HeadError(
        f"{count:,} samples of {width:,} numbers each are {gib:,.0f} GiB, too much for a map",
        hint="Choose features of fewer numbers, such as those of a pooled cut (`@CUT|gap`).",
    )


def _is_long(features: Rows) -> bool:
    """Whether principal components are those of the covariance, and features read in blocks."""
    return len(features) > LARGEST["umap"] and features.shape[1] <= WIDEST


def _by_covariance(features: Rows) -> tuple[np.ndarray, float]:
    """Two principal components of many rows, which are read three times, by blocks; and which share
    of the variance. The signs are as scikit-learn has them: the largest weight is above 0."""
    spans, width = spans_of_rows(features), features.shape[1]
    mean = sum((features[span].sum(axis=0, dtype=np.float64) for span in spans), np.zeros(width))
    mean = (mean / len(features)).astype(np.float32)
    covariance = np.zeros((width, width))
    for span in spans:
        block = features[span] - mean
        covariance += block.T @ block
    values, vectors = np.linalg.eigh(covariance)
    first = vectors[:, :-3:-1]
    first = first * np.sign(first[np.abs(first).argmax(axis=0), [0, 1]])
    found = np.concatenate([(features[span] - mean) @ first.astype(np.float32) for span in spans])
    return found, float(values[:-3:-1].sum() / values.sum())


def _umap(features: np.ndarray, seed: int) -> np.ndarray:
    load("umap")
    import umap

    neighbours = min(15, len(features) - 1)
    # With a seed it runs on one core, and says so in a warning unless it is told to.
    return umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)
