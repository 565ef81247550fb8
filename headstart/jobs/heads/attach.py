"""`head.attach`: trunk and head as one Keras model, checked, and saved in any format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbone_model import pipeline_of
from headstart.errors import HeadError
from headstart.heads.models import attach as models
from headstart.heads.models.export import (
    WITH_TEXTS,
    check_free,
    format_of,
    with_labels,
    write_checked,
)
from headstart.heads.tasks import MEDIAN, Ordinal
from headstart.jobs.heads.combined.joined_model import Whole, whole_of_joined
from headstart.jobs.heads.description import Told, describe
from headstart.jobs.heads.inputs import is_inside, what_goes_in, with_arithmetic
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Attached(Showable):
    """A whole model.

    Attributes:
        model: a `keras.Model`, from what goes in to what the head says.
        difference: of what it says from the cached features' path, the largest that was found.
        classes: the label of each probability.
        file: where it was saved; None where it was not.
        takes: what goes in, in words.
    """

    model: Any
    difference: float
    classes: tuple[Label, ...]
    file: Path | None = None
    takes: str = ""

    def __iter__(self) -> Iterator[Any]:
        """Model and difference, the pair that `Head.attach_checked` gave before."""
        return iter((self.model, self.difference))

    def __getitem__(self, place: int) -> Any:
        return (self.model, self.difference)[place]

    def _facts(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "takes": self.takes,
            "classes": self.classes,
            "max_abs_diff": self.difference,
            "parameters": self.model.count_params(),
        }

    def _line(self) -> str:
        saved = "" if self.file is None else f", saved in {str(self.file)!r}"
        inside = f"{self.takes} in, {len(self.classes):,} classes out"
        return f"{inside}, within {self.difference:.1g}{saved}"


def attach(
    head: TrainedHead,
    path: str | Path | None = None,
    *,
    pixels: bool | None = None,
    labels: bool = False,
    overwrite: bool = False,
) -> Attached:
    """See `Head.attach`."""
    target = None if path is None else Path(path)
    chosen = format_of(target) if target is not None else "keras"
    if target is not None:
        check_free(target, overwrite=overwrite)  # before any work
    if labels:
        _need_texts(head, chosen)
    blocks = head.blocks()
    for one in blocks:
        head.refuse_int8(one.cut, "a model of it")
    backbone, others = blocks[0].backbone, [one.backbone for one in blocks[1:]]
    name = f"{backbone.name}_{head.record.name}".replace(".", "_")
    view = head.present()
    make = whole_of_joined if head.is_joined else _whole_of_one
    whole = make(head, view, pixels, name)
    model, expected = whole.model, head.judge.predict_proba(view[whole.rows])
    tolerance = max(models.TOLERANCES[one.cut.precision] for one in blocks)

    def compare(given: np.ndarray) -> float:
        return models.check_parity(given, expected, tolerance)

    difference = compare(models.predict(model, whole.inputs))
    if labels:
        model = with_labels(model, head.stack.classes, is_median=_is_median(head))
    if target is not None:
        written = write_checked(model, target, whole.inputs, compare, head.stack.classes)
        difference = max(difference, written)
        told = Told(difference, whole.takes, whole.are_pixels, whole.names)
        describe(head.context, head.record, target, backbone, told, others)
    return Attached(model, difference, tuple(head.record.classes), target, whole.takes)


def _whole_of_one(head: TrainedHead, view: FeatureView, pixels: bool | None, name: str) -> Whole:
    backbone, cut = head.origin()
    model = models.attach(head.trunk(backbone, cut), head.stack, name)
    raw, rows = head.cached_samples(backbone, view)
    inside = is_inside(head, backbone, raw, pixels)
    if inside:
        model, inputs = with_arithmetic(head, backbone, model, raw), raw
    else:
        inputs = pipeline_of(head.context, backbone).finish(raw)
    takes = what_goes_in(backbone, raw, inside=inside)
    return Whole(model, inputs, rows, takes, inside)


def _need_texts(head: TrainedHead, chosen: str) -> None:
    """See that a model of this format can give the head's classes by name."""
    head.need_classes()
    if chosen not in WITH_TEXTS:
        raise HeadError(
            f"a model as {chosen} cannot give names",
            hint="Save as .keras or SavedModel, or without labels: they are in the .json "
            "next to it, and in the metadata of .onnx.",
        )


def _is_median(head: TrainedHead) -> bool:
    task = head.task
    return isinstance(task, Ordinal) and task.decision == MEDIAN
