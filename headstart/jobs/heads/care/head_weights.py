"""Weights of a head that come from elsewhere, beside what is recorded of it."""

from __future__ import annotations

import math

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.evaluation.provenance import TUNED
from headstart.heads.models.of_kind import check_kind
from headstart.heads.models.outputs import check_outputs
from headstart.heads.regression import Regression
from headstart.jobs.heads.care.head_bundle import HINT
from headstart.origins.blocks import Blocks
from headstart.registry.entities import Head
from headstart.trained_head import TrainedHead
from headstart.values.showable import brief


def check_weights(context: Context, head: Head, blocks: Blocks) -> None:
    """See that the weights in a head's file are a head's, of the classes and for the features that
    are said, and that their outputs are what its task says.

    Raises:
        HeadError: they are not; they stay as a stray file, which `features gc` finds.
    """
    made = TrainedHead(context, head)
    stack, task = made.stack, made.task
    shapes = [one.cut.shape for one in blocks]
    sizes = [math.prod(size for size in shape if size is not None) for shape in shapes]
    is_plain = head.kind != TUNED and not any(None in shape for shape in shapes)
    if list(stack.classes) != list(head.classes):
        raise HeadError(
            f"the weights of head {head.name!r} say the classes {brief(stack.classes)}, its record "
            f"says {brief(tuple(head.classes))}",
            hint=HINT,
        )
    if is_plain and stack.width != sum(sizes):
        raise HeadError(
            f"the weights of head {head.name!r} take {stack.width:,} numbers, its record says "
            f"{sizes}",
            hint=HINT,
        )
    if bool(stack.classes) == isinstance(task, Regression):
        raise HeadError(
            f"head {head.name!r} is for {task.name}, and has {len(stack.classes):,} classes",
            hint=HINT,
        )
    check_outputs(f"head {head.name!r}", stack, task, HINT)
    if head.kind != TUNED:
        check_kind(f"head {head.name!r}", head.kind, head.settings, stack, task, HINT)
