"""What a text backbone says of the names of classes, for kinds of heads that are made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.kind import HeadKind, takes_class_names
from headstart.heads.kinds.zero_shot import Directions
from headstart.heads.tasks import Task
from headstart.jobs.backbones.text_tower import get_text_tower
from headstart.origins.blocks import JoinedOrigin, Origin
from headstart.storage.views import FeatureView


def with_class_names(context: Context, kind: HeadKind, view: FeatureView, task: Task) -> HeadKind:
    """A kind that knows what the classes of a view are called, if it asks; any other as it is.

    Args:
        context: where the text backbone is registered.
        kind: see `kind.TakesClassNames`.
        view: with labels and its origin.
        task: says which classes there are.

    Raises:
        HeadError: the features are joined, or the labels do not suit the task.
        BackboneError: no text backbone shares their space.
    """
    if not takes_class_names(kind):
        return kind
    made: Any = kind
    origin: Origin | JoinedOrigin = view.origin
    if len(origin.blocks) > 1:
        raise HeadError(
            f"a head of kind {kind.kind} takes features of one backbone, and {origin} are joined",
            hint="Name the backbone whose space texts share.",
        )
    tower = get_text_tower(context, origin.blocks[0].backbone, made.text_backbone or None)
    texts: Sequence[Sequence[str]] = made.texts_of(task.find_classes(view.samples))
    rows = tower.directions(texts, math.prod(view.shape[1:]))
    return replace(made, text_backbone=tower.reference, directions=Directions(rows))
