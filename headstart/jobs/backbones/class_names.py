"""What a text backbone says of the names of classes, for kinds of heads that are made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import HeadError
from headstart.extractors.datasets.labels import several_in
from headstart.heads.kind import HeadKind, classes_of, takes_class_names
from headstart.heads.kinds.every_kind import able_kinds
from headstart.heads.kinds.of_names.class_names import Directions
from headstart.heads.tasks import Task
from headstart.jobs.backbones.text_tower import get_text_tower
from headstart.notices import warn
from headstart.origins.blocks import JoinedOrigin, Origin
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView

SAME, NAMED = 1e-5, 8
"""By how much two directions differ at most that are one but for rounding; names in one message."""


def with_class_names(context: Context, kind: HeadKind, view: FeatureView, task: Task) -> HeadKind:
    """A kind that knows what the classes of a view are called, if it asks; any other as it is.

    Args:
        context: where the text backbone is registered.
        kind: see `kind.TakesClassNames`.
        view: with labels and its origin.
        task: says which classes there are.

    Raises:
        HeadError: the kind cannot do the task, the features are joined, the labels do not suit the
            task, a prompt has no place for a name, or all names have the same features.
        BackboneError: no text backbone shares their space.

    Warns:
        HeadstartWarning: a class is several labels.
    """
    if not takes_class_names(kind):
        return kind
    made: Any = kind
    if task.name not in kind.tasks:
        raise HeadError(
            f"a head of kind {kind.kind} says one label a sample, by its name, and cannot do the "
            f"task {task.name}",
            hint=f"Take kind {able_kinds(task.name)}.",
        )
    origin: Origin | JoinedOrigin = view.origin
    if len(origin.blocks) > 1:
        raise HeadError(
            f"a head of kind {kind.kind} takes features of one backbone, and {origin} are joined",
            hint="Name the backbone whose space texts share.",
        )
    classes = classes_of(kind, task, view.samples)
    if several := several_in(classes):
        warn(
            f"{origin.dataset.name}: samples have several labels, and each combination, such as "
            f"{min(several)!r}, is one class, whose text names all of them"
        )
    texts: Sequence[Sequence[str]] = made.texts_of(classes)
    tower = get_text_tower(context, origin.blocks[0].backbone, made.text_backbone or None)
    rows = tower.directions(texts, math.prod(view.shape[1:]))
    _check_apart(classes, rows, tower.reference)
    return replace(made, text_backbone=tower.reference, directions=Directions(rows))


def _check_apart(classes: Sequence[Label], rows: np.ndarray, tower: str) -> None:
    """Warn of names whose directions, (classes, width), are the same; all of them are an error."""
    wide, named = rows.astype(np.float64), dict[int, list[str]]()
    for label, row in zip(classes, wide, strict=True):
        first = int((np.abs(wide - row).max(axis=1) <= SAME).argmax())
        named.setdefault(first, []).append(repr(label))
    for names in named.values():
        some = f"{', '.join(names[:NAMED])}{' and more' if len(names) > NAMED else ''}"
        told = f"the class names {some} have the same text features by {tower}"
        if len(names) == len(classes):
            raise HeadError(
                told,
                hint="It may know none of these words: give samples labels of words that it knows, "
                "or name another text backbone.",
            )
        if len(names) > 1:
            warn(f"{told}: a head cannot tell them apart")
