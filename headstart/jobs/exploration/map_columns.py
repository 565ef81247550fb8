"""What the points of a map can be coloured by: a number each, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import FeatureError, InvalidValue, NotFound
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.provenance import TUNED
from headstart.heads.labelled import number_of
from headstart.heads.rows import StoredRows, spans_of_rows
from headstart.heads.tasks import Classification, task_of
from headstart.jobs.exploration.map import places_in
from headstart.registry.entities import Dataset
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS, Label, sorted_labels
from headstart.storage.samples import is_fraction
from headstart.trained_head import TrainedHead
from headstart.values.quantities import look_like_numbers
from headstart.values.showable import Showable

NONE = 65_535
"""The code of a sample of which nothing is known: the last that two bytes have."""
OF_SAMPLES = ("label", "split", "group", "age")
OF_HEADS = ("prediction", "error", "confidence")
MOST_JUDGED = 1 << 31
"""Numbers that a head reads to colour a map while somebody waits: 8 GiB."""
SEEN = (
    "Samples of its train and validation splits were seen when the head was trained: of these it "
    "says more that is right than of new ones. Colour by split to see which they are."
)
DAY = 86_400e9
"""Nanoseconds."""
AGES = "Days by which a sample's file was changed before the newest one of those shown."


@dataclass(frozen=True)
class MapColumn(Showable):
    """A number for each point of a map.

    Attributes:
        title: what the colours are of.
        values: codes of `names`, uint16, `NONE` for none; or numbers, float32, NaN for none; (n,).
        names: of the codes; none where the values are numbers.
        none: what it means that nothing is known of a sample.
        note: what one has to know of it.
        emphasis: `quiet` or `loud` of each name, where one is to be looked for.
    """

    title: str
    values: np.ndarray
    names: tuple[str, ...] | None = None
    none: str = ""
    note: str = ""
    emphasis: tuple[str, ...] | None = None

    def _facts(self) -> dict[str, Any]:
        told = {"title": self.title, "none": self.none, "note": self.note}
        if self.names is not None:
            return {"kind": "classes", **told, "names": self.names, "emphasis": self.emphasis}
        known = self.values[np.isfinite(self.values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        return {"kind": "numbers", **told, "low": low, "high": high}

    @property
    def packed(self) -> bytes:
        """The values, the low byte first."""
        return self.values.astype("<u2" if self.names is not None else "<f4").tobytes()


def column_of(
    context: Context, dataset: Dataset, samples: SampleColumns, rows: np.ndarray, colour: str
) -> MapColumn:
    """What points are coloured by.

    Args:
        context: where heads are.
        dataset: of the samples.
        samples: all of its samples, as points are of.
        rows: the numbers of those that have a point, (n,).
        colour: one of `OF_SAMPLES`; or one of `OF_HEADS` with the number of a head behind a colon.

    Raises:
        InvalidValue: there is no such colour.
        NotFound: there is no such head of the dataset.
        FeaturesMissing: the features that the head takes are not cached.
        HeadError: the head does not say one class a sample.
        FeatureError: it would read more numbers than anybody waits for.
    """
    name, _, number = colour.partition(":")
    shown = samples.take(rows)
    if name in OF_SAMPLES and not number:
        made: dict[str, Callable[[SampleColumns], MapColumn]] = {
            "label": _labels,
            "split": _splits,
            "group": _groups,
            "age": _ages,
        }
        return made[name](shown)
    if name not in OF_HEADS:
        raise InvalidValue(
            f"no colour is called {colour[:80]!r}",
            hint=f"One of {', '.join(OF_SAMPLES)}, or {', '.join(OF_HEADS)} of a head.",
        )
    record = _head(context, dataset, number)
    guesses, sure = _judged(context, dataset, samples, record)
    return _of_head(name, record, shown, guesses[rows], sure[rows])


def heads_of(context: Context, dataset: str) -> list[HeadRecord]:
    """The heads of a dataset that say one class a sample of its features, the newest first."""
    known = context.heads.find_all()
    own = [one for one in known if one.dataset == dataset and one.kind != TUNED]
    return [one for one in reversed(own) if isinstance(task_of(one.settings), Classification)]


def _labels(shown: SampleColumns) -> MapColumn:
    labels = shown.different_labels
    if any(map(is_fraction, labels)) or look_like_numbers(labels, len(shown)):
        numbers = [None if one is None else number_of(one) for one in shown.labels]
        if not all(one is None for one in numbers):
            values = np.array([np.nan if one is None else one for one in numbers], np.float32)
            return MapColumn("label", values, none="no number")
    classes = sorted_labels(labels)
    _check_few(len(classes), "labels")
    return MapColumn("label", _codes_of_labels(shown, classes), _named(classes), "no label")


def _codes_of_labels(samples: SampleColumns, classes: Sequence[Label]) -> np.ndarray:
    """The place of each label among the classes."""
    place = {(type(one), one): code for code, one in enumerate(classes)}
    codes = np.full(len(samples), NONE, np.uint16)
    start = 0
    for block in samples.blocks():
        # a sample without a label has the code -1: the last of these
        own = [*(place[type(one), one] for one in block.label_values), NONE]
        codes[start : start + len(block)] = np.array(own, np.uint16)[block.label_codes]
        start += len(block)
    return codes


def _splits(shown: SampleColumns) -> MapColumn:
    return MapColumn("split", shown.split_codes.astype(np.uint16), SPLITS)


def _groups(shown: SampleColumns) -> MapColumn:
    groups = shown.groups
    names = sorted({one for one in groups if one is not None})
    _check_few(len(names), "groups")
    place = {one: code for code, one in enumerate(names)}
    codes = [NONE if one is None else place[one] for one in groups]
    return MapColumn("group", np.array(codes, np.uint16), tuple(names), "no group")


def has_ages(samples: SampleColumns) -> bool:
    """Whether samples are files, of which it is known when they were changed."""
    return len(samples) > 0 and len(samples[0].stat) > 1


def _ages(shown: SampleColumns) -> MapColumn:
    """By when files were changed: the second number of a `Sample.stat`."""
    times = np.array([one[1] if len(one) > 1 else np.nan for one in shown.stats], np.float64)
    if np.isnan(times).all():
        raise InvalidValue(
            "no age is known of these samples: they are rows, and no files",
            hint=f"Colour by {', '.join(OF_SAMPLES[:-1])}.",
        )
    days = (np.nanmax(times) - times) / DAY
    return MapColumn("age in days", days.astype(np.float32), none="no age known", note=AGES)


def _check_few(count: int, what: str) -> None:
    if count >= NONE:
        raise FeatureError(
            f"{count:,} different {what} are too many to be coloured by",
            hint=f"At most {NONE - 1:,} are.",
        )


def _head(context: Context, dataset: Dataset, number: str) -> HeadRecord:
    for record in heads_of(context, dataset.name):
        if str(record.id) == number:
            return record
    raise NotFound(
        f"no head {number[:20]!r} of dataset {dataset.name!r} says one class a sample of its "
        "features",
        hint="`headstart head list` lists the heads; of those that were fine-tuned, `headstart "
        "head predict` tells what they say.",
    )


def _judged(
    context: Context, dataset: Dataset, samples: SampleColumns, record: HeadRecord
) -> tuple[np.ndarray, np.ndarray]:
    """What a head says of each sample of a dataset, a class number or -1, (n,) int64; and how
    probable it is to it, (n,) float32."""
    head = TrainedHead(context, record)
    head.need_classes()
    task = head.task
    assert isinstance(task, Classification)  # that is what was seen to
    view = head.features_for(dataset)
    if (numbers := prod(view.shape)) > MOST_JUDGED:
        raise FeatureError(
            f"head {record.label!r} would read {numbers:,} numbers of {len(view):,} samples, too "
            "many to wait for",
            hint="Colour by a head on features of fewer numbers.",
        )
    of = BySample.of(view)
    outputs = [head.judge.predict_proba(view[span]) for span in spans_of_rows(StoredRows(view))]
    means = of.mean(np.concatenate(outputs)) if outputs else np.empty((0, 1), np.float32)
    own = places_in(samples, SampleColumns.of(of.samples))
    guesses, sure = np.full(len(samples), -1), np.full(len(samples), np.nan, np.float32)
    guesses[own] = task.guess(means)
    sure[own] = means[np.arange(len(means)), guesses[own]]
    return guesses, sure


def _of_head(
    name: str, record: HeadRecord, shown: SampleColumns, guesses: np.ndarray, sure: np.ndarray
) -> MapColumn:
    title = f"{name} of {record.name}:{record.version}"
    if name == "confidence":
        return MapColumn(title, sure, none="not judged", note=SEEN)
    labels = shown.different_labels
    classes = sorted_labels({*labels, *record.classes})
    _check_few(len(classes), "classes")
    place = {one: code for code, one in enumerate(classes)}
    of_head = np.array([*(place[one] for one in record.classes), NONE], np.uint16)
    said = of_head[guesses]  # -1 is the last
    if name == "prediction":
        return MapColumn(title, said, _named(classes), "not judged", SEEN)
    right = _codes_of_labels(shown, classes)
    is_known = (said != NONE) & (right != NONE)
    codes = np.where(is_known, (said != right).astype(np.uint16), NONE).astype(np.uint16)
    emphasis = ("quiet", "loud")
    return MapColumn(title, codes, ("right", "wrong"), "no label, or not judged", SEEN, emphasis)


def _named(classes: Sequence[Label]) -> tuple[str, ...]:
    return tuple(str(one) for one in classes)
