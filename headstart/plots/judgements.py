"""A head as a picture: what it confuses, and whether its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headstart.heads.evaluation.areas import areas_of
from headstart.heads.evaluation.reliability import Reliability, said_alone
from headstart.heads.trials.judged import Judged
from headstart.plots.figures import figure, plain_axes
from headstart.storage.manifest import Label

BINS = 10
PANELS_ACROSS = 3
NAMED_CLASSES = 30
IDEAL = {"color": "0.7", "linewidth": 1, "linestyle": "--", "label": "as it should be"}
DOTS = {"s": 10, "alpha": 0.6, "linewidths": 0, "label": "a held-out sample"}


def draw_head(
    judged: Judged,
    classes: Sequence[Label],
    title: str,
    note: str = "",
) -> Any:
    """The confusion matrix, and how often the head is right at each confidence.

    Args:
        judged: what it says of samples that it was not trained on.
        classes: the label of each number.
        title: of the picture.
        note: what else is to be known of the probabilities.
    """
    made = figure(12.0, 5.5)
    left, right = made.add_gridspec(1, 2, width_ratios=(1.3, 1))
    _draw_confusion(made, left, judged.guesses, judged.targets, classes)
    _draw_calibration(made, right, judged, note)
    made.suptitle(title, x=0.01, ha="left")
    return made


def draw_numbers(outputs: np.ndarray, targets: np.ndarray, title: str) -> Any:
    """What a head of numbers says over what is true, a panel for each number.

    Args:
        outputs: (n, targets).
        targets: (n, targets).
        title: of the picture.
    """

    def draw(axes: Any, said: np.ndarray, true: np.ndarray) -> None:
        ends = [float(min(said.min(), true.min())), float(max(said.max(), true.max()))]
        axes.plot(ends, ends, **IDEAL)
        axes.scatter(true, said, **DOTS)

    return _of_each(outputs, targets, title, ("truth", "what the head says"), draw)


def draw_residuals(outputs: np.ndarray, targets: np.ndarray, title: str) -> Any:
    """How far numbers are above what a head says, over what it says, a panel for each number.

    Args:
        outputs: (n, targets).
        targets: (n, targets).
        title: of the picture.
    """

    def draw(axes: Any, said: np.ndarray, true: np.ndarray) -> None:
        axes.axhline(0, **IDEAL)
        axes.scatter(said, true - said, **DOTS)

    words = "what the head says", "residual: truth less what the head says"
    return _of_each(outputs, targets, title, words, draw)


def _of_each(
    outputs: np.ndarray,
    targets: np.ndarray,
    title: str,
    words: tuple[str, str],
    draw: Callable[[Any, np.ndarray, np.ndarray], None],
) -> Any:
    """A figure with axes for each number side by side; `words` of the one across and the one up."""
    count = targets.shape[1]
    across = min(count, PANELS_ACROSS)
    down = -(-count // across)
    made = figure(6.5, 6.0) if count == 1 else figure(4.5 * across, 4.5 * down)
    grid = made.add_gridspec(down, across)
    for number in range(count):
        axes = plain_axes(made, grid[divmod(number, across)])
        draw(axes, outputs[:, number], targets[:, number])
        axes.set_xlabel(words[0] if count == 1 else f"{words[0]}, number {number + 1}")
        axes.set_ylabel(words[1])
        if number == 0:
            axes.set_title(title, loc="left", fontsize=10)
            axes.legend(frameon=False, fontsize=8)
    return made


def draw_labels(
    outputs: np.ndarray, targets: np.ndarray, classes: Sequence[Label], title: str
) -> Any:
    """The average precision of each label beside its share of the samples, which is what chance
    has; and how often a label is right at each probability, all labels together.

    Args:
        outputs: probabilities, (n, labels).
        targets: 0 and 1, (n, labels).
        classes: the name of each label.
        title: of the picture.
    """
    made = figure(12.0, 5.5)
    left, right = made.add_gridspec(1, 2, width_ratios=(1.3, 1))
    _draw_precision(made, left, outputs, targets, classes)
    _draw_reliability(
        made, right, outputs.ravel(), targets.ravel() > 0, "calibration, all labels; numbers: pairs"
    )
    made.suptitle(title, x=0.01, ha="left")
    return made


def _draw_precision(
    made: Any, place: Any, outputs: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
) -> None:
    found = areas_of(outputs, targets).precision
    shares = (targets > 0).mean(axis=0)
    rows = [row for row, value in enumerate(found) if value is not None]
    rows.sort(key=lambda row: found[row] or 0.0)
    axes = plain_axes(made, place)
    axes.grid(visible=False)
    places = range(len(rows))
    axes.barh(places, [found[row] or 0.0 for row in rows], color="C0", alpha=0.5)
    axes.scatter(shares[rows], places, color="black", marker="|", s=80)
    if len(rows) <= NAMED_CLASSES:
        axes.set_yticks(places, [str(classes[row]) for row in rows], fontsize=7)
    else:
        axes.set_yticks([])
    axes.set_xlim(0, 1)
    axes.set_xlabel("average precision")
    told = (
        "of labels that have held-out samples; black: their share of the samples, which is chance"
    )
    axes.set_title(told, fontsize=9, loc="left")


def _draw_confusion(
    made: Any, place: Any, guesses: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
) -> None:
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(targets, guesses, labels=range(len(classes)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes = made.add_subplot(place)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xlabel("guessed")
    axes.set_ylabel("truth")
    axes.set_title("each row: where samples of a class go", fontsize=9, loc="left")
    if len(classes) > NAMED_CLASSES:
        return
    names = [str(label) for label in classes]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    for row, column in np.argwhere(counts):
        dark = shares[row, column] > 0.5
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )


def _draw_calibration(made: Any, place: Any, judged: Judged, note: str) -> None:
    said = said_alone(judged.probabilities, judged.guesses)
    reliability = Reliability.of(said, judged.targets)
    errors = f"ECE {reliability.error:.3f}, debiased {reliability.debiased:.3f}"
    told = f"calibration: {errors}; numbers: samples"
    right = judged.guesses == judged.targets
    _draw_reliability(made, place, judged.sure, right, f"{told}\n{note}" if note else told)


def _draw_reliability(
    made: Any, place: Any, sure: np.ndarray, right: np.ndarray, title: str
) -> None:
    found = calibration(sure, right)
    axes = plain_axes(made, place)
    axes.plot([0, 1], [0, 1], **IDEAL)
    axes.plot(
        [mean for mean, _, _ in found],
        [share for _, share, _ in found],
        marker="o",
        clip_on=False,
        label="this head",
    )
    for mean, share, count in found:
        axes.annotate(
            f"{count:,}", (mean, share), xytext=(5, -10), textcoords="offset points", fontsize=7
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("how sure the head is")
    axes.set_ylabel("how often it is right")
    axes.set_title(title, fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8)


def calibration(sure: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """Mean confidence, share of right answers and number of samples, in ten bins of confidence."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    return [
        (
            float(sure[bins == one].mean()),
            float(right[bins == one].mean()),
            int((bins == one).sum()),
        )
        for one in range(BINS)
        if (bins == one).any()
    ]
