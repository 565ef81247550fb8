"""Weights of a head that come from elsewhere, beside what is recorded of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.evaluation.provenance import TUNED
from headstart.heads.regression import Regression
from headstart.heads.tasks import Ordinal, Task
from headstart.jobs.heads.care.head_bundle import HINT
from headstart.origins.blocks import Blocks
from headstart.registry.entities import Head
from headstart.trained_head import TrainedHead
from headstart.values.showable import brief

ROUNDED = 1e-4
"""By what sums of weights may miss 0 and 1, as a share of the largest."""


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
    stacks = [one.stack for one in stack.members] if isinstance(stack, Ensemble) else [stack]
    for one in stacks:
        _check_outputs(head.name, one, task)


def _check_outputs(name: str, stack: DenseStack, task: Task) -> None:
    last = stack.layers[-1].activation
    is_right = last in task.ends_in
    if isinstance(task, Ordinal) and last == "linear":
        is_right = are_differences(stack.layers)
    if not is_right:
        raise HeadError(
            f"the last layer of head {name!r} has the activation {last}, whose outputs are not "
            f"what {task.name} says",
            hint=HINT,
        )


def are_differences(layers: Sequence[Layer]) -> bool:
    """Whether outputs are probabilities as those of an ordinal head: differences of those to be at
    most of a class, which ascend, as all have one direction and thresholds in their order."""
    if len(layers) != 2 or layers[0].activation != "sigmoid":
        return False
    below, last = layers
    count = len(below.bias)
    shifted = np.eye(count, count + 1) - np.eye(count, count + 1, 1)
    is_last = np.append(np.zeros(count), 1)
    direction, level = below.kernel[:, :1], ROUNDED * float(np.abs(below.bias).max())
    return (
        np.array_equal(last.kernel, shifted)
        and np.array_equal(last.bias, is_last)
        and bool((np.diff(below.bias) >= -level).all())
        and np.allclose(below.kernel, direction, ROUNDED, ROUNDED * float(np.abs(direction).max()))
    )
